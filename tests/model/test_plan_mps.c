/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "interpreter.h"
#include "model/mps_room.h"
#include "test.h"

#include <errno.h>

static int plan_of(struct gpu *gpu, const char *entry, struct plan *ret_plan, struct error *err)
{
	struct layout layout = { 0 };
	char text[1000];
	int r;

	snprintf(text, sizeof(text), "version: carve/v1\nlayouts:\n  x:\n  - {gpus: [0], %s}\n",
		entry);
	r = layout_parse("l", text, strlen(text), NULL, gpu, 1, &layout, err);
	if (r == 0)
		r = plan_layout(gpu, 1, &layout, ret_plan, err);
	layout_done(&layout);
	return r;
}

/* The plan in words, with its blockers. */
static char said[1600];
static const char *planned(struct gpu *gpu, const char *entry)
{
	struct error err = ERROR_NONE;
	AUTO_BUF out = { 0 };
	struct plan plan = { 0 };
	char text[128];

	if (plan_of(gpu, entry, &plan, &err) < 0)
		buf_addf(&out, "%s", err.text);
	for (unsigned s = 0; s < plan.n_steps; s++)
		buf_addf(&out, "%s%s", s ? ", " : "", step_text(&plan.step[s], text, sizeof(text)));
	for (unsigned b = 0; b < plan.n_blockers; b++)
		buf_addf(&out, "; BLOCKED %s (L%u)", plan.blocker[b].what,
			(unsigned)plan.blocker[b].lease);
	plan_done(&plan);
	snprintf(said, sizeof(said), "%s", buf_text(&out));
	return said;
}

TEST(equal_shares_that_are_there_stay_whoever_uses_them)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

	CHECK_TEXT(planned(gpu, "mps: [{memory: 8G, compute: 20%, count: 2}]"),
		"add MPS share 8G and 20 %, add MPS share 8G and 20 %");
	fixture_add_mps(gpu, NULL, 8, 20, 0);
	fixture_add_mps(gpu, NULL, 8, 20, 0)->lease = 3;
	CHECK_TEXT(planned(gpu, "mps: [{memory: 8G, compute: 20%, count: 2}]"), "");
	CHECK_TEXT(planned(gpu, "mps: [{memory: 8G, compute: 20%, count: 3}]"),
		"add MPS share 8G and 20 %");
	CHECK_TEXT(planned(gpu, "mps: [{memory: 8G, compute: 20%}]"),
		"drop MPS share 8G and 20 %; BLOCKED 0:mps2 (8G and 20 %) must go: the layout does "
		"not want it (L3)");
	CHECK_TEXT(planned(gpu, "mps: [{memory: 9G, compute: 20%}, {memory: 8G, compute: 20%, "
				"count: 2}]"),
		"add MPS share 9G and 20 %");
	gpu->mps[1].lease = 0;
	CHECK_TEXT(planned(gpu, "mps: [], mig: off"),
		"drop MPS share 8G and 20 %, drop MPS share 8G and 20 %");
}

TEST(numbers_of_new_shares_are_free_ones)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct plan plan;

	fixture_add_mps(gpu, NULL, 8, 20, 0);
	fixture_add_mps(gpu, NULL, 8, 20, 3)->number = 3;
	CHECK_EQ(plan_of(gpu, "mps: [{memory: 9G, compute: 20%, count: 2}]", &plan, NULL), 0);
	CHECK_EQ(plan.n_steps, 3);
	CHECK(plan.step[0].kind == STEP_DROP_MPS && plan.step[0].mps.number == 1);
	CHECK_EQ(plan.step[1].mps.number, 2);
	CHECK_EQ(plan.step[2].mps.number, 4);
	plan_done(&plan);
}

