/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which VFs of a GPU stay, and what the others become. What the layout wants and is there stays,
 * leased ones before others. What it does not want but somebody has stays too, as long as what it
 * wants has room beside it; where it has none, the largest of these are in the way.
 */
#include "base/error.h"
#include "model/plan_draft.h"
#include "model/vf_room.h"

#include <errno.h>

/* Not Carve's to change: nobody's but its owner's. That a virtual machine's manager names a VF that
 * Carve set up is how it is handed over. */
static bool is_foreign(const struct vf *vf)
{
	if (vf_setup_is_free(&vf->setup))
		return vf->owner[0] && !vf->lease;
	return vf->origin == SHARE_FOREIGN && !vf->lease;
}

static bool is_held(const struct vf *vf)
{
	return vf->lease || vf->user || is_foreign(vf);
}

/* Where no quota is wanted, what the driver gives by itself will do (`any_memory`). */
static bool is_as_wanted(const struct vf *vf, const struct vf_setup *wanted, bool any_memory)
{
	struct vf_setup setup = vf->setup;

	if (any_memory && !wanted->memory_bytes)
		setup.memory_bytes = 0;
	setup.start = 0;
	if (setup.type)
		setup.is_for_vm = true;
	return vf_setup_is(&setup, wanted);
}

/* Something else is wanted of the GPU than its VFs let be. */
static bool must_turn_off(const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	return wanted->n_mps || wanted->n_shares || wanted->mig_on != gpu->seen.mig_on ||
	       gpu->seen.vfs.origin == SHARE_PINNED;
}

static uint64_t bit(uint32_t number)
{
	return UINT64_C(1) << number;
}

/* The VFs that line i wants and that are there, those of a kind. */
enum pass { PASS_EXACT, PASS_HELD, PASS_PINNED, PASS_REST, PASS_N };

static bool is_of_pass(const struct vf *vf, const struct wanted_vf *line, enum pass pass)
{
	if (line->number >= 0)
		return pass == PASS_EXACT && vf->number == (uint32_t)line->number;
	switch (pass) {
	case PASS_EXACT:
		return false;
	case PASS_HELD:
		return vf->lease || vf->user;
	case PASS_PINNED:
		return vf->origin == SHARE_PINNED;
	default:
		return true;
	}
}

static void match(struct vf_change *change, bool any_memory)
{
	const struct gpu *gpu = change->gpu;

	for (enum pass pass = PASS_EXACT; pass < PASS_N; pass++) {
		for (unsigned i = 0; i < change->wanted->n_vfs; i++) {
			const struct wanted_vf *line = &change->wanted->vf[i];

			for (uint32_t k = 0; k < gpu->seen.vfs.n && change->left[i]; k++) {
				const struct vf *vf = &gpu->seen.vfs.vf[k];

				if (is_foreign(vf) || (change->is_wanted & bit(vf->number)) ||
					!is_of_pass(vf, line, pass) ||
					!is_as_wanted(vf, &line->setup, any_memory))
					continue;
				change->is_wanted |= bit(vf->number);
				change->left[i]--;
			}
		}
	}
}

/* Can all lines of time-sliced vGPUs be together with sizes mixed? */
static bool fits_mixed(const struct vf_change *change)
{
	struct vf_room room;

	vf_room_empty(&room, change->gpu, change->count, true, change->wanted->mig_on);
	for (unsigned i = 0; i < change->wanted->n_vfs; i++) {
		const struct vf_setup *setup = &change->wanted->vf[i].setup;
		int t = setup->type ? vf_type_find_id(&change->gpu->facts.vf, setup->type) : -1;

		for (unsigned k = 0; t >= 0 && k < change->wanted->vf[i].count; k++) {
			if (!vf_type_is_mig(&change->gpu->facts.vf.type[t]) &&
				!vf_room_for(&room, (unsigned)t))
				return false;
			vf_room_add(&room, setup);
		}
	}
	return true;
}

void vf_change_begin(
	struct vf_change *change, const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	const struct vfs_seen *vfs = &gpu->seen.vfs;
	bool is_mixed = vfs->is_mixed;

	*change = (struct vf_change){ .gpu = gpu, .wanted = wanted, .count = vfs->count };
	if (wanted->has_vfs)
		change->count = wanted->vf_count;
	else if (must_turn_off(gpu, wanted))
		change->count = 0;
	change->turns =
		change->count != vfs->count || (vfs->count && wanted->mig_on != gpu->seen.mig_on);
	for (unsigned i = 0; i < wanted->n_vfs; i++)
		change->left[i] = wanted->vf[i].count;
	if (change->turns)
		is_mixed = false; /* it is forgotten then */
	change->is_mixed = wanted->vf_mix || (is_mixed && fits_mixed(change));
	change->mixes = change->is_mixed != is_mixed;
	if (!change->turns && !change->mixes) {
		match(change, false);
		match(change, true);
	}
	change->stays = change->is_wanted;
	for (uint32_t i = 0; i < vfs->n && !change->turns; i++)
		if (is_held(&vfs->vf[i]) && !(change->mixes && vfs->vf[i].setup.type))
			change->stays |= bit(vfs->vf[i].number);
}

/* The instance that the VF lies in does not stay. */
static bool goes_with_instance(
	const struct vf_change *change, const struct vf *vf, const struct fit *fit)
{
	const struct gpu *gpu = change->gpu;

	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		if (vf_is_in(gpu, vf, &gpu->seen.instance[i]))
			return fit->fate[i] == FATE_GOES || fit->fate[i] == FATE_BLOCKS;
	return false;
}

