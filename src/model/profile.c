/* SPDX-License-Identifier: Apache-2.0 */
#include "model/profile.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>

/* Reads the 1..8 and the letter of "3g." or "1c."; 0 where it is not there. */
static unsigned take_slices(const char **p, char letter)
{
	const char *at = *p;

	if (at[0] < '1' || at[0] > '8' || at[1] != letter || at[2] != '.')
		return 0;
	*p = at + 3;
	return (unsigned)(at[0] - '0');
}

/* "", "-me" or a list "+me,gfx". */
static bool is_ending(const char *p)
{
	static const char *const attributes[] = { "me.all", "me", "gfx" };

	if (!*p || text_eq(p, "-me"))
		return true;
	if (*p != '+')
		return false;
	do {
		size_t i = 0;

		p++;
		while (i < ARRAY_SIZE(attributes) && !text_starts(p, attributes[i]))
			i++;
		if (i == ARRAY_SIZE(attributes))
			return false;
		p += strlen(attributes[i]);
	} while (*p == ',');
	return !*p;
}

int profile_name_parse(const char *text, struct profile_name *ret_name)
{
	char lower[MIG_NAME_MAX + 3];
	const char *p = lower, *gi;
	struct profile_name name;
	unsigned slices;
	size_t digits;

	if (text_copy(lower, sizeof(lower), text) < 0)
		return -EINVAL;
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	name.ci_slices = take_slices(&p, 'c');
	gi = p;
	slices = take_slices(&p, 'g');
	digits = strspn(p, "0123456789");
	if (!slices || !digits || digits > 5 || !text_starts(p + digits, "gb") ||
		!is_ending(p + digits + 2) || name.ci_slices > slices ||
		text_copy(name.gi, sizeof(name.gi), gi) < 0)
		return -EINVAL;
	if (name.ci_slices == slices)
		name.ci_slices = 0;
	*ret_name = name;
	return 0;
}
