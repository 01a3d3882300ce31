/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A GPU's MPS shares in a layout's plan. Pinned ones that are wanted as they are stay, whoever uses
 * them; the other pinned ones are dropped before anything else, and what is missing is added behind
 * everything else. Dynamic ones, which live as long as their lease, stay where there is room.
 */
#include "base/size.h"
#include "base/text.h"
#include "model/plan_draft.h"

#include <inttypes.h>
#include <stdio.h>

static void change_begin(
	struct mps_change *change, const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	change->gpu = gpu;
	change->wanted = wanted;
	change->n_targets = 0;
	change->instance_goes = 0;
	memset(change->stays, 0, sizeof(change->stays));
	memset(change->is_wanted, 0, sizeof(change->is_wanted));
}

void mps_change_of_gpu(
	struct mps_change *change, const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	change_begin(change, gpu, wanted);
	change->instance_goes = UINT32_MAX;
	if (wanted->n_mps == 0)
		return;
	change->target[change->n_targets++] = (struct mps_target){
		.place = MPS_WHOLE_GPU,
		.extent = mps_extent_of_gpu(gpu),
		.n = wanted->n_mps,
		.instance = -1,
	};
}

static bool goes_with_instance(const struct mps_change *change, const struct mps_share *share)
{
	for (unsigned i = 0; i < change->gpu->seen.n_instances; i++) {
		if (mps_place_is_in(
			    change->gpu, &change->gpu->seen.instance[i], &share->place, NULL))
			return change->instance_goes >> i & 1;
	}
	return false;
}

/* The id of compute instance c of the want: by creation, or of those that are there already. */
static uint32_t ci_id(const struct gpu *gpu, const struct want *want, unsigned c, int have)
{
	const struct mig_instance *instance;
	unsigned before = 0;

	if (have < 0)
		return c;
	instance = &gpu->seen.instance[have];
	for (unsigned k = 0; k < c; k++)
		before += want->ci[k] == want->ci[c];
	for (uint32_t id = 0; id < MIG_CIS_MAX; id++) {
		for (unsigned k = 0; k < instance->n_ci; k++) {
			if (instance->ci[k].id == id && instance->ci[k].ci == want->ci[c] &&
				before-- == 0)
				return id;
		}
	}
	return c;
}

void mps_change_of_fit(struct mps_change *change, const struct gpu *gpu,
	const struct wanted_gpu *wanted, const struct wants *wants, const struct fit *fit)
{
	change_begin(change, gpu, wanted);
	for (unsigned w = 0; w < wants->n; w++) {
		const struct want *want = &wants->want[w];
		const struct mig_profile *profile = &wants->geometry->profile[want->profile];

		for (unsigned c = 0; c < want->n_ci; c++) {
			const struct wanted_share *share;

			if (!want->mps[c])
				continue;
			share = &wanted->share[want->mps[c] - 1];
			change->target[change->n_targets++] = (struct mps_target){
				.place = { profile->id, fit->start[w],
					ci_id(gpu, want, c, fit->have[w]) },
				.extent = mps_extent_of_profile(
					gpu, want->profile, profile->ci[want->ci[c]].slices),
				.first = share->first_mps,
				.n = share->n_mps,
				.instance = fit->have[w],
			};
		}
	}
	for (unsigned i = 0; i < gpu->seen.n_instances; i++)
		if (fit->fate[i] == FATE_GOES || fit->fate[i] == FATE_BLOCKS)
			change->instance_goes |= UINT32_C(1) << i;
	/* Dynamic shares on instances that stay are in nobody's way. */
	for (unsigned s = 0; s < gpu->n_mps; s++) {
		change->stays[s] = !gpu->mps[s].is_pinned &&
				   !mps_place_is_gpu(&gpu->mps[s].place) &&
				   !goes_with_instance(change, &gpu->mps[s]);
	}
}

static struct mps_share share_of(const struct mps_target *target, const struct wanted_mps *line)
{
	return (struct mps_share){
		.place = target->place,
		.memory_bytes = line->memory_bytes,
		.percent = line->percent,
		.is_pinned = true,
		.over_commit = line->over_commit,
	};
}

/* The place has nothing on it yet: one of the same name is another instance, which goes. */
static bool is_to_be_made(const struct mps_target *target)
{
	return target->instance < 0 && !mps_place_is_gpu(&target->place);
}

/* A pinned share that is there as the layout wants it, and is not another line's; or -1. */
static int find_same(const struct mps_change *change, const struct mps_target *target,
	const struct mps_share *wanted)
{
	if (is_to_be_made(target))
		return -1;
	for (unsigned s = 0; s < change->gpu->n_mps; s++) {
		const struct mps_share *share = &change->gpu->mps[s];

		if (share->is_pinned && !change->is_wanted[s] &&
			mps_place_is(&share->place, &wanted->place) &&
			share->memory_bytes == wanted->memory_bytes &&
			share->percent == wanted->percent &&
			share->over_commit == wanted->over_commit)
			return (int)s;
	}
	return -1;
}

static void block_share(struct draft *draft, const struct mps_change *change, unsigned s,
	int instance, const char *why)
{
	const struct mps_share *share = &change->gpu->mps[s];
	struct blocker *blocker = draft_block(draft, change->gpu, instance, share->lease);
	char name[SHARE_NAME_MAX], size[SIZE_TEXT_MAX];

	snprintf(blocker->what, sizeof(blocker->what), "%s (%s and %u %%) must go%s",
		mps_share_name(change->gpu, share, name), size_text(share->memory_bytes, size),
		share->percent, why);
}

