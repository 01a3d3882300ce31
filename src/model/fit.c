/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search. Wants are placed one after the other at each legal start; equal ones at rising
 * starts only, so that each set of places is seen once. A branch ends as soon as what it has in
 * its way is more than the best fit so far.
 *
 * The cost of a fit, from the most important: instances in the way that must not go, of these the
 * foreign ones (which nobody but their maker can end), instances destroyed, instances made,
 * instances whose origin or MPS shares change, and what the result takes of the room for requests
 * to come.
 */
#include "model/fit.h"

#include "base/text.h"
#include "model/worth.h"

enum kind { KIND_FOREIGN, KIND_IN_USE, KIND_IDLE };

struct search {
	const struct gpu *gpu;
	const struct wants *wants;
	bool idle_may_stay;
	enum kind kind[MIG_INSTANCES_MAX];
	uint32_t slots[MIG_INSTANCES_MAX];
	struct fit at; /* the branch */
	struct fit best;
	uint64_t best_cost;
};

/* Each number is at most MIG_INSTANCES_MAX: five bits. */
static uint64_t cost_of(unsigned blockers, unsigned foreign, unsigned destroyed, unsigned made,
	unsigned repins, uint32_t lost)
{
	return (uint64_t)blockers << 52 | (uint64_t)foreign << 47 | (uint64_t)destroyed << 42 |
	       (uint64_t)made << 37 | (uint64_t)(repins < 32 ? repins : 31) << 32 | lost;
}

static enum kind kind_of(const struct gpu *gpu, const struct mig_instance *instance)
{
	if (instance->origin == SHARE_FOREIGN)
		return KIND_FOREIGN;
	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease)
			return KIND_IN_USE;
		/* Users beside a server without leases are the server itself. */
		if (instance->ci[c].has_users &&
			!mps_is_on_ci(gpu, instance, &instance->ci[c], false))
			return KIND_IN_USE;
	}
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if ((vf->lease || vf->user) && vf_is_in(gpu, vf, instance))
			return KIND_IN_USE;
	}
	return mps_is_on(gpu, instance, true) ? KIND_IN_USE : KIND_IDLE;
}

/* The instance is what is wanted, were it at the right place: same compute instances, any order. */
static bool is_same(const struct mig_instance *instance, const struct want *want)
{
	uint8_t left[MIG_CI_PROFILES_MAX] = { 0 };

	if (instance->profile != want->profile || instance->n_ci != want->n_ci)
		return false;
	for (unsigned c = 0; c < want->n_ci; c++)
		left[want->ci[c]]++;
	for (unsigned c = 0; c < want->n_ci; c++) {
		if (instance->ci[c].ci >= MIG_CI_PROFILES_MAX || left[instance->ci[c].ci]-- == 0)
			return false;
	}
	return true;
}

/* The want needs instance i for MPS shares, but somebody uses it without or has others on it. */
static bool takes_over(const struct search *search, unsigned w, int i)
{
	const struct mig_instance *instance = &search->gpu->seen.instance[i];
	const struct want *want = &search->wants->want[w];
	bool is_for_mps = false;

	for (unsigned c = 0; c < want->n_ci; c++)
		is_for_mps |= want->mps[c] != 0;
	return search->kind[i] == KIND_IN_USE &&
	       is_for_mps != mps_is_on(search->gpu, instance, true);
}

/* Instance i has as many pinned MPS shares as the want is to have, of as much memory. Which of them
 * are the same is the plan's to say. */
static bool has_its_mps(const struct search *search, unsigned w, int i)
{
	const struct gpu *gpu = search->gpu;
	const struct wants *wants = search->wants;
	const struct want *want = &wants->want[w];
	uint64_t memory = 0;
	int count = 0;

	for (unsigned s = 0; s < gpu->n_mps; s++) {
		if (!gpu->mps[s].is_pinned ||
			!mps_place_is_in(gpu, &gpu->seen.instance[i], &gpu->mps[s].place, NULL))
			continue;
		count++;
		memory += gpu->mps[s].memory_bytes;
	}
	for (unsigned c = 0; c < want->n_ci; c++) {
		const struct wanted_share *share;

		if (!want->mps[c])
			continue;
		share = &wants->wanted->share[want->mps[c] - 1];
		for (unsigned k = share->first_mps; k < share->first_mps + share->n_mps; k++) {
			const struct wanted_mps *mps = &wants->wanted->mps[k];

			count -= (int)mps->count;
			memory -= mps->count * mps->memory_bytes;
		}
	}
	return count == 0 && memory == 0;
}

