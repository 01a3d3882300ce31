/* SPDX-License-Identifier: Apache-2.0 */
#include "model/wish.h"

#include "base/error.h"
#include "base/text.h"
#include "model/place_mps.h"

#include <string.h>

int wish_make(struct wish *wish, const struct gpu *gpus, unsigned n_gpus,
	const struct request *request, uint32_t avoid, struct error *err)
{
	int mechanism = request->mechanism;
	unsigned only;

	wish->gpus = gpus;
	wish->n_gpus = n_gpus;
	wish->request = request;
	wish->avoid = avoid;
	wish->only = -1;
	wish->is_bare = request_is_bare(request);
	wish->may_vf = request->is_vm;
	wish->may_mig = !request->is_vm &&
			(mechanism == REQUEST_ANY_MECHANISM || mechanism == MECHANISM_MIG);
	wish->may_whole = !request->is_vm && !request->profile[0] &&
			  (mechanism == REQUEST_ANY_MECHANISM || mechanism == MECHANISM_WHOLE);
	wish->may_mps = request_may_mps(request);
	wish->n_needs = 0;
	if (!wish->may_vf && !wish->may_mig && !wish->may_mps && mechanism != MECHANISM_WHOLE)
		return error_set(err, PLACE_E_NEVER,
			"this version of Carve makes shares by mig, mps and vf and leases whole "
			"GPUs, not by %s: ask "
			"for one of these, or leave the mechanism to Carve",
			mechanism_names[mechanism]);
	if (!wish->may_vf && !wish->may_mig && !wish->may_mps && !wish->may_whole)
		return error_set(err, PLACE_E_NEVER,
			"%s is a MIG profile, and a whole GPU has none: leave out either the "
			"profile or the mechanism",
			request->profile);
	if (request->n_gpus == 0 || request->n_gpus > GPUS_MAX)
		return error_set(err, PLACE_E_NEVER, "asked for %u GPUs: a lease has 1 to %d",
			request->n_gpus, GPUS_MAX);
	if (request->gpu[0]) {
		if (gpu_find(gpus, n_gpus, request->gpu, &only, err) < 0)
			return PLACE_E_NEVER;
		wish->only = (int)only;
	}
	return 0;
}

const struct need *wish_need(struct wish *wish, unsigned g)
{
	const struct mig_geometry *geometry = &wish->gpus[g].facts.geometry;
	uint64_t digest = geometry->n_profiles ? geometry->digest : 0;

	for (unsigned i = wish->n_needs; i-- > 0;) {
		const struct mig_geometry *known = wish->need[i].geometry;

		if ((known->n_profiles ? known->digest : 0) == digest)
			return &wish->need[i];
	}
	need_of(wish->request, geometry, &wish->need[wish->n_needs]);
	return &wish->need[wish->n_needs++];
}

bool wish_is_open(const struct wish *wish, unsigned g)
{
	const struct gpu *gpu = &wish->gpus[g];

	return gpu->managed && !gpu->drained && gpu->health == GPU_HEALTHY &&
	       !(wish->avoid >> g & 1) && (wish->only < 0 || wish->only == (int)g);
}

void wish_look(struct wish *wish, enum mechanism mechanism, struct view *ret_views)
{
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		if (wish_is_open(wish, g))
			view_make(&ret_views[g], &wish->gpus[g], wish_need(wish, g), mechanism);
		else
			ret_views[g].is_out = true;
	}
	if (mechanism == MECHANISM_MIG)
		wish_price(wish, ret_views);
}

void wish_price(struct wish *wish, struct view *views)
{
	memset(wish->worth, 0, wish->n_needs * sizeof(wish->worth[0]));
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		struct view *view = &views[g];
		struct worth *worth;

		if (view->is_out)
			continue;
		worth = &wish->worth[view->need - wish->need];
		worth_add(worth, view->need->geometry, &view->room, view->hard.taken);
		view->worth = worth;
	}
	for (unsigned i = 0; i < wish->n_needs; i++)
		worth_price(&wish->worth[i], wish->need[i].geometry);
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		struct view *view = &views[g];

		if (!view->is_out)
			view->left =
				worth_left(view->worth, view->need->geometry, view->hard.taken);
	}
}

/* How many of the compute instances that are asked for by name there are. */
static unsigned count_cis(const struct gpu *gpu, const struct need *need)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->origin == SHARE_FOREIGN || !(need->exact >> instance->profile & 1))
			continue;
		for (unsigned c = 0; c < instance->n_ci; c++)
			n += need->geometry->profile[instance->profile]
				     .ci[instance->ci[c].ci]
				     .slices == need->ci_slices;
	}
	return n;
}

