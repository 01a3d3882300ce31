/* SPDX-License-Identifier: Apache-2.0 */
/* Which copies run when: over all that can be asked for, on GPUs with MIG mode off and on. */
#include "base/error.h"
#include "base/text.h"
#include "measure/plan.h"
#include "test.h"

#include <errno.h>

static const uint32_t ways[] = { 1U << ADVICE_WHOLE, 1U << ADVICE_TIME, 1U << ADVICE_MPS,
	1U << ADVICE_MIG };

static struct plan_ask ask_of(uint32_t options, unsigned copies, bool mig_on)
{
	return (struct plan_ask){
		.copies = copies,
		.options = options,
		.mig_on = mig_on,
		.n_profiles = 4,
		.profile = { { "1g.10gb", 7, 14 }, { "1g.10gb+me", 1, 14 }, { "3g.40gb", 2, 42 },
			{ "7g.80gb", 1, 100 } },
	};
}

static bool is_alike(const struct plan_run *a, const struct plan_run *b)
{
	return a->option == b->option && a->count == b->count && text_eq(a->profile, b->profile) &&
	       a->n == b->n && memcmp(a->kind, b->kind, a->n * sizeof(a->kind[0])) == 0;
}

/* What must hold of every plan. */
static void check(const struct plan_ask *ask, const struct measure_plan *plan)
{
	unsigned figures = 0;
	char text[PLAN_TEXT_MAX];

	for (unsigned i = 0; i < plan->n; i++) {
		const struct plan_run *run = &plan->run[i];

		CHECK(run->n >= 1 && run->n <= run->count && run->count <= MEASURED_COPIES_MAX);
		CHECK((run->option == ADVICE_MIG) == ask->mig_on);
		CHECK(run->count * run->percent <= 100);
		CHECK_SAY(strlen(plan_text(run, text)) > 10, "%s", text);
		for (unsigned j = 0; j < i; j++)
			CHECK_SAY(!is_alike(run, &plan->run[j]), "%s", text);
		figures += plan_beside(run, run->kind[0]) < BESIDE_ALIKE ? 2 : 1;
	}
	CHECK(figures <= 256); /* daemon/measurements.h keeps as many */
	/* Each way that was asked for is run, or said to be left out. */
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		unsigned runs = 0, skips = 0;

		for (unsigned i = 0; i < plan->n; i++)
			runs += 1U << plan->run[i].option == ways[w];
		for (unsigned i = 0; i < plan->n_skips; i++) {
			skips += 1U << plan->skip[i].option == ways[w];
			CHECK(*plan->skip[i].why && *plan->skip[i].way);
		}
		if (ways[w] == 1U << ADVICE_WHOLE && !ask->mig_on)
			continue; /* all are compared with it */
		if (!(ask->options & ways[w]))
			CHECK_EQ(runs + skips, 0);
		else if (ask->copies > 1 || ask->mig_on)
			CHECK_EQ((runs > 0) + (skips > 0), 1);
	}
}

TEST(every_way_is_run_or_left_out_with_the_reason)
{
	struct measure_plan *plan = must_alloc(1, sizeof(*plan));

	for (unsigned set = 1; set < 16; set++)
		for (unsigned copies = 1; copies <= MEASURED_COPIES_MAX; copies++)
			for (unsigned state = 0; state < 8; state++) {
				uint32_t options = 0;
				struct plan_ask ask;
				struct error err = ERROR_NONE;

				for (unsigned w = 0; w < 4; w++)
					options |= set & 1U << w ? ways[w] : 0;
				ask = ask_of(options, copies, state & 1);
				ask.is_alone_known = state & 2;
				ask.no_mps = state & 4 ? "no MPS" : NULL;
				ask.is_exclusive = state & 4;
				if (measure_plan(&ask, plan, &err) == 0)
					check(&ask, plan);
				else
					CHECK_SAY(strstr(err.text, "nothing can be measured"), "%s",
						err.text);
			}
	free(plan);
}

TEST(the_whole_gpu_comes_first_and_all_else_is_with_two_or_more)
{
	struct measure_plan *plan = must_alloc(1, sizeof(*plan));
	struct plan_ask ask = ask_of(ways[1] | ways[2], 3, false);
	char text[PLAN_TEXT_MAX];

	CHECK_EQ(measure_plan(&ask, plan, NULL), 0);
	/* whole: 3; time: 2 of 3 kinds, 3 pairs, 3 of 3 kinds; mps the same, and 3 with an idle one
	 */
	CHECK_EQ(plan->n, 3 + 9 + 12);
	for (unsigned i = 0; i < 3; i++)
		CHECK(plan->run[i].option == ADVICE_WHOLE && plan->run[i].kind[0] == i);
	CHECK_TEXT(plan_text(&plan->run[0], text), "whole: 1 x compute");
	CHECK_TEXT(plan_text(&plan->run[6], text), "time: compute beside bandwidth");
	CHECK_EQ(plan_beside(&plan->run[6], WORK_COMPUTE), BESIDE_BANDWIDTH);
	CHECK_EQ(plan_beside(&plan->run[6], WORK_BANDWIDTH), BESIDE_COMPUTE);
	CHECK_TEXT(plan_text(&plan->run[12], text), "mps: 2 x compute, 50 % each");
	CHECK_EQ(plan_beside(&plan->run[12], WORK_COMPUTE), BESIDE_ALIKE);
	CHECK_EQ(plan_beside(&plan->run[18], WORK_COMPUTE), BESIDE_NOBODY);
	free(plan);
}

TEST(instances_are_measured_against_what_the_whole_gpu_did_before)
{
	struct measure_plan *plan = must_alloc(1, sizeof(*plan));
	struct plan_ask ask = ask_of(ways[0] | ways[3], 4, true);
	struct error err = ERROR_NONE;
	char text[PLAN_TEXT_MAX];

	CHECK_EQ(measure_plan(&ask, plan, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "measure it with MIG mode off first"), "%s", err.text);
	ask.is_alone_known = true;
	CHECK_EQ(measure_plan(&ask, plan, &err), 0);
	/* three profiles that compute differently, the smallest also mixed and beside an idle one
	 */
	CHECK_EQ(plan->n, 9 + 3 + 3);
	CHECK_TEXT(plan_text(&plan->run[0], text), "mig: 7 x compute, in 1g.10gb each");
	CHECK_EQ(plan->run[0].percent, 14);
	CHECK_EQ(plan->n_skips, 1);
	/* one has no room: that is said, and the others are measured */
	ask.profile[2].max = 0;
	CHECK_EQ(measure_plan(&ask, plan, &err), 0);
	CHECK_EQ(plan->n, 6 + 3 + 3);
	CHECK_EQ(plan->n_skips, 2);
	for (unsigned i = 0; i < ask.n_profiles; i++)
		ask.profile[i].max = 0;
	CHECK_EQ(measure_plan(&ask, plan, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "no room beside what is pinned"), "%s", err.text);
	free(plan);
}

TEST_MAIN()
