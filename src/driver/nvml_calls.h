/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the nvml*.c files share: the library's entry points, and its handles. */

#include "abi/nvml.h"
#include "driver/nvml.h"

struct error;

/*
 * The entry points by their names. Each can be called once nvml_open has been: one that this driver
 * lacks is filled with an older one of the same prototype (NVML_OLDER in abi/nvml.def), or answers
 * NVML_ERROR_FUNCTION_NOT_FOUND.
 */
struct nvml_calls {
#define NVML_FN(name, params, args) nvmlReturn_t(*name) params;
#include "abi/nvml.def"
	const char *(*nvmlErrorString)(nvmlReturn_t result);
};
extern struct nvml_calls nvml;

struct nvml_gpu {
	nvmlDevice_t device;
	char pci[16];
	nvmlEventSet_t events; /* NULL until events were asked for */
};

/* Fills `nvml`. -ENOENT without the library. */
int nvml_load(struct error *err);
/* Sets the sentence "FORMAT: NVML's words (code): what to do" and returns the errno for the code.
 */
int nvml_fail(nvmlReturn_t code, struct error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The errno alone. */
int nvml_errno(nvmlReturn_t code);
/* Gets the handle of the GPU anew. */
int nvml_gpu_find(struct nvml_gpu *gpu, struct error *err);
/* The MIG device of a compute instance: NVML_ERROR_NOT_FOUND if there is none. */
nvmlReturn_t nvml_mig_device(
	const struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, nvmlDevice_t *ret_device);
/* Fills in compute capability and number of SMs; 0 where the driver does not tell them. */
void nvml_gpu_compute(const struct nvml_gpu *gpu, struct gpu_facts *facts);
