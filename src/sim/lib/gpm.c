/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPU performance monitoring, of Hopper and later and from R520 on: a sample is what the counters
 * of a GPU or GPU instance hold, and metrics are the means of what lies between two of them. A
 * sample's handle is a number, so that any value that a client hands in can be looked at.
 */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "base/text.h"
#include "sim/lib/place.h"
#include "sim/node/use.h"

#include <pthread.h>
#include <stdlib.h>

#define DRIVER_FIRST 520

static struct sample {
	bool is_there, is_taken;
	unsigned gpu;
	uint32_t gi;
	uint64_t at_us;
	struct use_sum total;
} samples[256];
static pthread_mutex_t samples_lock = PTHREAD_MUTEX_INITIALIZER;

static bool has_gpm(const struct place *at)
{
	return at->gpu->product.architecture >= NVML_DEVICE_ARCH_HOPPER &&
	       atoi(session_node->settings.driver_version) >= DRIVER_FIRST;
}

nvmlReturn_t sim_nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!support)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (support->version != NVML_GPM_SUPPORT_VERSION)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	else
		support->isSupportedDevice = has_gpm(&at);
	place_leave(&at);
	return r;
}

/* Under the lock; NULL if it is none. */
static struct sample *sample_of(nvmlGpmSample_t handle)
{
	uintptr_t number = (uintptr_t)handle;

	return number && number <= ARRAY_SIZE(samples) && samples[number - 1].is_there
		       ? &samples[number - 1]
		       : NULL;
}

nvmlReturn_t sim_nvmlGpmSampleAlloc(nvmlGpmSample_t *handle)
{
	nvmlReturn_t r = NVML_ERROR_MEMORY;

	if (!session_is_on())
		return NVML_ERROR_UNINITIALIZED;
	if (!handle)
		return NVML_ERROR_INVALID_ARGUMENT;
	pthread_mutex_lock(&samples_lock);
	for (uintptr_t i = 0; i < ARRAY_SIZE(samples) && r != NVML_SUCCESS; i++) {
		if (samples[i].is_there)
			continue;
		samples[i] = (struct sample){ .is_there = true };
		*handle = (nvmlGpmSample_t)(i + 1);
		r = NVML_SUCCESS;
	}
	pthread_mutex_unlock(&samples_lock);
	return r;
}

nvmlReturn_t sim_nvmlGpmSampleFree(nvmlGpmSample_t handle)
{
	struct sample *sample;

	if (!session_is_on())
		return NVML_ERROR_UNINITIALIZED;
	pthread_mutex_lock(&samples_lock);
	sample = sample_of(handle);
	if (sample)
		sample->is_there = false;
	pthread_mutex_unlock(&samples_lock);
	return sample ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t take(nvmlDevice_t device, bool is_mig, uint32_t gi, nvmlGpmSample_t handle)
{
	struct sample *sample;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	pthread_mutex_lock(&samples_lock);
	sample = sample_of(handle);
	if (!sample)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!has_gpm(&at) || is_mig != at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (is_mig && (gi >= GPU_INSTANCES || !at.state->instances[gi].serial))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS) {
		sample->is_taken = true;
		sample->gpu = at.index;
		sample->gi = gi;
		sample->at_us = wall_ns() / 1000;
		sample->total = use_total(at.state, gi, sample->at_us);
	}
	pthread_mutex_unlock(&samples_lock);
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
	return take(device, false, NVML_NO_INSTANCE, sample);
}

nvmlReturn_t sim_nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int gi, nvmlGpmSample_t sample)
{
	return take(device, true, gi, sample);
}

static void fill(nvmlGpmMetric_t *metric, const struct use_mean *mean)
{
	metric->nvmlReturn = NVML_SUCCESS;
	switch (metric->metricId) {
	case NVML_GPM_METRIC_GRAPHICS_UTIL:
		metric->value = mean->busy;
		break;
	case NVML_GPM_METRIC_SM_UTIL:
		metric->value = mean->sms;
		break;
	case NVML_GPM_METRIC_DRAM_BW_UTIL:
		metric->value = mean->bandwidth;
		break;
	case NVML_GPM_METRIC_PCIE_TX_PER_SEC:
		metric->value = mean->copy_out / 1024;
		break;
	case NVML_GPM_METRIC_PCIE_RX_PER_SEC:
		metric->value = mean->copy_in / 1024;
		break;
	default:
		metric->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
	}
}

nvmlReturn_t sim_nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
	const struct sample *one, *other;
	struct use_mean mean = { 0 };
	bool is_good = false;

	if (!session_is_on())
		return NVML_ERROR_UNINITIALIZED;
	if (!get || get->numMetrics > NVML_GPM_METRIC_MAX)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (get->version != NVML_GPM_METRICS_GET_VERSION)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	pthread_mutex_lock(&samples_lock);
	one = sample_of(get->sample1);
	other = sample_of(get->sample2);
	if (one && other && one->is_taken && other->is_taken && one->gpu == other->gpu &&
		one->gi == other->gi && other->at_us > one->at_us) {
		mean = use_between(&one->total, &other->total, other->at_us - one->at_us);
		is_good = true;
	}
	pthread_mutex_unlock(&samples_lock);
	for (unsigned i = 0; is_good && i < get->numMetrics; i++)
		fill(&get->metrics[i], &mean);
	return is_good ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}
