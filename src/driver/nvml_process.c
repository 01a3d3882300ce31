/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses a GPU. NVML keeps three lists (compute, graphics, MPS clients) and changed their rows
 * twice; a process may be in several, and in a GPU's and its MIG devices'.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"

#include <errno.h>

typedef nvmlReturn_t (*list_call)(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *infos);
typedef nvmlReturn_t (*old_list_call)(
	nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v1_t *infos);

enum {
	ROOM_FIRST = 64,
	TRIES = 6, /* the list may grow between two calls */
};

static void add(struct gpu_seen *seen, const nvmlProcessInfo_t *info, bool is_mps)
{
	uint64_t bytes = info->usedGpuMemory == NVML_MEMORY_NOT_AVAILABLE ? 0 : info->usedGpuMemory;

	for (unsigned i = 0; i < seen->n_processes; i++) {
		struct gpu_process *p = &seen->process[i];

		if (p->pid != (int32_t)info->pid)
			continue;
		/* graphics and compute of one process: the greater number is the whole of it */
		if (p->gi == info->gpuInstanceId && p->ci == info->computeInstanceId) {
			p->memory_bytes = p->memory_bytes > bytes ? p->memory_bytes : bytes;
			p->is_mps |= is_mps;
			return;
		}
	}
	if (seen->n_processes == GPU_PROCESSES_MAX)
		return;
	seen->process[seen->n_processes++] = (struct gpu_process){
		.pid = (int32_t)info->pid,
		.gi = info->gpuInstanceId,
		.ci = info->computeInstanceId,
		.memory_bytes = bytes,
		.is_mps = is_mps,
	};
}

static nvmlReturn_t add_old(
	nvmlDevice_t device, old_list_call call, bool is_mps, struct gpu_seen *seen)
{
	unsigned room = ROOM_FIRST;

	for (unsigned i = 0; i < TRIES; i++) {
		AUTO_FREE nvmlProcessInfo_v1_t *infos = must_alloc(room, sizeof(*infos));
		unsigned n = room;
		nvmlReturn_t code = call(device, &n, infos);

		for (unsigned k = 0; code == NVML_SUCCESS && k < n; k++) {
			nvmlProcessInfo_t info = { infos[k].pid, infos[k].usedGpuMemory,
				NVML_NO_INSTANCE, NVML_NO_INSTANCE };

			add(seen, &info, is_mps);
		}
		if (code != NVML_ERROR_INSUFFICIENT_SIZE)
			return code;
		room = (n > room ? n : room) * 2;
	}
	return NVML_ERROR_INSUFFICIENT_SIZE;
}

static nvmlReturn_t add_list(
	nvmlDevice_t device, list_call call, old_list_call old, bool is_mps, struct gpu_seen *seen)
{
	unsigned room = ROOM_FIRST;

	for (unsigned i = 0; i < TRIES; i++) {
		AUTO_FREE nvmlProcessInfo_t *infos = must_alloc(room, sizeof(*infos));
		unsigned n = room;
		nvmlReturn_t code = call(device, &n, infos);

		for (unsigned k = 0; code == NVML_SUCCESS && k < n; k++)
			add(seen, &infos[k], is_mps);
		if (code == NVML_ERROR_FUNCTION_NOT_FOUND)
			return add_old(device, old, is_mps, seen);
		if (code != NVML_ERROR_INSUFFICIENT_SIZE)
			return code;
		room = (n > room ? n : room) * 2;
	}
	return NVML_ERROR_INSUFFICIENT_SIZE;
}

/* All three lists of a GPU or MIG device; a list that it has not is empty. */
static nvmlReturn_t add_all(nvmlDevice_t device, struct gpu_seen *seen)
{
	const struct {
		list_call call;
		old_list_call old;
		bool is_mps;
	} list[] = {
		{ nvml.nvmlDeviceGetComputeRunningProcesses_v3,
			nvml.nvmlDeviceGetComputeRunningProcesses },
		{ nvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
			nvml.nvmlDeviceGetGraphicsRunningProcesses },
		{ nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3,
			nvml.nvmlDeviceGetMPSComputeRunningProcesses, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
		nvmlReturn_t code =
			add_list(device, list[i].call, list[i].old, list[i].is_mps, seen);

		if (code != NVML_SUCCESS && code != NVML_ERROR_NOT_SUPPORTED &&
			code != NVML_ERROR_FUNCTION_NOT_FOUND)
			return code;
	}
	return NVML_SUCCESS;
}

/* Where the GPU's own list is for root only: what its MIG devices tell. */
static void add_mig_devices(const struct nvml_gpu *gpu, struct gpu_seen *seen)
{
	unsigned max = 0;

	if (nvml.nvmlDeviceGetMaxMigDeviceCount(gpu->device, &max) != NVML_SUCCESS)
		return;
	for (unsigned i = 0; i < max; i++) {
		nvmlDevice_t mig;

		if (nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu->device, i, &mig) == NVML_SUCCESS)
			add_all(mig, seen);
	}
}

int nvml_gpu_processes(struct nvml_gpu *gpu, struct gpu_seen *seen, struct error *err)
{
	nvmlReturn_t code;

	seen->n_processes = 0;
	code = add_all(gpu->device, seen);
	if (code == NVML_ERROR_NO_PERMISSION) {
		add_mig_devices(gpu, seen);
		return 0;
	}
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its processes", gpu->pci);
	return 0;
}
