/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NVIDIA's device files: which nodes a holder of a share needs, and which majors are GPUs at all.
 *
 * Majors come from /proc/devices, minors of MIG capability files from
 * /proc/driver/nvidia/capabilities/.../access (DeviceFileMinor), with
 * /proc/driver/nvidia-caps/mig-minors as the fall-back. A GPU's /dev/dri nodes are found by its PCI
 * address in /sys.
 */

#include "model/binding.h"
#include "model/gpu.h"

#include <stdbool.h>

struct error;

/* Adds the nodes of a whole GPU, or of one compute instance of it (instance, ci not NULL), and
 * those that all users need (nvidiactl, nvidia-uvm, nvidia-uvm-tools). A node that is there twice
 * is added once. */
int nodes_add(struct binding *binding, const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct error *err);

/* False: the node itself is not there (yet). */
bool node_exists(const struct binding_node *node);

/* The majors of GPU nodes (nvidia, nvidia-caps, nvidia-uvm, drm, ...); returns how many, at most
 * max. */
unsigned nodes_gpu_majors(uint32_t *ret_majors, unsigned max);

/* The nodes that belong to one GPU alone (not nvidiactl and uvm): for denying it to those without a
 * lease. */
unsigned nodes_of_gpu(const struct gpu *gpu, struct binding_node *ret_nodes, unsigned max);

/*
 * Has the capability nodes of a new GPU instance and its first n_ci compute instances made by
 * NVIDIA's own program (nvidia-modprobe), where they are not there yet. Best effort: CUDA does the
 * same for a program that may; below another system root nothing is done.
 */
void nodes_make(uint32_t gpu_minor, uint32_t gi, unsigned n_ci);
