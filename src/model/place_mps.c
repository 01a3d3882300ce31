/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an MPS share goes: to an idle pinned share that is enough, or to room that all shares of a
 * place leave. A place is a GPU that is not in MIG mode, or a compute instance that nobody leases
 * as a MIG share, and serves one tenant at a time.
 *
 * What a place costs, from the most important:
 *
 *	does it break up a GPU that is free as a whole?
 *	does a server of this tenant run there? else, is there none, or one that must go first?
 *	is it just a pinned share?
 *	the memory that is left over on it
 *	the memory of the GPU
 */
#include "model/place_mps.h"

#include <errno.h>

/* One place, held against the request. */
struct look {
	const struct request *request;
	const struct gpu *gpu;
	const struct mig_instance *instance; /* NULL: the GPU itself */
	unsigned ci;
	struct mps_place place;
	struct mps_room room;
	struct mps_share share; /* what the request means there */
	bool is_open;
};

static bool is_enough(const struct look *look, const struct mps_share *share)
{
	const struct request *request = look->request;

	return share->is_pinned && mps_place_is(&share->place, &look->place) &&
	       share->memory_bytes >= request->memory_bytes &&
	       share->percent >= request->compute_percent;
}

static bool is_exact(const struct look *look, const struct mps_share *share)
{
	const struct request *request = look->request;

	return (!request->memory_bytes || share->memory_bytes == request->memory_bytes) &&
	       (!request->compute_percent || share->percent == request->compute_percent);
}

/* Neither a pinned share serves, nor would there be room beside them without any lease. */
static bool is_pinned_out(const struct look *look)
{
	struct mps_room room = mps_room_empty(look->gpu, look->room.extent);
	bool over_commit = look->room.may_over_commit;

	for (unsigned i = 0; i < look->gpu->n_mps; i++) {
		const struct mps_share *share = &look->gpu->mps[i];

		if (is_enough(look, share))
			return false;
		if (share->is_pinned && mps_place_is(&share->place, &look->place))
			mps_room_add(&room, look->gpu, share);
	}
	return mps_room_lacks(&room, look->gpu, look->share.memory_bytes, look->share.percent,
		       over_commit) != MPS_LACK_NOTHING;
}

/* Why the place could never serve, set up as it is. */
static enum mps_bar bar_for_good(const struct look *look)
{
	struct mps_room empty = mps_room_empty(look->gpu, look->room.extent);

	if (look->share.percent < mps_least_percent(look->gpu))
		return MPS_BAR_LEAST;
	if (mps_room_lacks(&empty, look->gpu, look->share.memory_bytes, look->share.percent,
		    false) != MPS_LACK_NOTHING)
		return look->instance ? MPS_BAR_NO_PLACE : MPS_BAR_LARGE;
	if (vf_any_on(look->gpu) && look->gpu->seen.vfs.origin != SHARE_DYNAMIC)
		return MPS_BAR_VFS_ON;
	if (look->gpu->seen.compute_mode == COMPUTE_PROHIBITED)
		return MPS_BAR_PROHIBITED;
	if (look->share.must_hold && (look->instance || look->gpu->may_time_slice))
		return MPS_BAR_OPEN;
	return is_pinned_out(look) ? MPS_BAR_PINNED : MPS_BAR_NONE;
}

/* Another tenant's lease is there, and the two may not take turns. */
static bool is_taken_by_another(const struct look *look)
{
	for (unsigned i = 0; i < look->gpu->n_mps && !look->gpu->may_time_slice; i++) {
		const struct mps_share *share = &look->gpu->mps[i];

		if (share->lease && share->uid != look->request->uid &&
			mps_place_is(&share->place, &look->place))
			return true;
	}
	return false;
}

/* The servers at the place: what of them bars it, and which must go first. */
static enum mps_bar bar_of_servers(const struct look *look, struct placement *placement)
{
	const struct gpu *gpu = look->gpu;
	bool is_there = false;

	for (unsigned i = 0; i < gpu->n_mps_servers; i++) {
		const struct mps_server *server = &gpu->mps_server[i];
		bool is_mine = server->uid == look->request->uid;

		is_there |= is_mine && mps_place_is(&server->place, &look->place);
		if (!mps_place_is(&server->place, &look->place) ||
			(!is_mine && gpu->may_time_slice))
			continue;
		if (server->state == MPS_FAULTY || server->state == MPS_STOPPING ||
			placement->stops_server)
			return MPS_BAR_STATE;
		if (!is_mine) {
			placement->stops_server = true;
			placement->stop_uid = server->uid;
		}
	}
	return is_there || placement->stops_server || gpu->n_mps_servers < MPS_SERVERS_MAX
		       ? MPS_BAR_NONE
		       : MPS_BAR_STATE;
}

