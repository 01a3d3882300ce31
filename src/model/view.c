/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a place costs. Placements come in classes, the cheaper always first:
 *
 *	an idle instance of exactly the profile	no hardware step
 *	free slots				one step
 *	slots of idle dynamic instances		several; the fewest evictions first
 *	an idle pinned instance that is larger	no step, but it gives away more than was asked
 *
 * Within a class: the least memory that serves (between products), then the least loss of worth
 * (worth.h), where room that eviction would free counts as free. A pinned instance that is used
 * loses nothing: its slots are gone for others in any case.
 */
#include "model/view.h"

#include "model/worth.h"

#include <string.h>

enum class { CLASS_READY, CLASS_FREE, CLASS_EVICT, CLASS_LARGER };

/* class:2 memory in MiB:22 not the preferred profile:2 evictions:5 loss:33 */
static uint64_t cost_of(enum class class, const struct mig_profile *profile, unsigned preference,
	unsigned evictions, uint32_t loss)
{
	uint64_t mib = profile->memory_bytes >> 20;

	mib = mib < (1 << 22) ? mib : (1 << 22) - 1;
	return (uint64_t) class << 62 | mib << 40 | (uint64_t)preference << 38 |
	       (uint64_t)evictions << 33 | loss;
}

static bool is_idle(const struct mig_instance *instance)
{
	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease || instance->ci[c].has_users)
			return false;
	}
	return true;
}

/* The first idle compute instance of so many slices, or -1. */
static int idle_ci(const struct view *view, unsigned i, unsigned slices)
{
	const struct mig_instance *instance = &view->gpu->seen.instance[i];
	const struct mig_profile *profile = &view->need->geometry->profile[instance->profile];

	for (unsigned c = 0; c < instance->n_ci; c++) {
		const struct mig_ci *ci = &instance->ci[c];

		if (ci->lease == 0 && !ci->has_users && ci->ci < profile->n_ci &&
			profile->ci[ci->ci].slices == slices && !(view->taken_ci[i] >> c & 1))
			return (int)c;
	}
	return -1;
}

void view_make(
	struct view *view, const struct gpu *gpu, const struct need *need, enum mechanism mechanism)
{
	const struct mig_geometry *geometry = need->geometry;
	const struct gpu_seen *seen = &gpu->seen;

	*view = (struct view){ .gpu = gpu, .need = need, .mechanism = mechanism };
	if (mechanism == MECHANISM_WHOLE) {
		view->is_whole_free = gpu->whole_allowed && !seen->mig_on && !seen->mig_pending &&
				      gpu->whole_lease == 0 && !gpu->whole_in_use &&
				      need->whole_memory <= gpu->facts.memory_bytes;
		return;
	}
	view->is_out = !seen->mig_on || need->lack != LACK_NOTHING;
	if (view->is_out)
		return;
	for (unsigned i = 0; i < seen->n_instances; i++) {
		const struct mig_instance *instance = &seen->instance[i];
		const struct mig_profile *profile = &geometry->profile[instance->profile];
		uint32_t bit = 1u << i, slots = mig_slots(profile, instance->start);
		bool idle = is_idle(instance);

		view->room.taken |= slots;
		view->room.n_media[profile->media]++;
		view->room.count[instance->profile]++;
		if (idle && instance->origin == SHARE_DYNAMIC)
			view->evictable |= bit;
		else
			view->hard |= slots;
		if (instance->origin == SHARE_FOREIGN)
			continue;
		if (need->ci_slices) {
			if ((need->exact >> instance->profile & 1) &&
				idle_ci(view, i, need->ci_slices) >= 0)
				view->ready |= bit;
		} else if (idle && instance->n_ci == 1 &&
			   profile->ci[instance->ci[0].ci].slices == profile->slices) {
			if (need->exact >> instance->profile & 1)
				view->ready |= bit;
			else if ((need->serves >> instance->profile & 1) &&
				 instance->origin == SHARE_PINNED)
				view->larger |= bit;
		}
	}
}

static void offer(struct candidate *best, uint64_t cost, struct placement placement)
{
	if (cost < best->cost)
		*best = (struct candidate){ cost, placement };
}

static uint32_t loss_of(const struct view *view, uint32_t slots)
{
	uint32_t before = worth_of(view->need->geometry, view->hard);
	uint32_t after = worth_of(view->need->geometry, view->hard | slots);

	return before > after ? before - after : 0;
}

