/* SPDX-License-Identifier: Apache-2.0 */
/* MIG mode, and making and unmaking instances. */
#include "driver/nvml_mig.h"

#include "base/error.h"
#include "driver/nvml_calls.h"

#include <errno.h>
#include <stdlib.h>

/* For taking back what was just made. */
enum { TRIES = 4 };

int nvml_mig_mode(struct nvml_gpu *gpu, bool *ret_on, bool *ret_pending, struct error *err)
{
	unsigned current, pending;
	nvmlReturn_t code = nvml.nvmlDeviceGetMigMode(gpu->device, &current, &pending);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its MIG mode", gpu->pci);
	*ret_on = current == NVML_DEVICE_MIG_ENABLE;
	*ret_pending = pending == NVML_DEVICE_MIG_ENABLE;
	return 0;
}

int nvml_mig_set_mode(struct nvml_gpu *gpu, bool on, struct error *err)
{
	unsigned mode = on ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE;
	nvmlReturn_t activation = NVML_SUCCESS;
	nvmlReturn_t code = nvml.nvmlDeviceSetMigMode(gpu->device, mode, &activation);
	int r;

	if (code == NVML_ERROR_IN_USE || code == NVML_ERROR_RESET_REQUIRED)
		activation = code;
	else if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "cannot turn the MIG mode of GPU %s %s", gpu->pci,
			on ? "on" : "off");
	/* the driver may have unbound and reset the GPU */
	r = nvml_gpu_find(gpu, err);
	if (r < 0)
		return r;
	switch (activation) {
	case NVML_SUCCESS:
		return 0;
	case NVML_ERROR_IN_USE:
		return MIG_MODE_IN_USE;
	case NVML_ERROR_RESET_REQUIRED:
		return MIG_MODE_PENDING;
	default:
		return nvml_fail(
			activation, err, "the MIG mode of GPU %s is pending only", gpu->pci);
	}
}

int nvml_mig_create(struct nvml_gpu *gpu, uint32_t profile_id, uint32_t start, uint32_t size,
	uint32_t *ret_gi, struct error *err)
{
	const nvmlGpuInstancePlacement_t placement = { .start = start, .size = size };
	nvmlGpuInstanceInfo_t info = { 0 };
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = nvml.nvmlDeviceCreateGpuInstanceWithPlacement(
		gpu->device, profile_id, &placement, &instance);

	if (code == NVML_ERROR_FUNCTION_NOT_FOUND)
		code = nvml.nvmlDeviceCreateGpuInstance(gpu->device, profile_id, &instance);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s makes no GPU instance of profile %u at slot %u",
			gpu->pci, profile_id, start);
	code = nvml.nvmlGpuInstanceGetInfo(instance, &info);
	if (code != NVML_SUCCESS) {
		int r = nvml_fail(code, err, "GPU %s does not tell the new GPU instance", gpu->pci);

		/* without its id it would be nobody's */
		for (unsigned i = 0; i < TRIES; i++) {
			if (nvml.nvmlGpuInstanceDestroy(instance) == NVML_SUCCESS)
				return r;
		}
		return error_prefix(
			err, -ENOTRECOVERABLE, "an instance that could not be put back");
	}
	*ret_gi = info.id;
	return 0;
}

static nvmlReturn_t instance_get(struct nvml_gpu *gpu, uint32_t gi, nvmlGpuInstance_t *ret_instance)
{
	return nvml.nvmlDeviceGetGpuInstanceById(gpu->device, gi, ret_instance);
}

int nvml_mig_place(struct nvml_gpu *gpu, uint32_t gi, uint32_t *ret_start, uint32_t *ret_size,
	struct error *err)
{
	nvmlGpuInstanceInfo_t info = { 0 };
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	if (code == NVML_SUCCESS)
		code = nvml.nvmlGpuInstanceGetInfo(instance, &info);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell GPU instance %u", gpu->pci, gi);
	*ret_start = info.placement.start;
	*ret_size = info.placement.size;
	return 0;
}

int nvml_mig_destroy(struct nvml_gpu *gpu, uint32_t gi, struct error *err)
{
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	if (code == NVML_SUCCESS)
		code = nvml.nvmlGpuInstanceDestroy(instance);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not remove GPU instance %u", gpu->pci, gi);
	return 0;
}

/* The old call tells no placement. */
static nvmlReturn_t compute_info(nvmlComputeInstance_t compute, nvmlComputeInstanceInfo_t *ret_info)
{
	nvmlReturn_t code;

	*ret_info = (nvmlComputeInstanceInfo_t){ 0 };
	code = nvml.nvmlComputeInstanceGetInfo_v2(compute, ret_info);
	if (code == NVML_ERROR_FUNCTION_NOT_FOUND) {
		code = nvml.nvmlComputeInstanceGetInfo(compute, ret_info);
		ret_info->placement.size = 0;
	}
	return code;
}

