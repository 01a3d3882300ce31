/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout's plan, GPU by GPU:
 *
 *	mode goes off	every instance goes, then the mode
 *	mode goes on	the mode, then the instances are made (there are none before)
 *	mode stays on	what is wanted and there stays where it is (fit.c); the rest of the idle
 *			goes, what is in use and in nobody's way stays, the rest of the wanted is
 *			made, large before small
 *
 * MPS shares that are not wanted are dropped before all that, those that are missing added behind
 * it (plan_mps.c). VFs are made free before instances go, and set when all instances are there; to
 * turn them on or off is done beside the mode, and all instances go for it (plan_vf.c).
 */
#include "model/plan.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/plan_draft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void draft_done(struct draft *draft)
{
	vec_done(&draft->steps);
	vec_done(&draft->blockers);
	vec_done(&draft->kept);
	vec_done(&draft->repins);
}

struct blocker *draft_block(
	struct draft *draft, const struct gpu *gpu, int instance, uint64_t lease)
{
	struct blocker *blocker = vec_add(&draft->blockers);

	blocker->gpu = gpu->index;
	blocker->instance = instance;
	blocker->vf = -1;
	blocker->lease = lease;
	return blocker;
}

static void add_kept(struct draft *draft, const struct gpu *gpu, unsigned i, const char *why)
{
	*vec_add(&draft->kept) = (struct kept){ gpu->index, i, -1, why };
}

static void block_by(struct draft *draft, const struct gpu *gpu, unsigned i, uint64_t lease,
	const char *makes_room_for)
{
	const struct mig_instance *instance = &gpu->seen.instance[i];
	struct blocker *blocker = draft_block(draft, gpu, (int)i, lease);
	char name[SHARE_NAME_MAX];

	blocker->is_foreign = instance->origin == SHARE_FOREIGN;
	snprintf(blocker->what, sizeof(blocker->what), "%s must go %s%s",
		share_name(gpu, instance, NULL, name), makes_room_for,
		blocker->is_foreign ? ", but Carve did not make it: adopt it first" : "");
}

/* One blocker for each lease on the instance, or one for whoever else is on it. */
static void block_instance(
	struct draft *draft, const struct gpu *gpu, unsigned i, const char *makes_room_for)
{
	const struct mig_instance *instance = &gpu->seen.instance[i];
	uint64_t last = 0;

	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease && instance->ci[c].lease != last)
			block_by(draft, gpu, i, instance->ci[c].lease, makes_room_for);
		last = instance->ci[c].lease ?: last;
	}
	for (unsigned s = 0; s < gpu->n_mps; s++) {
		if (!gpu->mps[s].lease || !mps_place_is_in(gpu, instance, &gpu->mps[s].place, NULL))
			continue;
		last = gpu->mps[s].lease;
		block_by(draft, gpu, i, last, makes_room_for);
	}
	if (!last)
		block_by(draft, gpu, i, 0, makes_room_for);
}

static void set_mode(struct draft *draft, const struct gpu *gpu, bool on)
{
	struct step *step;

	if (gpu->seen.mig_on == on && gpu->seen.mig_pending == on)
		return;
	step = vec_add(&draft->steps);
	step->kind = on ? STEP_MODE_ON : STEP_MODE_OFF;
	step->gpu = gpu->index;
	if (gpu->seen.mig_on == on || !gpu->facts.mode_needs_reset)
		return;
	step = vec_add(&draft->steps);
	step->kind = STEP_RESET;
	step->gpu = gpu->index;
	draft->needs_reset |= 1u << gpu->index;
}

/* A mode change takes a GPU that nobody uses. */
static void block_mode(struct draft *draft, const struct gpu *gpu, bool on)
{
	struct blocker *blocker;

	/* Processes of MPS servers: their leases block by themselves, and without any they stop. */
	if (!gpu->whole_lease &&
		(gpu->n_mps_servers || (!gpu->whole_in_use && gpu->seen.n_processes == 0)))
		return;
	blocker = draft_block(draft, gpu, -1, gpu->whole_lease);
	snprintf(blocker->what, sizeof(blocker->what), "GPU %u must be idle to turn MIG mode %s",
		gpu->index, on ? "on" : "off");
}

/* Every instance goes. */
static void drop_instances(struct draft *draft, const struct gpu *gpu, const char *what_for)
{
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];
		bool in_use = false;

		for (unsigned c = 0; c < instance->n_ci; c++)
			in_use |= instance->ci[c].lease ||
				  (instance->ci[c].has_users &&
					  !mps_is_on_ci(gpu, instance, &instance->ci[c], false));
		in_use |= mps_is_on(gpu, instance, true);
		if (in_use || instance->origin == SHARE_FOREIGN)
			block_instance(draft, gpu, i, what_for);
		if (instance->origin != SHARE_FOREIGN)
			*vec_add(&draft->steps) = step_destroy_of(gpu, i);
	}
}

