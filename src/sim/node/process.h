/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Processes that use a GPU or an instance of it. As long as one is on the list it holds a robust
 * mutex of the GPU's (gpu->lives), which costs a look of some nanoseconds and no system call. The
 * kernel lets go of it when the thread that put the process on the list dies: one that is dead, or
 * a zombie, uses nothing, and a pid that was given out again is another process.
 */

#include "sim/node/node.h"

/*
 * Drops the dead from a GPU; under the node's lock. Everything that looks at processes calls it
 * first, which frees their memory and instances as a driver does when a process ends.
 */
void process_reap(struct gpu *gpu);

/*
 * Puts the calling process on the GPU as CUDA does when a context is made. NVML codes:
 * INVALID_ARGUMENT (no such instance, or a whole GPU asked of one in MIG mode), MEMORY (does not
 * fit), IN_USE (exclusive process mode), NO_PERMISSION (prohibited mode), INSUFFICIENT_RESOURCES
 * (table full), NOT_FOUND (an MPS client's server is not on this GPU), GPU_IS_LOST.
 *
 * An MPS client counts as a part of its server: exclusive process mode lets it in, and what it has
 * is gone when the server is.
 */
int process_add(struct node *node, unsigned gpu, const struct process *process);
void process_remove(struct node *node, unsigned gpu, int32_t pid);
/* What it uses from now on: NOT_FOUND, MEMORY (does not fit; nothing changes), GPU_IS_LOST. */
int process_change(struct node *node, unsigned gpu, int32_t pid, uint64_t memory, unsigned busy);

/* Does anyone use this GPU, this GPU instance, this compute instance? Under the lock, after reap.
 */
bool process_uses_gpu(const struct gpu_state *state);
bool process_uses_instance(const struct gpu_state *state, uint32_t gi);
bool process_uses_compute(const struct gpu_state *state, uint32_t gi, uint32_t ci);

/* Bytes and percent in use now on the GPU (NVML_NO_INSTANCE) or one GPU instance. */
uint64_t process_memory(const struct gpu_state *state, uint32_t gi);
unsigned process_busy(const struct gpu_state *state, uint32_t gi);
