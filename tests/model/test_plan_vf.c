/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions in a layout's plan. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "interpreter.h"
#include "model/layout.h"
#include "model/plan.h"
#include "test.h"

#include <errno.h>

static struct gpu gpu;
static struct error err;

static void h200(unsigned on, bool mig)
{
	fixture_gpu(&gpu, 0, FIXTURE_H200);
	if (!mig)
		fixture_mig_off(&gpu);
	fixture_vfs(&gpu, VF_KIND_NVIDIA, 16, on);
}

/* 0 with the plan for `{gpus: [0], ...}`, else what refused it. */
static int plan_for(const char *entry, struct plan *ret_plan)
{
	struct layout layout;
	char text[600];
	int r;

	snprintf(text, sizeof(text), "version: carve/v1\nlayouts: {x: [{gpus: [0], %s}]}\n", entry);
	err = ERROR_NONE;
	r = layout_parse("l.yaml", text, strlen(text), NULL, &gpu, 1, &layout, &err);
	if (r < 0)
		return r;
	r = plan_layout(&gpu, 1, &layout, ret_plan, &err);
	layout_done(&layout);
	return r;
}

static const char *steps_of(const struct plan *plan)
{
	static struct buf text;
	char step[96];

	buf_clear(&text);
	for (unsigned i = 0; i < plan->n_steps; i++)
		buf_addf(&text, "%s%s", i ? "; " : "",
			step_text(&plan->step[i], step, sizeof(step)));
	return buf_text(&text);
}

#define PLANS(entry, steps)                                                                        \
	do {                                                                                       \
		struct plan plan_ = { 0 };                                                         \
		CHECK_SAY(plan_for(entry, &plan_) == 0, "%s", err.text);                           \
		CHECK_SAY(plan_.n_blockers == 0, "%s", plan_.blocker[0].what);                     \
		CHECK_TEXT(steps_of(&plan_), steps);                                               \
		plan_done(&plan_);                                                                 \
	} while (0)

#define BLOCKS(entry, by, says)                                                                    \
	do {                                                                                       \
		struct plan plan_ = { 0 };                                                         \
		CHECK_SAY(plan_for(entry, &plan_) == 0, "%s", err.text);                           \
		CHECK(plan_.n_blockers == 1);                                                      \
		CHECK_SAY(plan_.n_blockers &&plan_.blocker[0].vf == (by), "%s",                    \
			plan_.n_blockers ? plan_.blocker[0].what : "none");                        \
		CHECK_TEXT(plan_.n_blockers ? plan_.blocker[0].what : "none", says);               \
		plan_done(&plan_);                                                                 \
	} while (0)

TEST(virtual_functions_are_turned_on_and_set)
{
	h200(0, false);
	PLANS("vf: [{type: H200X-35C, count: 4}]",
		"turn on 16 virtual functions; make VFs 0 to 3 NVIDIA H200X-35C");
	PLANS("vf: [{type: H200X-35C, vf: 3}, {type: H200X-35Q, count: 2}]",
		"turn on 16 virtual functions; make VF 3 NVIDIA H200X-35C; make VFs 0 to 1 NVIDIA "
		"H200X-35Q");
	PLANS("vfs: 16", "turn on 16 virtual functions");
	PLANS("vf: []", "");
	h200(0, true);
	PLANS("vf: [{type: H200X-35C}]",
		"turn MIG mode off; turn on 16 virtual functions; make VF 0 NVIDIA H200X-35C");
}

TEST(sizes_are_mixed_before_any_is_set_and_the_large_ones_first)
{
	h200(0, false);
	PLANS("vf: [{type: H200X-17C, count: 2}, {type: H200X-70C}]",
		"turn on 16 virtual functions; allow vGPUs of several sizes; make VF 0 NVIDIA "
		"H200X-70C; make VFs 1 to 2 NVIDIA H200X-17C");
	h200(16, false);
	fixture_vf(&gpu, 7, "H200X-17C", SHARE_PINNED, 0);
	PLANS("vf: [{type: H200X-17C, count: 2}, {type: H200X-70C}]",
		"make VF 7 free again; allow vGPUs of several sizes; make VF 0 NVIDIA H200X-70C; "
		"make VFs 1 to 2 NVIDIA H200X-17C");
	gpu.seen.vfs.vf[7].lease = 4;
	BLOCKS("vf: [{type: H200X-17C, count: 2}, {type: H200X-70C}]", 7,
		"0:vf7 (NVIDIA H200X-17C) must go so that sizes can be mixed");
}