/* To turn VFs on takes a GPU that nobody uses otherwise. */
static void block_vfs(struct draft *draft, const struct vf_change *change)
{
	const struct gpu *gpu = change->gpu;
	struct blocker *blocker;

	if (!change->turns || !change->count || vf_any_on(gpu) ||
		(!gpu->whole_lease && (gpu->n_mps_servers || gpu->seen.n_instances ||
					      gpu->seen.n_processes == 0)))
		return;
	blocker = draft_block(draft, gpu, -1, gpu->whole_lease);
	snprintf(blocker->what, sizeof(blocker->what),
		"GPU %u must be idle to turn its virtual functions on", gpu->index);
}

static int plan_mode_off(struct draft *draft, const struct gpu *gpu,
	const struct wanted_gpu *wanted, struct error *err)
{
	size_t n_blockers = draft->blockers.n;
	struct mps_change change;
	struct vf_change vfs;
	int r;

	vf_change_begin(&vfs, gpu, wanted);
	r = vf_change_fit(&vfs, NULL, NULL, err);
	if (r < 0)
		return r;
	mps_change_of_gpu(&change, gpu, wanted);
	mps_change_drop(&change, draft);
	vf_change_free(&vfs, draft);
	drop_instances(draft, gpu, "to turn MIG mode off");
	if (gpu->seen.mig_on && draft->blockers.n == n_blockers)
		block_mode(draft, gpu, false);
	if (draft->blockers.n == n_blockers)
		block_vfs(draft, &vfs);
	vf_change_off(&vfs, draft);
	set_mode(draft, gpu, false);
	vf_change_on(&vfs, draft);
	vf_change_set(&vfs, draft);
	mps_change_add(&change, draft);
	return 0;
}

/* The want for whose sake instance i cannot stay. */
static const char *in_way_of(
	const struct gpu *gpu, const struct wants *wants, const struct fit *fit, unsigned i)
{
	const struct mig_instance *instance = &gpu->seen.instance[i];
	const struct mig_profile *profile = wants->geometry->profile;
	uint32_t slots = mig_slots(&profile[instance->profile], instance->start);

	for (unsigned w = 0; w < wants->n; w++) {
		if (mig_slots(&profile[wants->want[w].profile], fit->start[w]) & slots)
			return profile[wants->want[w].profile].name;
	}
	return "the media engines that the layout wants";
}

static void plan_instance(struct draft *draft, const struct gpu *gpu, const struct wants *wants,
	const struct fit *fit, unsigned i)
{
	const struct mig_instance *instance = &gpu->seen.instance[i];
	enum share_origin origin = SHARE_DYNAMIC;
	char room[80];

	switch (fit->fate[i]) {
	case FATE_WANTED:
		for (unsigned w = 0; w < wants->n; w++) {
			if (fit->have[w] == (int)i && !wants->want[w].is_dynamic)
				origin = SHARE_PINNED;
		}
		add_kept(draft, gpu, i, "wanted");
		break;
	case FATE_KEPT:
		add_kept(draft, gpu, i, instance->origin == SHARE_FOREIGN ? "foreign" : "in use");
		break;
	case FATE_CACHE:
		add_kept(draft, gpu, i, "cache");
		break;
	case FATE_BLOCKS:
		snprintf(room, sizeof(room), "to make room for %s", in_way_of(gpu, wants, fit, i));
		block_instance(draft, gpu, i, room);
		/* fall through */
	case FATE_GOES:
		if (instance->origin != SHARE_FOREIGN)
			*vec_add(&draft->steps) = step_destroy_of(gpu, i);
		return;
	}
	if (instance->origin != SHARE_FOREIGN && instance->origin != origin)
		*vec_add(&draft->repins) = (struct repin){ gpu->index, i, REPIN_INSTANCE, origin };
}

static struct step create_want(
	const struct gpu *gpu, const struct wants *wants, unsigned w, uint32_t start)
{
	const struct want *want = &wants->want[w];
	struct step step = step_create_of(
		gpu, want->profile, start, want->is_dynamic ? SHARE_DYNAMIC : SHARE_PINNED);

	step.n_ci = want->n_ci;
	for (unsigned c = 0; c < want->n_ci; c++)
		step.ci_id[c] = wants->geometry->profile[want->profile].ci[want->ci[c]].id;
	return step;
}

static void create_wants(struct draft *draft, const struct gpu *gpu, const struct wants *wants,
	const struct fit *fit)
{
	for (unsigned size = wants->geometry->n_slots; size > 0; size--) {
		for (unsigned w = 0; w < wants->n; w++) {
			if (wants->geometry->profile[wants->want[w].profile].size == size &&
				fit->have[w] < 0)
				*vec_add(&draft->steps) = create_want(gpu, wants, w, fit->start[w]);
		}
	}
}

