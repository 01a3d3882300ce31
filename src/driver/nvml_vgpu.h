/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* vGPUs as NVML tells them: types, and the mode that lets sizes be mixed. */

#include "driver/nvml.h"

/* The types that the GPU knows, by rising memory and id: fills n_types and type[]. -ENOTSUP where
 * the driver is not the one for hosts of vGPUs. */
int nvml_vgpu_types(struct nvml_gpu *gpu, struct vf_facts *facts, struct error *err);
/* 1: vGPUs are made on VFs; 0: on the GPU itself, by mediated devices; negative errno: by none. */
int nvml_vgpu_is_sriov(struct nvml_gpu *gpu);
/* Whether sizes can be mixed at all. */
bool nvml_vgpu_may_mix(struct nvml_gpu *gpu);
/* Whether they may be now; and to set it, which the driver refuses while there is a vGPU (-EBUSY).
 */
int nvml_vgpu_mixed(struct nvml_gpu *gpu, bool *ret_mixed, struct error *err);
int nvml_vgpu_set_mixed(struct nvml_gpu *gpu, bool is_mixed, struct error *err);
/* The vGPUs that virtual machines have now: how many, and how many of their guests have not told
 * the driver of a licence (yet). */
int nvml_vgpu_licences(
	struct nvml_gpu *gpu, unsigned *ret_n, unsigned *ret_n_unlicensed, struct error *err);
