/* SPDX-License-Identifier: Apache-2.0 */
/* The table of data/advice that says what is true of each way wherever it is. */
#include "model/advice.h"

const char *const advice_option_names[ADVICE_OPTIONS_N] = { "mig", "mps-in-mig", "mps", "vf",
	"vf-on-mig", "time", "whole" };
const char *const advice_topic_names[TOPICS_N] = { "granularity", "count", "shared", "security",
	"failure", "install", "pairing", "upgrade", "loses", "migration", "resize", "licence",
	"hardware", "shines" };

enum mechanism advice_mechanism(enum advice_option option)
{
	static const enum mechanism by[ADVICE_OPTIONS_N] = {
		[ADVICE_MIG] = MECHANISM_MIG,
		[ADVICE_MPS_IN_MIG] = MECHANISM_MPS,
		[ADVICE_MPS] = MECHANISM_MPS,
		[ADVICE_VF] = MECHANISM_VF,
		[ADVICE_VF_ON_MIG] = MECHANISM_VF,
		[ADVICE_TIME] = MECHANISM_TIME,
		[ADVICE_WHOLE] = MECHANISM_WHOLE,
	};

	return by[option];
}

#define ABOUT(option, topic, text, source) [ADVICE_##option][TOPIC_##topic] = { text, source },
#define ENFORCED(...)
const struct advice_about advice_about[ADVICE_OPTIONS_N][TOPICS_N] = {
#include "about.def" /* data/advice */
};

#define ABOUT(...)
#define ENFORCED(option, memory, compute, faults)                                                  \
	[ADVICE_##option] = { ENFORCED_BY_##memory, ENFORCED_BY_##compute, ENFORCED_BY_##faults },
const struct advice_enforcers advice_enforcers[ADVICE_OPTIONS_N] = {
#include "about.def"
};

const struct advice_enforcers *advice_enforcers_of(
	enum advice_option option, const struct advice_share *share)
{
	bool takes_turns = option == ADVICE_VF_ON_MIG && share->is_possible && share->percent == 0;

	return &advice_enforcers[takes_turns ? ADVICE_VF : option];
}