TEST(types_backed_by_mig_get_their_instances_between)
{
	h200(0, false);
	PLANS("vf: [{type: H200X-1-9C, count: 3}]",
		"turn MIG mode on; turn on 16 virtual functions; create 1g.18gb@4; create "
		"1g.18gb@5; make VFs 0 to 1 NVIDIA H200X-1-9C; make VF 2 NVIDIA H200X-1-9C");
	h200(16, true);
	fixture_add(&gpu, "3g.71gb", 4, SHARE_DYNAMIC, 0);
	PLANS("mig: [3g.71gb@4], vf: [{type: H200X-3-71C}]", "make VF 0 NVIDIA H200X-3-71C");
	PLANS("vf: [{type: H200X-3-71C}, {type: H200X-1-18C}]",
		"create 1g.18gb@0; make VF 0 NVIDIA H200X-3-71C; make VF 1 NVIDIA H200X-1-18C");
}

TEST(what_is_there_and_wanted_stays_leased_ones_first)
{
	struct plan plan = { 0 };

	h200(16, false);
	fixture_vf(&gpu, 2, "H200X-35C", SHARE_PINNED, 0);
	fixture_vf(&gpu, 5, "H200X-35C", SHARE_DYNAMIC, 9);
	PLANS("vf: [{type: H200X-35C, count: 3}]", "make VF 0 NVIDIA H200X-35C");
	PLANS("vf: [{type: H200X-35C}]", "make VF 2 free again");
	CHECK_EQ(plan_for("vf: [{type: H200X-35C}]", &plan), 0);
	CHECK_EQ(plan.n_kept, 1);
	CHECK(plan.kept[0].vf == 5 && text_eq(plan.kept[0].why, "wanted"));
	CHECK_EQ(plan.n_repins, 2);
	CHECK(plan.repin[0].vf == 5 && plan.repin[0].origin == SHARE_PINNED);
	CHECK(plan.repin[1].vf == REPIN_COUNT && plan.repin[1].origin == SHARE_PINNED);
	plan_done(&plan);
	/* One that a lease made stays beside what is wanted, as long as there is room. */
	PLANS("vf: [{type: H200X-35Q, count: 3}]",
		"make VF 2 free again; make VFs 0 to 2 NVIDIA H200X-35Q");
	BLOCKS("vf: [{type: H200X-35Q, count: 4}]", 5,
		"0:vf5 (NVIDIA H200X-35C) must go to make room for the layout's");
	BLOCKS("vf: [{type: H200X-35Q, vf: 5}]", 5,
		"0:vf5 (NVIDIA H200X-35C) must go to make room for the layout's");
}

TEST(who_has_a_virtual_function_is_in_the_way_of_a_change_of_the_count)
{
	struct vf *vf;

	h200(16, false);
	gpu.seen.vfs.origin = SHARE_PINNED;
	vf = fixture_vf(&gpu, 3, "H200X-35C", SHARE_PINNED, 0);
	PLANS("vf: []", "make VF 3 free again; turn off all 16 virtual functions");
	PLANS("mig: [1g.18gb@0]",
		"make VF 3 free again; turn off all 16 virtual functions; turn MIG mode on; create "
		"1g.18gb@0");
	vf->user = 123;
	text_copy(vf->vm, sizeof(vf->vm), "web1");
	BLOCKS("vf: []", 3,
		"0:vf3 (NVIDIA H200X-35C) must go to turn virtual functions off: virtual machine "
		"web1 (pid 123) has it");
	BLOCKS("mps: [{memory: 10G}]", 3,
		"0:vf3 (NVIDIA H200X-35C) must go to turn virtual functions off: virtual machine "
		"web1 (pid 123) has it");
	vf->user = 0;
	vf->origin = SHARE_FOREIGN;
	BLOCKS("vf: []", 3,
		"0:vf3 (NVIDIA H200X-35C) must go to turn virtual functions off, but Carve did not "
		"set it up: adopt it first");
	text_copy(vf->owner, sizeof(vf->owner), "libvirt domain web1");
	BLOCKS("vf: [{type: H200X-35C, vf: 3}]", 3,
		"0:vf3 (NVIDIA H200X-35C) must go to make room for the layout's: it is of libvirt "
		"domain web1");
	/* Carve's own is no less Carve's for being handed over. */
	vf->origin = SHARE_PINNED;
	PLANS("vf: [{type: H200X-35C, vf: 3}]", "");
}

