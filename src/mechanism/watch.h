/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The jobs that a worker watches: one driver/nvml_watch.h each, from the first look on. */

#include "mechanism/worker.h"

struct error;
struct nvml_gpu;

/* What the job used since the last look; the first one is where it begins. -ENOSPC where too many
 * are watched already; errors of driver/nvml.h. */
int watch_look(struct nvml_gpu *gpu, const struct work_watch *order,
	struct usage_sample *ret_sample, struct error *err);
/* It is over; or all are, as the driver is let go of. */
void watch_drop(uint64_t id);
void watches_drop(void);
