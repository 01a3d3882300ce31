/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a GPU or a MIG device: three kinds of process, three generations of the same call. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "base/text.h"
#include "sim/lib/place.h"
#include "sim/node/process.h"
#include "sim/node/use.h"

static bool is_listed(const struct place *at, const struct process *process, enum process_type type)
{
	return process->type == type &&
	       (at->kind == HANDLE_GPU || (process->gi == at->gi && process->ci == at->ci));
}

/* Copies as many as there is room for and says how many there are. */
static nvmlReturn_t list(nvmlDevice_t device, enum process_type type, unsigned int *count,
	nvmlProcessInfo_v1_t *old, nvmlProcessInfo_v2_t *infos)
{
	unsigned n = 0, room;
	struct place at;
	nvmlReturn_t r;

	if (!count || (*count && !old && !infos))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);
	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	room = *count;
	for (unsigned i = 0; i < at.state->n_processes; i++) {
		const struct process *process = &at.state->processes[i];
		unsigned pid = (unsigned)process->pid;

		if (!is_listed(&at, process, type))
			continue;
		if (n < room && old)
			old[n] = (nvmlProcessInfo_v1_t){ pid, process->memory };
		else if (n < room)
			infos[n] = (nvmlProcessInfo_v2_t){ pid, process->memory, process->gi,
				process->ci };
		n++;
	}
	place_leave(&at);
	*count = n;
	return n <= room ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

#define LIST(kind, type)                                                                           \
	nvmlReturn_t sim_nvmlDeviceGet##kind##RunningProcesses(                                    \
		nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)             \
	{                                                                                          \
		return list(device, type, count, infos, NULL);                                     \
	}                                                                                          \
	nvmlReturn_t sim_nvmlDeviceGet##kind##RunningProcesses_v2(                                 \
		nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *infos)             \
	{                                                                                          \
		return list(device, type, count, NULL, infos);                                     \
	}                                                                                          \
	nvmlReturn_t sim_nvmlDeviceGet##kind##RunningProcesses_v3(                                 \
		nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)                \
	{                                                                                          \
		return list(device, type, count, NULL, infos);                                     \
	}

LIST(Compute, PROCESS_COMPUTE)
LIST(Graphics, PROCESS_GRAPHICS)
LIST(MPSCompute, PROCESS_MPS)

/* Of what is told of processes. */
#define WINDOW_US 166666

nvmlReturn_t sim_nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
	nvmlProcessUtilizationSample_t *samples, unsigned int *count, unsigned long long since_us)
{
	unsigned long long now_us = wall_ns() / 1000;
	struct use_mean mean;
	nvmlReturn_t r;
	unsigned room;
	struct place at;

	if (!count || since_us > now_us)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);
	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	room = samples ? *count : 0;
	*count = 0;
	for (unsigned i = 0; i < at.state->n_processes; i++)
		*count += at.state->processes[i].type != PROCESS_VM;
	if (at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!*count)
		r = NVML_ERROR_NOT_FOUND;
	else if (room < *count)
		r = NVML_ERROR_INSUFFICIENT_SIZE;
	for (unsigned i = 0, n = 0; r == NVML_SUCCESS && i < at.state->n_processes; i++) {
		const struct process *process = &at.state->processes[i];

		if (process->type == PROCESS_VM)
			continue;
		mean = use_mean_of(process, now_us - WINDOW_US, now_us);
		samples[n++] = (nvmlProcessUtilizationSample_t){ (unsigned)process->pid, now_us,
			(unsigned)(mean.busy + 0.5), (unsigned)mean.bandwidth, 0, 0 };
	}
	place_leave(&at);
	return r;
}

/* One call for all three kinds; without an array it asks how many there are. */
nvmlReturn_t sim_nvmlDeviceGetRunningProcessDetailList(
	nvmlDevice_t device, nvmlProcessDetailList_v1_t *details)
{
	static const enum process_type types[] = { [NVML_PROCESS_MODE_COMPUTE] = PROCESS_COMPUTE,
		[NVML_PROCESS_MODE_GRAPHICS] = PROCESS_GRAPHICS,
		[NVML_PROCESS_MODE_MPS] = PROCESS_MPS };
	nvmlProcessInfo_v2_t infos[GPU_PROCESSES];
	unsigned n = ARRAY_SIZE(infos), room;
	nvmlReturn_t r;

	if (details && details->version != nvmlProcessDetailList_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (!details || details->mode >= ARRAY_SIZE(types))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = list(device, types[details->mode], &n, NULL, infos);
	if (r != NVML_SUCCESS)
		return r;
	room = details->procArray ? details->numProcArrayEntries : 0;
	details->numProcArrayEntries = n;
	if (n > room)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	for (unsigned i = 0; i < n; i++)
		details->procArray[i] =
			(nvmlProcessDetail_v1_t){ infos[i].pid, infos[i].usedGpuMemory,
				infos[i].gpuInstanceId, infos[i].computeInstanceId, 0 };
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetProcessesUtilizationInfo(
	nvmlDevice_t device, nvmlProcessesUtilizationInfo_v1_t *all)
{
	nvmlProcessUtilizationSample_t samples[GPU_PROCESSES];
	unsigned n = ARRAY_SIZE(samples), room;
	nvmlReturn_t r;

	if (all && all->version != nvmlProcessesUtilizationInfo_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = sim_nvmlDeviceGetProcessUtilization(
		device, samples, all ? &n : NULL, all ? all->lastSeenTimeStamp : 0);
	if (r != NVML_SUCCESS)
		return r;
	room = all->procUtilArray ? all->processSamplesCount : 0;
	all->processSamplesCount = n;
	if (n > room)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	for (unsigned i = 0; i < n; i++)
		all->procUtilArray[i] =
			(nvmlProcessUtilizationInfo_v1_t){ .timeStamp = samples[i].timeStamp,
				.pid = samples[i].pid,
				.smUtil = samples[i].smUtil,
				.memUtil = samples[i].memUtil };
	return NVML_SUCCESS;
}