TEST(another_count_goes_through_none)
{
	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, VF_KIND_GENERIC, 8, 4);
	fixture_vf(&gpu, 1, NULL, SHARE_PINNED, 0);
	PLANS("vf: [{count: 2}]", "make VF 0 ready for virtual machines");
	PLANS("vf: [{count: 6}]",
		"make VF 1 free again; turn off all 4 virtual functions; turn on 6 virtual "
		"functions; make VFs 0 to 5 ready for virtual machines");
	gpu.seen.vfs.vf[1].lease = 8;
	BLOCKS("vfs: 8", 1, "0:vf1 must go to change how many virtual functions are on");
}

/* Whether the first step, which makes VFs free, has nothing to do. */
static bool first_goes(enum vf_kind kind, const char *entry)
{
	struct plan plan = { 0 };
	bool goes, comes_back;

	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, kind, 8, 8);
	gpu.seen.vfs.origin = SHARE_PINNED;
	for (unsigned i = 0; i < 3; i++)
		fixture_vf(&gpu, i, NULL, SHARE_PINNED, 0);
	CHECK_SAY(plan_for(entry, &plan) == 0, "%s", err.text);
	CHECK(plan.n_steps > 0 && plan.step[0].kind == STEP_VF_SET);
	goes = plan.step[0].vf.goes;
	comes_back = step_inverse(&plan.step[0]).vf.setup.is_for_vm;
	CHECK(comes_back && !step_inverse(&plan.step[0]).vf.goes);
	plan_done(&plan);
	return goes;
}

TEST(those_with_nothing_but_a_driver_go_with_the_count)
{
	CHECK(first_goes(VF_KIND_GENERIC, "vf: []"));
	CHECK(first_goes(VF_KIND_GENERIC, "vfs: 4, vf: [{count: 1}]"));
	CHECK(first_goes(VF_KIND_I915, "vf: []"));
	CHECK(!first_goes(VF_KIND_XE, "vf: []"));
	/* where the others stay on, it is made free by itself */
	CHECK(!first_goes(VF_KIND_GENERIC, "vfs: 8, vf: [{count: 1}]"));
}

TEST(a_gpu_in_use_keeps_virtual_functions_from_coming_on)
{
	h200(0, false);
	gpu.seen.n_processes = 1;
	BLOCKS("vf: [{type: H200X-35C}]", -1,
		"GPU 0 must be idle to turn its virtual functions on");
}

TEST(to_turn_virtual_functions_on_or_off_takes_all_instances)
{
	h200(0, true);
	fixture_add(&gpu, "1g.18gb", 0, SHARE_DYNAMIC, 0);
	fixture_add(&gpu, "3g.71gb", 4, SHARE_PINNED, 0);
	PLANS("mig: [3g.71gb@4], vf: [{type: H200X-3-71C}]",
		"destroy 1g.18gb@0; destroy 3g.71gb@4; turn on 16 virtual functions; create "
		"3g.71gb@4; make VF 0 NVIDIA H200X-3-71C");
	h200(16, true);
	fixture_add(&gpu, "3g.71gb", 4, SHARE_PINNED, 0);
	fixture_vf(&gpu, 0, "H200X-3-71C", SHARE_PINNED, 0)->setup.start = 4;
	PLANS("vf: []",
		"make VF 0 free again; destroy 3g.71gb@4; turn off all 16 virtual functions");
}

TEST(an_entry_that_does_not_speak_of_them_leaves_those_of_leases_alone)
{
	h200(16, false);
	gpu.seen.vfs.origin = SHARE_DYNAMIC;
	fixture_vf(&gpu, 0, "H200X-35C", SHARE_DYNAMIC, 9);
	PLANS("mig: off", "");
	gpu.seen.vfs.origin = SHARE_PINNED;
	gpu.seen.vfs.vf[0].lease = 0;
	PLANS("mig: off", "make VF 0 free again; turn off all 16 virtual functions");
}

TEST(those_that_somebody_else_turned_on_go_where_the_layout_says_so)
{
	h200(16, false);
	BLOCKS("mps: [{memory: 10G}]", -1,
		"GPU 0's 16 virtual functions must go, but Carve did not turn them on: write 'vf: "
		"off' in its entry if they may");
	PLANS("mig: off, vf: off", "turn off all 16 virtual functions");
	PLANS("mig: off", "");
}

