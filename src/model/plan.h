/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From what is to what is wanted: ordered steps, each with its inverse.
 *
 * A plan touches only what must change. It keeps every instance that is wanted where it is, moves
 * none that is in use, and finds for the others the places that destroy the fewest. Steps are data:
 * shown, recorded in the ledger, executed and undone by one executor.
 */

#include "model/gpu.h"
#include "model/layout.h"
#include "model/place.h"

#include <jansson.h>

struct error;

enum step_kind {
	STEP_MODE_ON, /* MIG mode; inverse: MODE_OFF */
	STEP_MODE_OFF,
	STEP_RESET,  /* GPU reset, for a pending mode; is its own inverse after the mode's */
	STEP_CREATE, /* GPU instance `profile_id` at `start`, with its compute instances; inverse:
			DESTROY */
	STEP_DESTROY,
	STEP_COMPUTE_MODE, /* who may open a context: from `mode_before` to `mode`; inverse: back */
	STEP_ADD_MPS,	   /* the pinned MPS share `mps`: Carve's own books; inverse: DROP_MPS */
	STEP_DROP_MPS,
	STEP_VF_COUNT, /* VFs on or off: from vf.count_before to vf.count; kills every VF that is
			  there; inverse: back */
	STEP_VF_MIX,   /* vGPUs of several sizes: vf.is_mixed; inverse: not */
	STEP_VF_SET,   /* the VFs of a mask: from vf.before to vf.setup, all alike; inverse: back */
	STEP_KIND_N,
};

/* What the steps of VFs are about. */
struct vf_step {
	uint32_t count, count_before;
	bool is_mixed;
	uint64_t vfs; /* mask over numbers */
	struct vf_setup setup, before;
	/* Of VF_SET: they go altogether in a later step, so that nothing is left to be done in this
	 * one; its inverse is a step as any other. */
	bool goes;
};

/*
 * One step on one GPU. CREATE and DESTROY name the instance completely (place and compute
 * instances), so that each is the exact inverse of the other. Fixed size: it goes to the ledger and
 * to the GPU's worker process as it is.
 */
struct step {
	enum step_kind kind;
	uint32_t gpu;	     /* index */
	uint32_t profile_id; /* the driver's id */
	uint32_t start, size;
	uint32_t n_ci;
	uint32_t ci_id[MIG_CIS_MAX]; /* the driver's compute instance profile ids, in order of
					creation */
	enum share_origin origin;    /* what the instance (VF, count of VFs) is, made or removed */
	enum compute_mode mode, mode_before;
	struct mps_share mps;
	struct vf_step vf;
	char name[SHARE_NAME_MAX]; /* "3g.40gb@4", "12G and 30 %", "NVIDIA L40S-12Q": for people */
};
/* True if a driver must be asked to do it; else it is in Carve's own books only. */
bool step_is_on_hardware(const struct step *step);
bool step_is_of_vfs(const struct step *step);
extern const char *const step_kind_names[STEP_KIND_N]; /* "mode-on", "create", ... */
struct step step_inverse(const struct step *step);
/* "create 3g.40gb@4", "turn MIG mode on": without the GPU. */
const char *step_text(const struct step *step, char *ret_text, unsigned size);
json_t *step_to_json(const struct step *step);
int step_from_json(const json_t *json, struct step *ret_step);

/* What stands in the way of a wanted change: the GPU or instance, and who is on it. */
struct blocker {
	uint32_t gpu;
	int instance;	 /* index into seen.instance; -1: the GPU itself, or a VF */
	int vf;		 /* its number; -1: it is about something else */
	uint64_t lease;	 /* the lease that holds it; 0: processes only (the caller names them from
			    seen.process) */
	bool is_foreign; /* a foreign instance has the room: adopt it first */
	char what[224];	 /* "0:3g.40gb@0 must go to make room for 7g.80gb" */
};

struct kept {
	uint32_t gpu, instance;
	int vf;		 /* number of the VF that it is about; -1: the instance */
	const char *why; /* "wanted", "in use", "foreign", "cache" */
};

/* Instances and VFs that stay but become pinned (or no longer are): no hardware step. */
enum { REPIN_INSTANCE = -1, REPIN_COUNT = -2 };
struct repin {
	uint32_t gpu, instance;
	int vf; /* number of the VF that it is about; REPIN_INSTANCE; REPIN_COUNT: that VFs are on
		 */
	enum share_origin origin;
};

struct plan {
	unsigned n_steps, n_blockers, n_kept, n_repins;
	struct step *step; /* GPU by GPU; within one GPU: MPS shares dropped, VFs made free,
			      destroys, VFs turned off, mode, VFs turned on, creates, sizes
			      mixed, VFs set, MPS shares added */
	struct blocker *blocker;
	struct kept *kept;
	struct repin *repin;
	uint32_t needs_reset; /* mask of GPUs whose mode change takes a reset */
};
void plan_done(struct plan *plan);

/*
 * The plan for a layout. 0 with the plan (which may be empty: nothing to do; or have blockers: then
 * its steps are what would be done and must not be). -EINVAL where the layout itself cannot be
 * (shares that collide: names them and the nearest that fits), -EPERM for GPUs that are not
 * managed.
 */
int plan_layout(const struct gpu *gpus, unsigned n_gpus, const struct layout *layout,
	struct plan *ret_plan, struct error *err);

/* The steps for one placement (evictions, then the creation; for an MPS share the compute mode; for
 * a VF what it takes to have it as it is to be): at most PLAN_PLACEMENT_MAX; returns how many. */
enum { PLAN_PLACEMENT_MAX = MIG_INSTANCES_MAX + 4 };
unsigned plan_placement(
	const struct gpu *gpus, const struct placement *placement, struct step *ret_step);

/*
 * What makes the GPU's VFs again as the intent has them, after a reboot: MIG mode, count, the
 * instances of MIG at just their places, sizes mixed, types by their names. What is there already
 * is left as it is. 0 with the plan, which has a blocker for each VF that cannot be as it was (its
 * type is gone, somebody else has it) and the steps for the others; where types are known only with
 * VFs on, and are not yet, the rest takes another plan then; -ENODEV: it is another GPU;
 * -EBUSY: another count of VFs is on.
 */
int plan_vf_intent(const struct gpu *gpu, const struct vf_intent *intent, struct plan *ret_plan,
	struct error *err);

/* The step that changes how many VFs are on (0: off), from what is on now; its inverse gives them
 * the origin that it is told. */
struct step step_vf_count_of(const struct gpu *gpu, uint32_t count, enum share_origin origin);
/* The step that sets VFs that are all alike now; `vfs` is a mask over numbers. One without a setup
 * makes them free. */
struct step step_vf_set_of(const struct gpu *gpu, uint64_t vfs, const struct vf_setup *setup,
	enum share_origin origin);
/* The step that allows vGPUs of several sizes, or forbids them. */
struct step step_vf_mix_of(const struct gpu *gpu, bool is_mixed);

/* The step that would add the pinned MPS share; its inverse drops it. */
struct step step_add_mps_of(const struct gpu *gpu, const struct mps_share *share);

/* The step that would remove instance `i` of the GPU. */
struct step step_destroy_of(const struct gpu *gpu, unsigned i);

/* The step that would make an instance of the profile with one compute instance that fills it. */
struct step step_create_of(
	const struct gpu *gpu, uint32_t profile, uint32_t start, enum share_origin origin);
