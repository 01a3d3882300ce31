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

struct worth;

struct view {
	const struct gpu *gpu;
	const struct need *need;
	const struct worth *worth; /* what places are worth on this node: see wish_price() */
	uint32_t left;		   /* of that, what is left on this GPU */
	enum mechanism mechanism;
	struct mig_room room;		     /* with all instances that are there */
	struct mig_room hard;		     /* with those that eviction does not remove */
	uint32_t evictable;		     /* mask over seen.instance: idle and dynamic */
	uint32_t evictable_starts;	     /* mask of the first slots of these */
	uint32_t ready;			     /* mask: idle, ours, and exactly what is needed */
	uint32_t larger;		     /* mask: idle, pinned, and more than what is needed */
	uint8_t taken_ci[MIG_INSTANCES_MAX]; /* masks of compute instances: see view_take */
	bool is_out;			     /* nothing can be placed on this GPU now */
	bool is_whole_free;		     /* it can be leased whole now */
	bool has_mps;			     /* MPS shares or servers are on it */
};

/* For places by that mechanism. `need` belongs to the GPU's geometry. */
void view_make(struct view *view, const struct gpu *gpu, const struct need *need,
	enum mechanism mechanism);

/* The first idle compute instance of so many slices in instance i, or -1. */
int view_idle_ci(const struct view *view, unsigned i, unsigned slices);

/*
 * A place on one GPU and what it costs: less is better, and comparable between GPUs. The low bits
 * are what requests to come lose by it and its steps (worth.h); all that goes before is in its
 * rank.
 */
struct candidate {
	uint64_t cost;
	struct placement placement;
};
#define CANDIDATE_NONE	    ((struct candidate){ .cost = UINT64_MAX })
#define CANDIDATE_LOSS_BITS 38

static inline uint64_t candidate_loss(const struct candidate *candidate)
{
	return candidate->cost & (((uint64_t)1 << CANDIDATE_LOSS_BITS) - 1);
}

static inline uint64_t candidate_rank(const struct candidate *candidate)
{
	return candidate->cost >> CANDIDATE_LOSS_BITS;
}

/* Puts into *best what this GPU offers, if it is better than what is there. */
void view_offer(const struct view *view, struct candidate *best);

/* Changes the view as if the placement had been carried out and leased. */
void view_take(struct view *view, const struct placement *placement);

/* Takes away the instances of the mask. */
void view_evict(struct view *view, uint32_t instances);