TEST(without_a_quota_the_drivers_own_will_do)
{
	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, VF_KIND_XE, 24, 4);
	gpu.seen.vfs.origin = SHARE_PINNED;
	fixture_vf(&gpu, 0, NULL, SHARE_PINNED, 0)->setup.memory_bytes = 4ULL << 30;
	fixture_vf(&gpu, 1, NULL, SHARE_PINNED, 0)->setup.memory_bytes = 7ULL << 30;
	PLANS("vf: [{}, {memory: 4Gi}]", "");
	PLANS("vf: [{}, {memory: 5Gi}]",
		"make VF 1 free again; make VF 1 ready for virtual machines, with 5Gi");
}

TEST(a_count_that_the_driver_settles_stays)
{
	struct plan plan;

	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, VF_KIND_GIM, 8, 8);
	PLANS("vf: [{count: 2}]", "make VFs 0 to 1 ready for virtual machines");
	CHECK_EQ(plan_for("vf: off", &plan), -EINVAL);
	CHECK_SAY(strstr(err.text, "as its driver was loaded with"), "%s", err.text);
}

/* Random layouts and leases: every plan is done by a strict driver, leads to what is wanted, and
 * its inverse leads back. */

static const char *const mig_types[] = { "H200X-1-9C", "H200X-1-18C", "H200X-1-35C", "H200X-2-35C",
	"H200X-3-71C" };
static const char *const sliced_types[] = { "H200X-17C", "H200X-35C", "H200X-35Q", "H200X-70C" };
static const char *const mig_lists[] = { "3g.71gb@4", "1g.18gb*2", "1g.18gb@0, dynamic",
	"2g.35gb, 1g.18gb", "dynamic" };

static void add_lines(struct buf *text, uint64_t *seed, const char *const *types, unsigned n)
{
	unsigned lines = 1 + fixture_below(seed, 3), number = fixture_below(seed, 16);

	buf_add(text, "vf: [");
	for (unsigned i = 0; i < lines; i++) {
		buf_addf(text, "%s{type: %s", i ? ", " : "", types[fixture_below(seed, n)]);
		if (fixture_below(seed, 4) == 0)
			buf_addf(text, ", vf: %u}", (number + i) % 16);
		else
			buf_addf(text, ", count: %u}", 1 + fixture_below(seed, 3));
	}
	buf_add(text, "]");
}

static char *random_entry(uint64_t *seed)
{
	struct buf text = { 0 };

	switch (fixture_below(seed, 9)) {
	case 0:
		buf_add(&text, "vf: []");
		break;
	case 1:
		buf_add(&text, "mig: off");
		break;
	case 2:
		buf_add(&text, "mps: [{memory: 20G, count: 2}]");
		break;
	case 3:
		buf_addf(&text, "mig: [%s]", mig_lists[fixture_below(seed, 5)]);
		break;
	case 4:
		buf_addf(&text, "mig: [%s], ", mig_lists[fixture_below(seed, 5)]);
		/* fall through */
	case 5:
	case 6:
		add_lines(&text, seed, mig_types, 5);
		break;
	default:
		add_lines(&text, seed, sliced_types, 4);
	}
	return buf_take(&text);
}

static char *random_quota_entry(uint64_t *seed)
{
	unsigned lines = fixture_below(seed, 4), number = fixture_below(seed, 20);
	struct buf text = { 0 };

	if (fixture_below(seed, 3) == 0)
		buf_addf(&text, "vfs: %u, ", fixture_below(seed, 25));
	buf_add(&text, "vf: [");
	for (unsigned i = 0; i < lines; i++) {
		buf_addf(&text, "%s{", i ? ", " : "");
		if (fixture_below(seed, 3))
			buf_addf(&text, "memory: %uG, ", 1 + fixture_below(seed, 9));
		if (fixture_below(seed, 3) == 0)
			buf_add(&text, "quantum: 20ms, ");
		if (fixture_below(seed, 3) == 0)
			buf_addf(&text, "vf: %u}", number + i);
		else
			buf_addf(&text, "count: %u}", 1 + fixture_below(seed, 4));
	}
	buf_add(&text, "]");
	return buf_take(&text);
}

static bool do_steps(const struct step *step, unsigned n, bool backwards)
{
	for (unsigned i = 0; i < n; i++) {
		struct step one = backwards ? step_inverse(&step[n - 1 - i]) : step[i];
		const char *why = interpret(&gpu, &one);
		char text[96];

		CHECK_SAY(!why, "%s: %s", step_text(&one, text, sizeof(text)), why);
		if (why)
			return false;
	}
	return true;
}

static void do_repins(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_repins; i++) {
		const struct repin *repin = &plan->repin[i];

		if (repin->vf == REPIN_COUNT)
			gpu.seen.vfs.origin = (uint8_t)repin->origin;
		else if (repin->vf >= 0)
			((struct vf *)vf_find(&gpu, (uint32_t)repin->vf))->origin =
				(uint8_t)repin->origin;
	}
}

