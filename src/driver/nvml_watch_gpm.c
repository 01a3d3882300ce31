/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPU performance monitoring: counters of a GPU or a MIG instance, read in pairs. What is told of a
 * pair is the mean of the time between, so each reading ends where the next begins.
 */
#include "base/io.h"
#include "base/text.h"
#include "driver/nvml_watch_part.h"

#include <stdio.h>

static const struct {
	unsigned metric;
	enum usage_kind kind;
	double factor; /* to our unit */
} metrics[] = {
	{ NVML_GPM_METRIC_GRAPHICS_UTIL, USAGE_BUSY, 1 },
	{ NVML_GPM_METRIC_SM_UTIL, USAGE_SM, 1 },
	{ NVML_GPM_METRIC_DRAM_BW_UTIL, USAGE_BANDWIDTH, 1 },
	{ NVML_GPM_METRIC_PCIE_RX_PER_SEC, USAGE_COPY_IN, 1 << 20 },
	{ NVML_GPM_METRIC_PCIE_TX_PER_SEC, USAGE_COPY_OUT, 1 << 20 },
};

static nvmlReturn_t take(struct nvml_watch *watch, nvmlGpmSample_t sample)
{
	return watch->gi == NVML_NO_INSTANCE
		       ? nvml.nvmlGpmSampleGet(watch->gpu->device, sample)
		       : nvml.nvmlGpmMigSampleGet(watch->gpu->device, watch->gi, sample);
}

static void refuse(struct nvml_watch *watch, nvmlReturn_t code)
{
	if (code == NVML_ERROR_FUNCTION_NOT_FOUND)
		text_copy(watch->gpm_why, sizeof(watch->gpm_why),
			"this driver tells no performance counters (GPM): R520 and newer do");
	else if (code == NVML_ERROR_NOT_SUPPORTED)
		text_copy(watch->gpm_why, sizeof(watch->gpm_why),
			"this GPU tells no performance counters (GPM): Hopper and newer do");
	else
		snprintf(watch->gpm_why, sizeof(watch->gpm_why),
			"the GPU's performance counters (GPM) cannot be read: NVML says \"%s\" "
			"(%d)",
			nvml.nvmlErrorString(code), (int)code);
}

void watch_gpm_begin(struct nvml_watch *watch)
{
	nvmlGpmSupport_t support = { .version = NVML_GPM_SUPPORT_VERSION };
	nvmlReturn_t code = nvml.nvmlGpmQueryDeviceSupport(watch->gpu->device, &support);

	if (code == NVML_SUCCESS && !support.isSupportedDevice)
		code = NVML_ERROR_NOT_SUPPORTED;
	if (code == NVML_SUCCESS)
		code = nvml.nvmlGpmSampleAlloc(&watch->before);
	if (code == NVML_SUCCESS)
		code = nvml.nvmlGpmSampleAlloc(&watch->after);
	if (code == NVML_SUCCESS)
		code = take(watch, watch->before);
	watch->gpm_ns = now_ns();
	watch->has_gpm = code == NVML_SUCCESS;
	if (!watch->has_gpm)
		refuse(watch, code);
}

void watch_gpm_end(struct nvml_watch *watch)
{
	if (watch->before)
		nvml.nvmlGpmSampleFree(watch->before);
	if (watch->after)
		nvml.nvmlGpmSampleFree(watch->after);
	watch->before = watch->after = NULL;
	watch->has_gpm = false;
}

void watch_read_gpm(struct nvml_watch *watch, struct usage_sample *sample)
{
	static nvmlGpmMetricsGet_t get; /* large, and one thread calls */
	nvmlGpmSample_t taken = watch->after;
	nvmlReturn_t code = take(watch, taken);
	uint64_t now = now_ns(), span = now - watch->gpm_ns;

	get.version = NVML_GPM_METRICS_GET_VERSION;
	get.numMetrics = ARRAY_SIZE(metrics);
	get.sample1 = watch->before;
	get.sample2 = taken;
	for (unsigned i = 0; i < ARRAY_SIZE(metrics); i++)
		get.metrics[i] = (nvmlGpmMetric_t){ .metricId = metrics[i].metric };
	if (code == NVML_SUCCESS) {
		code = nvml.nvmlGpmMetricsGet(&get);
		watch->after = watch->before;
		watch->before = taken;
		watch->gpm_ns = now;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(metrics); i++) {
		nvmlReturn_t its = code == NVML_SUCCESS ? get.metrics[i].nvmlReturn : code;

		if (its == NVML_SUCCESS)
			usage_sample_add(sample, metrics[i].kind, span,
				get.metrics[i].value * metrics[i].factor);
		else
			watch_refused(sample, metrics[i].kind, its);
	}
}
