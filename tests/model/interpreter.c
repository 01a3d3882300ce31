/* SPDX-License-Identifier: Apache-2.0 */
#include "interpreter.h"

#include "fixtures.h"
#include "model/mps_room.h"
#include "model/vf_room.h"

#include <string.h>

const char *inspect(const struct gpu *gpu)
{
	const struct mig_profile *profiles = gpu->facts.geometry.profile;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *a = &gpu->seen.instance[i];
		const struct mig_profile *p = &profiles[a->profile];
		unsigned same = 0, slices = 0;

		if (!(p->starts >> a->start & 1))
			return "an instance has an illegal start";
		for (unsigned k = 0; k < gpu->seen.n_instances; k++) {
			const struct mig_instance *b = &gpu->seen.instance[k];

			same += a->profile == b->profile;
			if (k != i && a->start < b->start + profiles[b->profile].size &&
				b->start < a->start + p->size)
				return "two instances overlap";
		}
		if (same > p->max)
			return "too many of one profile";
		for (unsigned c = 0; c < a->n_ci; c++)
			slices += p->ci[a->ci[c].ci].slices;
		if (slices > p->slices)
			return "too many compute instances";
	}
	return NULL;
}

static int find_instance(const struct gpu *gpu, const struct step *step)
{
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->start == step->start &&
			gpu->facts.geometry.profile[instance->profile].id == step->profile_id)
			return (int)i;
	}
	return -1;
}

static const char *create(struct gpu *gpu, const struct step *step)
{
	int p = mig_profile_find_id(&gpu->facts.geometry, step->profile_id);
	struct mig_instance *instance;

	if (p < 0 || !gpu->seen.mig_on)
		return "no such profile now";
	instance = fixture_add_cis(gpu, gpu->facts.geometry.profile[p].name, step->start,
		step->origin, (unsigned[]){ 0 });
	for (; instance->n_ci < step->n_ci; instance->n_ci++) {
		struct mig_ci *ci = &instance->ci[instance->n_ci];

		ci->id = instance->n_ci;
		while (gpu->facts.geometry.profile[p].ci[ci->ci].id != step->ci_id[ci->id])
			ci->ci++;
	}
	return inspect(gpu);
}

static const char *destroy(struct gpu *gpu, const struct step *step)
{
	int i = find_instance(gpu, step);
	const struct mig_instance *instance;

	if (i < 0)
		return "no such instance";
	instance = &gpu->seen.instance[i];
	if (instance->origin == SHARE_FOREIGN)
		return "a foreign instance must not go";
	if (mps_is_on(gpu, instance, false))
		return "MPS shares are on it";
	for (unsigned k = 0; k < gpu->seen.vfs.n; k++)
		if (vf_is_in(gpu, &gpu->seen.vfs.vf[k], instance))
			return "a vGPU is in it";
	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease || instance->ci[c].has_users)
			return "in use by another client";
	}
	fixture_remove(gpu, (unsigned)i);
	return NULL;
}

static const char *change_mode(struct gpu *gpu, bool on)
{
	if (gpu->seen.n_instances || gpu->n_mps || gpu->whole_lease || gpu->whole_in_use ||
		gpu->seen.vfs.count)
		return "in use by another client";
	gpu->seen.mig_pending = on;
	if (!gpu->facts.mode_needs_reset)
		gpu->seen.mig_on = on;
	return NULL;
}

static const char *add_mps(struct gpu *gpu, const struct step *step)
{
	struct mps_room room = mps_room_of(gpu, &step->mps.place);

	if (mps_share_find(gpu, step->mps.number) || step->mps.number == 0)
		return "the number is taken";
	if (mps_place_is_gpu(&step->mps.place) == gpu->seen.mig_on)
		return "no such place now";
	if (mps_room_lacks(&room, gpu, step->mps.memory_bytes, step->mps.percent,
		    step->mps.over_commit) != MPS_LACK_NOTHING)
		return "no room for the MPS share";
	gpu->mps[gpu->n_mps++] = step->mps;
	return NULL;
}

static const char *drop_mps(struct gpu *gpu, const struct step *step)
{
	const struct mps_share *share = mps_share_find(gpu, step->mps.number);

	if (!share || !share->is_pinned)
		return "no such MPS share";
	if (share->lease)
		return "the MPS share is leased";
	gpu->mps[share - gpu->mps] = gpu->mps[gpu->n_mps - 1];
	gpu->n_mps--;
	return NULL;
}

/* The driver is taken off the GPU for it: instances are lost, and so are mixed sizes. */
static const char *change_count(struct gpu *gpu, const struct step *step)
{
	const struct vfs_seen *vfs = &gpu->seen.vfs;

	if (step->vf.count_before != vfs->count || (vfs->count && step->vf.count))
		return "another count of VFs is on";
	if (step->vf.count > gpu->facts.vf.total)
		return "more VFs than there can be";
	if (gpu->seen.n_instances || gpu->n_mps || gpu->whole_lease || vfs->is_mixed)
		return "something would be lost";
	for (unsigned i = 0; i < vfs->n; i++)
		if (!vf_is_free(&vfs->vf[i]))
			return "a VF is not free";
	fixture_vfs_on(gpu, step->vf.count, step->origin);
	return NULL;
}