/* The steps, where it is known what goes where. `bare` is the GPU as far as its instances may stay.
 */
static void add_mode_on(struct draft *draft, const struct gpu *gpu, const struct gpu *bare,
	const struct wants *wants, const struct fit *fit, const struct vf_change *vfs)
{
	struct mps_change change;
	size_t n_blockers;

	mps_change_of_fit(&change, bare, wants->wanted, wants, fit);
	mps_change_drop(&change, draft);
	vf_change_free(vfs, draft);
	if (vfs->turns)
		drop_instances(draft, gpu, "to turn virtual functions on or off");
	for (unsigned i = 0; i < bare->seen.n_instances; i++)
		plan_instance(draft, gpu, wants, fit, i);
	n_blockers = draft->blockers.n;
	if (!gpu->seen.mig_on)
		block_mode(draft, gpu, true);
	if (draft->blockers.n == n_blockers)
		block_vfs(draft, vfs);
	vf_change_off(vfs, draft);
	set_mode(draft, gpu, true);
	vf_change_on(vfs, draft);
	create_wants(draft, gpu, wants, fit);
	vf_change_set(vfs, draft);
	mps_change_add(&change, draft);
}

static int plan_mode_on(struct draft *draft, const struct gpu *gpu, const struct wanted_gpu *wanted,
	struct error *err)
{
	AUTO_FREE struct gpu *bare = NULL;
	struct vf_change vfs;
	struct wants wants;
	struct fit fit;
	int r;

	if (!gpu->facts.has_mig)
		return error_set(
			err, -EINVAL, "GPU %u (%s) has no MIG", gpu->index, gpu->facts.product);
	vf_change_begin(&vfs, gpu, wanted);
	if (vfs.turns) {
		bare = must_alloc(1, sizeof(*bare));
		*bare = *gpu;
		bare->seen.n_instances = 0;
	}
	r = wants_of(gpu, wanted, &wants, err);
	if (r < 0)
		return r;
	if (!fit_find(bare ?: gpu, &wants, wanted->is_dynamic, &fit))
		return fit_refuse(gpu, &wants, err);
	r = vf_change_fit(&vfs, &wants, &fit, err);
	if (r == 0)
		add_mode_on(draft, gpu, bare ?: gpu, &wants, &fit, &vfs);
	return r;
}

static int plan_gpu(struct draft *draft, const struct gpu *gpu, const struct wanted_gpu *wanted,
	struct error *err)
{
	size_t n_steps = draft->steps.n;
	struct blocker *blocker;
	int r = 0;

	if (!wanted->mig_on && !gpu->facts.has_mig && !wanted->n_mps && !gpu->n_mps &&
		!wanted->has_vfs && !vf_any_on(gpu))
		return 0;
	if (wanted->is_vfs_off_only && !vf_any_on(gpu))
		return 0;
	if (!gpu->managed)
		return error_set(err, -EPERM, "GPU %u is not managed by Carve: `carve manage %u`",
			gpu->index, gpu->index);
	if (wanted->mig_on)
		r = plan_mode_on(draft, gpu, wanted, err);
	else
		r = plan_mode_off(draft, gpu, wanted, err);
	if (r < 0 || draft->steps.n == n_steps || gpu->health != GPU_LOST)
		return r;
	blocker = draft_block(draft, gpu, -1, 0);
	snprintf(blocker->what, sizeof(blocker->what), "GPU %u is lost%s%.100s", gpu->index,
		gpu->health_text[0] ? ": " : "", gpu->health_text);
	return 0;
}

void draft_take(struct draft *draft, struct plan *ret_plan)
{
	*ret_plan = (struct plan){
		.n_steps = (unsigned)draft->steps.n,
		.n_blockers = (unsigned)draft->blockers.n,
		.n_kept = (unsigned)draft->kept.n,
		.n_repins = (unsigned)draft->repins.n,
		.step = draft->steps.at,
		.blocker = draft->blockers.at,
		.kept = draft->kept.at,
		.repin = draft->repins.at,
		.needs_reset = draft->needs_reset,
	};
}

int plan_layout(const struct gpu *gpus, unsigned n_gpus, const struct layout *layout,
	struct plan *ret_plan, struct error *err)
{
	struct draft draft = { 0 };

	for (unsigned g = 0; g < n_gpus && g < layout->n_gpus; g++) {
		int r = 0;

		if (layout->wanted[g].is_named)
			r = plan_gpu(&draft, &gpus[g], &layout->wanted[g], err);
		if (r < 0) {
			draft_done(&draft);
			return r;
		}
	}
	draft_take(&draft, ret_plan);
	return 0;
}

void plan_done(struct plan *plan)
{
	free(plan->step);
	free(plan->blocker);
	free(plan->kept);
	free(plan->repin);
	*plan = (struct plan){ 0 };
}