TEST(dynamic_shares_stay_where_there_is_room)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

	fixture_add_mps(gpu, NULL, 8, 20, 3);
	fixture_add_mps(gpu, NULL, 6, 50, 4);
	CHECK_TEXT(
		planned(gpu, "mps: [{memory: 30G, compute: 30%}]"), "add MPS share 30G and 30 %");
	CHECK_TEXT(planned(gpu, "mps: [{memory: 36G, compute: 30%}]"),
		"add MPS share 36G and 30 %; BLOCKED 0:mps1 (8G and 20 %) must go to make room for "
		"the layout's MPS shares (L3)");
	CHECK_TEXT(planned(gpu, "mps: [{memory: 30G, compute: 60%}]"),
		"add MPS share 30G and 60 %; BLOCKED 0:mps1 (8G and 20 %) must go to make room for "
		"the layout's MPS shares (L3); BLOCKED 0:mps2 (6G and 50 %) must go to make room "
		"for "
		"the layout's MPS shares (L4)");
	CHECK_TEXT(planned(gpu, "mig: off"), "");
}

TEST(mig_mode_takes_a_gpu_without_mps_shares)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_mig_off(gpu);
	fixture_add_mps(gpu, NULL, 8, 20, 0);
	CHECK_TEXT(planned(gpu, "mig: [3g.40gb@4]"),
		"drop MPS share 8G and 20 %, turn MIG mode on, create 3g.40gb@4");
	/* A server that nobody needs stops; its process is no obstacle. */
	fixture_add_server(gpu, NULL, 1000, MPS_READY);
	gpu->seen.n_processes = 1;
	CHECK_TEXT(planned(gpu, "mig: []"), "drop MPS share 8G and 20 %, turn MIG mode on");
	gpu->mps[0].lease = 5;
	fixture_add_mps(gpu, NULL, 4, 10, 6);
	CHECK_TEXT(planned(gpu, "mig: []"), "drop MPS share 8G and 20 %, turn MIG mode on; BLOCKED "
					    "0:mps1 (8G and 20 %) must go "
					    "to turn MIG mode on (L5); BLOCKED 0:mps2 (4G and 10 "
					    "%) must go to turn MIG mode on "
					    "(L6)");
}

TEST(an_instance_is_made_before_its_shares_and_they_go_before_it)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct mig_instance *instance;

	CHECK_TEXT(planned(gpu,
			   "mig: [1g.10gb@0, {profile: 3g.40gb, mps: [{memory: 10G, count: 2}]}]"),
		"create 3g.40gb@4, create 1g.10gb@0, add MPS share 10G and 10 %, add MPS share 10G "
		"and 10 %");
	instance = fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0);
	fixture_add_mps(gpu, instance, 10, 10, 0);
	CHECK_TEXT(planned(gpu, "mig: [{profile: 3g.40gb, mps: [{memory: 10G, count: 2}]}]"),
		"add MPS share 10G and 10 %");
	CHECK_TEXT(planned(gpu, "mig: [3g.40gb]"), "drop MPS share 10G and 10 %");
	CHECK_TEXT(planned(gpu, "mig: off, mps: [{memory: 10G}]"),
		"drop MPS share 10G and 10 %, destroy 3g.40gb@4, turn MIG mode off, add MPS share "
		"10G and 11 %");
	CHECK_TEXT(planned(gpu, "mig: [7g.80gb]"),
		"drop MPS share 10G and 10 %, destroy 3g.40gb@4, create 7g.80gb@0");
	gpu->mps[0].lease = 7;
	CHECK_TEXT(planned(gpu, "mig: [7g.80gb]"),
		"drop MPS share 10G and 10 %, destroy 3g.40gb@4, create 7g.80gb@0; BLOCKED "
		"0:3g.40gb@4 must go to make room for 7g.80gb (L7)");
	CHECK_TEXT(planned(gpu, "mig: off"),
		"drop MPS share 10G and 10 %, destroy 3g.40gb@4, turn MIG mode off; BLOCKED "
		"0:3g.40gb@4 must go to turn MIG mode off (L7)");
	/* Nobody wants the instance, but it is in use; its share is not wanted, but leased. */
	CHECK_TEXT(planned(gpu, "mig: [1g.10gb@0]"),
		"drop MPS share 10G and 10 %, create 1g.10gb@0; BLOCKED 0:3g.40gb@4:mps1 (10G and "
		"10 "
		"%) must go: the layout does not want it (L7)");
	gpu->mps[0].is_pinned = false;
	CHECK_TEXT(planned(gpu, "mig: [1g.10gb@0]"), "create 1g.10gb@0");
}