/* True if a server of ours is at the place: then the processes there are its clients. */
static bool has_server(const struct look *look)
{
	for (unsigned i = 0; i < look->gpu->n_mps_servers; i++) {
		if (mps_place_is(&look->gpu->mps_server[i].place, &look->place))
			return true;
	}
	return false;
}

/* Who is there now without MPS. */
static enum mps_bar bar_of_others(const struct look *look)
{
	const struct gpu *gpu = look->gpu;

	if (!look->is_open)
		return MPS_BAR_CLOSED;
	if (gpu->seen.mig_on != gpu->seen.mig_pending)
		return MPS_BAR_PENDING;
	if (vf_any_on(look->gpu))
		return MPS_BAR_VFS;
	if (look->instance ? look->instance->ci[look->ci].lease : gpu->whole_lease)
		return MPS_BAR_LEASED;
	if ((look->instance ? look->instance->ci[look->ci].has_users : gpu->whole_in_use) &&
		!has_server(look))
		return MPS_BAR_IN_USE;
	return MPS_BAR_NONE;
}

/* One limit for all the tenant's shares would not be that of each, though somebody needs it. */
static bool is_unheld(const struct look *look, const struct mps_share *share)
{
	const struct mps_server *server =
		mps_server_find(look->gpu, &look->place, look->request->uid);

	for (unsigned i = 0; i < look->gpu->n_mps && !(server && server->holds_memory); i++) {
		const struct mps_share *other = &look->gpu->mps[i];

		if (other->lease && other->uid == look->request->uid &&
			mps_place_is(&other->place, &look->place) &&
			other->memory_bytes != share->memory_bytes &&
			(look->share.must_hold || other->must_hold))
			return true;
	}
	return false;
}

static uint64_t mib_of(uint64_t bytes)
{
	uint64_t mib = bytes >> 20;

	return mib < 1 << 24 ? mib : (1 << 24) - 1;
}

static uint64_t cost_of(const struct look *look, const struct placement *placement, uint64_t left)
{
	const struct gpu *gpu = look->gpu;
	bool breaks_up = !look->instance && gpu->n_mps == 0 && gpu->n_mps_servers == 0;
	uint64_t server = 1;

	if (placement->stops_server)
		server = 2;
	else if (mps_server_find(gpu, &look->place, look->request->uid))
		server = 0;
	return (uint64_t)breaks_up << 63 | server << 61 |
	       (uint64_t) !(placement->mps.number && is_exact(look, &placement->mps)) << 60 |
	       mib_of(left) << 24 | mib_of(gpu->facts.memory_bytes);
}

static void take(struct mps_offer *offer, const struct look *look,
	const struct placement *placement, uint64_t left)
{
	uint64_t cost = cost_of(look, placement, left);

	if (offer->bar == MPS_BAR_NONE && offer->cost <= cost)
		return;
	*offer = (struct mps_offer){
		.place = look->place,
		.cost = cost,
		.placement = *placement,
	};
}

/* The share that could be had at a place without any bar; MPS_BAR_NONE if there is one. */
static enum mps_bar bar_of_room(
	const struct look *look, struct placement placement, struct mps_offer *offer)
{
	uint64_t left = mps_room_memory_left(&look->room);
	enum mps_bar bar = MPS_BAR_FULL;

	for (unsigned i = 0; i < look->gpu->n_mps; i++) {
		const struct mps_share *share = &look->gpu->mps[i];

		if (share->lease || !is_enough(look, share))
			continue;
		if (is_unheld(look, share)) {
			bar = bar == MPS_BAR_NONE ? bar : MPS_BAR_UNHELD;
			continue;
		}
		placement.mps = *share;
		placement.mps.uid = look->request->uid;
		placement.mps.must_hold = look->share.must_hold;
		take(offer, look, &placement,
			left + share->memory_bytes - look->request->memory_bytes);
		bar = MPS_BAR_NONE;
	}
	if (look->gpu->n_mps == MPS_SHARES_MAX ||
		mps_room_lacks(&look->room, look->gpu, look->share.memory_bytes,
			look->share.percent, look->share.over_commit) != MPS_LACK_NOTHING)
		return bar;
	if (is_unheld(look, &look->share))
		return bar == MPS_BAR_NONE ? bar : MPS_BAR_UNHELD;
	placement.mps = look->share;
	take(offer, look, &placement, left - look->share.memory_bytes);
	return MPS_BAR_NONE;
}

