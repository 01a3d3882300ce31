/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a place of MPS shares has, and what they leave of it. */

#include "model/gpu.h"

/* How large a place is, there already or wanted. { 0 }: it is not there. */
struct mps_extent {
	uint64_t memory_bytes;
	uint32_t slices,
		n_slices; /* its part of the GPU's compute: 3 of 7; the GPU itself 1 of 1 */
};
static inline bool mps_extent_is_gpu(const struct mps_extent *extent)
{
	return extent->slices == 1 && extent->n_slices == 1;
}
struct mps_extent mps_extent_of_gpu(const struct gpu *gpu);
/* A compute instance of so many slices (0: the one that fills it) in an instance of the profile. */
struct mps_extent mps_extent_of_profile(
	const struct gpu *gpu, uint32_t profile, uint32_t ci_slices);
struct mps_extent mps_extent_of(const struct gpu *gpu, const struct mps_place *place);

/* The clients that the hardware serves there, and the SMs that it gives together: 1, or a chunk. */
unsigned mps_extent_clients(const struct gpu *gpu, const struct mps_extent *extent);
unsigned mps_step_sm(const struct gpu *gpu, bool is_static);
/* The instance that has the place and its compute instance, or NULL. */
const struct mig_instance *mps_place_instance(
	const struct gpu *gpu, const struct mps_place *place, unsigned *ret_ci);

struct mps_room {
	struct mps_extent extent;
	unsigned n_shares, n_clients; /* that are there, and that the hardware serves */
	uint64_t memory_bytes;	      /* that the shares have */
	/* Compute in the units in which it is given: hundredths of a slice of the GPU, with static
	 * partitions their chunks. */
	uint32_t compute, compute_all;
	bool may_over_commit; /* there are shares, and each of them lets compute add up to more */
};
/* An empty place, the one that is there with all its shares, and one share more or less. */
struct mps_room mps_room_empty(const struct gpu *gpu, struct mps_extent extent);
struct mps_room mps_room_of(const struct gpu *gpu, const struct mps_place *place);
void mps_room_add(struct mps_room *room, const struct gpu *gpu, const struct mps_share *share);

/* What keeps one more share out. */
enum mps_lack { MPS_LACK_NOTHING, MPS_LACK_MEMORY, MPS_LACK_COMPUTE, MPS_LACK_CLIENTS };
enum mps_lack mps_room_lacks(const struct mps_room *room, const struct gpu *gpu,
	uint64_t memory_bytes, uint32_t percent, bool over_commit);

/* What is left for one more share; compute in whole percent of the GPU. */
uint64_t mps_room_memory_left(const struct mps_room *room);
uint32_t mps_room_percent_left(const struct mps_room *room, const struct gpu *gpu);

/*
 * Fills in what was not said (0) of a share's size: compute in proportion to memory, in whole
 * percent and at least what the hardware can give, memory in proportion to compute, in whole MiB.
 * Both are rounded down, so that shares whose memory fits a place fit it.
 */
void mps_size_complete(const struct gpu *gpu, const struct mps_extent *extent,
	uint64_t *memory_bytes, uint32_t *percent);
/* The least whole percentage that the hardware can give. */
uint32_t mps_least_percent(const struct gpu *gpu);
