/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Finding and opening a device as CUDA does: by CUDA_VISIBLE_DEVICES, through its device nodes. */

#include "sim/node/node.h"

struct error;

struct device {
	unsigned gpu;
	uint32_t gi, ci; /* NVML_NO_INSTANCE: the whole GPU */
	char name[128];	 /* for people */
};

/*
 * `name` is a UUID (of a GPU, its beginning will do), an index, or NULL: then the first of
 * CUDA_VISIBLE_DEVICES counts, and without that the first device that can be opened. A GPU in MIG
 * mode stands for its first MIG device. The nodes below the system root stay open in this process;
 * that no driver answers behind them (ENXIO) is as good.
 */
int device_open(struct node *node, const char *name, struct device *ret_device, struct error *err);
