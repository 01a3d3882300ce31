/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Watching what a job uses of its share (model/usage.h), through what NVML counts. A watch keeps
 * what the driver's counters held the last time; one is made for each job, and has to be freed
 * before its GPU is.
 *
 * What can be seen depends on the share. A whole GPU: its samples, its PCIe counters and, from
 * Hopper and R520 on, its performance counters (GPM). A MIG instance: GPM alone. A part of an MPS
 * server's: what the driver counts for each process. What is not seen is said, with the reason.
 */

#include "model/usage.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct nvml_gpu;
struct nvml_watch;

/* On the GPU (gi and ci UINT32_MAX) or a compute instance; `is_shared`: with others at the same
 * time, so that only what is told of single processes is the job's. */
struct nvml_watch *nvml_watch_new(struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, bool is_shared);
struct nvml_watch *nvml_watch_free(struct nvml_watch *watch); /* NULL */

/*
 * What was in use since the last call, or since the watch was made. The pids are the job's; they
 * matter where the share is shared. Takes some milliseconds, and 20 more where PCIe is measured by
 * the old counters. -ESTALE where its instance is gone; errors of nvml.h.
 */
int nvml_watch_sample(struct nvml_watch *watch, const int32_t *pids, unsigned n_pids,
	struct usage_sample *ret_sample, struct error *err);
