/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* The factor of a unit such as "Gi", "G" or "gb"; 0 if it is none. */
static uint64_t unit_factor(const char *unit)
{
	static const char prefixes[] = "kmgt";
	const char *p;
	uint64_t base = 1000, factor = 1;

	if (*unit && (p = strchr(prefixes, tolower((unsigned char)*unit)))) {
		unit++;
		if (tolower((unsigned char)*unit) == 'i') {
			base = 1024;
			unit++;
		}
		for (int i = 0; i <= p - prefixes; i++)
			factor *= base;
	}
	if (tolower((unsigned char)*unit) == 'b')
		unit++;
	return *unit ? 0 : factor;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole = 0, fraction = 0, scale = 1, factor, rest;
	const char *p = text;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return -ERANGE;
	if (*p == '.') {
		if (!isdigit((unsigned char)*++p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++) {
			if (scale >= 1000000)
				return -EINVAL; /* nobody means a millionth */
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
	}
	factor = unit_factor(p);
	if (factor == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, factor, &whole))
		return -ERANGE;
	if (factor < scale && fraction)
		return -EINVAL;
	rest = (uint64_t)((__uint128_t)fraction * factor / scale);
	if (__builtin_add_overflow(whole, rest, &whole))
		return -ERANGE;
	*ret_bytes = whole;
	return 0;
}

/* Writes bytes in `unit` with at most two decimals if that is exact; returns its length or 0. */
static int exact_in(uint64_t bytes, uint64_t unit, const char *name, char *ret_text)
{
	uint64_t hundredths = (uint64_t)((__uint128_t)bytes * 100 / unit);
	int n;

	if ((__uint128_t)hundredths * unit != (__uint128_t)bytes * 100)
		return 0;
	if (hundredths % 100 == 0)
		n = snprintf(ret_text, SIZE_TEXT_MAX, "%" PRIu64 "%s", hundredths / 100, name);
	else if (hundredths % 10 == 0)
		n = snprintf(ret_text, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%s", hundredths / 100,
			hundredths % 100 / 10, name);
	else
		n = snprintf(ret_text, SIZE_TEXT_MAX, "%" PRIu64 ".%02" PRIu64 "%s",
			hundredths / 100, hundredths % 100, name);
	return n;
}

const char *size_text(uint64_t bytes, char ret_text[SIZE_TEXT_MAX])
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{ "T", 1000000000000ULL },
		{ "G", 1000000000ULL },
		{ "Gi", 1ULL << 30 },
		{ "M", 1000000ULL },
		{ "Mi", 1ULL << 20 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (bytes >= units[i].bytes &&
			exact_in(bytes, units[i].bytes, units[i].name, ret_text))
			return ret_text;
	if (bytes >= 1ULL << 30)
		snprintf(ret_text, SIZE_TEXT_MAX, "%.2fGi", (double)bytes / (double)(1ULL << 30));
	else if (bytes >= 1ULL << 20)
		snprintf(ret_text, SIZE_TEXT_MAX, "%.2fMi", (double)bytes / (double)(1ULL << 20));
	else if ((bytes < 1000 || !exact_in(bytes, 1000, "K", ret_text)) &&
		 (bytes < 1024 || !exact_in(bytes, 1024, "Ki", ret_text)))
		snprintf(ret_text, SIZE_TEXT_MAX, "%" PRIu64, bytes);
	return ret_text;
}
