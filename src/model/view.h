/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One GPU as placement sees it for one request: what is taken, what could be evicted, what is idle
 * and serves. Small enough that sixteen of them are made anew for each request, and changed when a
 * request takes several shares.
 */

#include "model/gpu.h"
#include "model/need.h"
#include "model/place.h"

struct view {
	const struct gpu *gpu;
	const struct need *need;
	enum mechanism mechanism;
	struct mig_room room;		     /* with all instances that are there */
	uint32_t hard;			     /* slots that eviction does not free */
	uint32_t evictable;		     /* mask over seen.instance: idle and dynamic */
	uint32_t ready;			     /* mask: idle, ours, and exactly what is needed */
	uint32_t larger;		     /* mask: idle, pinned, and more than what is needed */
	uint8_t taken_ci[MIG_INSTANCES_MAX]; /* masks of compute instances: see view_take */
	bool is_out;			     /* nothing can be placed on this GPU now */
	bool is_whole_free;		     /* it can be leased whole now */
};

/* For places by that mechanism. `need` belongs to the GPU's geometry. */
void view_make(struct view *view, const struct gpu *gpu, const struct need *need,
	enum mechanism mechanism);

/* A place on one GPU and what it costs: less is better, and comparable between GPUs. */
struct candidate {
	uint64_t cost;
	struct placement placement;
};
#define CANDIDATE_NONE ((struct candidate){ .cost = UINT64_MAX })

/* Puts into *best what this GPU offers, if it is better than what is there. */
void view_offer(const struct view *view, struct candidate *best);

/* Changes the view as if the placement had been carried out and leased. */
void view_take(struct view *view, const struct placement *placement);

/* Takes away the instances of the mask. */
void view_evict(struct view *view, uint32_t instances);
