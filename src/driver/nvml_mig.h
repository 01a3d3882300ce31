/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * MIG through NVML: one thing done each. Errors as in nvml.h; -ENOTRECOVERABLE where something was
 * made that the driver then neither told nor took back. The ids are the driver's: of profiles those
 * that create takes, of instances those that it gave.
 */

#include "driver/nvml.h"

/* -ENOTSUP on GPUs without MIG. */
int nvml_mig_mode(struct nvml_gpu *gpu, bool *ret_on, bool *ret_pending, struct error *err);

/*
 * Asks for the mode. 0 if it is so now, MIG_MODE_PENDING if it takes a reset, MIG_MODE_IN_USE if
 * clients are in the way (the mode is pending then, too). The GPU is opened anew: its minor may
 * have changed.
 */
enum { MIG_MODE_PENDING = 1, MIG_MODE_IN_USE = 2 };
int nvml_mig_set_mode(struct nvml_gpu *gpu, bool on, struct error *err);

/*
 * What it can hold. Compute instance profiles are the driver's answer where an instance of the
 * profile exists, else by the rule that all known products follow. Newer drivers tell with MIG off
 * as well; placements are told to root only.
 */
int nvml_mig_geometry(struct nvml_gpu *gpu, uint64_t total_bytes, struct mig_geometry *ret_geometry,
	struct error *err);

/* The instances that exist, by first slot; all as foreign. How many. */
int nvml_mig_instances(struct nvml_gpu *gpu, const struct mig_geometry *geometry,
	struct mig_instance ret_instance[MIG_INSTANCES_MAX], struct error *err);

/* Makes a GPU instance at that place, or, where the driver cannot be told one, where it likes. */
int nvml_mig_create(struct nvml_gpu *gpu, uint32_t profile_id, uint32_t start, uint32_t size,
	uint32_t *ret_gi, struct error *err);
/* Where it is. */
int nvml_mig_place(struct nvml_gpu *gpu, uint32_t gi, uint32_t *ret_start, uint32_t *ret_size,
	struct error *err);
int nvml_mig_destroy(struct nvml_gpu *gpu, uint32_t gi, struct error *err);

struct mig_compute {
	uint32_t id, profile_id;
	uint32_t start, size; /* compute slices of the GPU instance; size 0: not told */
};
/* The compute instances of a GPU instance, by id: how many. */
int nvml_mig_computes(struct nvml_gpu *gpu, uint32_t gi,
	struct mig_compute ret_compute[MIG_CIS_MAX], struct error *err);
/* Makes one of that profile; `place` (start, size) may be NULL. */
int nvml_mig_compute_create(struct nvml_gpu *gpu, uint32_t gi, uint32_t profile_id,
	const struct mig_compute *place, uint32_t *ret_ci, struct error *err);
int nvml_mig_compute_destroy(struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, struct error *err);
/* The driver's id of the profile with `slices` compute slices in this GPU instance; -ENOENT if it
 * has none. */
int nvml_mig_compute_profile(struct nvml_gpu *gpu, uint32_t gi, uint32_t slices,
	uint32_t *ret_profile_id, struct error *err);
