/* SPDX-License-Identifier: Apache-2.0 */
#include "interpreter.h"

#include "fixtures.h"
#include "model/mps_room.h"

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
	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease || instance->ci[c].has_users)
			return "in use by another client";
	}
	fixture_remove(gpu, (unsigned)i);
	return NULL;
}

static const char *change_mode(struct gpu *gpu, bool on)
{
	if (gpu->seen.n_instances || gpu->n_mps || gpu->whole_lease || gpu->whole_in_use)
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

bool holds_the_same(const struct gpu *a, const struct gpu *b)
{
	if (a->seen.n_instances != b->seen.n_instances || a->seen.mig_on != b->seen.mig_on ||
		a->n_mps != b->n_mps)
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
