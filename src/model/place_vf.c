/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a virtual machine's VF goes: to an idle pinned one of just that kind, else to a free one
 * beside others, else to a GPU whose VFs are off and that nobody uses.
 *
 * What a place costs, from the most important:
 *
 *	the memory of the type (the least that serves)
 *	a type backed by MIG, which keeps a part of the hardware to itself
 *	is it just a pinned VF, is the GPU ready for it, must a MIG instance be made, or must its
 *	VFs be turned on?
 *	how many more have room behind it: those of the type are packed, so that GPUs stay free for
 *	types of another size
 */
#include "model/place_vf.h"

#include "base/error.h"

#include <errno.h>

enum how { HOW_PINNED, HOW_READY, HOW_INSTANCE, HOW_COUNT };

static bool serves(const struct vf_setup *have, const struct vf_setup *wanted)
{
	if (wanted->type)
		return have->type == wanted->type;
	return have->is_for_vm && !have->type &&
	       (!wanted->memory_bytes || have->memory_bytes == wanted->memory_bytes);
}

/* VFIO can hand it to a virtual machine. */
static bool is_usable(const struct vf *vf)
{
	return vf->group >= 0 && vf->is_viable;
}

/* A group goes to one virtual machine as a whole, and another has part of this one's. */
static bool is_group_taken(const struct gpu *gpu, const struct vf *vf)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *other = &gpu->seen.vfs.vf[i];

		if (other != vf && other->group == vf->group && (other->lease || other->user))
			return true;
	}
	return false;
}

static const struct vf *find_pinned(const struct gpu *gpu, const struct vf_setup *wanted)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if (vf->origin == SHARE_PINNED && !vf->lease && !vf->user && !vf->owner[0] &&
			!vf_setup_is_free(&vf->setup) && serves(&vf->setup, wanted) &&
			is_usable(vf) && !is_group_taken(gpu, vf))
			return vf;
	}
	return NULL;
}

static const struct vf *find_free(const struct gpu *gpu)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (vf_is_free(&gpu->seen.vfs.vf[i]) && is_usable(&gpu->seen.vfs.vf[i]))
			return &gpu->seen.vfs.vf[i];
	return NULL;
}

static bool is_idle(const struct gpu *gpu, const struct mig_instance *instance)
{
	for (unsigned c = 0; c < instance->n_ci; c++)
		if (instance->ci[c].lease || instance->ci[c].has_users)
			return false;
	return !mps_is_on(gpu, instance, false);
}

static bool has_vgpus(const struct gpu *gpu, const struct mig_instance *instance)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (vf_is_in(gpu, &gpu->seen.vfs.vf[i], instance))
			return true;
	return false;
}

/* Idle dynamic instances that no vGPU is in, as a mask. */
static uint32_t evictable_of(const struct gpu *gpu)
{
	uint32_t evictable = 0;

	for (uint32_t i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->origin == SHARE_DYNAMIC && is_idle(gpu, instance) &&
			!has_vgpus(gpu, instance))
			evictable |= 1u << i;
	}
	return evictable;
}

/* All instances, as a mask. */
static uint32_t all_of(const struct gpu *gpu)
{
	return (uint32_t)((UINT64_C(1) << gpu->seen.n_instances) - 1);
}

static struct mig_room room_without(const struct gpu *gpu, uint32_t gone)
{
	struct mig_room room = { 0 };

	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		if (!(gone >> i & 1))
			mig_room_add(&room, &gpu->facts.geometry, gpu->seen.instance[i].profile,
				gpu->seen.instance[i].start);
	return room;
}

/* Of the evictable instances those that must go for one of the profile at the start. */
static uint32_t evict_for(const struct gpu *gpu, uint32_t evictable, uint32_t p, uint32_t start)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	uint32_t slots = mig_slots(&geometry->profile[p], start), evict = 0;
	struct mig_room room;

	for (uint32_t rest = evictable; rest; rest &= rest - 1) {
		unsigned i = (unsigned)__builtin_ctz(rest);
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (mig_slots(&geometry->profile[instance->profile], instance->start) & slots)
			evict |= 1u << i;
	}
	room = room_without(gpu, evict);
	return mig_room_starts(&room, geometry, p) >> start & 1 ? evict : evictable;
}

/* All places that are left for instances of any profile. */
static unsigned places_left(const struct gpu *gpu, struct mig_room room, uint32_t p, uint32_t start)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	unsigned n = 0;

	mig_room_add(&room, geometry, p, start);
	for (uint32_t q = 0; q < geometry->n_profiles; q++)
		n += (unsigned)__builtin_popcount(mig_room_starts(&room, geometry, q));
	return n;
}

