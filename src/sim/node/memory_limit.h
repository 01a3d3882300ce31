/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Limits on a GPU's memory by cgroup, as drivers from R615 on keep them. A process counts in its
 * cgroup and in all above it. Cgroups are looked up in /proc when it matters: processes move.
 */

#include "sim/node/node.h"

/*
 * Sets what the processes of the cgroup with this directory may use; a soft limit of 0 and a hard
 * one of UINT64_MAX remove it. NVML codes: INVALID_ARGUMENT (no cgroup, or more soft than hard),
 * NOT_SUPPORTED (MIG mode), GPU_IS_LOST, INSUFFICIENT_RESOURCES.
 */
int memory_limit_set(
	struct node *node, unsigned gpu, const char *dir, uint64_t soft, uint64_t hard);

/* What is set (0 and UINT64_MAX: nothing), and what is in use there. */
int memory_limit_get(struct node *node, unsigned gpu, const char *dir, uint64_t *ret_soft,
	uint64_t *ret_hard, uint64_t *ret_used);

/* How much more this process may take; under the lock. Costs nothing where there are no limits. */
uint64_t memory_limit_room(const struct gpu_state *state, int32_t pid);