static void judge(struct look *look, struct mps_offer *offer)
{
	struct placement placement = {
		.how = PLACE_MPS,
		.mechanism = MECHANISM_MPS,
		.gpu = look->gpu->index,
	};
	enum mps_bar bar;

	look->room = mps_room_of(look->gpu, &look->place);
	look->share = (struct mps_share){
		.place = look->place,
		.memory_bytes = look->request->memory_bytes,
		.percent = look->request->compute_percent,
		.over_commit = look->room.may_over_commit,
		.must_hold = look->request->isolation == ISOLATION_MEMORY,
		.uid = look->request->uid,
	};
	mps_size_complete(
		look->gpu, &look->room.extent, &look->share.memory_bytes, &look->share.percent);
	if (look->instance) {
		placement.profile = look->instance->profile;
		placement.start = look->instance->start;
		placement.instance = (uint32_t)(look->instance - look->gpu->seen.instance);
		placement.ci = look->ci;
	}
	bar = bar_for_good(look);
	if (bar == MPS_BAR_NONE)
		bar = bar_of_others(look);
	if (bar == MPS_BAR_NONE && is_taken_by_another(look))
		bar = MPS_BAR_TENANT;
	if (bar == MPS_BAR_NONE)
		bar = bar_of_servers(look, &placement);
	if (bar == MPS_BAR_NONE)
		bar = bar_of_room(look, placement, offer);
	if (bar < offer->bar)
		*offer = (struct mps_offer){ .bar = bar, .place = look->place };
}

static void judge_instance(
	struct look *look, const struct need *need, unsigned i, struct mps_offer *offer)
{
	const struct mig_instance *instance = &look->gpu->seen.instance[i];
	const struct mig_profile *profile = &look->gpu->facts.geometry.profile[instance->profile];
	bool is_named = look->request->profile[0];

	if (instance->origin == SHARE_FOREIGN ||
		(is_named && !(need->exact >> instance->profile & 1)))
		return;
	look->instance = instance;
	for (look->ci = 0; look->ci < instance->n_ci; look->ci++) {
		const struct mig_ci *ci = &instance->ci[look->ci];

		if (ci->ci >= profile->n_ci ||
			(is_named &&
				profile->ci[ci->ci].slices != (need->ci_slices ?: profile->slices)))
			continue;
		look->place = mps_place_of(look->gpu, instance, ci);
		judge(look, offer);
	}
}

void mps_offer_of(struct wish *wish, unsigned g, const struct gpu *gpu, struct mps_offer *ret_offer)
{
	struct look look = {
		.request = wish->request, .gpu = gpu, .is_open = wish_is_open(wish, g)
	};
	struct mps_offer offer = { .bar = MPS_BAR_N, .place = MPS_WHOLE_GPU };

	if (gpu->seen.mig_on) {
		const struct need *need = wish_need(wish, g);

		offer.bar = MPS_BAR_NO_PLACE;
		for (unsigned i = 0; i < gpu->seen.n_instances; i++)
			judge_instance(&look, need, i, &offer);
	} else if (wish->request->profile[0]) {
		offer.bar = MPS_BAR_MODE_OFF;
	} else {
		look.place = MPS_WHOLE_GPU;
		judge(&look, &offer);
	}
	if (!gpu->managed && offer.bar < MPS_BAR_UNMANAGED)
		offer.bar = MPS_BAR_UNMANAGED;
	*ret_offer = offer;
}

void mps_offer(struct wish *wish, unsigned g, struct mps_offer *ret_offer)
{
	const struct gpu *gpu = &wish->gpus[g];

	if (!wish->may_mps || (wish->only >= 0 && wish->only != (int)g))
		*ret_offer = (struct mps_offer){ .bar = MPS_BAR_NAMED };
	else if (!mps_is_possible(gpu))
		*ret_offer = (struct mps_offer){ .bar = MPS_BAR_CANNOT };
	else
		mps_offer_of(wish, g, gpu, ret_offer);
}

int mps_place_best(struct wish *wish, struct placement *ret_placement)
{
	struct mps_offer best = { .bar = MPS_BAR_N };

	for (unsigned g = 0; g < wish->n_gpus; g++) {
		struct mps_offer offer;

		mps_offer(wish, g, &offer);
		if (offer.bar == MPS_BAR_NONE &&
			(best.bar != MPS_BAR_NONE || offer.cost < best.cost))
			best = offer;
	}
	if (best.bar != MPS_BAR_NONE)
		return -ENOENT;
	*ret_placement = best.placement;
	return 0;
}