/* A place for a new instance of the type's profile, if there is one. */
static bool find_instance(const struct gpu *gpu, uint32_t evictable, const struct vf_type *type,
	struct placement *placement)
{
	struct mig_room hard = room_without(gpu, evictable);
	int p = mig_profile_find_id(&gpu->facts.geometry, type->profile_id), best = -1;

	if (p < 0)
		return false;
	for (uint32_t starts = mig_room_starts(&hard, &gpu->facts.geometry, (uint32_t)p); starts;
		starts &= starts - 1) {
		uint32_t start = (uint32_t)__builtin_ctz(starts);
		int left = (int)places_left(gpu, hard, (uint32_t)p, start);

		if (left <= best)
			continue;
		best = left;
		placement->start = start;
	}
	if (best < 0)
		return false;
	placement->profile = (uint32_t)p;
	placement->evict = evict_for(gpu, evictable, (uint32_t)p, placement->start);
	placement->makes_instance = true;
	placement->vf_setup.start = placement->start;
	return true;
}

/* Would it have room, if all leases ended? */
static bool is_only_leased(const struct gpu *gpu, const struct vf_offer *offer)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	uint32_t stay = 0;
	struct vf_room room;
	struct placement unused;

	vf_room_without_leases(&room, gpu);
	if (room.n_free == 0)
		return false;
	if (offer->type < 0)
		return offer->setup.memory_bytes <= vf_room_memory(&room);
	if (vf_room_for(&room, (unsigned)offer->type))
		return true;
	if (!vf_type_is_mig(&facts->type[offer->type]))
		return false;
	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		if (gpu->seen.instance[i].origin != SHARE_DYNAMIC)
			stay |= UINT32_C(1) << i;
	return find_instance(gpu, all_of(gpu) & ~stay, &facts->type[offer->type], &unused);
}

static void take(struct vf_offer *offer, const struct gpu *gpu, enum how how, uint32_t left)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	bool is_mig = offer->type >= 0 && vf_type_is_mig(&facts->type[offer->type]);
	uint64_t mib = vf_memory(gpu, &offer->setup) >> 20;

	offer->bar = VF_BAR_NONE;
	offer->left = left;
	offer->is_pinned = how == HOW_PINNED;
	offer->cost = (mib < 1 << 24 ? mib : (1 << 24) - 1) << 40 | (uint64_t)is_mig << 39 |
		      (uint64_t)how << 32 | left;
}

/* Room for the request beside what there is: left behind it, or UINT32_MAX. */
static uint32_t room_left(const struct gpu *gpu, struct vf_offer *offer)
{
	struct vf_room_instance *instance;
	unsigned t = (unsigned)offer->type;
	struct vf_room room;
	uint32_t n;

	vf_room_of(&room, gpu);
	if (room.n_free == 0)
		return UINT32_MAX;
	if (offer->type < 0)
		return offer->setup.memory_bytes <= vf_room_memory(&room) ? room.n_free - 1
									  : UINT32_MAX;
	n = vf_room_for(&room, t);
	if (n == 0 || (vf_any_on(gpu) && !vfs_may_create(&gpu->seen.vfs, gpu->facts.vf.type[t].id)))
		return UINT32_MAX;
	instance = vf_room_instance(&room, t);
	if (instance)
		offer->placement.vf_setup.start = instance->start;
	return n - 1;
}

/* By others than virtual machines. */
static bool is_leased(const struct gpu *gpu)
{
	bool is = gpu->whole_lease;

	for (unsigned i = 0; i < gpu->n_mps; i++)
		is |= gpu->mps[i].lease != 0;
	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		for (unsigned c = 0; c < gpu->seen.instance[i].n_ci; c++)
			is |= gpu->seen.instance[i].ci[c].lease != 0;
	return is;
}

static enum vf_bar judge_on(const struct gpu *gpu, struct vf_offer *offer)
{
	const struct vf *pinned = find_pinned(gpu, &offer->setup), *free = find_free(gpu);
	struct placement *placement = &offer->placement;
	struct vf_room room;
	uint32_t left;

