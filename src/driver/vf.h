/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Virtual functions as kernels and drivers make them: one contract, one file per vendor (vf_*.c).
 * What is the same for all of them (numbers, addresses, groups, who has them open) is read in
 * vf_look.c; what it takes to write to a file of the kernel that may never return is in
 * sysfs_write.c.
 *
 * Addresses are of the GPU's physical function ("0000:41:00.0").
 */

#include "model/gpu.h"

struct error;
struct nvml_gpu;
struct step;

/* Which one it is, and its limits: fills facts->vf. `nvml` may be NULL. Never fails: where VFs
 * cannot be made, kind is VF_KIND_NONE (or the vendor's) and *ret_capability says why and the way
 * out. */
void vf_facts_read(const char *pci, struct nvml_gpu *nvml, struct gpu_facts *facts,
	struct capability *ret_capability);

/*
 * Fills seen->vfs, but for what is decided. `nvml` may be NULL. It never waits for the kernel.
 *
 * A VF is_for_vm where it is a vGPU, or its driver is one of VFIO's; so a setup with a type has
 * is_for_vm, too. `owner` is what other tools say: a virtual machine of libvirt's may well be the
 * one that a lease was made for.
 */
int vf_look(const char *pci, struct nvml_gpu *nvml, const struct gpu_facts *facts,
	struct gpu_seen *seen, struct error *err);

/*
 * Does one step of VFs (step_is_of_vfs) and reads back that it is done. Doing what is done already
 * is 0; a step that was half done before is completed. `nvml` is NULL for STEP_VF_COUNT: NVML must
 * have been let go of before it, by every process of ours: NVIDIA's driver is unbound on the way.
 * Afterwards facts are to be read anew: types may be known only from VFs that are there.
 *
 * -EBUSY: a VF is held (by which virtual machine and process), or a client of NVML is in the way
 * (which); -ERANGE: more than the GPU can; -ENOSPC: the driver refuses the type or memory (what it
 * would take); -ENOMEM: no room for their BARs or bus numbers (which kernel and firmware options
 * mend it); -ENODEV: the GPU has no driver that makes VFs; -ETIMEDOUT: the kernel has not come back
 * from it within the deadline; -ENOTSUP. What failed is put back before it returns, else
 * -ENOTRECOVERABLE.
 */
int vf_do_step(const char *pci, struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, struct error *err);
