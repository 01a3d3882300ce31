/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The contract of a mechanism. What a GPU could give for a request, and at what cost, is the
 * model's; a mechanism tells what is (probe, observe, usage), does and undoes one step, and says
 * what a holder needs (bind). All calls into a driver are made in the GPU's worker process
 * (worker.h), never on the daemon's loop; bind reads only files and may be called anywhere.
 *
 * An op that a mechanism does not have is filled in with one that answers -ENOTSUP (mechanism_of),
 * so callers never test for NULL.
 */

#include "model/binding.h"
#include "model/gpu.h"
#include "model/plan.h"

#include <stdbool.h>

struct error;
struct nvml_gpu; /* driver/nvml.h: one GPU, opened in this process */

struct mechanism_ops {
	enum mechanism mechanism;

	/* What this GPU can do by this mechanism now, and which driver or kernel feature says so.
	 * Of VFs the facts tell it (vf_facts_read), and this is not asked. */
	void (*probe)(struct nvml_gpu *nvml, const struct gpu_facts *facts,
		const struct gpu_seen *seen, struct capability *ret_capability);

	/* Adds the shares that exist now and who uses them to *seen (zeroed by the caller). */
	int (*observe)(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct gpu_seen *seen,
		struct error *err);

	/*
	 * Does one step. 0, or a negative errno with the sentence: -EBUSY (in use by another
	 * client, which is named), -ENOSPC (the driver finds no room), -EPERM, -ENODEV (GPU lost),
	 * others as in driver/nvml.h. A step that failed has left nothing half made: the mechanism
	 * takes away what it made before returning. Where that failed too it is -ENOTRECOVERABLE:
	 * nobody knows how much of the step is done, as after a call that hung. Doing what is done
	 * already is 0.
	 */
	int (*do_step)(struct nvml_gpu *nvml, const struct gpu_facts *facts,
		const struct step *step, struct error *err);

	/* What a holder of this share needs: adds to the binding. ci is NULL for a whole GPU. */
	int (*bind)(const struct gpu *gpu, const struct mig_instance *instance,
		const struct mig_ci *ci, struct binding *binding, struct error *err);

	/* Bytes in use on one share. */
	int (*usage)(struct nvml_gpu *nvml, uint32_t gi, uint32_t ci, uint64_t *ret_memory_bytes);

	/* Who enforces what on a share of this mechanism. */
	enum enforcer memory, compute, faults;
};

/* In order of preference. */
extern const struct mechanism_ops mechanism_mig, mechanism_mps, mechanism_vf, mechanism_whole;
/* The mechanism's ops, complete: those that this version has not answer -ENOTSUP, and probe says
 * so. NULL for what is no mechanism. */
const struct mechanism_ops *mechanism_of(enum mechanism mechanism);
