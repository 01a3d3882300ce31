/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/process.h"

#include "abi/nvml.h"
#include "base/io.h"
#include "sim/node/load.h"
#include "sim/node/memory_limit.h"
#include "sim/node/use.h"
#include "sim/node/vf.h"

#include <errno.h>

/* Takes a life that nobody has, or whose owner has died. */
static bool life_take(struct gpu *gpu, unsigned life)
{
	int r = pthread_mutex_trylock(&gpu->lives[life]);

	if (r == EOWNERDEAD)
		pthread_mutex_consistent(&gpu->lives[life]);
	return r == 0 || r == EOWNERDEAD;
}

/* There are as many lives as processes; -1 if they are all taken. */
static int life_find(struct gpu *gpu)
{
	for (unsigned life = 0; life < GPU_PROCESSES; life++)
		if (life_take(gpu, life))
			return (int)life;
	return -1;
}

static bool is_alive(struct gpu *gpu, const struct process *process)
{
	if (!life_take(gpu, process->life))
		return true;
	pthread_mutex_unlock(&gpu->lives[process->life]);
	return false;
}

static bool has_server(const struct gpu_state *state, int32_t server)
{
	for (unsigned i = 0; i < state->n_processes; i++)
		if (state->processes[i].pid == server)
			return true;
	return false;
}

static void process_drop(struct gpu_state *draft, unsigned i)
{
	account_close(draft, draft->processes[i].pid);
	draft->processes[i] = draft->processes[--draft->n_processes];
}

/* A client that outlives its server keeps its life until it ends too: that may be taken then. */
static void drop_orphans(struct gpu_state *draft)
{
	for (unsigned i = draft->n_processes; i-- > 0;)
		if (draft->processes[i].server && !has_server(draft, draft->processes[i].server))
			process_drop(draft, i);
}

void process_reap(struct gpu *gpu)
{
	const struct gpu_state *now = gpu_now(gpu);
	struct gpu_state *draft = NULL;

	for (unsigned i = now->n_processes; i-- > 0;) {
		if (is_alive(gpu, &now->processes[i]))
			continue;
		if (!draft) {
			draft = gpu_draft(gpu);
			load_settle(gpu, draft);
		}
		process_drop(draft, i);
	}
	if (!draft)
		return;
	drop_orphans(draft);
	gpu_commit(gpu);
}

static int place_check(const struct gpu *gpu, const struct gpu_state *state,
	const struct process *process, uint64_t *ret_room)
{
	const struct gpu_instance *instance;

	if (!state->mig_current) {
		if (process->gi != NVML_NO_INSTANCE)
			return NVML_ERROR_INVALID_ARGUMENT;
		*ret_room = (uint64_t)(gpu->product.memory_mib - gpu->product.reserved_mib) << 20;
		return NVML_SUCCESS;
	}
	if (process->gi >= GPU_INSTANCES || process->ci >= PRODUCT_COMPUTE)
		return NVML_ERROR_INVALID_ARGUMENT;
	instance = &state->instances[process->gi];
	if (!instance->serial || !instance->compute[process->ci].serial)
		return NVML_ERROR_INVALID_ARGUMENT;
	*ret_room = (uint64_t)gpu->product.profiles[instance->profile].memory_mib << 20;
	return NVML_SUCCESS;
}