/* Its layout shares it by MPS, and so it is no MIG share. */
static bool has_pinned_mps(const struct gpu *gpu, const struct mig_instance *instance)
{
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (gpu->mps[i].is_pinned &&
			mps_place_is_in(gpu, instance, &gpu->mps[i].place, NULL))
			return true;
	}
	return false;
}

/* How many instances there can be beside the pinned ones, and how many pinned ones serve. */
static unsigned count_instances(const struct gpu *gpu, const struct need *need)
{
	struct mig_room room = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->origin != SHARE_PINNED)
			continue;
		mig_room_add(&room, need->geometry, instance->profile, instance->start);
		n += (need->serves >> instance->profile & 1) && instance->n_ci == 1 &&
		     !has_pinned_mps(gpu, instance);
	}
	for (unsigned m = 0; m < need->n_make; m++) {
		uint32_t starts;

		while ((starts = mig_room_starts(&room, need->geometry, need->make[m]))) {
			mig_room_add(&room, need->geometry, need->make[m],
				(uint32_t)__builtin_ctz(starts));
			n++;
		}
	}
	return n;
}

/* VFs that a lease turned on go off with the last one. */
static bool vfs_stay_on(const struct gpu *gpu)
{
	return vf_any_on(gpu) && gpu->seen.vfs.origin != SHARE_DYNAMIC;
}

static enum hope hope_of_mig(const struct gpu *gpu, const struct need *need)
{
	if (!gpu->facts.has_mig)
		return HOPE_NONE;
	if (need->lack != LACK_NOTHING && (need->lack != LACK_GEOMETRY || gpu->seen.mig_on))
		return HOPE_LACK;
	if (!gpu->managed)
		return HOPE_UNMANAGED;
	if (vfs_stay_on(gpu))
		return HOPE_VFS;
	if (!gpu->seen.mig_on)
		return HOPE_MODE_OFF;
	return (need->ci_slices ? count_cis(gpu, need) : count_instances(gpu, need)) ? HOPE_YES
										     : HOPE_PINNED;
}

enum hope wish_hope(struct wish *wish, unsigned g, enum mechanism mechanism)
{
	const struct gpu *gpu = &wish->gpus[g];
	struct mps_offer offer;

	if (wish->only >= 0 && wish->only != (int)g)
		return HOPE_NONE;
	if (mechanism == MECHANISM_MIG)
		return wish->may_mig ? hope_of_mig(gpu, wish_need(wish, g)) : HOPE_NONE;
	if (mechanism == MECHANISM_MPS) {
		mps_offer(wish, g, &offer);
		return mps_bar_is_for_now(offer.bar) ? HOPE_YES : HOPE_NONE;
	}
	if (!wish->may_whole)
		return HOPE_NONE;
	if (wish->request->memory_bytes > gpu->facts.memory_bytes)
		return HOPE_LACK;
	if (!gpu->managed)
		return HOPE_UNMANAGED;
	if (vfs_stay_on(gpu))
		return HOPE_VFS;
	if (gpu->seen.mig_on)
		return HOPE_MODE_ON;
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (gpu->mps[i].is_pinned)
			return HOPE_PINNED;
	}
	return gpu->whole_allowed ? HOPE_YES : HOPE_NONE;
}

unsigned wish_capacity_of(struct wish *wish, unsigned g, enum mechanism mechanism)
{
	const struct gpu *gpu = &wish->gpus[g];
	const struct need *need;

	if (wish_hope(wish, g, mechanism) != HOPE_YES)
		return 0;
	if (mechanism != MECHANISM_MIG || wish->is_bare)
		return 1;
	need = wish_need(wish, g);
	return need->ci_slices ? count_cis(gpu, need) : count_instances(gpu, need);
}

unsigned wish_capacity(struct wish *wish, enum mechanism mechanism)
{
	unsigned n = 0;

	for (unsigned g = 0; g < wish->n_gpus; g++)
		n += wish_capacity_of(wish, g, mechanism);
	return n;
}

enum mechanism wish_mechanism(struct wish *wish)
{
	unsigned by_mig = wish_capacity(wish, MECHANISM_MIG), n = wish->request->n_gpus;
	unsigned by_whole = wish_capacity(wish, MECHANISM_WHOLE);

	if (!wish->may_mig && !wish->may_whole)
		return MECHANISM_MPS;
	if (wish->may_mps && by_mig < n && wish_capacity(wish, MECHANISM_MPS) >= n)
		return MECHANISM_MPS;
	if (!wish->may_mig || !wish->may_whole)
		return wish->may_mig ? MECHANISM_MIG : MECHANISM_WHOLE;
	if (by_mig < n && by_whole < n)
		return by_whole > by_mig ? MECHANISM_WHOLE : MECHANISM_MIG;
	return by_mig < n || (wish->is_bare && by_whole >= n) ? MECHANISM_WHOLE : MECHANISM_MIG;
}
