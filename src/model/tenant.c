/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tenant.h"

#include "base/error.h"
#include "base/size.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const char *count_text(uint64_t value, char ret_text[SIZE_TEXT_MAX])
{
	snprintf(ret_text, SIZE_TEXT_MAX, "%" PRIu64, value);
	return ret_text;
}

static const char *milli_text(uint64_t value, char ret_text[SIZE_TEXT_MAX])
{
	static const char *const formats[] = { "%" PRIu64, "%" PRIu64 ".%01u", "%" PRIu64 ".%02u",
		"%" PRIu64 ".%03u" };
	unsigned rest = (unsigned)(value % 1000), digits = 3;

	for (; digits && rest % 10 == 0; digits--)
		rest /= 10;
	snprintf(ret_text, SIZE_TEXT_MAX, formats[digits], value / 1000, rest);
	return ret_text;
}

static const struct {
	size_t offset;
	const char *(*text)(uint64_t value, char ret_text[SIZE_TEXT_MAX]);
	const char *unit;
} limits[] = {
	{ offsetof(struct quota, leases), count_text, " leases" },
	{ offsetof(struct quota, gpus_milli), milli_text, " GPUs" },
	{ offsetof(struct quota, memory_bytes), size_text, " of GPU memory" },
	{ offsetof(struct quota, compute_percent), count_text, " % of compute" },
};

static uint64_t *field(struct quota *quota, size_t i)
{
	return (uint64_t *)((char *)quota + limits[i].offset);
}

static uint64_t value(const struct quota *quota, size_t i)
{
	return *(const uint64_t *)((const char *)quota + limits[i].offset);
}

/* True if `amount` fits beside what is held; QUOTA_UNLIMITED itself is never reached. */
static bool fits(const struct tenant *tenant, const struct quota *amount, size_t i)
{
	uint64_t sum;

	return !__builtin_add_overflow(value(&tenant->held, i), value(amount, i), &sum) &&
	       sum <= value(&tenant->limit, i) && sum != QUOTA_UNLIMITED;
}

int charge_take(
	struct charge *charge, struct tenant *tenant, const struct quota *amount, struct error *err)
{
	char may[SIZE_TEXT_MAX], holds[SIZE_TEXT_MAX], left[SIZE_TEXT_MAX], asked[SIZE_TEXT_MAX];

	assert(!charge->tenant);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t limit = value(&tenant->limit, i), held = value(&tenant->held, i);

		/* A limit that was lowered below what is held stops nobody who asks for none of it.
		 */
		if (value(amount, i) == 0 || fits(tenant, amount, i))
			continue;
		error_set(err, -EDQUOT,
			"uid %u may hold %s%s at once and holds %s: %s left, %s asked for; release "
			"a lease "
			"first, or ask for less",
			tenant->uid, limits[i].text(limit, may), limits[i].unit,
			limits[i].text(held, holds),
			limits[i].text(limit > held ? limit - held : 0, left),
			limits[i].text(value(amount, i), asked));
		return QUOTA_E_EXCEEDED;
	}
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		*field(&tenant->held, i) += value(amount, i);
	charge->tenant = tenant;
	charge->amount = *amount;
	return 0;
}

void charge_release(struct charge *charge)
{
	if (!charge->tenant)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		assert(value(&charge->tenant->held, i) >= value(&charge->amount, i));
		*field(&charge->tenant->held, i) -= value(&charge->amount, i);
	}
	*charge = (struct charge){ 0 };
}
