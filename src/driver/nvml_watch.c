/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/nvml_watch.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/nvml_watch_part.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct nvml_watch *nvml_watch_new(struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, bool is_shared)
{
	struct nvml_watch *watch = must_alloc(1, sizeof(*watch));
	nvmlEnableState_t accounting = NVML_FEATURE_DISABLED;

	watch->gpu = gpu;
	watch->gi = gi;
	watch->ci = ci;
	watch->is_shared = is_shared;
	watch->last_ns = now_ns();
	/* it is never turned on from here: that is the administrator's */
	watch->has_accounts =
		nvml.nvmlDeviceGetAccountingMode(gpu->device, &accounting) == NVML_SUCCESS &&
		accounting == NVML_FEATURE_ENABLED;
	if (!is_shared)
		watch_gpm_begin(watch);
	return watch;
}

struct nvml_watch *nvml_watch_free(struct nvml_watch *watch)
{
	if (watch)
		watch_gpm_end(watch);
	free(watch);
	return NULL;
}

void watch_why(struct usage_sample *sample, enum usage_kind kind, const char *why)
{
	text_copy(sample->kind[kind].why_not, USAGE_WHY_MAX, why);
}

void watch_refused(struct usage_sample *sample, enum usage_kind kind, nvmlReturn_t code)
{
	char why[USAGE_WHY_MAX];

	snprintf(why, sizeof(why), "NVML says \"%s\" (%d)", nvml.nvmlErrorString(code), (int)code);
	watch_why(sample, kind, why);
}

/* ---- memory and processes ---- */

static bool is_of(const struct nvml_watch *watch, const struct gpu_process *process,
	const int32_t *pids, unsigned n_pids)
{
	if (watch->gi != NVML_NO_INSTANCE && process->gi != watch->gi)
		return false;
	if (watch->gi != NVML_NO_INSTANCE && process->ci != watch->ci &&
		process->ci != NVML_NO_INSTANCE)
		return false;
	for (unsigned i = 0; i < n_pids; i++)
		if (pids[i] == process->pid)
			return true;
	return !watch->is_shared;
}

/* The most that a process had, by the driver's accounts: of those that have just ended too. */
static uint64_t accounted(const struct nvml_watch *watch, int32_t pid)
{
	nvmlAccountingStats_t stats = { 0 };

	if (nvml.nvmlDeviceGetAccountingStats(watch->gpu->device, (unsigned)pid, &stats) !=
			NVML_SUCCESS ||
		stats.maxMemoryUsage == NVML_MEMORY_NOT_AVAILABLE)
		return 0;
	return stats.maxMemoryUsage;
}

static void read_accounts(struct nvml_watch *watch, struct usage_sample *sample)
{
	if (!watch->has_accounts)
		return;
	for (unsigned i = 0; i < watch->n_known; i++) {
		uint64_t bytes = accounted(watch, watch->known[i]);

		if (sample->most_bytes < bytes)
			sample->most_bytes = bytes;
	}
}

static int read_processes(struct nvml_watch *watch, const int32_t *pids, unsigned n_pids,
	struct usage_sample *sample, struct error *err)
{
	int r = nvml_gpu_processes(watch->gpu, &watch->seen, err);

	if (r < 0)
		return r;
	read_accounts(watch, sample); /* of those that were there the last time */
	watch->n_known = 0;
	for (unsigned i = 0; i < watch->seen.n_processes; i++) {
		const struct gpu_process *process = &watch->seen.process[i];

		if (!is_of(watch, process, pids, n_pids))
			continue;
		sample->n_processes++;
		sample->bytes += process->memory_bytes;
		if (sample->biggest_bytes < process->memory_bytes)
			sample->biggest_bytes = process->memory_bytes;
		if (watch->n_known < ARRAY_SIZE(watch->known))
			watch->known[watch->n_known++] = process->pid;
	}
	read_accounts(watch, sample);
	return 0;
}

/* All that is in use on the share; without what the driver keeps for itself. */
static int read_memory(struct nvml_watch *watch, struct usage_sample *sample, struct error *err)
{
	nvmlMemory_v2_t memory = { .version = nvmlMemory_v2 };
	nvmlDevice_t device = watch->gpu->device;
	nvmlReturn_t code = NVML_SUCCESS;

	if (watch->gi != NVML_NO_INSTANCE)
		code = nvml_mig_device(watch->gpu, watch->gi, watch->ci, &device);
	if (code == NVML_ERROR_NOT_FOUND)
		return error_set(err, -ESTALE, "the instance is not there any more");
	if (watch->is_shared)
		return 0;
	if (code == NVML_SUCCESS)
		code = nvml.nvmlDeviceGetMemoryInfo_v2(device, &memory);
	if (code == NVML_ERROR_GPU_IS_LOST)
		return nvml_fail(code, err, "GPU %s does not answer", watch->gpu->pci);
	if (code == NVML_SUCCESS)
		sample->share_bytes = memory.used;
	return 0;
}

int nvml_watch_sample(struct nvml_watch *watch, const int32_t *pids, unsigned n_pids,
	struct usage_sample *ret_sample, struct error *err)
{
	struct usage_sample sample = { 0 };
	uint64_t now = now_ns();
	int r = read_processes(watch, pids, n_pids, &sample, err);

	if (r == 0)
		r = read_memory(watch, &sample, err);
	if (r < 0)
		return r;
	if (sample.n_processes && !sample.bytes && !sample.share_bytes)
		text_copy(sample.memory_why, sizeof(sample.memory_why),
			"the driver does not tell how much memory its processes have");
	watch->span_ns = now - watch->last_ns;
	watch->last_ns = now;
	if (watch->is_shared)
		watch_read_processes(watch, &sample);
	else if (watch->has_gpm)
		watch_read_gpm(watch, &sample);
	else if (watch->gi == NVML_NO_INSTANCE)
		watch_read_samples(watch, &sample);
	if (!watch->is_shared && watch->gi == NVML_NO_INSTANCE)
		watch_read_media(watch, &sample);
	if (!watch->is_shared)
		watch_say_not_seen(watch, &sample);
	*ret_sample = sample;
	return 0;
}
