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

/* The VFs of one GPU on their way from what is to what is wanted. */
struct vf_change {
	const struct gpu *gpu;
	const struct wanted_gpu *wanted;
	uint32_t count;	      /* VFs to be on */
	bool turns;	      /* off, on, or both: it kills all that there are, and MIG instances */
	bool mixes, is_mixed; /* whether sizes are mixed changes, and to what */
	uint64_t stays;	      /* masks over numbers: VFs that stay as they are, ... */
	uint64_t is_wanted;   /* ... of these the ones that the layout wants, ... */
	uint64_t blocks;      /* ... and those that would have to go, but are in use or not ours */
	unsigned left[VFS_MAX]; /* of each line of the layout: as many as have to be made */
	unsigned n_new;
	struct vf_new {
		uint32_t number;
		struct vf_setup setup;
	} new[VFS_MAX];
};

/* `wants` and `fit` are NULL where MIG mode is to be off. -EINVAL where they cannot be together. */
void vf_change_begin(
	struct vf_change *change, const struct gpu *gpu, const struct wanted_gpu *wanted);
int vf_change_fit(struct vf_change *change, const struct wants *wants, const struct fit *fit,
	struct error *err);

/* The steps, in this order: VFs made free before instances go (with the blockers, what is kept and
 * what becomes pinned), off before a change of MIG mode, on behind it, set when instances are
 * there. */
void vf_change_free(const struct vf_change *change, struct draft *draft);
void vf_change_off(const struct vf_change *change, struct draft *draft);
void vf_change_on(const struct vf_change *change, struct draft *draft);
void vf_change_set(const struct vf_change *change, struct draft *draft);