static int compare_computes(const void *left, const void *right)
{
	const struct mig_compute *a = left, *b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* Adds those of one profile. */
static nvmlReturn_t add_computes(
	nvmlGpuInstance_t instance, uint32_t profile_id, struct mig_compute *computes, unsigned *n)
{
	nvmlComputeInstance_t list[2 * MIG_CIS_MAX];
	unsigned count = 2 * MIG_CIS_MAX;
	nvmlReturn_t code =
		nvml.nvmlGpuInstanceGetComputeInstances(instance, profile_id, list, &count);

	for (unsigned i = 0; i < count && code == NVML_SUCCESS; i++) {
		nvmlComputeInstanceInfo_t info;

		code = compute_info(list[i], &info);
		/* somebody destroyed it since it was listed */
		if (code == NVML_ERROR_NOT_FOUND) {
			code = NVML_SUCCESS;
			continue;
		}
		if (code == NVML_SUCCESS && *n == MIG_CIS_MAX)
			return NVML_ERROR_INSUFFICIENT_SIZE;
		if (code == NVML_SUCCESS)
			computes[(*n)++] = (struct mig_compute){ info.id, info.profileId,
				info.placement.start, info.placement.size };
	}
	return code;
}

int nvml_mig_computes(struct nvml_gpu *gpu, uint32_t gi,
	struct mig_compute ret_compute[MIG_CIS_MAX], struct error *err)
{
	struct mig_compute compute[MIG_CIS_MAX];
	nvmlGpuInstance_t instance;
	unsigned n = 0;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	for (unsigned p = 0; p < NVML_COMPUTE_INSTANCE_PROFILE_COUNT && code == NVML_SUCCESS; p++) {
		nvmlComputeInstanceProfileInfo_t info;

		code = nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(
			instance, p, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &info);
		if (code == NVML_SUCCESS)
			code = add_computes(instance, info.id, compute, &n);
		else if (code == NVML_ERROR_NOT_SUPPORTED || code == NVML_ERROR_INVALID_ARGUMENT)
			code = NVML_SUCCESS;
	}
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err,
			"GPU %s does not tell the compute instances of GPU instance %u", gpu->pci,
			gi);
	qsort(compute, n, sizeof(compute[0]), compare_computes);
	for (unsigned i = 0; i < n; i++)
		ret_compute[i] = compute[i];
	return (int)n;
}

int nvml_mig_compute_profile(struct nvml_gpu *gpu, uint32_t gi, uint32_t slices,
	uint32_t *ret_profile_id, struct error *err)
{
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	for (unsigned p = 0; p < NVML_COMPUTE_INSTANCE_PROFILE_COUNT && code == NVML_SUCCESS; p++) {
		nvmlComputeInstanceProfileInfo_t info;

		if (nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, p,
			    NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &info) == NVML_SUCCESS &&
			info.sliceCount == slices) {
			*ret_profile_id = info.id;
			return 0;
		}
	}
	return nvml_fail(code == NVML_SUCCESS ? NVML_ERROR_NOT_FOUND : code, err,
		"GPU instance %u of GPU %s has no compute instance profile of %u slices", gi,
		gpu->pci, slices);
}

int nvml_mig_compute_create(struct nvml_gpu *gpu, uint32_t gi, uint32_t profile_id,
	const struct mig_compute *place, uint32_t *ret_ci, struct error *err)
{
	nvmlComputeInstanceInfo_t info;
	nvmlComputeInstance_t compute;
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	if (code == NVML_SUCCESS && place && place->size) {
		const nvmlComputeInstancePlacement_t at = { place->start, place->size };

		code = nvml.nvmlGpuInstanceCreateComputeInstanceWithPlacement(
			instance, profile_id, &at, &compute);
	}
	if ((code == NVML_SUCCESS && (!place || !place->size)) ||
		code == NVML_ERROR_FUNCTION_NOT_FOUND)
		code = nvml.nvmlGpuInstanceCreateComputeInstance(instance, profile_id, &compute);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err,
			"GPU %s makes no compute instance of profile %u in GPU instance %u",
			gpu->pci, profile_id, gi);
	code = compute_info(compute, &info);
	if (code != NVML_SUCCESS) {
		int r = nvml_fail(
			code, err, "GPU %s does not tell the new compute instance", gpu->pci);

		for (unsigned i = 0; i < TRIES; i++) {
			if (nvml.nvmlComputeInstanceDestroy(compute) == NVML_SUCCESS)
				return r;
		}
		return error_prefix(
			err, -ENOTRECOVERABLE, "an instance that could not be put back");
	}
	*ret_ci = info.id;
	return 0;
}

int nvml_mig_compute_destroy(struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, struct error *err)
{
	nvmlComputeInstance_t compute;
	nvmlGpuInstance_t instance;
	nvmlReturn_t code = instance_get(gpu, gi, &instance);

	if (code == NVML_SUCCESS)
		code = nvml.nvmlGpuInstanceGetComputeInstanceById(instance, ci, &compute);
	if (code == NVML_SUCCESS)
		code = nvml.nvmlComputeInstanceDestroy(compute);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err,
			"GPU %s does not remove compute instance %u of GPU instance %u", gpu->pci,
			ci, gi);
	return 0;
}
