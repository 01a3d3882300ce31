/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each change of instances runs like this, so that the death of its process at any point leaves
 * either the old or the new state:
 *
 *	claim the GPU -> check (locked) -> work, asleep -> check again and commit (locked) -> files
 *
 * While the GPU is claimed nobody else changes its instances, but it may be lost and processes may
 * come, hence the second check. The latencies are for an instance of both kinds: a GPU instance
 * takes four fifths of them and its compute instance the rest.
 */
#include "sim/node/gpu.h"

#include "abi/nvml.h"
#include "sim/node/event.h"
#include "sim/node/geometry.h"
#include "sim/node/identity.h"
#include "sim/node/process.h"
#include "sim/node/tree.h"
#include "sim/node/vgpu.h"

#include <unistd.h>

#define SERIAL_MAX 0x3fffffffu /* what a handle has room for */

bool gpu_may_change(const struct node *node)
{
	uid_t me = geteuid();

	return node->settings.anyone_may_change || me == 0 || me == node->settings.owner;
}

static uint32_t next_serial(struct node *node)
{
	node->next_serial = node->next_serial % SERIAL_MAX + 1;
	return node->next_serial;
}

static int check_usable(const struct gpu_state *state)
{
	if (state->lost)
		return NVML_ERROR_GPU_IS_LOST;
	return state->mig_current ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static void commit_instances(struct gpu *gpu, struct gpu_state *draft)
{
	draft->instances_changed++;
	gpu_commit(gpu);
}

/* ---- GPU instances ---- */

static int instance_check(struct node *node, unsigned index, unsigned profile, int *start)
{
	const struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	int r;

	node_lock(node);
	now = gpu_now(gpu);
	r = check_usable(now);
	if (r == NVML_SUCCESS && *start == GPU_START_DEFAULT) {
		*start = geometry_default_start(&gpu->product, now, profile);
		r = *start < 0 ? NVML_ERROR_INSUFFICIENT_RESOURCES : NVML_SUCCESS;
	} else if (r == NVML_SUCCESS) {
		r = geometry_check(&gpu->product, now, profile, (uint32_t)*start);
	}
	node_unlock(node);
	return r;
}

int gpu_instance_create(
	struct node *node, unsigned index, unsigned profile, int start, uint32_t *ret_id)
{
	struct gpu *gpu = &node->gpus[index];
	int r;

	gpu_claim(node, index);
	r = instance_check(node, index, profile, &start);
	if (r == NVML_SUCCESS) {
		node_work(node->settings.create_ns / 5 * 4);
		r = instance_check(node, index, profile, &start);
	}
	if (r == NVML_SUCCESS) {
		uint32_t id = geometry_instance_id(
			&gpu->product, (uint32_t)start, gpu->product.profiles[profile].size);
		struct gpu_state *draft;

		node_lock(node);
		draft = gpu_draft(gpu);
		draft->instances[id] = (struct gpu_instance){ .serial = next_serial(node),
			.profile = (uint8_t)profile,
			.start = (uint8_t)start };
		commit_instances(gpu, draft);
		node_unlock(node);
		tree_sync(node, index);
		*ret_id = id;
	}
	gpu_release(node, index);
	return r;
}

static int instance_check_free(struct node *node, unsigned index, uint32_t id, uint32_t serial)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	int r;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	r = check_usable(now);
	if (r == NVML_SUCCESS && now->instances[id].serial != serial)
		r = NVML_ERROR_NOT_FOUND;
	for (unsigned ci = 0; r == NVML_SUCCESS && ci < PRODUCT_COMPUTE; ci++)
		if (now->instances[id].compute[ci].serial)
			r = NVML_ERROR_IN_USE;
	node_unlock(node);
	return r;
}

int gpu_instance_destroy(struct node *node, unsigned index, uint32_t id, uint32_t serial)
{
	struct gpu *gpu = &node->gpus[index];
	int r;

	gpu_claim(node, index);
	r = instance_check_free(node, index, id, serial);
	if (r == NVML_SUCCESS) {
		node_work(node->settings.destroy_ns / 5 * 4);
		r = instance_check_free(node, index, id, serial);
	}
	if (r == NVML_SUCCESS) {
		struct gpu_state *draft;

		node_lock(node);
		draft = gpu_draft(gpu);
		draft->instances[id] = (struct gpu_instance){ 0 };
		commit_instances(gpu, draft);
		node_unlock(node);
		tree_sync(node, index);
	}
	gpu_release(node, index);
	return r;
}

