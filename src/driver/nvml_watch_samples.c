/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What older drivers and GPUs tell: the GPU's own samples, of some milliseconds to a second each,
 * PCIe's counters over 20 ms, and what is counted for each process.
 */
#include "base/io.h"
#include "base/text.h"
#include "driver/nvml_watch_part.h"

enum {
	SAMPLES_MAX = 256, /* the driver keeps about half as many */
	KIB = 1024,
};

/* How long it is since the last sample; 0: this is the first. */
static uint64_t span_until(struct watch_since *since, unsigned long long at_us)
{
	uint64_t span_us = since->is_begun && at_us > since->at_us ? at_us - since->at_us : 0;

	since->is_begun = true;
	if (at_us > since->at_us)
		since->at_us = at_us;
	return span_us * 1000;
}

static double value_of(nvmlValueType_t type, nvmlValue_t value)
{
	switch (type) {
	case NVML_VALUE_TYPE_DOUBLE:
		return value.dVal;
	case NVML_VALUE_TYPE_UNSIGNED_INT:
		return value.uiVal;
	case NVML_VALUE_TYPE_UNSIGNED_LONG:
		return (double)value.ulVal;
	case NVML_VALUE_TYPE_UNSIGNED_LONG_LONG:
		return (double)value.ullVal;
	default:
		return value.siVal;
	}
}

static void read_kind(struct nvml_watch *watch, nvmlSamplingType_t type, struct watch_since *since,
	enum usage_kind kind, struct usage_sample *sample)
{
	static nvmlSample_t samples[SAMPLES_MAX];
	nvmlValueType_t value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
	unsigned n = SAMPLES_MAX;
	nvmlReturn_t code = nvml.nvmlDeviceGetSamples(
		watch->gpu->device, type, since->at_us, &value_type, &n, samples);

	/* there is none since then: the next has its time too */
	if (code == NVML_ERROR_NOT_FOUND)
		return;
	if (code != NVML_SUCCESS) {
		watch_refused(sample, kind, code);
		return;
	}
	/* what lay before the first look is not the job's */
	for (unsigned i = since->is_begun ? 0 : n ? n - 1 : 0; i < n; i++) {
		uint64_t span = span_until(since, samples[i].timeStamp);

		usage_sample_add(sample, kind, span, value_of(value_type, samples[i].sampleValue));
	}
}

/* Each takes 20 ms: they take turns. */
static void read_pcie(struct nvml_watch *watch, struct usage_sample *sample)
{
	bool is_out = watch->pcie_out_is_next;
	enum usage_kind kind = is_out ? USAGE_COPY_OUT : USAGE_COPY_IN;
	uint64_t now = now_ns(), last = watch->pcie_ns[is_out];
	unsigned kib = 0;
	nvmlReturn_t code = nvml.nvmlDeviceGetPcieThroughput(watch->gpu->device,
		is_out ? NVML_PCIE_UTIL_TX_BYTES : NVML_PCIE_UTIL_RX_BYTES, &kib);

	if (code != NVML_SUCCESS)
		watch_refused(sample, kind, code);
	else if (last)
		usage_sample_add(sample, kind, now - last, (double)kib * KIB);
	watch->pcie_ns[is_out] = now;
	watch->pcie_out_is_next = !is_out;
}

void watch_read_samples(struct nvml_watch *watch, struct usage_sample *sample)
{
	read_kind(watch, NVML_GPU_UTILIZATION_SAMPLES, &watch->busy, USAGE_BUSY, sample);
	read_kind(
		watch, NVML_MEMORY_UTILIZATION_SAMPLES, &watch->memory, USAGE_MEMORY_BUSY, sample);
	read_pcie(watch, sample);
}

void watch_read_media(struct nvml_watch *watch, struct usage_sample *sample)
{
	read_kind(watch, NVML_ENC_UTILIZATION_SAMPLES, &watch->encoder, USAGE_ENCODER, sample);
	read_kind(watch, NVML_DEC_UTILIZATION_SAMPLES, &watch->decoder, USAGE_DECODER, sample);
}

static bool is_known(const struct nvml_watch *watch, unsigned pid)
{
	for (unsigned i = 0; i < watch->n_known; i++)
		if ((unsigned)watch->known[i] == pid)
			return true;
	return false;
}

void watch_read_processes(struct nvml_watch *watch, struct usage_sample *sample)
{
	static nvmlProcessUtilizationSample_t samples[SAMPLES_MAX];
	static const char others[] = "the driver tells it of the whole GPU only, which others use "
				     "at the same time";
	static const enum usage_kind not_told[] = { USAGE_SM, USAGE_BANDWIDTH, USAGE_COPY_IN,
		USAGE_COPY_OUT };
	static const enum usage_kind told[] = { USAGE_BUSY, USAGE_MEMORY_BUSY, USAGE_ENCODER,
		USAGE_DECODER };
	double use[ARRAY_SIZE(told)] = { 0 };
	unsigned n = SAMPLES_MAX;
	nvmlReturn_t code = nvml.nvmlDeviceGetProcessUtilization(
		watch->gpu->device, samples, &n, watch->processes.at_us);

	for (unsigned i = 0; i < ARRAY_SIZE(not_told); i++)
		watch_why(sample, not_told[i], others);
	/* nobody did anything since then */
	if (code == NVML_ERROR_NOT_FOUND)
		n = 0;
	else if (code != NVML_SUCCESS) {
		for (unsigned k = 0; k < ARRAY_SIZE(told); k++)
			if (watch->gi != NVML_NO_INSTANCE)
				watch_why(sample, told[k],
					"on a GPU in MIG mode the driver counts no single process");
			else
				watch_refused(sample, told[k], code);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (watch->processes.at_us < samples[i].timeStamp)
			watch->processes.at_us = samples[i].timeStamp;
		if (!is_known(watch, samples[i].pid))
			continue;
		use[0] += samples[i].smUtil;
		use[1] += samples[i].memUtil;
		use[2] += samples[i].encUtil;
		use[3] += samples[i].decUtil;
	}
	for (unsigned k = 0; k < ARRAY_SIZE(told) && watch->processes.is_begun; k++)
		usage_sample_add(sample, told[k], watch->span_ns, use[k] < 100 ? use[k] : 100);
	watch->processes.is_begun = true;
}

void watch_say_not_seen(const struct nvml_watch *watch, struct usage_sample *sample)
{
	bool is_mig = watch->gi != NVML_NO_INSTANCE;

	if (watch->has_gpm)
		watch_why(sample, USAGE_MEMORY_BUSY, "its bandwidth is seen");
	if (!watch->has_gpm) {
		watch_why(sample, USAGE_SM, watch->gpm_why);
		watch_why(sample, USAGE_BANDWIDTH, watch->gpm_why);
	}
	if (!watch->has_gpm && is_mig)
		for (int k = 0; k < USAGE_ENCODER; k++)
			watch_why(sample, (enum usage_kind)k, watch->gpm_why);
	if (is_mig)
		for (int k = USAGE_ENCODER; k < USAGE_N; k++)
			watch_why(sample, (enum usage_kind)k,
				"the driver tells it of no MIG instance");
}
