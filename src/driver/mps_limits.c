/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts as NVIDIA's control program takes and shows them. It takes a wrong one silently and keeps
 * what it had; so whatever is set is read back and compared, as far as it shows it.
 */
#include "base/text.h"
#include "driver/mps_calls.h"

#include <stdio.h>
#include <stdlib.h>

enum { MIB_IN_G = 1024 };

const char *mps_percent_text(uint32_t millipercent, char ret_text[16])
{
	snprintf(ret_text, 16, "%u.%03u", millipercent / 1000, millipercent % 1000);
	while (ret_text[strlen(ret_text) - 1] == '0')
		ret_text[strlen(ret_text) - 1] = '\0';
	if (ret_text[strlen(ret_text) - 1] == '.')
		ret_text[strlen(ret_text) - 1] = '\0';
	return ret_text;
}

const char *mps_memory_text(uint32_t mib, char ret_text[16])
{
	snprintf(ret_text, 16, "%uM", mib);
	return ret_text;
}

bool mps_percent_is(const char *answer, uint32_t millipercent)
{
	char *end;
	double got = strtod(answer, &end);
	double wanted = (millipercent ?: 100000) / 1000.0;

	return end != answer && got > wanted - 0.11 && got < wanted + 0.11;
}

bool mps_memory_is(const char *answer, uint32_t mib)
{
	char *end;
	unsigned long long got = strtoull(answer, &end, 10);

	if (end == answer)
		return mib == 0;
	if (got == 0)
		return mib == 0;
	switch (*end) {
	case 'G':
		return got == mib / MIB_IN_G;
	case 'M':
		return got == mib;
	case 'K':
		return got == (unsigned long long)mib * 1024;
	default:
		return false;
	}
}
