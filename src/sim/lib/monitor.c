/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitoring tool shows. Load comes from the processes on the GPU; power, temperature and
 * clocks follow it in a straight line, which is enough to be shown and no claim about hardware.
 */
#include "sim/lib/entry.h"

#include "sim/lib/place.h"
#include "sim/node/gpu.h"
#include "sim/node/process.h"

#define TEMPERATURE_IDLE 30
#define TEMPERATURE_FULL 70
#define SAMPLE_US	 166666

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

/* Load of a GPU in percent; a GPU in MIG mode and its MIG devices have none to tell. */
static nvmlReturn_t busy_of(
	nvmlDevice_t device, bool in_mig_too, struct place *ret_at, unsigned *ret)
{
	nvmlReturn_t r = place_enter(device, HANDLE_GPU | HANDLE_MIG, ret_at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(ret_at);
	if (ret_at->kind == HANDLE_MIG || (ret_at->state->mig_current && !in_mig_too))
		r = NVML_ERROR_NOT_SUPPORTED;
	*ret = process_busy(ret_at->state, NVML_NO_INSTANCE);
	place_leave(ret_at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	unsigned busy;
	struct place at;
	nvmlReturn_t r = busy_of(device, false, &at, &busy);

	if (r == NVML_SUCCESS && !utilization)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*utilization = (nvmlUtilization_t){ busy, busy / 2 };
	return r;
}

static nvmlReturn_t codec_utilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	unsigned busy;
	struct place at;
	nvmlReturn_t r = busy_of(device, false, &at, &busy);

	if (r == NVML_SUCCESS && (!percent || !period_us))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS) {
		*percent = 0;
		*period_us = SAMPLE_US;
	}
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetEncoderUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return codec_utilization(device, percent, period_us);
}

nvmlReturn_t sim_nvmlDeviceGetDecoderUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return codec_utilization(device, percent, period_us);
}

static const unsigned threshold_degrees[] = {
	[NVML_TEMPERATURE_THRESHOLD_SHUTDOWN] = 92,
	[NVML_TEMPERATURE_THRESHOLD_SLOWDOWN] = 89,
	[NVML_TEMPERATURE_THRESHOLD_MEM_MAX] = 95,
	[NVML_TEMPERATURE_THRESHOLD_GPU_MAX] = 87,
};

/* One number of a GPU that follows from its load. */
#define GIVE_BY_LOAD(name, params, valid, value)                                                   \
	nvmlReturn_t sim_##name params                                                             \
	{                                                                                          \
		unsigned busy;                                                                     \
		struct place at;                                                                   \
		nvmlReturn_t r = busy_of(device, true, &at, &busy);                                \
                                                                                                   \
		if (r == NVML_SUCCESS && (!ret || !(valid)))                                       \
			r = NVML_ERROR_INVALID_ARGUMENT;                                           \
		if (r == NVML_SUCCESS)                                                             \
			*ret = (value);                                                            \
		return r;                                                                          \
	}

GIVE_BY_LOAD(nvmlDeviceGetPowerUsage, (nvmlDevice_t device, unsigned int *ret), true,
	at.gpu->product.power_idle_w * 1000 +
		(at.gpu->product.power_limit_w - at.gpu->product.power_idle_w) * 10 * busy)
GIVE_BY_LOAD(nvmlDeviceGetEnforcedPowerLimit, (nvmlDevice_t device, unsigned int *ret), true,
	at.gpu->product.power_limit_w * 1000)
GIVE_BY_LOAD(nvmlDeviceGetPowerManagementLimit, (nvmlDevice_t device, unsigned int *ret), true,
	at.gpu->product.power_limit_w * 1000)
GIVE_BY_LOAD(nvmlDeviceGetTemperature,
	(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *ret),
	sensor == NVML_TEMPERATURE_GPU,
	TEMPERATURE_IDLE + (TEMPERATURE_FULL - TEMPERATURE_IDLE) * busy / 100)
GIVE_BY_LOAD(nvmlDeviceGetTemperatureThreshold,
	(nvmlDevice_t device, nvmlTemperatureThresholds_t threshold, unsigned int *ret),
	threshold <= NVML_TEMPERATURE_THRESHOLD_GPU_MAX, threshold_degrees[threshold])
GIVE_BY_LOAD(nvmlDeviceGetClockInfo, (nvmlDevice_t device, nvmlClockType_t type, unsigned int *ret),
	type < NVML_CLOCK_COUNT,
	type == NVML_CLOCK_MEM ? at.gpu->product.memory_mhz
	: busy		       ? at.gpu->product.sm_mhz
			       : at.gpu->product.sm_mhz / 6)
GIVE_BY_LOAD(nvmlDeviceGetMaxClockInfo,
	(nvmlDevice_t device, nvmlClockType_t type, unsigned int *ret), type < NVML_CLOCK_COUNT,
	type == NVML_CLOCK_MEM ? at.gpu->product.memory_mhz : at.gpu->product.sm_mhz)
GIVE_BY_LOAD(nvmlDeviceGetPcieThroughput,
	(nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *ret),
	counter <= NVML_PCIE_UTIL_RX_BYTES, busy * 1024)

/* The products that are simulated have no fans of their own. */
nvmlReturn_t sim_nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int *percent)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !percent)
		r = NVML_ERROR_INVALID_ARGUMENT;
	return r == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : r;
}

nvmlReturn_t sim_nvmlDeviceGetEccMode(
	nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!current || !pending))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*current = *pending = NVML_FEATURE_ENABLED;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error,
	nvmlEccCounterType_t counter, unsigned long long *count)
{
	struct place at;
	nvmlReturn_t r;

	if (!count || error >= NVML_MEMORY_ERROR_TYPE_COUNT ||
		counter >= NVML_ECC_COUNTER_TYPE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_enter(device, HANDLE_GPU, &at);
	if (r == NVML_SUCCESS) {
		*count = at.state->ecc[error][counter];
		place_leave(&at);
	}
	return r;
}

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