/* Instances that are there already. */
static void offer_there(
	const struct view *view, uint32_t instances, enum class class, struct candidate *best)
{
	for (; instances; instances &= instances - 1) {
		unsigned i = (unsigned)__builtin_ctz(instances);
		const struct mig_instance *instance = &view->gpu->seen.instance[i];
		const struct mig_profile *profile =
			&view->need->geometry->profile[instance->profile];
		unsigned slices = view->need->ci_slices ?: profile->slices;

		offer(best,
			cost_of(class, profile, 0, 0,
				loss_of(view, mig_slots(profile, instance->start))),
			(struct placement){
				.how = PLACE_CACHED,
				.mechanism = MECHANISM_MIG,
				.gpu = view->gpu->index,
				.profile = instance->profile,
				.start = instance->start,
				.instance = i,
				.ci = (uint32_t)idle_ci(view, i, slices),
			});
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
 * The instances to evict for one of the profile at `start`: those on its slots, and where numbers
 * or media engines do not allow it yet, rivals until they do.
 */
static uint32_t evict_for(const struct view *view, uint32_t p, uint32_t start)
{
	const struct mig_geometry *geometry = view->need->geometry;
	uint32_t slots = mig_slots(&geometry->profile[p], start), evict = 0;
	struct mig_room room = view->room;

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

static void offer_made(const struct view *view, struct candidate *best)
{
	const struct mig_geometry *geometry = view->need->geometry;
	struct mig_room hard = view->room;

	for (uint32_t rest = view->evictable; rest; rest &= rest - 1) {
		const struct mig_instance *instance =
			&view->gpu->seen.instance[__builtin_ctz(rest)];

		mig_room_remove(&hard, geometry, instance->profile, instance->start);
	}
	for (unsigned m = 0; m < view->need->n_make; m++) {
		uint32_t p = view->need->make[m], slots;
		uint32_t starts = mig_room_starts(&view->room, geometry, p);
		enum class class = starts ? CLASS_FREE : CLASS_EVICT;

		if (!starts)
			starts = mig_room_starts(&hard, geometry, p);
		for (; starts; starts &= starts - 1) {
			struct placement placement = {
				.how = PLACE_CREATE,
				.mechanism = MECHANISM_MIG,
				.gpu = view->gpu->index,
				.profile = p,
				.start = (uint32_t)__builtin_ctz(starts),
			};

			slots = mig_slots(&geometry->profile[p], placement.start);
			if (class == CLASS_EVICT)
				placement.evict = evict_for(view, p, placement.start);
			offer(best,
				cost_of(class, &geometry->profile[p], m,
					(unsigned)__builtin_popcount(placement.evict),
					loss_of(view, slots)),
				placement);
		}
	}
}

void view_offer(const struct view *view, struct candidate *best)
{
	if (view->is_out)
		return;
	if (view->mechanism == MECHANISM_WHOLE) {
		if (view->is_whole_free)
			offer(best, view->gpu->facts.memory_bytes,
				(struct placement){ .how = PLACE_WHOLE,
					.mechanism = MECHANISM_WHOLE,
					.gpu = view->gpu->index });
		return;
	}
	offer_there(view, view->ready, CLASS_READY, best);
	if (best->cost >> 62 >= CLASS_FREE)
		offer_made(view, best);
	if (best->cost >> 62 >= CLASS_LARGER)
		offer_there(view, view->larger, CLASS_LARGER, best);
}

void view_evict(struct view *view, uint32_t instances)
{
	for (uint32_t rest = instances; rest; rest &= rest - 1) {
		const struct mig_instance *instance =
			&view->gpu->seen.instance[__builtin_ctz(rest)];

		mig_room_remove(
			&view->room, view->need->geometry, instance->profile, instance->start);
	}
	view->evictable &= ~instances;
	view->ready &= ~instances;
	view->larger &= ~instances;
}

void view_take(struct view *view, const struct placement *placement)
{
	const struct mig_geometry *geometry = view->need->geometry;
	uint32_t bit = 1u << placement->instance;

	switch (placement->how) {
	case PLACE_WHOLE:
		view->is_whole_free = false;
		return;
	case PLACE_CREATE:
		view_evict(view, placement->evict);
		mig_room_add(&view->room, geometry, placement->profile, placement->start);
		break;
	case PLACE_CACHED:
		view->taken_ci[placement->instance] |= (uint8_t)(1u << placement->ci);
		if (!view->need->ci_slices ||
			idle_ci(view, placement->instance, view->need->ci_slices) < 0)
			view->ready &= ~bit;
		view->larger &= ~bit;
		view->evictable &= ~bit;
		break;
	}
	view->hard |= mig_slots(&geometry->profile[placement->profile], placement->start);
}
