/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A plan while it is made: for plan*.c alone. */

#include "base/list.h"
#include "model/fit.h"
#include "model/mps_room.h"
#include "model/plan.h"

struct draft {
	VEC(struct step) steps;
	VEC(struct blocker) blockers;
	VEC(struct kept) kept;
	VEC(struct repin) repins;
	uint32_t needs_reset;
};

struct blocker *draft_block(
	struct draft *draft, const struct gpu *gpu, int instance, uint64_t lease);

/* Its parts become the plan's. */
void draft_take(struct draft *draft, struct plan *ret_plan);

/* A place that the layout wants MPS shares on. */
struct mps_target {
	struct mps_place place;
	struct mps_extent extent;
	unsigned first, n; /* of wanted_gpu.mps[] */
	int instance;	   /* the one that has it already; -1: to be made, or the GPU itself */
};

/* The MPS shares of one GPU on their way from what is to what is wanted. */
struct mps_change {
	const struct gpu *gpu;
	const struct wanted_gpu *wanted;
	unsigned n_targets;
	struct mps_target target[MIG_INSTANCES_MAX * MIG_CIS_MAX];
	uint32_t instance_goes;	    /* mask over seen.instance */
	bool stays[MPS_SHARES_MAX]; /* of gpu->mps[]: it is wanted, or in nobody's way */
	bool is_wanted[MPS_SHARES_MAX];
};

/* What is wanted where: on the GPU itself, or in instances as they fit. */
void mps_change_of_gpu(
	struct mps_change *change, const struct gpu *gpu, const struct wanted_gpu *wanted);
void mps_change_of_fit(struct mps_change *change, const struct gpu *gpu,
	const struct wanted_gpu *wanted, const struct wants *wants, const struct fit *fit);

/* The steps before all others of the GPU, and behind them; blockers with the former. */
void mps_change_drop(struct mps_change *change, struct draft *draft);
void mps_change_add(struct mps_change *change, struct draft *draft);
