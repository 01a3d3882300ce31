/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU computes with, and who may have it compute. */
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"

#include <errno.h>

/*
 * NVML tells cores, CUDA's guide (the appendix of compute capabilities) how many of them an SM has:
 * FP32 units. A minor of -1 stands for all.
 */
static const struct {
	int major, minor;
	unsigned cores;
} cores_per_sm[] = {
	{ 3, -1, 192 },
	{ 5, -1, 128 },
	{ 6, 0, 64 },
	{ 6, -1, 128 },
	{ 7, -1, 64 },
	{ 8, 0, 64 },
	{ 8, -1, 128 },
	{ 9, -1, 128 },
	{ 10, -1, 128 },
	{ 11, -1, 128 },
	{ 12, -1, 128 },
};

static uint32_t sm_of(unsigned cores, int major, int minor)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cores_per_sm); i++) {
		if (cores_per_sm[i].major == major &&
			(cores_per_sm[i].minor == minor || cores_per_sm[i].minor < 0))
			return cores / cores_per_sm[i].cores;
	}
	return 0;
}

void nvml_gpu_compute(const struct nvml_gpu *gpu, struct gpu_facts *facts)
{
	unsigned cores = 0;
	int major = 0, minor = 0;

	if (nvml.nvmlDeviceGetCudaComputeCapability(gpu->device, &major, &minor) != NVML_SUCCESS)
		return;
	facts->cc_major = (uint32_t)major;
	facts->cc_minor = (uint32_t)minor;
	if (nvml.nvmlDeviceGetNumGpuCores(gpu->device, &cores) == NVML_SUCCESS)
		facts->sm = sm_of(cores, major, minor);
}

int nvml_gpu_compute_mode(struct nvml_gpu *gpu, uint8_t *ret_mode, struct error *err)
{
	nvmlComputeMode_t mode = NVML_COMPUTEMODE_DEFAULT;
	nvmlReturn_t code = nvml.nvmlDeviceGetComputeMode(gpu->device, &mode);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its compute mode", gpu->pci);
	*ret_mode = (uint8_t)mode;
	return 0;
}

int nvml_gpu_set_compute_mode(struct nvml_gpu *gpu, uint8_t mode, struct error *err)
{
	nvmlReturn_t code = nvml.nvmlDeviceSetComputeMode(gpu->device, (nvmlComputeMode_t)mode);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "cannot set the compute mode of GPU %s", gpu->pci);
	return 0;
}
