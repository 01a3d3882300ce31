/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a GPU's VFs in a layout's plan. Those that do not stay are made free first, each as
 * it was, so that the inverse steps bring back just that; a change of how many are on goes through
 * none, and kills all.
 */
#include "base/text.h"
#include "model/plan_draft.h"

#include <stdio.h>

static uint64_t bit(uint32_t number)
{
	return UINT64_C(1) << number;
}

static const char *what_for(const struct vf_change *change)
{
	if (change->turns && change->count == 0)
		return "to turn virtual functions off";
	if (change->turns)
		return "to change how many virtual functions are on";
	if (change->mixes)
		return change->is_mixed ? "so that sizes can be mixed"
					: "so that all have one size";
	return "to make room for the layout's";
}

static void block(const struct vf_change *change, const struct vf *vf, struct draft *draft)
{
	struct blocker *blocker = draft_block(draft, change->gpu, -1, vf->lease);
	bool is_foreign =
		vf->origin == SHARE_FOREIGN && !vf_setup_is_free(&vf->setup) && !vf->lease;
	AUTO_BUF text = { 0 };

	blocker->vf = (int)vf->number;
	blocker->is_foreign = is_foreign;
	vf_say(change->gpu, vf, &text);
	buf_addf(&text, " must go %s", what_for(change));
	vf_say_user(vf, &text);
	if (is_foreign && !vf->user && !vf->owner[0])
		buf_add(&text, ", but Carve did not set it up: adopt it first");
	text_copy(blocker->what, sizeof(blocker->what), buf_text(&text));
}

static void keep(const struct vf_change *change, const struct vf *vf, struct draft *draft)
{
	bool is_wanted = change->is_wanted & bit(vf->number);
	enum share_origin origin = is_wanted ? SHARE_PINNED : SHARE_DYNAMIC;
	bool is_foreign = vf->origin == SHARE_FOREIGN && !vf->lease;

	*vec_add(&draft->kept) = (struct kept){ change->gpu->index, UINT32_MAX, (int)vf->number,
		is_wanted    ? "wanted"
		: is_foreign ? "foreign"
			     : "in use" };
	if (!is_foreign && vf->origin != origin && change->wanted->has_vfs)
		*vec_add(&draft->repins) =
			(struct repin){ change->gpu->index, UINT32_MAX, (int)vf->number, origin };
}

/* A VF of no vendor's kind has nothing but its driver, which goes with it. What else may be left of
 * others nobody knows but the vendor. */
static bool goes_whole(const struct vf_change *change)
{
	enum vf_kind kind = change->gpu->facts.vf.kind;

	return change->turns && (kind == VF_KIND_GENERIC || kind == VF_KIND_I915);
}

/* Those that are alike go in one step. */
static void free_vfs(const struct vf_change *change, uint64_t vfs, struct draft *draft)
{
	const struct gpu *gpu = change->gpu;

	while (vfs) {
		const struct vf *first = vf_find(gpu, (uint32_t)__builtin_ctzll(vfs));
		uint64_t alike = 0;
		struct step step;

		for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
			const struct vf *vf = &gpu->seen.vfs.vf[i];

			if ((vfs & bit(vf->number)) && vf->origin == first->origin &&
				vf_setup_is(&vf->setup, &first->setup))
				alike |= bit(vf->number);
		}
		step = step_vf_set_of(
			gpu, alike, &(struct vf_setup){ 0 }, (enum share_origin)first->origin);
		step.vf.goes = goes_whole(change);
		*vec_add(&draft->steps) = step;
		vfs &= ~alike;
	}
}

/* VFs that somebody else turned on go off only where the layout says so. */
static void block_count(const struct vf_change *change, struct draft *draft)
{
	const struct vfs_seen *vfs = &change->gpu->seen.vfs;
	struct blocker *blocker;

	if (!change->turns || !vfs->count || vfs->origin != SHARE_FOREIGN ||
		change->wanted->has_vfs)
		return;
	blocker = draft_block(draft, change->gpu, -1, 0);
	blocker->is_foreign = true;
	snprintf(blocker->what, sizeof(blocker->what),
		"GPU %u's %u virtual functions must go, but Carve did not turn them on: write 'vf: "
		"off' in its entry if they may",
		change->gpu->index, vfs->count);
}

void vf_change_free(const struct vf_change *change, struct draft *draft)
{
	const struct vfs_seen *vfs = &change->gpu->seen.vfs;
	uint64_t frees = 0;

	block_count(change, draft);
	for (uint32_t i = 0; i < vfs->n; i++) {
		const struct vf *vf = &vfs->vf[i];

		if (change->blocks & bit(vf->number))
			block(change, vf, draft);
		if (change->stays & bit(vf->number))
			keep(change, vf, draft);
		else if (!vf_setup_is_free(&vf->setup) && vf->origin != SHARE_FOREIGN)
			frees |= bit(vf->number);
	}
	free_vfs(change, frees, draft);
	if (!change->turns && change->wanted->has_vfs && vfs->count && vfs->origin != SHARE_PINNED)
		*vec_add(&draft->repins) =
			(struct repin){ change->gpu->index, UINT32_MAX, REPIN_COUNT, SHARE_PINNED };
}

void vf_change_off(const struct vf_change *change, struct draft *draft)
{
	const struct vfs_seen *vfs = &change->gpu->seen.vfs;

	if (!change->turns || !vfs->count)
		return;
	/* Mixed sizes are forgotten with the VFs: as a step, so that they come back with them. */
	if (vfs->is_mixed)
		*vec_add(&draft->steps) = step_vf_mix_of(change->gpu, false);
	*vec_add(&draft->steps) = step_vf_count_of(change->gpu, 0, (enum share_origin)vfs->origin);
}

void vf_change_on(const struct vf_change *change, struct draft *draft)
{
	struct step step = step_vf_count_of(change->gpu, change->count, SHARE_PINNED);

	if (!change->turns || !change->count)
		return;
	step.vf.count_before = 0;
	*vec_add(&draft->steps) = step;
}

void vf_change_set(const struct vf_change *change, struct draft *draft)
{
	uint64_t done = 0;

	if (change->mixes)
		*vec_add(&draft->steps) = step_vf_mix_of(change->gpu, change->is_mixed);
	for (unsigned i = 0; i < change->n_new; i++) {
		const struct vf_new *first = &change->new[i];
		uint64_t alike = 0;
		struct step step;

		if (done & bit(first->number))
			continue;
		for (unsigned k = i; k < change->n_new; k++)
			if (vf_setup_is(&change->new[k].setup, &first->setup))
				alike |= bit(change->new[k].number);
		done |= alike;
		step = step_vf_set_of(change->gpu, alike, &first->setup, SHARE_PINNED);
		step.vf.before = (struct vf_setup){ 0 };
		*vec_add(&draft->steps) = step;
	}
}
