/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampling buffers. Each holds the present value only, as the node keeps no history; but what
 * living processes did in the windows since then follows from their patterns.
 */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "sim/lib/give.h"
#include "sim/node/load.h"
#include "sim/node/use.h"

#define SAMPLE_US   166666
#define WINDOWS_MAX 16

/* What it was in the window that ends then. */
static bool sample_at(const struct place *at, nvmlSamplingType_t type, unsigned long long end_us,
	unsigned *ret_value)
{
	struct use_mean mean = use_mean(at->state, NVML_NO_INSTANCE, end_us - SAMPLE_US, end_us);

	if (at->state->mig_current && type != NVML_TOTAL_POWER_SAMPLES &&
		type != NVML_PROCESSOR_CLK_SAMPLES && type != NVML_MEMORY_CLK_SAMPLES)
		return false;
	switch (type) {
	case NVML_TOTAL_POWER_SAMPLES:
		*ret_value = load_power_mw(at->gpu, at->state);
		return true;
	case NVML_GPU_UTILIZATION_SAMPLES:
		*ret_value = (unsigned)(mean.busy + 0.5);
		return true;
	case NVML_MEMORY_UTILIZATION_SAMPLES:
		*ret_value = (unsigned)mean.bandwidth;
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
	unsigned long long n = since_us ? (at_us - since_us) / SAMPLE_US : 1;
	unsigned value[WINDOWS_MAX] = { 0 };
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	if (!value_type || !count || type >= NVML_SAMPLINGTYPE_COUNT || (samples && !*count))
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!sample_at(&at, type, at_us, &value[0]))
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (at_us <= since_us)
		r = NVML_ERROR_NOT_FOUND;
	n = n > WINDOWS_MAX ? WINDOWS_MAX : n ?: 1;
	if (r == NVML_SUCCESS && samples && n > *count)
		n = *count;
	for (unsigned i = 0; r == NVML_SUCCESS && i < n; i++)
		sample_at(&at, type, at_us - (n - 1 - i) * SAMPLE_US, &value[i]);
	place_leave(&at);
	if (r != NVML_SUCCESS)
		return r;
	*value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
	*count = (unsigned)n;
	for (unsigned i = 0; samples && i < n; i++)
		samples[i] =
			(nvmlSample_t){ at_us - (n - 1 - i) * SAMPLE_US, { .uiVal = value[i] } };
	return NVML_SUCCESS;
}
