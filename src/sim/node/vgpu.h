/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * vGPUs: what NVIDIA's driver for hosts makes of VFs. A type is made on a VF, where it takes a part
 * of the GPU or, in MIG mode, of a GPU instance.
 */

#include "sim/node/node.h"

/* In units of 1/VGPU_PLACES of a GPU, where sizes are mixed. */
#define VGPU_PLACES 32

/* By id; NULL if the product has none such. */
const struct vgpu_type *vgpu_type_find(const struct product *product, uint32_t id);

/*
 * Where one more vGPU of a type would be, in one GPU instance or in any (NVML_NO_INSTANCE); false:
 * there is no room for it now.
 */
struct vgpu_place {
	uint32_t gi, placement;
};
bool vgpu_place(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t gi, struct vgpu_place *ret_place);

/* How many places a time-sliced vGPU takes, how many can be, and whether there is room at one. */
uint32_t vgpu_size(const struct vgpu_type *type, bool is_mixed);
uint32_t vgpu_most(const struct vgpu_type *type, bool is_mixed);
bool vgpu_is_free(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t start);

/*
 * Makes a vGPU on a VF, or with type 0 removes it: an errno. -EIO: no such type, or no room;
 * -EEXIST: there is one; -EBUSY: a virtual machine has it.
 */
int vgpu_set(struct node *node, unsigned gpu, unsigned vf, uint32_t type);

/* Lets vGPUs of several sizes be at once, or no more: an NVML code, IN_USE while there are any. */
int vgpu_set_mixed(struct node *node, unsigned gpu, bool on);

/* Whether any vGPU is in a GPU instance. */
bool vgpu_uses_instance(const struct gpu_state *state, uint32_t gi);

/* What a virtual machine that has the VF takes: memory, GPU instance and compute instance. */
void vgpu_charge(const struct product *product, const struct gpu_state *state, unsigned vf,
	struct process *process);
