/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling buffers. Each holds the present value only: the node keeps no history. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "sim/lib/give.h"
#include "sim/node/load.h"
#include "sim/node/process.h"

#define SAMPLE_US 166666

static bool sample_now(const struct place *at, nvmlSamplingType_t type, unsigned *ret_value)
{
	unsigned busy = process_busy(at->state, NVML_NO_INSTANCE);

	if (at->state->mig_current && type != NVML_TOTAL_POWER_SAMPLES &&
		type != NVML_PROCESSOR_CLK_SAMPLES && type != NVML_MEMORY_CLK_SAMPLES)
		return false;
	switch (type) {
	case NVML_TOTAL_POWER_SAMPLES:
		*ret_value = load_power_mw(at->gpu, at->state);
		return true;
	case NVML_GPU_UTILIZATION_SAMPLES:
		*ret_value = busy;
		return true;
	case NVML_MEMORY_UTILIZATION_SAMPLES:
		*ret_value = busy / 2;
		return true;
	case NVML_PROCESSOR_CLK_SAMPLES:
		*ret_value = load_sm_mhz(at->gpu, at->state);
		return true;
	case NVML_MEMORY_CLK_SAMPLES:
		*ret_value = load_memory_mhz(at->gpu, at->state);
		return true;
	case NVML_MODULE_POWER_SAMPLES:
		return false;
	default:
		*ret_value = 0;
		return true;
	}
}

nvmlReturn_t sim_nvmlDeviceGetSamples(nvmlDevice_t device, nvmlSamplingType_t type,
	unsigned long long since_us, nvmlValueType_t *value_type, unsigned int *count,
	nvmlSample_t *samples)
{
	unsigned long long at_us = wall_ns() / 1000 / SAMPLE_US * SAMPLE_US;
	unsigned value = 0;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	if (!value_type || !count || type >= NVML_SAMPLINGTYPE_COUNT || (samples && !*count))
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!sample_now(&at, type, &value))
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (at_us <= since_us)
		r = NVML_ERROR_NOT_FOUND;
	place_leave(&at);
	if (r != NVML_SUCCESS)
		return r;
	*value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
	*count = 1;
	if (samples)
		samples[0] = (nvmlSample_t){ at_us, { .uiVal = value } };
	return NVML_SUCCESS;
}
