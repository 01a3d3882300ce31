/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "client/client.h"

static const char *const names[] = {
	[CARVE_REFUSED] = "refused",
	[CARVE_BAD_REQUEST] = "bad-request",
	[CARVE_NOT_PERMITTED] = "not-permitted",
	[CARVE_NOT_FOUND] = "not-found",
	[CARVE_CONFLICT] = "conflict",
	[CARVE_TOO_LARGE] = "too-large",
	[CARVE_NEVER] = "never",
	[CARVE_QUOTA] = "quota",
	[CARVE_NO_ROOM] = "no-room",
	[CARVE_DRIVER] = "driver",
	[CARVE_TIMEOUT] = "timeout",
	[CARVE_INTERNAL] = "internal",
	[CARVE_NOT_YET] = "not-yet",
	[CARVE_OVER] = "over",
};

const char *carve_refusal_name(int refusal)
{
	if (refusal <= 0 || (size_t)refusal >= ARRAY_SIZE(names))
		return names[CARVE_REFUSED];
	return names[refusal];
}

int refusal_find(const char *name)
{
	for (size_t i = CARVE_REFUSED; i < ARRAY_SIZE(names); i++)
		if (text_eq(name, names[i]))
			return (int)i;
	return CARVE_REFUSED;
}
