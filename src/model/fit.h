/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Fitting what is wanted on one GPU to what is there: the parts of plan_layout(). An exact search
 * over all placements; there are few enough of them (2,319 on a 7-slice part).
 */

#include "model/gpu.h"
#include "model/layout.h"

struct error;

/* One GPU instance that is wanted. */
struct want {
	uint32_t profile; /* index into the geometry */
	int start;	  /* -1: wherever it fits */
	bool is_dynamic;
	bool has_cis; /* the layout names its compute instances */
	unsigned n_ci;
	uint8_t ci[MIG_CIS_MAX];  /* indices into profile.ci[], in order of creation */
	uint8_t mps[MIG_CIS_MAX]; /* the MPS shares that each is for: an index into wanted->share[],
				     and 1; 0 none */
	unsigned line, column;	  /* where the layout says it; 0: not from a file */
};

struct wants {
	const struct mig_geometry *geometry;
	const struct wanted_gpu *wanted;
	unsigned n;
	struct want want[MIG_INSTANCES_MAX];
};

/*
 * The instances that the layout wants on a GPU: compute instances are packed, and the order is that
 * of the search (what has a start, then by falling size). -EINVAL where they are more than a GPU
 * can have.
 */
int wants_of(const struct gpu *gpu, const struct wanted_gpu *wanted, struct wants *ret_wants,
	struct error *err);

/* The same but for the line of the layout. */
bool want_is_same(const struct want *a, const struct want *b);

/* "3g.40gb@4", or "1c.3g.40gb, 2c.3g.40gb" by its compute instances; " (line 7)" behind it. */
struct buf;
void want_say(const struct wants *wants, unsigned w, struct buf *text);

/* What becomes of an instance that is there. */
enum fate {
	FATE_WANTED, /* it is what is wanted */
	FATE_KEPT,   /* nobody wants it, it is in nobody's way, and it is in use or foreign */
	FATE_CACHE,  /* idle, and the layout lets it stay */
	FATE_GOES,
	FATE_BLOCKS, /* it would have to go, but is in use or foreign */
};

struct fit {
	uint32_t start[MIG_INSTANCES_MAX]; /* where each want goes */
	int have[MIG_INSTANCES_MAX];	   /* the instance that it is already; -1: to be made */
	enum fate fate[MIG_INSTANCES_MAX]; /* of each instance that is there */
};

/*
 * The fit with the fewest instances in the way that must not go, of these the one that destroys the
 * fewest, of these the one that leaves most room to requests to come. False if the wants cannot be
 * together on any GPU of this geometry.
 */
bool fit_find(
	const struct gpu *gpu, const struct wants *wants, bool idle_may_stay, struct fit *ret_fit);

/* Can they be together on an empty GPU? */
bool fit_is_possible(const struct wants *wants);

/* -EINVAL with the sentence why they cannot be together, and the nearest that can. */
int fit_refuse(const struct gpu *gpu, const struct wants *wants, struct error *err);
