/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a GPU or a MIG device: three kinds of process, three generations of the same call. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "sim/lib/place.h"
#include "sim/node/process.h"

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

nvmlReturn_t sim_nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
	nvmlProcessUtilizationSample_t *samples, unsigned int *count, unsigned long long since_us)
{
	unsigned long long now_us = wall_ns() / 1000;
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
	*count = at.state->n_processes;
	if (at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!*count)
		r = NVML_ERROR_NOT_FOUND;
	else if (room < *count)
		r = NVML_ERROR_INSUFFICIENT_SIZE;
	for (unsigned i = 0; r == NVML_SUCCESS && i < *count; i++) {
		const struct process *process = &at.state->processes[i];

		samples[i] = (nvmlProcessUtilizationSample_t){ (unsigned)process->pid, now_us,
			process->busy, process->busy / 2, 0, 0 };
	}
	place_leave(&at);
	return r;
}
