/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the driver does to a GPU: MIG mode, instances, resets, and what may befall it. Every
 * function locks for itself, takes the time that such work takes, and answers an NVML code.
 */

#include "sim/node/node.h"

/* Whether this process may change the node: root, its owner, or anyone where the machine says so.
 */
bool gpu_may_change(const struct node *node);

/*
 * MIG mode. *ret_activation says why the mode became only pending:
 *
 *	               idle               processes or instances
 *	Ampere         RESET_REQUIRED     IN_USE                   current after gpu_reset()
 *	Hopper, later  SUCCESS (at once)  IN_USE                   current after gpu_reset()
 *
 * Asking for the mode that is current takes a pending one back.
 */
int gpu_set_mig_mode(struct node *node, unsigned gpu, unsigned mode, int *ret_activation);

#define GPU_START_DEFAULT (-1)

/* `profile` is an index in the product's; `start` a slot or GPU_START_DEFAULT. */
int gpu_instance_create(
	struct node *node, unsigned gpu, unsigned profile, int start, uint32_t *ret_id);
/* IN_USE while it has compute instances; NOT_FOUND if `serial` is not the one that is there. */
int gpu_instance_destroy(struct node *node, unsigned gpu, uint32_t id, uint32_t serial);

/* `kind` is NVML_COMPUTE_INSTANCE_PROFILE_*; `start` a compute slice of the GPU instance. */
int compute_instance_create(struct node *node, unsigned gpu, uint32_t gi, uint32_t gi_serial,
	uint32_t kind, int start, uint32_t *ret_ci);
/* IN_USE while a process uses it, or a vGPU is in its GPU instance. */
int compute_instance_destroy(
	struct node *node, unsigned gpu, uint32_t gi, uint32_t ci, uint32_t serial);

/*
 * The two settings of nvmlDeviceSetPersistenceMode and nvmlDeviceSetComputeMode. A GPU in MIG mode
 * has no compute mode to set: NOT_SUPPORTED.
 */
int gpu_set_persistence(struct node *node, unsigned gpu, bool on);
int gpu_set_compute_mode(struct node *node, unsigned gpu, uint32_t mode);

/*
 * A GPU reset: IN_USE while processes use the GPU or it has virtual functions, GPU_IS_LOST on a
 * lost one. Instances are gone, a pending MIG mode is current, volatile ECC counts are 0.
 */
int gpu_reset(struct node *node, unsigned gpu);

/* The GPU reports an XID (nvmlEventTypeXidCriticalError); gi, ci may be NVML_NO_INSTANCE. */
int gpu_xid(struct node *node, unsigned gpu, uint64_t xid, uint32_t gi, uint32_t ci);
/* One more ECC error. */
int gpu_ecc(struct node *node, unsigned gpu, bool uncorrected);
/*
 * It falls off the bus (XID 79): all but identity answers GPU_IS_LOST. Or it comes back, as after a
 * power cycle of the slot: without instances, the pending mode current.
 */
int gpu_lose(struct node *node, unsigned gpu);
int gpu_recover(struct node *node, unsigned gpu);