static const char *mix_sizes(struct gpu *gpu, const struct step *step)
{
	struct vfs_seen *vfs = &gpu->seen.vfs;

	for (unsigned i = 0; i < vfs->n; i++)
		if (vfs->vf[i].setup.type)
			return "in use by another client";
	if (!vfs->count || vfs->is_mixed == step->vf.is_mixed)
		return "sizes cannot be mixed so";
	vfs->is_mixed = step->vf.is_mixed;
	return NULL;
}

/* Room for one more of the setup, in just that instance. */
static bool has_room(const struct gpu *gpu, const struct vf_setup *setup)
{
	int t = setup->type ? vf_type_find_id(&gpu->facts.vf, setup->type) : -1;
	struct vf_room room;
	unsigned n = 0;

	vf_room_of(&room, gpu);
	if (t < 0)
		return setup->memory_bytes <= vf_room_memory(&room);
	for (unsigned i = 0; i < room.n_instances; i++)
		if (room.instance[i].start == setup->start)
			room.instance[n++] = room.instance[i];
	room.n_instances = n;
	return vf_room_for(&room, (unsigned)t) > 0;
}

static const char *set_vfs(struct gpu *gpu, const struct step *step)
{
	for (uint32_t number = 0; number < VFS_MAX; number++) {
		struct vf *vf = (struct vf *)vf_find(gpu, number);

		if (!(step->vf.vfs >> number & 1))
			continue;
		if (!vf || vf->lease || vf->user || vf->owner[0])
			return "no such VF, or somebody has it";
		if (!vf_setup_is(&vf->setup, &step->vf.before))
			return "the VF is set up otherwise";
		if (vf_setup_is_free(&step->vf.before) == vf_setup_is_free(&step->vf.setup))
			return "a VF is made free before it becomes something else";
		if (!vf_setup_is_free(&step->vf.before) && vf->origin != step->origin)
			return "the VF has another origin";
		if (!vf_setup_is_free(&step->vf.setup) && !has_room(gpu, &step->vf.setup))
			return "no room for it";
		vf->setup = step->vf.setup;
		vf->origin = vf_setup_is_free(&vf->setup) ? 0 : (uint8_t)step->origin;
	}
	return NULL;
}

const char *interpret(struct gpu *gpu, const struct step *step)
{
	switch (step->kind) {
	case STEP_ADD_MPS:
		return add_mps(gpu, step);
	case STEP_DROP_MPS:
		return drop_mps(gpu, step);
	case STEP_MODE_ON:
	case STEP_MODE_OFF:
		return change_mode(gpu, step->kind == STEP_MODE_ON);
	case STEP_RESET:
		gpu->seen.mig_on = gpu->seen.mig_pending;
		return gpu->seen.n_instances ? "instances are lost by a reset" : NULL;
	case STEP_VF_COUNT:
		return change_count(gpu, step);
	case STEP_VF_MIX:
		return mix_sizes(gpu, step);
	case STEP_VF_SET:
		return set_vfs(gpu, step);
	case STEP_CREATE:
		return create(gpu, step);
	default:
		return destroy(gpu, step);
	}
}

static bool is_same_share(const struct mps_share *x, const struct mps_share *y)
{
	return y && mps_place_is(&x->place, &y->place) && x->memory_bytes == y->memory_bytes &&
	       x->percent == y->percent && x->is_pinned == y->is_pinned &&
	       x->over_commit == y->over_commit && x->lease == y->lease;
}

static bool has_same_vfs(const struct vfs_seen *a, const struct vfs_seen *b)
{
	if (a->count != b->count || a->is_mixed != b->is_mixed ||
		(a->count && a->origin != b->origin))
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct vf *x = &a->vf[i], *y = &b->vf[i];

		if (x->number != y->number || !vf_setup_is(&x->setup, &y->setup) ||
			x->lease != y->lease ||
			(!vf_setup_is_free(&x->setup) && x->origin != y->origin))
			return false;
	}
	return true;
}

bool holds_the_same(const struct gpu *a, const struct gpu *b)
{
	if (a->seen.n_instances != b->seen.n_instances || a->seen.mig_on != b->seen.mig_on ||
		a->n_mps != b->n_mps || !has_same_vfs(&a->seen.vfs, &b->seen.vfs))
		return false;
	for (unsigned i = 0; i < a->n_mps; i++) {
		if (!is_same_share(&a->mps[i], mps_share_find(b, a->mps[i].number)))
			return false;
	}
	for (unsigned i = 0; i < a->seen.n_instances; i++) {
		const struct mig_instance *x = &a->seen.instance[i];
		bool found = false;

		for (unsigned k = 0; k < b->seen.n_instances; k++) {
			const struct mig_instance *y = &b->seen.instance[k];
			bool same = x->profile == y->profile && x->start == y->start &&
				    x->origin == y->origin && x->n_ci == y->n_ci;

			for (unsigned c = 0; same && c < x->n_ci; c++)
				same = x->ci[c].id == y->ci[c].id && x->ci[c].ci == y->ci[c].ci;
			found |= same;
		}
		if (!found)
			return false;
	}
	return true;
}