/* ---- compute instances ---- */

struct compute_request {
	uint32_t gi, gi_serial, kind;
	int start;   /* in and out */
	uint32_t ci; /* out: the lowest free id */
};

static int compute_request_check(struct node *node, unsigned index, struct compute_request *request)
{
	const struct gpu *gpu = &node->gpus[index];
	const struct gpu_instance *instance;
	const struct profile *profile;
	int r;

	node_lock(node);
	instance = &gpu_now(gpu)->instances[request->gi];
	profile = &gpu->product.profiles[instance->profile];
	r = check_usable(gpu_now(gpu));
	if (r == NVML_SUCCESS && instance->serial != request->gi_serial)
		r = NVML_ERROR_NOT_FOUND;
	if (r == NVML_SUCCESS && request->start == GPU_START_DEFAULT) {
		request->start = compute_default_start(profile, instance, request->kind);
		r = request->start < 0 ? NVML_ERROR_INSUFFICIENT_RESOURCES : NVML_SUCCESS;
	} else if (r == NVML_SUCCESS) {
		r = compute_check(profile, instance, request->kind, (uint32_t)request->start);
	}
	for (request->ci = 0; instance->compute[request->ci].serial;)
		request->ci++;
	node_unlock(node);
	return r;
}

static void compute_put(struct node *node, unsigned index, const struct compute_request *request)
{
	struct gpu *gpu = &node->gpus[index];
	struct gpu_state *draft;
	struct gpu_instance *instance;
	struct compute_instance compute;
	struct compute_shape shape;

	node_lock(node);
	draft = gpu_draft(gpu);
	instance = &draft->instances[request->gi];
	compute_shape_of(&gpu->product.profiles[instance->profile], request->kind, &shape);
	compute = (struct compute_instance){ .serial = next_serial(node),
		.kind = (uint8_t)request->kind,
		.start = (uint8_t)request->start,
		.size = (uint8_t)shape.slices };
	identity_mig_uuid(
		gpu, request->gi, instance->start, (uint32_t)request->start, compute.uuid);
	instance->compute[request->ci] = compute;
	commit_instances(gpu, draft);
	node_unlock(node);
}

int compute_instance_create(struct node *node, unsigned index, uint32_t gi, uint32_t gi_serial,
	uint32_t kind, int start, uint32_t *ret_ci)
{
	struct compute_request request = { gi, gi_serial, kind, start, 0 };
	int r;

	gpu_claim(node, index);
	r = compute_request_check(node, index, &request);
	if (r == NVML_SUCCESS) {
		node_work(node->settings.create_ns / 5);
		r = compute_request_check(node, index, &request);
	}
	if (r == NVML_SUCCESS) {
		compute_put(node, index, &request);
		tree_sync(node, index);
		*ret_ci = request.ci;
	}
	gpu_release(node, index);
	return r;
}

/* Finds the compute instance unused; if asked to, takes it away in the same breath. */
static int compute_check_free(struct node *node, unsigned index, uint32_t gi, uint32_t ci,
	uint32_t serial, bool and_remove)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	int r;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	r = check_usable(now);
	if (r == NVML_SUCCESS && now->instances[gi].compute[ci].serial != serial)
		r = NVML_ERROR_NOT_FOUND;
	if (r == NVML_SUCCESS && (process_uses_compute(now, gi, ci) || vgpu_uses_instance(now, gi)))
		r = NVML_ERROR_IN_USE;
	if (r == NVML_SUCCESS && and_remove) {
		struct gpu_state *draft = gpu_draft(gpu);

		draft->instances[gi].compute[ci] = (struct compute_instance){ 0 };
		commit_instances(gpu, draft);
	}
	node_unlock(node);
	return r;
}

int compute_instance_destroy(
	struct node *node, unsigned index, uint32_t gi, uint32_t ci, uint32_t serial)
{
	int r;

	gpu_claim(node, index);
	r = compute_check_free(node, index, gi, ci, serial, false);
	if (r == NVML_SUCCESS) {
		node_work(node->settings.destroy_ns / 5);
		r = compute_check_free(node, index, gi, ci, serial, true);
	}
	tree_sync(node, index);
	gpu_release(node, index);
	return r;
}
