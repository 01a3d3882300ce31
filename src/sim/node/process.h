/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Processes that use a GPU or an instance of it. A process is its pid and start time, so that a pid
 * which was given out again is another process; one that is dead, or a zombie, uses nothing.
 */

#include "sim/node/node.h"

/* When a process started, in clock ticks since boot; 0 if it is dead, a zombie or never was. */
uint64_t process_start_time(int32_t pid);

/*
 * Drops the dead from a GPU; under the node's lock. Everything that looks at processes calls it
 * first, which frees their memory and instances as a driver does when a process ends.
 */
void process_reap(struct gpu *gpu);

/*
 * Puts the process on the GPU as CUDA does when a context is made. NVML codes: INVALID_ARGUMENT (no
 * such instance, or a whole GPU asked of one in MIG mode), MEMORY (does not fit), IN_USE (exclusive
 * process mode), NO_PERMISSION (prohibited mode), INSUFFICIENT_RESOURCES (table full), GPU_IS_LOST.
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

/* Bytes and percent in use on the GPU (NVML_NO_INSTANCE) or one GPU instance. */
uint64_t process_memory(const struct gpu_state *state, uint32_t gi);
unsigned process_busy(const struct gpu_state *state, uint32_t gi);