/* All wants have their place: what becomes of the instances, and what it costs. */
static void judge(struct search *search, struct mig_room room)
{
	const struct gpu_seen *seen = &search->gpu->seen;
	const struct mig_geometry *geometry = search->wants->geometry;
	unsigned count[FATE_BLOCKS + 1] = { 0 }, repins = 0, made = 0, foreign = 0, taken = 0;
	uint64_t cost;

	for (unsigned i = 0; i < seen->n_instances; i++)
		search->at.fate[i] = FATE_GOES;
	for (unsigned w = 0; w < search->wants->n; w++) {
		int i = search->at.have[w];

		if (i < 0) {
			made++;
			continue;
		}
		search->at.fate[i] = FATE_WANTED;
		repins += seen->instance[i].origin !=
			  (search->wants->want[w].is_dynamic ? SHARE_DYNAMIC : SHARE_PINNED);
		taken += takes_over(search, w, i);
		repins += !has_its_mps(search, w, i);
	}
	for (unsigned i = 0; i < seen->n_instances; i++) {
		const struct mig_instance *instance = &seen->instance[i];
		bool may_stay = !(room.taken & search->slots[i]) &&
				mig_room_allows(&room, geometry, instance->profile);
		enum fate *fate = &search->at.fate[i];

		if (*fate == FATE_GOES) {
			if (search->kind[i] != KIND_IDLE)
				*fate = may_stay ? FATE_KEPT : FATE_BLOCKS;
			else if (search->idle_may_stay && may_stay)
				*fate = FATE_CACHE;
			if (*fate != FATE_GOES && may_stay)
				mig_room_add(&room, geometry, instance->profile, instance->start);
		}
		count[*fate]++;
		foreign += *fate == FATE_BLOCKS && search->kind[i] == KIND_FOREIGN;
	}
	cost = cost_of(count[FATE_BLOCKS] + taken, foreign, count[FATE_GOES], made, repins,
		worth_of(geometry, 0) - worth_of(geometry, room.taken));
	if (cost >= search->best_cost)
		return;
	search->best_cost = cost;
	search->best = search->at;
}

/* The least that a branch can cost, from the instances that lie under its places unwanted. */
static uint64_t least_cost(const struct search *search, uint32_t taken, uint32_t wanted)
{
	unsigned blockers = 0, destroyed = 0;

	for (unsigned i = 0; i < search->gpu->seen.n_instances; i++) {
		if ((wanted >> i & 1) || !(search->slots[i] & taken))
			continue;
		if (search->kind[i] == KIND_IDLE)
			destroyed++;
		else
			blockers++;
	}
	return cost_of(blockers, 0, destroyed, 0, 0, 0);
}

/* The starts that want w may try, `before` being the place of the want in front of it. */
static uint32_t starts_for(
	const struct wants *wants, unsigned w, const struct mig_room *room, uint32_t before)
{
	const struct want *want = &wants->want[w];
	uint32_t starts = mig_room_starts(room, wants->geometry, want->profile);

	if (want->start >= 0)
		return starts & 1u << want->start;
	if (w > 0 && want_is_same(&want[-1], want))
		starts &= ~0u << before;
	return starts;
}

static void place_from(struct search *search, unsigned w, struct mig_room room, uint32_t wanted)
{
	const struct wants *wants = search->wants;
	const struct want *want = &wants->want[w];
	uint32_t starts;

	if (least_cost(search, room.taken, wanted) >= search->best_cost)
		return;
	if (w == wants->n) {
		judge(search, room);
		return;
	}
	starts = starts_for(wants, w, &room, w ? search->at.start[w - 1] : 0);
	for (; starts; starts &= starts - 1) {
		uint32_t start = (uint32_t)__builtin_ctz(starts);
		struct mig_room with = room;

		search->at.start[w] = start;
		search->at.have[w] = -1;
		for (unsigned i = 0; i < search->gpu->seen.n_instances; i++) {
			const struct mig_instance *instance = &search->gpu->seen.instance[i];

			if (instance->start == start && is_same(instance, want))
				search->at.have[w] = (int)i;
		}
		mig_room_add(&with, wants->geometry, want->profile, start);
		place_from(search, w + 1, with,
			search->at.have[w] < 0 ? wanted : wanted | 1u << search->at.have[w]);
	}
}

bool fit_find(
	const struct gpu *gpu, const struct wants *wants, bool idle_may_stay, struct fit *ret_fit)
{
	struct search search = {
		.gpu = gpu,
		.wants = wants,
		.idle_may_stay = idle_may_stay,
		.best_cost = UINT64_MAX,
	};

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		search.kind[i] = kind_of(gpu, instance);
		search.slots[i] =
			mig_slots(&wants->geometry->profile[instance->profile], instance->start);
	}
	place_from(&search, 0, (struct mig_room){ 0 }, 0);
	if (search.best_cost == UINT64_MAX)
		return false;
	*ret_fit = search.best;
	return true;
}

static bool is_possible_from(
	const struct wants *wants, unsigned w, struct mig_room room, uint32_t before)
{
	uint32_t starts;

	if (w == wants->n)
		return true;
	for (starts = starts_for(wants, w, &room, before); starts; starts &= starts - 1) {
		uint32_t start = (uint32_t)__builtin_ctz(starts);
		struct mig_room with = room;

		mig_room_add(&with, wants->geometry, wants->want[w].profile, start);
		if (is_possible_from(wants, w + 1, with, start))
			return true;
	}
	return false;
}

bool fit_is_possible(const struct wants *wants)
{
	return is_possible_from(wants, 0, (struct mig_room){ 0 }, 0);
}
