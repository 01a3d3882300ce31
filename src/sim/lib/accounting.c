/* SPDX-License-Identifier: Apache-2.0 */
/* Accounting: what the last processes used, those that ended too. Not in MIG mode. */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"
#include "sim/node/gpu.h"
#include "sim/node/load.h"

#include <string.h>

#define NO_MIG (!at.state->mig_current)

GIVE_WHERE(nvmlDeviceGetAccountingMode, HANDLE_GPU, nvmlEnableState_t, NO_MIG,
	at.state->wishes.accounting ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED)
GIVE_WHERE(nvmlDeviceGetAccountingBufferSize, HANDLE_GPU, unsigned int, NO_MIG, GPU_ACCOUNTS)
/* Turned off, it forgets. */
CHANGE(nvmlDeviceSetAccountingMode, (nvmlDevice_t device, nvmlEnableState_t mode),
	mode <= NVML_FEATURE_ENABLED, NO_MIG, if (mode == NVML_FEATURE_DISABLED) to->n_accounts = 0;
	to->wishes.accounting = mode == NVML_FEATURE_ENABLED)

static void forget_ended(struct gpu_state *to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GPU_ACCOUNTS && i < to->n_accounts; i++)
		if (to->accounts[i].is_running)
			to->accounts[n++] = to->accounts[i];
	memset(to->accounts + n, 0, sizeof(to->accounts[0]) * (GPU_ACCOUNTS - n));
	to->n_accounts = n;
}

CHANGE(nvmlDeviceClearAccountingPids, (nvmlDevice_t device), true, NO_MIG, forget_ended(to))

/* The ith last account; NULL past the oldest that is kept. */
static const struct account *account_at(const struct gpu_state *state, unsigned i)
{
	if (i >= state->n_accounts || i >= GPU_ACCOUNTS)
		return NULL;
	return &state->accounts[(state->n_accounts - 1 - i) % GPU_ACCOUNTS];
}

nvmlReturn_t sim_nvmlDeviceGetAccountingPids(
	nvmlDevice_t device, unsigned int *count, unsigned int *pids)
{
	const struct account *account;
	unsigned n = 0;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	while (account_at(at.state, n))
		n++;
	if (!count || (*count && !pids))
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!NO_MIG)
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		r = give_count(n, count, pids);
	for (unsigned i = 0; r == NVML_SUCCESS && (account = account_at(at.state, i)); i++)
		pids[i] = (unsigned)account->pid;
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetAccountingStats(
	nvmlDevice_t device, unsigned int pid, nvmlAccountingStats_t *stats)
{
	const struct account *account;
	unsigned i = 0;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	while ((account = account_at(at.state, i)) && account->pid != (int32_t)pid)
		i++;
	if (!stats)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!NO_MIG)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!account)
		r = NVML_ERROR_NOT_FOUND;
	else
		*stats = (nvmlAccountingStats_t){ .gpuUtilization = account->busy,
			.memoryUtilization = account->busy / 2,
			.maxMemoryUsage = account->most_memory,
			.time = account->is_running ? 0
						    : (account->end_us - account->start_us) / 1000,
			.startTime = account->start_us,
			.isRunning = account->is_running };
	place_leave(&at);
	return r;
}