TEST(the_instance_for_shares_is_the_one_that_has_them)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	static const char entry[] =
		"mig: [3g.40gb, {profile: 3g.40gb, mps: [{memory: 10G, compute: 10%}]}]";

	fixture_add(gpu, "3g.40gb", 0, SHARE_PINNED, 8);
	fixture_add_mps(gpu, fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0), 10, 10, 9)
		->is_pinned = true;
	CHECK_TEXT(planned(gpu, entry), "");
	gpu->mps[0].place.start = 0;
	gpu->seen.instance[0].ci[0].lease = 0;
	gpu->seen.instance[1].ci[0].lease = 8;
	CHECK_TEXT(planned(gpu, entry), "");
	/* Idle ones too: nothing is dropped here to be added there. */
	gpu->mps[0].lease = gpu->seen.instance[1].ci[0].lease = 0;
	CHECK_TEXT(planned(gpu, entry), "");
	gpu->mps[0].place.start = 4;
	CHECK_TEXT(planned(gpu, entry), "");
}

TEST(shares_are_not_put_upon_others)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 8);
	CHECK_TEXT(planned(gpu, "mig: [{profile: 3g.40gb, at: 4, mps: [{memory: 10G}]}]"),
		"add MPS share 10G and 10 %; BLOCKED 0:3g.40gb@4 must be free to be shared by MPS "
		"(L8)");
	fixture_mig_off(gpu);
	gpu->whole_lease = 9;
	CHECK_TEXT(planned(gpu, "mps: [{memory: 10G}]"),
		"add MPS share 10G and 11 %; BLOCKED GPU 0 must be free to be shared by MPS (L9)");
	gpu->whole_lease = 0;
	gpu->whole_in_use = true;
	CHECK_TEXT(planned(gpu, "mps: [{memory: 10G}]"),
		"add MPS share 10G and 11 %; BLOCKED GPU 0 must be free to be shared by MPS (L0)");
	gpu->whole_in_use = false;
	gpu->seen.compute_mode = COMPUTE_PROHIBITED;
	CHECK_TEXT(planned(gpu, "mps: [{memory: 10G}]"),
		"add MPS share 10G and 11 %; BLOCKED GPU 0 is in compute mode PROHIBITED: "
		"`nvidia-smi -i 0 -c DEFAULT` (L0)");
	gpu->managed = false;
	CHECK_TEXT(planned(gpu, "mps: [{memory: 10G}]"),
		"GPU 0 is not managed by Carve: `carve manage 0`");
}

static void add_random_mps(struct buf *text, uint64_t *seed)
{
	buf_add(text, "mps: [");
	for (unsigned n = fixture_below(seed, 4), k = 0; k < n; k++)
		buf_addf(text, "%s{memory: %uG, compute: %u%%, count: %u}", k ? ", " : "",
			1 + fixture_below(seed, 3), 1 + fixture_below(seed, 3),
			1 + fixture_below(seed, 2));
	buf_add(text, "]");
}

static void add_random_entry(struct buf *text, uint64_t *seed)
{
	static const char *const profiles[] = { "3g.40gb", "2g.20gb", "1g.10gb", "1c.3g.40gb" };

	if (fixture_below(seed, 2)) {
		buf_add(text, "mig: off, ");
		add_random_mps(text, seed);
		return;
	}
	buf_add(text, "mig: [");
	for (unsigned n = fixture_below(seed, 4), k = 0; k < n; k++) {
		buf_addf(text, "%s{profile: %s", k ? ", " : "", profiles[fixture_below(seed, 4)]);
		if (fixture_below(seed, 2)) {
			buf_add(text, ", ");
			add_random_mps(text, seed);
		}
		buf_add(text, "}");
	}
	buf_add(text, "]");
}

