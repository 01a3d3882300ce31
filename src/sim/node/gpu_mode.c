/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, resets and misfortunes of a whole GPU. */
#include "sim/node/gpu.h"

#include "abi/nvml.h"
#include "sim/node/event.h"
#include "sim/node/process.h"
#include "sim/node/tree.h"

#include <string.h>

#define XID_OFF_THE_BUS 79
/* A mode change and a reset take longer than an instance: so many times its creation. */
#define MODE_CREATES  4
#define RESET_CREATES 8

static bool has_instances(const struct gpu_state *state)
{
	for (unsigned id = 0; id < GPU_INSTANCES; id++)
		if (state->instances[id].serial)
			return true;
	return false;
}

/* What stands against making the mode current now: see the table in gpu.h. */
static int activation_of(const struct gpu *gpu, const struct gpu_state *state, unsigned mode)
{
	if (mode == state->mig_current)
		return NVML_SUCCESS;
	if (process_uses_gpu(state) || has_instances(state) || (!mode && state->n_vfs))
		return NVML_ERROR_IN_USE;
	if (gpu->product.architecture == NVML_DEVICE_ARCH_AMPERE)
		return NVML_ERROR_RESET_REQUIRED;
	return NVML_SUCCESS;
}

static int mode_put(struct node *node, struct gpu *gpu, unsigned mode, int *ret_activation)
{
	struct gpu_state *draft;
	int r = NVML_SUCCESS;

	node_lock(node);
	process_reap(gpu);
	if (gpu_now(gpu)->lost) {
		r = NVML_ERROR_GPU_IS_LOST;
	} else {
		draft = gpu_draft(gpu);
		draft->mig_pending = (uint8_t)mode;
		*ret_activation = activation_of(gpu, draft, mode);
		if (*ret_activation == NVML_SUCCESS)
			draft->mig_current = (uint8_t)mode;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

int gpu_set_mig_mode(struct node *node, unsigned index, unsigned mode, int *ret_activation)
{
	struct gpu *gpu = &node->gpus[index];
	bool is_work;
	int r;

	gpu_claim(node, index);
	node_lock(node);
	is_work = gpu_now(gpu)->mig_current != mode;
	node_unlock(node);
	if (is_work)
		node_work(node->settings.create_ns * MODE_CREATES);
	r = mode_put(node, gpu, mode, ret_activation);
	gpu_release(node, index);
	return r;
}

static int setting_put(struct node *node, struct gpu *gpu, uint8_t *persistence, uint32_t *compute)
{
	struct gpu_state *draft;
	int r = NVML_SUCCESS;

	node_lock(node);
	if (gpu_now(gpu)->lost) {
		r = NVML_ERROR_GPU_IS_LOST;
	} else if (compute && gpu_now(gpu)->mig_current) {
		r = NVML_ERROR_NOT_SUPPORTED;
	} else {
		draft = gpu_draft(gpu);
		draft->persistence = persistence ? *persistence : draft->persistence;
		draft->compute_mode = compute ? *compute : draft->compute_mode;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

int gpu_set_persistence(struct node *node, unsigned index, bool on)
{
	uint8_t mode = on;

	return setting_put(node, &node->gpus[index], &mode, NULL);
}

int gpu_set_compute_mode(struct node *node, unsigned index, uint32_t mode)
{
	return setting_put(node, &node->gpus[index], NULL, &mode);
}

/* The state of a GPU that was just started. */
static void state_restart(struct gpu_state *draft)
{
	memset(draft->instances, 0, sizeof(draft->instances));
	draft->instances_changed++;
	draft->mig_current = draft->mig_pending;
	draft->ecc[0][NVML_VOLATILE_ECC] = draft->ecc[1][NVML_VOLATILE_ECC] = 0;
	draft->last_xid = 0;
	draft->lost = 0;
	draft->n_vfs = 0;
	draft->vfs_made++;
	draft->unbind_lock = draft->vgpu_is_mixed = 0;
	draft->wishes = (struct gpu_wishes){ .ecc_is_off = draft->wishes.ecc_will_be_off,
		.ecc_will_be_off = draft->wishes.ecc_will_be_off };
}

static int reset_check(struct node *node, struct gpu *gpu, bool and_reset)
{
	const struct gpu_state *now;
	int r = NVML_SUCCESS;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	if (now->lost)
		r = NVML_ERROR_GPU_IS_LOST;
	else if (process_uses_gpu(now) || now->n_vfs)
		r = NVML_ERROR_IN_USE;
	if (r == NVML_SUCCESS && and_reset) {
		state_restart(gpu_draft(gpu));
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

int gpu_reset(struct node *node, unsigned index)
{
	struct gpu *gpu = &node->gpus[index];
	int r;

	gpu_claim(node, index);
	r = reset_check(node, gpu, false);
	if (r == NVML_SUCCESS) {
		node_work(node->settings.create_ns * RESET_CREATES);
		r = reset_check(node, gpu, true);
	}
	tree_sync(node, index);
	gpu_release(node, index);
	return r;
}

int gpu_xid(struct node *node, unsigned index, uint64_t xid, uint32_t gi, uint32_t ci)
{
	struct event event = { nvmlEventTypeXidCriticalError, xid, index, gi, ci };
	struct gpu *gpu = &node->gpus[index];

	node_lock(node);
	gpu_draft(gpu)->last_xid = (uint32_t)xid;
	gpu_commit(gpu);
	node_unlock(node);
	event_publish(node, &event);
	return NVML_SUCCESS;
}

int gpu_ecc(struct node *node, unsigned index, bool uncorrected)
{
	struct event event = { uncorrected ? nvmlEventTypeDoubleBitEccError
					   : nvmlEventTypeSingleBitEccError,
		0, index, NVML_NO_INSTANCE, NVML_NO_INSTANCE };
	struct gpu *gpu = &node->gpus[index];
	struct gpu_state *draft;

	node_lock(node);
	draft = gpu_draft(gpu);
	draft->ecc[uncorrected][NVML_VOLATILE_ECC]++;
	draft->ecc[uncorrected][NVML_AGGREGATE_ECC]++;
	gpu_commit(gpu);
	node_unlock(node);
	event_publish(node, &event);
	return NVML_SUCCESS;
}

int gpu_lose(struct node *node, unsigned index)
{
	struct gpu *gpu = &node->gpus[index];

	node_lock(node);
	gpu_draft(gpu)->lost = 1;
	gpu_commit(gpu);
	node_unlock(node);
	return gpu_xid(node, index, XID_OFF_THE_BUS, NVML_NO_INSTANCE, NVML_NO_INSTANCE);
}

int gpu_recover(struct node *node, unsigned index)
{
	struct gpu *gpu = &node->gpus[index];

	gpu_claim(node, index);
	node_lock(node);
	process_reap(gpu);
	if (gpu_now(gpu)->lost) {
		struct gpu_state *draft = gpu_draft(gpu);

		state_restart(draft);
		draft->n_processes = 0;
		gpu_commit(gpu);
	}
	node_unlock(node);
	tree_sync(node, index);
	gpu_release(node, index);
	return NVML_SUCCESS;
}
