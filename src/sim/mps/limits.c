/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/limits.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t limits_memory_parse(const char *text)
{
	char *end;
	uint64_t number = (uint64_t)strtoll(text, &end, 10);

	return number << (*end == 'G' || *end == 'g' ? 30 : 20);
}

const char *limits_memory_text(uint64_t bytes, char ret_text[LIMITS_TEXT_MAX])
{
	if (bytes >> 30)
		snprintf(ret_text, LIMITS_TEXT_MAX, "%lluG", (unsigned long long)(bytes >> 30));
	else
		snprintf(ret_text, LIMITS_TEXT_MAX, "%lluM", (unsigned long long)(bytes >> 20));
	return ret_text;
}

bool limits_percentage_parse(const char *text, double *ret_percentage)
{
	char *end;
	double percentage = strtod(text, &end);

	if (end == text || !(percentage > 0 && percentage <= 100))
		return false;
	*ret_percentage = percentage;
	return true;
}

uint64_t limits_memory_of(const char *environment, const char *uuid)
{
	char text[512], *rest = text, *one;

	if (!environment || text_copy(text, sizeof(text), environment) < 0)
		return 0;
	while ((one = strsep(&rest, ","))) {
		char *value = strchr(one, '=');

		if (!value)
			continue;
		*value++ = '\0';
		one += strspn(one, " ");
		if (text_eq(one, "0") || text_eq(one, uuid))
			return limits_memory_parse(value);
	}
	return 0;
}
