/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SR-IOV virtual functions (VFs) of a GPU, as Linux and NVIDIA's driver for hosts of vGPUs have
 * them. Functions answer 0 or an errno of the kernel's, and take the time that the kernel takes.
 *
 * What holds a VF is a virtual machine (vf_hold): a process that is on the GPU's list without being
 * shown there by NVML.
 */

#include "sim/node/identity.h"

#define VF_OFFSET 4 /* from the GPU's own function to its first VF's */
#define VF_STRIDE 1

/* Where VF number `vf` is on the bus, and its IOMMU group: each has one of its own. */
const char *vf_pci_text(const struct gpu *gpu, unsigned vf, char ret_text[PCI_TEXT_MAX]);
uint32_t vf_group(unsigned gpu, unsigned vf);

/* Whether the driver makes VFs of this GPU: before Ampere its vGPUs were none. */
bool vf_is_possible(const struct node *node, const struct gpu *gpu);

/*
 * A write to sriov_numvfs. -ERANGE: more than the device has; -ENOENT: the driver makes none;
 * -EBUSY: there are VFs, and another number of them; -EPERM: the driver lets nobody remove them who
 * has not its unbind lock. Removing waits for as long as any of them is held.
 */
int vf_set_count(struct node *node, unsigned gpu, uint32_t n);

/* NVIDIA's unbindLock: refused (-EBUSY) while a client of NVML or CUDA has the driver open. */
int vf_set_unbind_lock(struct node *node, unsigned gpu, bool on);

/* The number of VFs there are; waits while the kernel works on them, as sriov_numvfs does. */
uint32_t vf_count(struct node *node, unsigned gpu);

/* The pid of the virtual machine that has it, 0 if none; under the lock, after process_reap(). */
int32_t vf_holder(const struct gpu_state *state, unsigned vf);

/*
 * This process holds the VF from now on, until it ends: -EBUSY if another does, -ENODEV if there is
 * no vGPU on it, -ENOMEM if the GPU has not the memory free. Waits while
 * VFs are made or removed.
 */
int vf_hold(struct node *node, unsigned gpu, unsigned vf);

/* Makes /dev/vfio of a new node. */
int vf_make_dir(const struct node *node);

/* Clients of NVML: each has a lock on a file of the node for as long as it is one. -1 on errors. */
int client_enter(const struct node *node);
/* The pid of one of them, 0 if there are none. */
int32_t client_any(const struct node *node);