/* Leases idle pinned shares and adds dynamic ones, or ends some. */
static void use(struct gpu *gpu, uint64_t *seed)
{
	for (unsigned s = 0; s < gpu->n_mps; s++) {
		if (fixture_below(seed, 3))
			continue;
		if (gpu->mps[s].is_pinned)
			gpu->mps[s].lease = gpu->mps[s].lease ? 0 : 1 + s;
		else
			gpu->mps[s] = gpu->mps[--gpu->n_mps];
	}
	for (unsigned k = fixture_below(seed, 3); k > 0; k--) {
		const struct mig_instance *instance = NULL;

		if (gpu->seen.mig_on && gpu->seen.n_instances == 0)
			continue;
		if (gpu->seen.mig_on)
			instance = &gpu->seen.instance[fixture_below(seed, gpu->seen.n_instances)];
		fixture_add_mps(gpu, instance, 1, 1, 1 + fixture_below(seed, 90));
		if (mps_room_of(gpu, &gpu->mps[gpu->n_mps - 1].place).memory_bytes >
			mps_place_memory(gpu, &gpu->mps[gpu->n_mps - 1].place))
			gpu->n_mps--;
	}
}

static void check_plan(struct gpu *gpu, const char *entry, const struct plan *plan)
{
	struct gpu before = *gpu;
	struct plan again = { 0 };
	const char *why;

	for (unsigned s = 0; s < plan->n_steps; s++) {
		why = interpret(gpu, &plan->step[s]);
		CHECK_SAY(!why, "%s: step %u of %u: %s", entry, s, plan->n_steps, why);
	}
	for (unsigned r = 0; r < plan->n_repins; r++)
		CHECK(gpu->seen.n_instances > 0);
	for (unsigned i = 0; i < before.n_mps; i++) {
		const struct mps_share *now = mps_share_find(gpu, before.mps[i].number);

		CHECK_SAY(!before.mps[i].lease || (now && now->lease == before.mps[i].lease),
			"%s: L%u lost its share", entry, (unsigned)before.mps[i].lease);
	}
	CHECK_EQ(plan_of(gpu, entry, &again, NULL), 0);
	CHECK_SAY(again.n_steps == 0 && again.n_blockers == 0, "%s: not done by its plan", entry);
	plan_done(&again);
	if (plan->n_steps % 2)
		return;
	for (unsigned s = plan->n_steps; s-- > 0;) {
		struct step back = step_inverse(&plan->step[s]);

		why = interpret(gpu, &back);
		CHECK_SAY(!why, "%s: back %u: %s", entry, s, why);
	}
	CHECK_SAY(holds_the_same(gpu, &before), "%s: not as before", entry);
}

TEST(any_plan_can_be_done_loses_no_lease_and_can_be_undone)
{
	unsigned n_done = 0, n_blocked = 0;

	for (uint64_t walk = 1; walk <= 40; walk++) {
		AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
		uint64_t seed = walk;

		for (unsigned k = 0; k < 100; k++) {
			AUTO_BUF entry = { 0 };
			struct plan plan = { 0 };
			struct error err = ERROR_NONE;

			add_random_entry(&entry, &seed);
			use(gpu, &seed);
			if (plan_of(gpu, buf_text(&entry), &plan, &err) < 0)
				continue;
			n_blocked += plan.n_blockers > 0;
			n_done += plan.n_blockers == 0 && plan.n_steps > 0;
			if (plan.n_blockers == 0)
				check_plan(gpu, buf_text(&entry), &plan);
			plan_done(&plan);
			if (fixture_below(&seed, 3) == 0)
				for (unsigned s = 0; s < gpu->n_mps; s++)
					if (gpu->mps[s].lease)
						use(gpu, &seed);
		}
	}
	CHECK(n_done > 300 && n_blocked > 300);
}

TEST_MAIN()
