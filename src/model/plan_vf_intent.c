/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU's VFs made again as they were before a reboot. */
#include "base/error.h"
#include "base/text.h"
#include "model/plan_draft.h"

#include <errno.h>
#include <stdio.h>

/* The intent on its way to steps: what each of its VFs is with this driver. */
struct again {
	const struct gpu *gpu;
	const struct vf_intent *intent;
	struct draft draft;
	struct vf_setup setup[VFS_MAX];
	bool is_made[VFS_MAX]; /* it is to be set up */
	bool needs_mig;
};

static void block(struct again *again, unsigned i, const char *why)
{
	const struct vf_intent *intent = again->intent;
	struct blocker *blocker = draft_block(&again->draft, again->gpu, -1, 0);

	blocker->vf = (int)intent->vf[i].number;
	snprintf(blocker->what, sizeof(blocker->what), "%u:vf%u cannot be %s again: %s",
		again->gpu->index, intent->vf[i].number,
		intent->vf[i].type[0] ? intent->vf[i].type : "made ready for virtual machines",
		why);
}

/* It is what the intent says: where a vGPU's instance is, the driver had the choice, and how much
 * memory a VF without a quota has. */
static bool is_as_meant(const struct vf *vf, const struct vf_setup *setup)
{
	struct vf_setup seen = vf->setup;

	if (!setup->memory_bytes)
		seen.memory_bytes = 0;
	return setup->type ? seen.type == setup->type : vf_setup_is(&seen, setup);
}

/* The types come with the VFs, and are known in the next plan. */
static bool has_no_types_yet(const struct gpu *gpu)
{
	return gpu->facts.vf.types_from_vfs &&
	       (!vf_any_on(gpu) || vf_types_are_unknown(&gpu->facts.vf));
}

/* What VF i of the intent is to be set to; false if that cannot be, with a blocker, or not yet. */
static bool take_vf(struct again *again, unsigned i)
{
	const struct gpu *gpu = again->gpu;
	const struct vf_intent *intent = again->intent;
	const struct vf *vf = vf_find(gpu, intent->vf[i].number);
	struct vf_setup *setup = &again->setup[i];
	AUTO_BUF why = { 0 };
	int t;

	*setup = intent->vf[i].setup;
	if (intent->vf[i].type[0]) {
		t = vf_type_find(&gpu->facts.vf, intent->vf[i].type);
		if (t < 0 && has_no_types_yet(gpu))
			return false;
		if (t < 0) {
			block(again, i, "the driver has no such type any more");
			return false;
		}
		setup->type = gpu->facts.vf.type[t].id;
		again->needs_mig |= vf_type_is_mig(&gpu->facts.vf.type[t]);
	}
	if (vf && is_as_meant(vf, setup))
		return false;
	/* a lease that has it waits for just this; the manager of its virtual machine may name it
	 */
	if (!vf || (vf_setup_is_free(&vf->setup) && !vf->user))
		return true;
	buf_add(&why, "somebody else has set it up");
	vf_say_user(vf, &why);
	block(again, i, buf_text(&why));
	return false;
}

static void add_mode(struct again *again)
{
	const struct gpu *gpu = again->gpu;

	if (!again->needs_mig || (gpu->seen.mig_on && gpu->seen.mig_pending))
		return;
	*vec_add(&again->draft.steps) = (struct step){ .kind = STEP_MODE_ON, .gpu = gpu->index };
	if (gpu->seen.mig_on || !gpu->facts.mode_needs_reset)
		return;
	*vec_add(&again->draft.steps) = (struct step){ .kind = STEP_RESET, .gpu = gpu->index };
	again->draft.needs_reset |= 1u << gpu->index;
}

/* True if an instance of the profile is there, or a step makes it. */
static bool has_instance(const struct again *again, uint32_t profile_id, uint32_t start)
{
	const struct gpu *gpu = again->gpu;

	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		if (gpu->seen.instance[i].start == start &&
			gpu->facts.geometry.profile[gpu->seen.instance[i].profile].id == profile_id)
			return true;
	for (size_t s = 0; s < again->draft.steps.n; s++) {
		const struct step *step = &again->draft.steps.at[s];

		if (step->kind == STEP_CREATE && step->profile_id == profile_id &&
			step->start == start)
			return true;
	}
	return false;
}

