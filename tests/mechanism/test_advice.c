/* SPDX-License-Identifier: Apache-2.0 */
/* What advice says of a way holds for the mechanism that its leases are made by. */
#include "test.h"

#include "mechanism/mechanism.h"
#include "model/advice.h"

TEST(advice_promises_no_more_than_the_mechanism_says_of_itself)
{
	for (unsigned o = 0; o < ADVICE_OPTIONS_N; o++) {
		const struct mechanism_ops *ops = mechanism_of(advice_mechanism(o));
		const struct advice_enforcers *by = &advice_enforcers[o];

		/* A mechanism that is not built says nothing yet. */
		if (ops->memory == ENFORCED_BY_NOBODY && o != ADVICE_TIME)
			continue;
		/* What lies in a MIG instance has its walls. */
		if (o == ADVICE_VF_ON_MIG)
			ops = mechanism_of(MECHANISM_MIG);
		CHECK_SAY(by->memory <= ops->memory, "%s: memory", advice_option_names[o]);
		CHECK_SAY(by->compute <= ops->compute, "%s: compute", advice_option_names[o]);
		CHECK_SAY(by->faults <= ops->faults, "%s: faults", advice_option_names[o]);
	}
}

TEST(mig_mps_and_whole_are_what_their_mechanisms_say)
{
	static const enum advice_option same[] = { ADVICE_MIG, ADVICE_MPS, ADVICE_WHOLE };

	for (unsigned i = 0; i < 3; i++) {
		const struct mechanism_ops *ops = mechanism_of(advice_mechanism(same[i]));
		const struct advice_enforcers *by = &advice_enforcers[same[i]];

		CHECK_EQ(by->memory, ops->memory);
		CHECK_EQ(by->compute, ops->compute);
		CHECK_EQ(by->faults, ops->faults);
	}
}

TEST_MAIN()
