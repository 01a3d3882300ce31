/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/plan.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct plan_run *run_add(
	struct measure_plan *plan, const struct plan_run *shares, enum work_kind kind, unsigned n)
{
	struct plan_run *run = &plan->run[plan->n];

	if (plan->n == PLAN_RUNS_MAX)
		return run - 1;
	plan->n++;
	*run = *shares;
	run->n = n;
	for (unsigned i = 0; i < n; i++)
		run->kind[i] = kind;
	return run;
}

static void add_alike(struct measure_plan *plan, const struct plan_run *shares, unsigned n)
{
	for (unsigned kind = 0; kind < WORK_KINDS_N; kind++)
		run_add(plan, shares, (enum work_kind)kind, n);
}

/* Two of each pair of kinds. */
static void add_mixed(struct measure_plan *plan, const struct plan_run *shares)
{
	for (unsigned a = 0; a < WORK_KINDS_N; a++)
		for (unsigned b = a + 1; b < WORK_KINDS_N; b++)
			run_add(plan, shares, (enum work_kind)a, 2)->kind[1] = (enum work_kind)b;
}

static void skip(struct measure_plan *plan, const struct plan_ask *ask, enum advice_option option,
	const char *why, const char *way)
{
	if (ask->options & 1U << option)
		plan->skip[plan->n_skips++] = (struct plan_skip){ option, why, way };
}

static void plan_shared(
	const struct plan_ask *ask, enum advice_option option, struct measure_plan *plan)
{
	if (!(ask->options & 1U << option))
		return;
	for (unsigned n = 2; n <= ask->copies; n++) {
		struct plan_run shares = {
			.option = option, .count = n, .percent = option == ADVICE_MPS ? 100 / n : 0
		};

		add_alike(plan, &shares, n);
		if (n > 2)
			continue;
		add_mixed(plan, &shares);
		if (option == ADVICE_MPS)
			add_alike(plan, &shares, 1);
	}
}

/* Of instances as many as there can be: the hardware sets the number. */
static void plan_instances(const struct plan_ask *ask, struct measure_plan *plan)
{
	const struct plan_profile *smallest = NULL;
	bool lacks_room = false;

	for (unsigned i = 0; i < ask->n_profiles; i++) {
		const struct plan_profile *profile = &ask->profile[i];
		struct plan_run shares = { .option = ADVICE_MIG, .percent = profile->percent };

		/* with the media engines, or without: computes as the plain one does */
		if (strpbrk(profile->name, "+-"))
			continue;
		lacks_room |= profile->max == 0;
		if (profile->max == 0)
			continue;
		shares.count =
			profile->max < MEASURED_COPIES_MAX ? profile->max : MEASURED_COPIES_MAX;
		text_copy(shares.profile, sizeof(shares.profile), profile->name);
		add_alike(plan, &shares, shares.count);
		if (!smallest || profile->max > smallest->max)
			smallest = profile;
	}
	if (lacks_room)
		skip(plan, ask, ADVICE_MIG, "some profiles have no room beside what is pinned",
			"have a layout unpin it (carve apply)");
	if (smallest && smallest->max >= 2) {
		struct plan_run shares = {
			.option = ADVICE_MIG, .count = 2, .percent = smallest->percent
		};

		text_copy(shares.profile, sizeof(shares.profile), smallest->name);
		add_mixed(plan, &shares);
		add_alike(plan, &shares, 1);
	}
}

static void skip_mig(const struct plan_ask *ask, const char *way, struct measure_plan *plan)
{
	if (ask->no_mig)
		skip(plan, ask, ADVICE_MIG, ask->no_mig,
			"measure a GPU that has MIG ('carve list gpus' says which)");
	else
		skip(plan, ask, ADVICE_MIG, "MIG mode is off, and is not changed for this", way);
}

static void plan_whole(const struct plan_ask *ask, struct measure_plan *plan)
{
	struct plan_run whole = { .option = ADVICE_WHOLE, .count = 1 };

	add_alike(plan, &whole, 1);
	if (ask->is_exclusive)
		skip(plan, ask, ADVICE_TIME, "its compute mode lets one program in at a time",
			"nvidia-smi --compute-mode DEFAULT");
	else
		plan_shared(ask, ADVICE_TIME, plan);
	if (ask->no_mps)
		skip(plan, ask, ADVICE_MPS, ask->no_mps, "'carve list gpus' says what it takes");
	else
		plan_shared(ask, ADVICE_MPS, plan);
	skip_mig(ask,
		"measure what is there now, have a layout turn MIG mode on (carve apply), and "
		"measure again",
		plan);
}

static void plan_mig(const struct plan_ask *ask, struct measure_plan *plan)
{
	static const char why[] = "MIG mode is on, and is not changed for this";
	static const char way[] = "have a layout turn MIG mode off (carve apply)";

	skip(plan, ask, ADVICE_WHOLE, why, way);
	skip(plan, ask, ADVICE_TIME, why, way);
	skip(plan, ask, ADVICE_MPS, why, way);
	if (ask->is_alone_known && ask->options & 1U << ADVICE_MIG)
		plan_instances(ask, plan);
	else
		skip(plan, ask, ADVICE_MIG,
			"there is nothing to compare an instance with: the whole GPU was not "
			"measured with this driver",
			"measure it with MIG mode off first");
}

int measure_plan(const struct plan_ask *ask, struct measure_plan *ret_plan, struct error *err)
{
	*ret_plan = (struct measure_plan){ 0 };
	if (ask->mig_on)
		plan_mig(ask, ret_plan);
	else if (ask->options != 1U << ADVICE_MIG)
		plan_whole(ask, ret_plan);
	else
		skip_mig(ask, "have a layout turn MIG mode on (carve apply)", ret_plan);
	if (ret_plan->n)
		return 0;
	return error_set(err, -ENOTSUP, "nothing can be measured as the GPU is: %s: %s; %s",
		advice_option_names[ret_plan->skip[ret_plan->n_skips - 1].option],
		ret_plan->skip[ret_plan->n_skips - 1].why,
		ret_plan->skip[ret_plan->n_skips - 1].way);
}

enum work_beside plan_beside(const struct plan_run *run, enum work_kind kind)
{
	if (run->n == 1)
		return BESIDE_NOBODY;
	for (unsigned i = 0; i < run->n; i++)
		if (run->kind[i] != kind)
			return (enum work_beside)run->kind[i];
	return BESIDE_ALIKE;
}

const char *plan_text(const struct plan_run *run, char ret_text[PLAN_TEXT_MAX])
{
	const char *first = work_kind_names[run->kind[0]];
	enum work_beside beside = plan_beside(run, run->kind[0]);
	char who[48], share[48] = "";

	if (beside < BESIDE_ALIKE)
		snprintf(who, sizeof(who), "%s beside %s", first, work_beside_names[beside]);
	else
		snprintf(who, sizeof(who), "%u x %s", run->n, first);
	if (run->option == ADVICE_MIG)
		snprintf(share, sizeof(share), ", in %.30s each", run->profile);
	else if (run->option == ADVICE_MPS)
		snprintf(share, sizeof(share), ", %u %% each", run->percent);
	snprintf(ret_text, PLAN_TEXT_MAX, "%s: %s%s", advice_option_names[run->option], who, share);
	return ret_text;
}