	if (is_leased(gpu))
		return VF_BAR_LEASED;
	if (pinned) {
		placement->vf = pinned->number;
		placement->vf_setup = pinned->setup;
		take(offer, gpu, HOW_PINNED, 0);
		return VF_BAR_NONE;
	}
	vf_room_of(&room, gpu);
	if (room.n_free && !free)
		return VF_BAR_GROUP;
	if (!free)
		return is_only_leased(gpu, offer) ? VF_BAR_FULL : VF_BAR_PINNED;
	placement->vf = free->number;
	left = room_left(gpu, offer);
	if (left != UINT32_MAX) {
		take(offer, gpu, HOW_READY, left);
		return VF_BAR_NONE;
	}
	if (offer->type >= 0 && vf_type_is_mig(&gpu->facts.vf.type[offer->type]) &&
		find_instance(
			gpu, evictable_of(gpu), &gpu->facts.vf.type[offer->type], placement)) {
		take(offer, gpu, HOW_INSTANCE, 0);
		return VF_BAR_NONE;
	}
	return is_only_leased(gpu, offer) ? VF_BAR_FULL : VF_BAR_PINNED;
}

static bool is_kept(const struct gpu *gpu)
{
	for (unsigned i = 0; i < gpu->n_mps; i++)
		if (gpu->mps[i].is_pinned)
			return true;
	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		if (gpu->seen.instance[i].origin != SHARE_DYNAMIC)
			return true;
	return false;
}

/* VFs are off: to turn them on takes a GPU that nobody uses. */
static enum vf_bar judge_off(const struct gpu *gpu, struct vf_offer *offer)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	struct placement *placement = &offer->placement;

	if (vf_count_is_fixed(facts->kind))
		return VF_BAR_CANNOT;
	if (!gpu->vf_may_enable)
		return VF_BAR_OFF;
	if (is_kept(gpu))
		return VF_BAR_KEPT;
	if (is_leased(gpu))
		return VF_BAR_LEASED;
	if (gpu->whole_in_use || gpu->seen.n_processes || gpu->n_mps_servers ||
		gpu->seen.mig_on != gpu->seen.mig_pending)
		return VF_BAR_IN_USE;
	while (placement->vf < facts->total && (gpu->seen.vfs.claimed >> placement->vf & 1))
		placement->vf++;
	if (placement->vf == facts->total)
		return VF_BAR_KEPT;
	placement->vf_count = facts->total;
	placement->evict = evictable_of(gpu);
	if (offer->type >= 0 && vf_type_is_mig(&facts->type[offer->type])) {
		if (!find_instance(gpu, all_of(gpu), &facts->type[offer->type], placement))
			return VF_BAR_CANNOT;
		placement->evict = evictable_of(gpu);
		take(offer, gpu, HOW_COUNT, vf_room_most(gpu, (unsigned)offer->type, false) - 1);
	} else {
		take(offer, gpu, HOW_COUNT, room_left(gpu, offer));
	}
	return VF_BAR_NONE;
}

void vf_offer(struct wish *wish, unsigned g, struct vf_offer *ret_offer)
{
	const struct gpu *gpu = &wish->gpus[g];
	struct vf_offer *offer = ret_offer;

	*offer = (struct vf_offer){ .type = -1, .bar = VF_BAR_NAMED };
	if (wish->only >= 0 && wish->only != (int)g)
		return;
	offer->bar = VF_BAR_CANNOT;
	if (gpu->capability[MECHANISM_VF].answer == CAPABILITY_NO ||
		(gpu->facts.vf.total == 0 && !vf_any_on(gpu)))
		return;
	offer->bar = vf_choose(wish, gpu, offer);
	if (offer->bar != VF_BAR_NONE)
		return;
	offer->placement = (struct placement){
		.how = PLACE_VF,
		.mechanism = MECHANISM_VF,
		.gpu = gpu->index,
		.vf_setup = offer->setup,
	};
	if (!gpu->managed)
		offer->bar = VF_BAR_UNMANAGED;
	else if (!wish_is_open(wish, g))
		offer->bar = VF_BAR_CLOSED;
	else
		offer->bar = vf_any_on(gpu) ? judge_on(gpu, offer) : judge_off(gpu, offer);
}

int vf_place_best(struct wish *wish, struct placement *ret_placement)
{
	struct vf_offer best = { .bar = VF_BAR_N };

	for (unsigned g = 0; g < wish->n_gpus; g++) {
		struct vf_offer offer;

		vf_offer(wish, g, &offer);
		if (offer.bar == VF_BAR_NONE && (best.bar != VF_BAR_NONE || offer.cost < best.cost))
			best = offer;
	}
	if (best.bar != VF_BAR_NONE)
		return -ENOENT;
	*ret_placement = best.placement;
	return 0;
}

bool vf_could_place(struct wish *wish, unsigned g)
{
	struct vf_offer offer;

	vf_offer(wish, g, &offer);
	return offer.bar <= VF_BAR_LEASED;
}
