/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a GPU is from serving a request: the number of leases that must end first, at the place
 * where they are fewest. Idle dynamic instances are no obstacle; pinned and foreign ones, and
 * processes without a lease, do not go when leases end.
 */
#include "model/place_mps.h"

/* Leases on the instance, or WISH_TOO_FAR if something else keeps it. */
static unsigned leases_on(const struct gpu *gpu, const struct mig_instance *instance)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (!mps_place_is_in(gpu, instance, &gpu->mps[i].place, NULL))
			continue;
		if (gpu->mps[i].is_pinned)
			return WISH_TOO_FAR;
		n++;
	}

	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease == 0 && instance->ci[c].has_users &&
			!mps_is_on_ci(gpu, instance, &instance->ci[c], false))
			return WISH_TOO_FAR;
		n += instance->ci[c].lease != 0;
	}
	return n;
}

static unsigned distance_of_place(
	const struct gpu *gpu, const struct need *need, uint32_t profile, uint32_t start)
{
	const struct mig_geometry *geometry = need->geometry;
	uint32_t slots = mig_slots(&geometry->profile[profile], start);
	struct mig_room stays = { 0 };
	unsigned distance = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];
		unsigned leases = leases_on(gpu, instance);

		if (instance->origin != SHARE_DYNAMIC || leases == WISH_TOO_FAR)
			mig_room_add(&stays, geometry, instance->profile, instance->start);
		else if (mig_slots(&geometry->profile[instance->profile], instance->start) & slots)
			distance += leases;
	}
	return mig_room_starts(&stays, geometry, profile) >> start & 1 ? distance : WISH_TOO_FAR;
}

/* The nearest pinned instance that serves. */
static unsigned distance_of_pinned(const struct gpu *gpu, const struct need *need)
{
	unsigned best = WISH_TOO_FAR;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];
		unsigned leases = leases_on(gpu, instance);

		if (instance->origin == SHARE_FOREIGN || !(need->serves >> instance->profile & 1))
			continue;
		if (need->ci_slices)
			leases = leases != 0;
		else if (instance->origin != SHARE_PINNED || instance->n_ci != 1)
			continue;
		best = leases < best ? leases : best;
	}
	return best;
}

static unsigned distance_of_mig(const struct gpu *gpu, const struct need *need)
{
	unsigned best = distance_of_pinned(gpu, need);

	for (unsigned m = 0; m < need->n_make; m++) {
		uint32_t starts = need->geometry->profile[need->make[m]].starts;

		for (; starts; starts &= starts - 1) {
			unsigned distance = distance_of_place(
				gpu, need, need->make[m], (uint32_t)__builtin_ctz(starts));

			best = distance < best ? distance : best;
		}
	}
	return best;
}

/* VFs that a lease turned on go off with the last one, unless something else is on them. */
static unsigned leases_on_vfs(const struct gpu *gpu)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if (!vf_is_free(vf) && !vf->lease)
			return WISH_TOO_FAR;
		n += vf->lease != 0;
	}
	return n;
}

unsigned wish_distance(struct wish *wish, unsigned g, enum mechanism mechanism)
{
	const struct gpu *gpu = &wish->gpus[g];

	if (gpu->drained || gpu->health != GPU_HEALTHY || wish_hope(wish, g, mechanism) != HOPE_YES)
		return WISH_TOO_FAR;
	if (mechanism == MECHANISM_MPS)
		return mps_distance(wish, g);
	if (vf_any_on(gpu))
		return leases_on_vfs(gpu);
	if (mechanism == MECHANISM_MIG)
		return distance_of_mig(gpu, wish_need(wish, g));
	if (gpu->whole_lease)
		return 1;
	if (gpu->n_mps)
		return gpu->n_mps; /* pinned ones are no hope: see wish_hope() */
	return gpu->whole_in_use || gpu->seen.mig_pending ? WISH_TOO_FAR : 0;
}
