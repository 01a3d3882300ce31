/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, utilisation and modes. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "sim/lib/give.h"
#include "sim/node/gpu.h"
#include "sim/node/process.h"
#include "sim/node/use.h"

nvmlReturn_t sim_nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	uint64_t total, reserved;
	struct place at;
	nvmlReturn_t r;

	if (memory && memory->version != nvmlMemory_v2)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);
	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	total = (uint64_t)(at.profile ? at.profile->memory_mib : at.gpu->product.memory_mib) << 20;
	reserved = at.profile ? 0 : (uint64_t)at.gpu->product.reserved_mib << 20;
	if (memory) {
		memory->total = total;
		memory->reserved = reserved;
		memory->used = process_memory(at.state, at.gi);
		memory->free = total - reserved - memory->used;
	}
	place_leave(&at);
	return memory ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t sim_nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	nvmlMemory_v2_t now = { .version = nvmlMemory_v2 };
	nvmlReturn_t r = sim_nvmlDeviceGetMemoryInfo_v2(device, memory ? &now : NULL);

	if (r == NVML_SUCCESS)
		*memory = (nvmlMemory_t){ now.total, now.free, now.used + now.reserved };
	return r;
}

/* Over the last window of samples. */
#define WINDOW_US 166666

static struct use_mean last(const struct place *at, uint64_t window_us)
{
	uint64_t now_us = wall_ns() / 1000;

	return use_mean(at->state, NVML_NO_INSTANCE, now_us - window_us, now_us);
}

static nvmlUtilization_t rates(const struct place *at)
{
	struct use_mean mean = last(at, WINDOW_US);

	return (nvmlUtilization_t){ (unsigned)(mean.busy + 0.5), (unsigned)mean.bandwidth };
}

/* A GPU in MIG mode and its MIG devices have none to tell. */
GIVE_WHERE(nvmlDeviceGetUtilizationRates, HANDLE_LIVE | HANDLE_GPU | HANDLE_MIG, nvmlUtilization_t,
	!at.state->mig_current, rates(&at))

/* Kibibytes per second, over 20 ms. */
GIVE_WHICH(nvmlDeviceGetPcieThroughput, HANDLE_LIVE | HANDLE_GPU, nvmlPcieUtilCounter_t,
	which <= NVML_PCIE_UTIL_RX_BYTES, unsigned int, true,
	(unsigned)(which == NVML_PCIE_UTIL_RX_BYTES ? last(&at, 20000).copy_in
						    : last(&at, 20000).copy_out))

nvmlReturn_t sim_nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
	struct place at;
	nvmlReturn_t r;

	if (!mode)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_enter(device, HANDLE_GPU, &at);
	if (r == NVML_SUCCESS) {
		*mode = at.state->persistence ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
		place_leave(&at);
	}
	return r;
}

nvmlReturn_t sim_nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && mode > NVML_FEATURE_ENABLED)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)gpu_set_persistence(session_node, at.index, mode);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t *mode)
{
	struct place at;
	nvmlReturn_t r;

	if (!mode)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_enter(device, HANDLE_GPU, &at);
	if (r == NVML_SUCCESS) {
		*mode = (nvmlComputeMode_t)at.state->compute_mode;
		place_leave(&at);
	}
	return r;
}

nvmlReturn_t sim_nvmlDeviceSetComputeMode(nvmlDevice_t device, nvmlComputeMode_t mode)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && mode >= NVML_COMPUTEMODE_COUNT)
		r = NVML_ERROR_INVALID_ARGUMENT;
	/* Gone since CUDA 8. */
	if (r == NVML_SUCCESS && mode == NVML_COMPUTEMODE_EXCLUSIVE_THREAD)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)gpu_set_compute_mode(session_node, at.index, mode);
	return r;
}