/* The driver counts: the instances in the order of their places. */
static void add_instances(struct again *again)
{
	const struct vf_intent *intent = again->intent;

	for (uint32_t start = 0; start < MIG_SLOTS_MAX; start++) {
		for (unsigned i = 0; i < intent->n; i++) {
			int p = mig_profile_find_id(
				&again->gpu->facts.geometry, intent->vf[i].profile_id);

			if (!again->is_made[i] || again->setup[i].start != start || p < 0 ||
				has_instance(again, intent->vf[i].profile_id, start))
				continue;
			*vec_add(&again->draft.steps) = step_create_of(again->gpu, (uint32_t)p,
				start, (enum share_origin)intent->vf[i].origin);
		}
	}
}

/* Those that are alike in one step, large before small: the driver packs mixed sizes in order. */
static void add_sets(struct again *again)
{
	const struct vf_intent *intent = again->intent;

	for (;;) {
		uint64_t vfs = 0;
		int first = -1;

		for (unsigned i = 0; i < intent->n; i++)
			if (again->is_made[i] &&
				(first < 0 || vf_memory(again->gpu, &again->setup[i]) >
						      vf_memory(again->gpu, &again->setup[first])))
				first = (int)i;
		if (first < 0)
			return;
		for (unsigned i = (unsigned)first; i < intent->n; i++) {
			if (!again->is_made[i] ||
				!vf_setup_is(&again->setup[i], &again->setup[first]) ||
				intent->vf[i].origin != intent->vf[first].origin)
				continue;
			vfs |= UINT64_C(1) << intent->vf[i].number;
			again->is_made[i] = false;
		}
		*vec_add(&again->draft.steps) = step_vf_set_of(again->gpu, vfs,
			&again->setup[first], (enum share_origin)intent->vf[first].origin);
	}
}

static int check(const struct gpu *gpu, const struct vf_intent *intent, struct error *err)
{
	bool is_other_board = intent->serial[0] && gpu->facts.serial[0] &&
			      !text_eq(intent->serial, gpu->facts.serial);

	if (!gpu_is_same_pci(gpu->facts.pci, intent->pci) || is_other_board)
		return error_set(err, -ENODEV,
			"the virtual functions were those of another GPU: at %s is now GPU %u, "
			"serial number %s",
			intent->pci, gpu->index,
			gpu->facts.serial[0] ? gpu->facts.serial : "unknown");
	if (gpu->seen.vfs.count && gpu->seen.vfs.count != intent->count)
		return error_set(err, -EBUSY,
			"GPU %u has %u virtual functions on, and not the %u that are wanted: "
			"somebody else turned them on",
			gpu->index, gpu->seen.vfs.count, intent->count);
	if (intent->count > gpu->facts.vf.total)
		return error_set(err, -ERANGE,
			"%u virtual functions are wanted on GPU %u, which can have %u now",
			intent->count, gpu->index, gpu->facts.vf.total);
	return 0;
}

int plan_vf_intent(const struct gpu *gpu, const struct vf_intent *intent, struct plan *ret_plan,
	struct error *err)
{
	struct again again = { .gpu = gpu, .intent = intent };
	int r = check(gpu, intent, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < intent->n; i++)
		again.is_made[i] = take_vf(&again, i);
	add_mode(&again);
	if (gpu->seen.vfs.count != intent->count)
		*vec_add(&again.draft.steps) =
			step_vf_count_of(gpu, intent->count, (enum share_origin)intent->origin);
	add_instances(&again);
	if (intent->is_mixed && !gpu->seen.vfs.is_mixed)
		*vec_add(&again.draft.steps) = step_vf_mix_of(gpu, true);
	add_sets(&again);
	draft_take(&again.draft, ret_plan);
	return 0;
}
