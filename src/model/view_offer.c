/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a place costs, from the most important:
 *
 *	is it an idle pinned instance that is larger than asked for, which gives room away?
 *	the memory that it has (between products: the least that serves)
 *	is it another profile than the preferred one of that size?
 *	what requests to come lose by it (worth.h), and the instances made and removed for it
 *
 * Room that idle dynamic instances hold counts as free: they go when it is needed. What an instance
 * that is there saves is its making, and worth_steps() says how much room that is worth. If it were
 * less, caches would be used little; if it were more, requests would go where former ones happened
 * to be, and large ones would find no room. A pinned instance loses nothing: its slots are gone for
 * others in any case.
 */
#include "model/view.h"

#include "model/worth.h"

/* is larger:1 memory in MiB:22 not the preferred profile:3, above loss and steps:38 */
static uint64_t rank_cost(bool is_larger, const struct mig_profile *profile, unsigned preference)
{
	uint64_t mib = profile->memory_bytes >> 20;

	mib = mib < (1 << 22) ? mib : (1 << 22) - 1;
	return (uint64_t)is_larger << 63 | mib << 41 | (uint64_t)preference << CANDIDATE_LOSS_BITS;
}

static uint32_t loss_of(const struct view *view, uint32_t slots)
{
	return view->left - worth_left(view->worth, view->need->geometry, view->hard.taken | slots);
}

/* Instances that are there already. */
static void offer_there(
	const struct view *view, uint32_t instances, bool is_larger, struct candidate *best)
{
	for (; instances; instances &= instances - 1) {
		unsigned i = (unsigned)__builtin_ctz(instances);
		const struct mig_instance *instance = &view->gpu->seen.instance[i];
		const struct mig_profile *profile =
			&view->need->geometry->profile[instance->profile];
		unsigned slices = view->need->ci_slices ?: profile->slices;
		uint64_t cost = rank_cost(is_larger, profile, 0) +
				loss_of(view, mig_slots(profile, instance->start));

		if (cost >= best->cost)
			continue;
		best->cost = cost;
		best->placement = (struct placement){
			.how = PLACE_CACHED,
			.mechanism = MECHANISM_MIG,
			.gpu = view->gpu->index,
			.profile = instance->profile,
			.start = instance->start,
			.instance = i,
			.ci = (uint32_t)view_idle_ci(view, i, slices),
		};
	}
}

/* Numbers or media engines keep the two from being together once there are too many of them. */
static bool is_rival(const struct mig_geometry *geometry, uint32_t p, uint32_t q)
{
	enum mig_media a = geometry->profile[p].media, b = geometry->profile[q].media;

	return p == q || (a == MIG_MEDIA_ME && b == MIG_MEDIA_ME) ||
	       (a == MIG_MEDIA_ALL && b != MIG_MEDIA_NONE) ||
	       (b == MIG_MEDIA_ALL && a != MIG_MEDIA_NONE);
}

/*
 * The instances to evict for one of the profile on `slots`: those that are there, and where numbers
 * or media engines do not allow it yet, rivals until they do.
 */
static uint32_t evict_for(const struct view *view, uint32_t p, uint32_t slots)
{
	const struct mig_geometry *geometry = view->need->geometry;
	struct mig_room room = view->room;
	uint32_t evict = 0;

	for (int rivals = 0; rivals < 2; rivals++) {
		for (uint32_t rest = view->evictable & ~evict; rest; rest &= rest - 1) {
			unsigned i = (unsigned)__builtin_ctz(rest);
			const struct mig_instance *instance = &view->gpu->seen.instance[i];
			uint32_t q = instance->profile;

			if (rivals && mig_room_allows(&room, geometry, p))
				return evict;
			if (rivals ? !is_rival(geometry, p, q)
				   : !(mig_slots(&geometry->profile[q], instance->start) & slots))
				continue;
			mig_room_remove(&room, geometry, q, instance->start);
			evict |= 1u << i;
		}
	}
	return evict;
}

/* How many of the evictable instances lie on the slots. */
static unsigned count_evictable(const struct view *view, uint32_t slots)
{
	uint32_t taken = view->room.taken & ~view->hard.taken, first = slots & -slots;
	unsigned n = 0;

	for (uint32_t rest = view->evictable_starts & slots; rest; rest &= rest - 1)
		n++;
	return n + ((taken & first & ~view->evictable_starts) != 0);
}

/*
 * An instance of the profile that could be made. The cost only rises from that of its rank: each
 * part of it may end the search.
 */
static void offer_start(
	const struct view *view, uint32_t p, uint32_t start, uint64_t cost, struct candidate *best)
{
	const struct mig_geometry *geometry = view->need->geometry;
	uint32_t slots = mig_slots(&geometry->profile[p], start), evict = 0;
	unsigned n_evict = count_evictable(view, slots);

	cost += worth_steps(1 + n_evict);
	if (cost >= best->cost)
		return;
	cost += loss_of(view, slots);
	if (cost >= best->cost)
		return;
	if (view->evictable) {
		evict = evict_for(view, p, slots);
		cost += worth_steps((unsigned)__builtin_popcount(evict) - n_evict);
		if (cost >= best->cost)
			return;
	}
	best->cost = cost;
	best->placement = (struct placement){
		.how = PLACE_CREATE,
		.mechanism = MECHANISM_MIG,
		.gpu = view->gpu->index,
		.profile = p,
		.start = start,
		.evict = evict,
	};
}

/* Instances that could be made, by order of preference. */
static void offer_made(const struct view *view, struct candidate *best)
{
	const struct mig_geometry *geometry = view->need->geometry;

	for (unsigned m = 0; m < view->need->n_make; m++) {
		uint32_t p = view->need->make[m], starts;
		uint64_t cost = rank_cost(false, &geometry->profile[p], m);

		if (cost >= best->cost)
			return;
		starts = mig_room_starts(&view->hard, geometry, p);
		for (; starts; starts &= starts - 1)
			offer_start(view, p, (uint32_t)__builtin_ctz(starts), cost, best);
	}
}

void view_offer(const struct view *view, struct candidate *best)
{
	if (view->is_out)
		return;
	if (view->mechanism == MECHANISM_MIG) {
		offer_there(view, view->ready, false, best);
		offer_made(view, best);
		offer_there(view, view->larger, true, best);
	} else if (view->is_whole_free && view->gpu->facts.memory_bytes < best->cost) {
		best->cost = view->gpu->facts.memory_bytes;
		best->placement = (struct placement){
			.how = PLACE_WHOLE,
			.mechanism = MECHANISM_WHOLE,
			.gpu = view->gpu->index,
		};
	}
}