/* Who is at the place without MPS, where a share is to be added. */
static void block_by_others(
	struct draft *draft, const struct mps_change *change, const struct mps_target *target)
{
	const struct gpu *gpu = change->gpu;
	bool is_gpu = mps_place_is_gpu(&target->place), in_use = gpu->whole_in_use;
	uint64_t lease = gpu->whole_lease;
	struct blocker *blocker;
	char name[SHARE_NAME_MAX];

	if (is_gpu) {
		in_use &= !mps_is_on(gpu, NULL, false);
		snprintf(name, sizeof(name), "GPU %u", gpu->index);
	} else if (target->instance >= 0) {
		const struct mig_instance *instance = &gpu->seen.instance[target->instance];
		unsigned c = 0;

		mps_place_is_in(gpu, instance, &target->place, &c);
		lease = instance->ci[c].lease;
		in_use = instance->ci[c].has_users &&
			 !mps_is_on_ci(gpu, instance, &instance->ci[c], false);
		share_name(gpu, instance, &instance->ci[c], name);
	} else {
		return;
	}
	if (lease || in_use) {
		blocker = draft_block(draft, gpu, target->instance, lease);
		snprintf(blocker->what, sizeof(blocker->what),
			"%s must be free to be shared by MPS", name);
	}
	if (is_gpu && gpu->seen.compute_mode == COMPUTE_PROHIBITED) {
		blocker = draft_block(draft, gpu, -1, 0);
		snprintf(blocker->what, sizeof(blocker->what),
			"GPU %u is in compute mode PROHIBITED: `nvidia-smi -i %u -c DEFAULT`",
			gpu->index, gpu->index);
	}
}

/* Blocks by the largest dynamic shares at the place until what is wanted has room beside the rest.
 */
static void make_room(
	struct draft *draft, const struct mps_change *change, const struct mps_target *target)
{
	const struct gpu *gpu = change->gpu;
	bool goes[MPS_SHARES_MAX] = { false };

	for (;;) {
		struct mps_room room = mps_room_empty(gpu, target->extent);
		unsigned largest = MPS_SHARES_MAX;

		for (unsigned i = target->first; i < target->first + target->n; i++) {
			struct mps_share share = share_of(target, &change->wanted->mps[i]);

			for (unsigned k = 0; k < change->wanted->mps[i].count; k++)
				mps_room_add(&room, gpu, &share);
		}
		for (unsigned s = 0; s < gpu->n_mps; s++) {
			const struct mps_share *share = &gpu->mps[s];

			if (share->is_pinned || goes[s] ||
				!mps_place_is(&share->place, &target->place))
				continue;
			mps_room_add(&room, gpu, share);
			if (largest == MPS_SHARES_MAX ||
				share->memory_bytes > gpu->mps[largest].memory_bytes)
				largest = s;
		}
		if (largest == MPS_SHARES_MAX ||
			(room.memory_bytes <= room.extent.memory_bytes &&
				(room.compute <= room.compute_all || room.may_over_commit) &&
				room.n_shares <= room.n_clients))
			return;
		goes[largest] = true;
		block_share(draft, change, largest, target->instance,
			" to make room for the layout's MPS shares");
	}
}

void mps_change_drop(struct mps_change *change, struct draft *draft)
{
	const struct gpu *gpu = change->gpu;

	for (unsigned t = 0; t < change->n_targets; t++) {
		const struct mps_target *target = &change->target[t];
		bool adds = false;

		for (unsigned i = target->first; i < target->first + target->n; i++) {
			struct mps_share share = share_of(target, &change->wanted->mps[i]);

			for (unsigned k = 0; k < change->wanted->mps[i].count; k++) {
				int s = find_same(change, target, &share);

				if (s >= 0)
					change->is_wanted[s] = change->stays[s] = true;
				adds |= s < 0;
			}
		}
		if (adds)
			block_by_others(draft, change, target);
		if (!is_to_be_made(target))
			make_room(draft, change, target);
	}
	for (unsigned s = 0; s < gpu->n_mps; s++) {
		const struct mps_share *share = &gpu->mps[s];
		bool is_on_gpu = mps_place_is_gpu(&share->place);
		struct step step;

		if (change->stays[s] || (!share->is_pinned && is_on_gpu && !change->wanted->mig_on))
			continue;
		/* What is in an instance that goes blocks with the instance. */
		if (share->lease && !goes_with_instance(change, share))
			block_share(draft, change, s, -1,
				is_on_gpu && change->wanted->mig_on
					? " to turn MIG mode on"
					: ": the layout does not want it");
		if (!share->is_pinned)
			continue;
		step = step_add_mps_of(gpu, share);
		step.kind = STEP_DROP_MPS;
		*vec_add(&draft->steps) = step;
	}
}

/* A number that no share has, nor one that the plan adds. */
static uint32_t next_number(const struct gpu *gpu, uint32_t after)
{
	do {
		after++;
	} while (mps_share_find(gpu, after));
	return after;
}

void mps_change_add(struct mps_change *change, struct draft *draft)
{
	uint32_t number = 0;

	/* Once more from the start: which wanted one has its share already. */
	memset(change->is_wanted, 0, sizeof(change->is_wanted));
	for (unsigned t = 0; t < change->n_targets; t++) {
		const struct mps_target *target = &change->target[t];

		for (unsigned i = target->first; i < target->first + target->n; i++) {
			struct mps_share share = share_of(target, &change->wanted->mps[i]);

			for (unsigned k = 0; k < change->wanted->mps[i].count; k++) {
				int s = find_same(change, target, &share);

				if (s >= 0) {
					change->is_wanted[s] = true;
					continue;
				}
				share.number = number = next_number(change->gpu, number);
				*vec_add(&draft->steps) = step_add_mps_of(change->gpu, &share);
			}
		}
	}
}
