/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/load.h"

#include "abi/nvml.h"
#include "base/io.h"
#include "sim/node/process.h"
#include "sim/node/use.h"

#define DEGREES_IDLE 30
#define DEGREES_FULL 70

static unsigned clamp(unsigned value, const uint32_t limits[2])
{
	if (!limits[1])
		return value;
	return value < limits[0] ? limits[0] : value > limits[1] ? limits[1] : value;
}

unsigned load_sm_mhz(const struct gpu *gpu, const struct gpu_state *state)
{
	const struct gpu_wishes *wishes = &state->wishes;
	unsigned mhz = process_busy(state, NVML_NO_INSTANCE) ? wishes->sm_mhz ?: gpu->product.sm_mhz
							     : gpu->product.board.sm_idle_mhz;

	return clamp(mhz, wishes->sm_lock);
}

unsigned load_memory_mhz(const struct gpu *gpu, const struct gpu_state *state)
{
	return clamp(
		state->wishes.memory_mhz ?: gpu->product.memory_mhz, state->wishes.memory_lock);
}

unsigned load_power_limit_mw(const struct gpu *gpu, const struct gpu_state *state)
{
	return state->wishes.power_mw ?: gpu->product.power_limit_w * 1000;
}

static unsigned wanted_mw(const struct gpu *gpu, const struct gpu_state *state)
{
	unsigned idle = gpu->product.power_idle_w, most = gpu->product.power_limit_w;

	return idle * 1000 + (most - idle) * 10 * process_busy(state, NVML_NO_INSTANCE);
}

unsigned load_power_mw(const struct gpu *gpu, const struct gpu_state *state)
{
	unsigned wanted = wanted_mw(gpu, state), limit = load_power_limit_mw(gpu, state);

	return wanted < limit ? wanted : limit;
}

bool load_is_capped(const struct gpu *gpu, const struct gpu_state *state)
{
	return wanted_mw(gpu, state) > load_power_limit_mw(gpu, state);
}

unsigned load_degrees(const struct gpu_state *state)
{
	return DEGREES_IDLE +
	       (DEGREES_FULL - DEGREES_IDLE) * process_busy(state, NVML_NO_INSTANCE) / 100;
}

uint64_t load_energy_mj(const struct gpu *gpu, const struct gpu_state *state, uint64_t now_ns)
{
	uint64_t since_us = (now_ns - state->energy_at_ns) / 1000;

	return state->energy_mj + load_power_mw(gpu, state) * since_us / 1000000;
}

void load_settle(const struct gpu *gpu, struct gpu_state *draft)
{
	uint64_t now = now_ns();

	draft->energy_mj = load_energy_mj(gpu, draft, now);
	draft->energy_at_ns = now;
	use_settle(draft, wall_ns() / 1000);
}

unsigned load_rows_pending(const struct gpu_state *state)
{
	return (unsigned)state->ecc[NVML_MEMORY_ERROR_TYPE_UNCORRECTED][NVML_VOLATILE_ECC];
}

unsigned load_rows_remapped(const struct gpu_state *state)
{
	const uint64_t *errors = state->ecc[NVML_MEMORY_ERROR_TYPE_UNCORRECTED];

	/* Counts can be cleared, one kind at a time. */
	return errors[NVML_AGGREGATE_ECC] < errors[NVML_VOLATILE_ECC]
		       ? 0
		       : (unsigned)(errors[NVML_AGGREGATE_ECC] - errors[NVML_VOLATILE_ECC]);
}

void account_open(struct gpu_state *draft, const struct process *process)
{
	if (!draft->wishes.accounting)
		return;
	draft->accounts[draft->n_accounts++ % GPU_ACCOUNTS] = (struct account){ .pid = process->pid,
		.is_running = 1,
		.busy = process->busy,
		.most_memory = process->memory,
		.start_us = wall_ns() / 1000 };
}

/* The most memory that it ever had, and how busy it was at last. */
void account_change(struct gpu_state *draft, const struct process *process)
{
	for (unsigned i = 0; i < GPU_ACCOUNTS; i++) {
		struct account *account = &draft->accounts[i];

		if (account->pid != process->pid || !account->is_running)
			continue;
		account->busy = process->busy;
		if (account->most_memory < process->memory)
			account->most_memory = process->memory;
	}
}

void account_close(struct gpu_state *draft, int32_t pid)
{
	for (unsigned i = 0; i < GPU_ACCOUNTS; i++) {
		struct account *account = &draft->accounts[i];

		if (account->pid != pid || !account->is_running)
			continue;
		account->is_running = 0;
		account->end_us = wall_ns() / 1000;
	}
}
