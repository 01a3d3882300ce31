/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mps_room.h"

static uint32_t compute_of(const struct gpu *gpu, const struct mps_extent *extent, uint32_t percent)
{
	if (mps_step_sm(gpu, gpu->mps_is_static) == 1 || gpu->facts.sm == 0)
		return percent * extent->n_slices;
	return mps_chunks(gpu, percent);
}

struct mps_room mps_room_empty(const struct gpu *gpu, struct mps_extent extent)
{
	unsigned step = mps_step_sm(gpu, gpu->mps_is_static);
	struct mps_room room = { .extent = extent, .n_clients = mps_extent_clients(gpu, &extent) };

	if (step == 1 || gpu->facts.sm == 0)
		room.compute_all = 100 * extent.slices;
	else if (extent.n_slices)
		room.compute_all = gpu->facts.sm * extent.slices / extent.n_slices / step;
	return room;
}

void mps_room_add(struct mps_room *room, const struct gpu *gpu, const struct mps_share *share)
{
	room->may_over_commit =
		share->over_commit && (room->n_shares == 0 || room->may_over_commit);
	room->n_shares++;
	room->memory_bytes += share->memory_bytes;
	room->compute += compute_of(gpu, &room->extent, share->percent);
}

struct mps_room mps_room_of(const struct gpu *gpu, const struct mps_place *place)
{
	struct mps_room room = mps_room_empty(gpu, mps_extent_of(gpu, place));

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (mps_place_is(&gpu->mps[i].place, place))
			mps_room_add(&room, gpu, &gpu->mps[i]);
	}
	return room;
}

enum mps_lack mps_room_lacks(const struct mps_room *room, const struct gpu *gpu,
	uint64_t memory_bytes, uint32_t percent, bool over_commit)
{
	uint32_t compute = compute_of(gpu, &room->extent, percent);
	bool may_over_commit = over_commit && (room->n_shares == 0 || room->may_over_commit);

	if (memory_bytes > mps_room_memory_left(room))
		return MPS_LACK_MEMORY;
	if (compute > room->compute_all ||
		(!may_over_commit && room->compute + compute > room->compute_all))
		return MPS_LACK_COMPUTE;
	return room->n_shares < room->n_clients ? MPS_LACK_NOTHING : MPS_LACK_CLIENTS;
}

uint64_t mps_room_memory_left(const struct mps_room *room)
{
	return room->memory_bytes < room->extent.memory_bytes
		       ? room->extent.memory_bytes - room->memory_bytes
		       : 0;
}

uint32_t mps_room_percent_left(const struct mps_room *room, const struct gpu *gpu)
{
	uint32_t percent = 100;

	while (percent > 0 &&
		room->compute + compute_of(gpu, &room->extent, percent) > room->compute_all)
		percent--;
	return percent;
}

void mps_size_complete(const struct gpu *gpu, const struct mps_extent *extent,
	uint64_t *memory_bytes, uint32_t *percent)
{
	uint32_t least = mps_least_percent(gpu);
	double part;

	if (*memory_bytes == 0) {
		part = (double)*percent * extent->n_slices / (100.0 * extent->slices);
		*memory_bytes = (uint64_t)(part * (double)extent->memory_bytes) >> 20 << 20;
	} else if (*percent == 0) {
		part = (double)*memory_bytes / (double)extent->memory_bytes;
		*percent = (uint32_t)(part * 100.0 * extent->slices / extent->n_slices);
		*percent = *percent > least ? *percent : least;
	}
}