int process_add(struct node *node, unsigned index, const struct process *process)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	struct gpu_state *draft;
	uint64_t room;
	int life = -1;
	int r;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	r = now->lost ? NVML_ERROR_GPU_IS_LOST : place_check(gpu, now, process, &room);
	if (r == NVML_SUCCESS && now->compute_mode == NVML_COMPUTEMODE_PROHIBITED)
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS && process->server && !has_server(now, process->server))
		r = NVML_ERROR_NOT_FOUND;
	if (r == NVML_SUCCESS && now->compute_mode == NVML_COMPUTEMODE_EXCLUSIVE_PROCESS &&
		!now->mig_current && !process->server && process_uses_gpu(now))
		r = NVML_ERROR_IN_USE;
	if (r == NVML_SUCCESS && process->type == PROCESS_VM && vf_holder(now, process->vf))
		r = NVML_ERROR_IN_USE;
	if (r == NVML_SUCCESS && now->n_processes == GPU_PROCESSES)
		r = NVML_ERROR_INSUFFICIENT_RESOURCES;
	if (r == NVML_SUCCESS && process->memory > room - process_memory(now, process->gi))
		r = NVML_ERROR_MEMORY;
	if (r == NVML_SUCCESS && process->memory > memory_limit_room(now, process->pid))
		r = NVML_ERROR_MEMORY;
	if (r == NVML_SUCCESS) {
		life = life_find(gpu);
		r = life < 0 ? NVML_ERROR_INSUFFICIENT_RESOURCES : NVML_SUCCESS;
	}
	if (r == NVML_SUCCESS) {
		draft = gpu_draft(gpu);
		load_settle(gpu, draft);
		if (process->type != PROCESS_VM)
			account_open(draft, process);
		draft->processes[draft->n_processes++] = *process;
		draft->processes[draft->n_processes - 1].life = (uint16_t)life;
		draft->processes[draft->n_processes - 1].work.since_us = wall_ns() / 1000;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

void process_remove(struct node *node, unsigned index, int32_t pid)
{
	struct gpu *gpu = &node->gpus[index];
	struct gpu_state *draft;
	unsigned life = GPU_PROCESSES;

	node_lock(node);
	draft = gpu_draft(gpu);
	load_settle(gpu, draft);
	account_close(draft, pid);
	for (unsigned i = draft->n_processes; i-- > 0;)
		if (draft->processes[i].pid == pid) {
			life = draft->processes[i].life;
			draft->processes[i] = draft->processes[--draft->n_processes];
		}
	drop_orphans(draft);
	gpu_commit(gpu);
	if (life < GPU_PROCESSES)
		pthread_mutex_unlock(&gpu->lives[life]);
	node_unlock(node);
}

int process_change(struct node *node, unsigned index, int32_t pid, uint64_t memory, unsigned busy)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	struct process *process = NULL;
	struct gpu_state *draft;
	uint64_t room = 0;
	int r = NVML_ERROR_NOT_FOUND;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	draft = gpu_draft(gpu);
	for (unsigned i = 0; i < draft->n_processes && !process; i++)
		if (draft->processes[i].pid == pid)
			process = &draft->processes[i];
	if (process)
		r = now->lost ? NVML_ERROR_GPU_IS_LOST : place_check(gpu, now, process, &room);
	if (r == NVML_SUCCESS && memory > room - process_memory(now, process->gi) + process->memory)
		r = NVML_ERROR_MEMORY;
	if (r == NVML_SUCCESS && memory > process->memory &&
		memory - process->memory > memory_limit_room(now, pid))
		r = NVML_ERROR_MEMORY;
	if (r == NVML_SUCCESS) {
		load_settle(gpu, draft);
		process->memory = memory;
		process->busy = (uint8_t)busy;
		account_change(draft, process);
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

bool process_uses_gpu(const struct gpu_state *state)
{
	return state->n_processes > 0;
}

bool process_uses_instance(const struct gpu_state *state, uint32_t gi)
{
	for (unsigned i = 0; i < state->n_processes; i++)
		if (state->processes[i].gi == gi)
			return true;
	return false;
}

bool process_uses_compute(const struct gpu_state *state, uint32_t gi, uint32_t ci)
{
	for (unsigned i = 0; i < state->n_processes; i++)
		if (state->processes[i].gi == gi && state->processes[i].ci == ci)
			return true;
	return false;
}

uint64_t process_memory(const struct gpu_state *state, uint32_t gi)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < state->n_processes; i++)
		if (gi == NVML_NO_INSTANCE || state->processes[i].gi == gi)
			bytes += state->processes[i].memory;
	return bytes;
}

unsigned process_busy(const struct gpu_state *state, uint32_t gi)
{
	uint64_t now_us = wall_ns() / 1000;
	unsigned percent = 0;

	for (unsigned i = 0; i < state->n_processes; i++)
		if (gi == NVML_NO_INSTANCE || state->processes[i].gi == gi)
			percent += use_busy_at(&state->processes[i], now_us);
	return percent < 100 ? percent : 100;
}