/* Instances are known by their places: those that stayed, as they are after the steps. */
static void do_instance_repins(const struct gpu *before, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_repins; i++) {
		const struct mig_instance *was;

		if (plan->repin[i].vf != REPIN_INSTANCE)
			continue;
		was = &before->seen.instance[plan->repin[i].instance];
		for (unsigned k = 0; k < gpu.seen.n_instances; k++)
			if (gpu.seen.instance[k].start == was->start)
				gpu.seen.instance[k].origin = plan->repin[i].origin;
	}
}

static void lease_one(uint64_t *seed, uint64_t lease)
{
	static const char *const sizes[] = { "17G", "35G", "70G", "18G", "71G" };
	struct step step[PLAN_PLACEMENT_MAX];
	struct placement at;
	struct request request;

	request_init(&request);
	request_option(&request, "vm", NULL, NULL);
	request_option(&request, "memory", sizes[fixture_below(seed, 5)], NULL);
	if (place(&gpu, 1, &request, 0, &at, NULL) != 0)
		return;
	if (!do_steps(step, plan_placement(&gpu, &at, step), false))
		return;
	((struct vf *)vf_find(&gpu, at.vf))->lease = lease;
}

static void end_one(uint64_t *seed)
{
	unsigned i = fixture_below(seed, gpu.seen.vfs.n ?: 1);
	struct vf *vf = &gpu.seen.vfs.vf[i];
	struct step step;

	if (i >= gpu.seen.vfs.n || !vf->lease)
		return;
	vf->lease = 0;
	vf->user = 0;
	step = step_vf_set_of(&gpu, UINT64_C(1) << vf->number, &(struct vf_setup){ 0 },
		(enum share_origin)vf->origin);
	if (vf->origin == SHARE_DYNAMIC)
		do_steps(&step, 1, false);
}

static void check_blockers(const struct plan *plan, const char *entry)
{
	for (unsigned i = 0; i < plan->n_blockers; i++) {
		const struct blocker *blocker = &plan->blocker[i];
		const struct vf *vf =
			blocker->vf >= 0 ? vf_find(&gpu, (uint32_t)blocker->vf) : NULL;

		CHECK_SAY(blocker->vf < 0 || (vf && (vf->lease || vf->user)), "%s: %s", entry,
			blocker->what);
	}
}

static bool walk(uint64_t *seed, unsigned *ret_applied)
{
	AUTO_FREE char *entry =
		gpu.facts.vf.has_quota ? random_quota_entry(seed) : random_entry(seed);
	struct gpu before = gpu, after;
	struct plan plan = { 0 }, again = { 0 };
	bool ok = true;

	if (plan_for(entry, &plan) < 0)
		return true;
	check_blockers(&plan, entry);
	if (plan.n_blockers == 0) {
		ok = do_steps(plan.step, plan.n_steps, false);
		after = gpu;
		ok = ok && do_steps(plan.step, plan.n_steps, true);
		CHECK_SAY(!ok || holds_the_same(&gpu, &before), "%s", entry);
		gpu = after;
		do_repins(&plan);
		do_instance_repins(&before, &plan);
		CHECK_SAY(plan_for(entry, &again) == 0 && again.n_steps == 0 &&
				  again.n_repins == 0 && again.n_blockers == 0,
			"%s: again %s (%s)", entry, steps_of(&again), err.text);
		ok &= again.n_steps == 0;
		plan_done(&again);
		++*ret_applied;
	}
	plan_done(&plan);
	return ok && !test_failures;
}

static void xe(void)
{
	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, VF_KIND_XE, 24, 0);
	gpu.facts.vf.has_schedule = true;
}

TEST(every_plan_can_be_done_and_undone)
{
	unsigned applied = 0;

	for (uint64_t round = 1; round <= 800; round++) {
		uint64_t seed = round;

		if (round % 4 == 0)
			xe();
		else
			h200(0, fixture_below(&seed, 2));
		for (unsigned step = 0; step < 12; step++) {
			if (!walk(&seed, &applied)) {
				fprintf(stderr, "round %u, step %u\n", (unsigned)round, step);
				return;
			}
			lease_one(&seed, 100 + step);
			if (gpu.seen.vfs.n && fixture_below(&seed, 3) == 0)
				end_one(&seed);
		}
	}
	CHECK_SAY(applied > 1000, "%u", applied);
}

TEST_MAIN()