/* A wanted VF whose instance goes is to be made again. */
static void lose(struct vf_change *change, const struct vf *vf)
{
	change->stays &= ~bit(vf->number);
	if (!(change->is_wanted & bit(vf->number)))
		return;
	change->is_wanted &= ~bit(vf->number);
	for (unsigned i = 0; i < change->wanted->n_vfs; i++) {
		const struct wanted_vf *line = &change->wanted->vf[i];

		if (change->left[i] == line->count || !is_as_wanted(vf, &line->setup, true) ||
			(line->number >= 0 && (uint32_t)line->number != vf->number))
			continue;
		change->left[i]++;
		return;
	}
}

/* The GPU with the VFs that stay, and the instances for the others. */
static void room_begin(const struct vf_change *change, const struct wants *wants,
	const struct fit *fit, struct vf_room *ret_room)
{
	const struct gpu *gpu = change->gpu;

	vf_room_empty(ret_room, gpu, change->count, change->is_mixed, change->wanted->mig_on);
	for (uint32_t start = 0; wants && start < MIG_SLOTS_MAX; start++) {
		for (unsigned w = 0; w < wants->n; w++) {
			const struct want *want = &wants->want[w];
			bool is_for_mps = false;

			for (unsigned c = 0; c < want->n_ci; c++)
				is_for_mps |= want->mps[c] != 0;
			if (fit->start[w] == start && want->n_ci == 1 && !is_for_mps)
				vf_room_add_instance(ret_room,
					wants->geometry->profile[want->profile].id, start);
		}
	}
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (change->stays & bit(gpu->seen.vfs.vf[i].number))
			vf_room_add(ret_room, &gpu->seen.vfs.vf[i].setup);
}

/* One more VF of the line; false: there is no room for it. */
static bool add_new(struct vf_change *change, struct vf_room *room, const struct wanted_vf *line,
	uint64_t *taken)
{
	int t = line->setup.type ? vf_type_find_id(&change->gpu->facts.vf, line->setup.type) : -1;
	uint32_t number = line->number >= 0 ? (uint32_t)line->number : 0;
	struct vf_setup setup = line->setup;

	while (line->number < 0 && number < change->count && (*taken & bit(number)))
		number++;
	if (number >= change->count || (change->stays & bit(number)))
		return false;
	if (t >= 0 ? !vf_room_for(room, (unsigned)t) : setup.memory_bytes > vf_room_memory(room))
		return false;
	if (t >= 0 && vf_type_is_mig(&change->gpu->facts.vf.type[t]))
		setup.start = vf_room_instance(room, (unsigned)t)->start;
	vf_room_add(room, &setup);
	*taken |= bit(number);
	change->new[change->n_new++] = (struct vf_new){ number, setup };
	return true;
}

/* Room for all that is missing beside what stays. Large ones go first: sizes that are mixed are
 * packed in order. */
static bool find_room(struct vf_change *change, const struct wants *wants, const struct fit *fit)
{
	uint64_t taken = change->stays | change->gpu->seen.vfs.claimed, done = 0;
	struct vf_room room;

	room_begin(change, wants, fit, &room);
	change->n_new = 0;
	for (unsigned i = 0; i < change->wanted->n_vfs; i++)
		if (change->wanted->vf[i].number >= 0)
			taken |= bit((uint32_t)change->wanted->vf[i].number);
	for (unsigned round = 0; round < change->wanted->n_vfs; round++) {
		int next = -1;

		for (unsigned i = 0; i < change->wanted->n_vfs; i++)
			if (!(done & bit(i)) &&
				(next < 0 || vf_memory(change->gpu, &change->wanted->vf[i].setup) >
						     vf_memory(change->gpu,
							     &change->wanted->vf[next].setup)))
				next = (int)i;
		done |= bit((uint32_t)next);
		for (unsigned k = 0; k < change->left[next]; k++)
			if (!add_new(change, &room, &change->wanted->vf[next], &taken))
				return false;
	}
	return true;
}

/* Of those that only stay because somebody has them: one at a place that is wanted, else the
 * largest; NULL if there are none. */
static const struct vf *find_in_way(const struct vf_change *change)
{
	const struct vfs_seen *vfs = &change->gpu->seen.vfs;
	const struct vf *largest = NULL;

	for (uint32_t i = 0; i < vfs->n; i++) {
		const struct vf *vf = &vfs->vf[i];

		if (!(change->stays & ~change->is_wanted & bit(vf->number)))
			continue;
		for (unsigned k = 0; k < change->wanted->n_vfs; k++)
			if (change->left[k] && change->wanted->vf[k].number == (int)vf->number)
				return vf;
		if (!largest || vf_memory(change->gpu, &vf->setup) >
					vf_memory(change->gpu, &largest->setup))
			largest = vf;
	}
	return largest;
}

int vf_change_fit(struct vf_change *change, const struct wants *wants, const struct fit *fit,
	struct error *err)
{
	const struct vfs_seen *vfs = &change->gpu->seen.vfs;

	for (uint32_t i = 0; i < vfs->n && fit && !change->turns; i++)
		if (goes_with_instance(change, &vfs->vf[i], fit))
			lose(change, &vfs->vf[i]);
	while (!find_room(change, wants, fit)) {
		const struct vf *vf = find_in_way(change);

		if (!vf)
			return error_set(err, -EINVAL,
				"the virtual functions that the layout wants on GPU %u (%s) cannot "
				"be together",
				change->gpu->index, change->gpu->facts.product);
		change->stays &= ~bit(vf->number);
	}
	for (uint32_t i = 0; i < vfs->n; i++)
		if (is_held(&vfs->vf[i]) && !(change->stays & bit(vfs->vf[i].number)))
			change->blocks |= bit(vfs->vf[i].number);
	return 0;
}
