/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three ways to have room:
 *
 *	one size     all on a GPU have the same amount of memory; as many as the type's table says
 *	mixed sizes  each takes a power-of-two part of the GPU and starts at a multiple of it, which
 *is why some types have fewer then MIG          in a GPU instance of its profile that has a compute
 *instance; one size in each
 */
#include "sim/node/vgpu.h"

#include "abi/nvml.h"
#include "sim/node/process.h"
#include "sim/node/vf.h"

#include <errno.h>

const struct vgpu_type *vgpu_type_find(const struct product *product, uint32_t id)
{
	for (unsigned i = 0; id && i < product->n_vgpus; i++)
		if (product->vgpus[i].id == id)
			return &product->vgpus[i];
	return NULL;
}

uint32_t vgpu_size(const struct vgpu_type *type, bool is_mixed)
{
	return is_mixed && type->profile < 0 ? VGPU_PLACES / type->most_mixed : 1;
}

uint32_t vgpu_most(const struct vgpu_type *type, bool is_mixed)
{
	if (type->profile >= 0)
		return type->most_per_instance;
	return is_mixed ? type->most_mixed : type->most;
}

/* Whether a vGPU that is there stands in the way of one of `type`, in `gi`, at `start`. */
static bool is_in_way(const struct product *product, const struct gpu_state *state,
	const struct vf *vf, const struct vgpu_type *type, uint32_t gi, uint32_t start)
{
	const struct vgpu_type *other = vgpu_type_find(product, vf->type);

	if (!other || vf->gi != gi)
		return false;
	if (other->memory_mib != type->memory_mib && (!state->vgpu_is_mixed || type->profile >= 0))
		return true;
	return start < vf->placement + vgpu_size(other, state->vgpu_is_mixed) &&
	       vf->placement < start + vgpu_size(type, state->vgpu_is_mixed);
}

static bool is_free_in(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t gi, uint32_t start)
{
	for (unsigned i = 0; i < state->n_vfs; i++)
		if (is_in_way(product, state, &state->vfs[i], type, gi, start))
			return false;
	return true;
}

bool vgpu_is_free(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t start)
{
	return is_free_in(product, state, type, NVML_NO_INSTANCE, start);
}

static bool place_in(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t gi, struct vgpu_place *ret_place)
{
	for (uint32_t nth = 0; nth < vgpu_most(type, state->vgpu_is_mixed); nth++) {
		uint32_t start = nth * vgpu_size(type, state->vgpu_is_mixed);

		if (!is_free_in(product, state, type, gi, start))
			continue;
		*ret_place = (struct vgpu_place){ gi, start };
		return true;
	}
	return false;
}

static bool has_compute(const struct gpu_instance *instance)
{
	for (unsigned ci = 0; ci < PRODUCT_COMPUTE; ci++)
		if (instance->compute[ci].serial)
			return true;
	return false;
}

bool vgpu_place(const struct product *product, const struct gpu_state *state,
	const struct vgpu_type *type, uint32_t only, struct vgpu_place *ret_place)
{
	if (state->lost || (type->profile >= 0) != (state->mig_current != 0))
		return false;
	if (type->profile < 0)
		return place_in(product, state, type, NVML_NO_INSTANCE, ret_place);
	for (uint32_t gi = 0; gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &state->instances[gi];

		if ((only == NVML_NO_INSTANCE || only == gi) && instance->serial &&
			instance->profile == type->profile && has_compute(instance) &&
			place_in(product, state, type, gi, ret_place))
			return true;
	}
	return false;
}

static int set_check(const struct gpu *gpu, unsigned vf, uint32_t type, struct vgpu_place *ret)
{
	const struct gpu_state *now = gpu_now(gpu);
	const struct vgpu_type *wanted = vgpu_type_find(&gpu->product, type);

	if (!type)
		return vf_holder(now, vf) ? -EBUSY : 0;
	if (now->vfs[vf].type)
		return -EEXIST;
	return wanted && vgpu_place(&gpu->product, now, wanted, NVML_NO_INSTANCE, ret) ? 0 : -EIO;
}

int vgpu_set(struct node *node, unsigned index, unsigned vf, uint32_t type)
{
	struct vgpu_place place = { NVML_NO_INSTANCE, 0 };
	struct gpu *gpu = &node->gpus[index];
	int r;

	node_lock(node);
	process_reap(gpu);
	r = vf < gpu_now(gpu)->n_vfs ? set_check(gpu, vf, type, &place) : -ENODEV;
	if (r == 0) {
		struct vf *to = &gpu_draft(gpu)->vfs[vf];

		if (type)
			node->next_vgpu++;
		to->type = type;
		to->serial = type ? node->next_vgpu : 0;
		to->gi = place.gi;
		to->placement = place.placement;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

int vgpu_set_mixed(struct node *node, unsigned index, bool on)
{
	struct gpu *gpu = &node->gpus[index];
	int r = NVML_SUCCESS;

	node_lock(node);
	for (unsigned vf = 0; vf < gpu_now(gpu)->n_vfs; vf++)
		if (gpu_now(gpu)->vfs[vf].type)
			r = NVML_ERROR_IN_USE;
	if (r == NVML_SUCCESS) {
		gpu_draft(gpu)->vgpu_is_mixed = on;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

bool vgpu_uses_instance(const struct gpu_state *state, uint32_t gi)
{
	for (unsigned vf = 0; vf < state->n_vfs; vf++)
		if (state->vfs[vf].type && state->vfs[vf].gi == gi)
			return true;
	return false;
}

/* A share of what is there, since the types' sizes are those of the labels. */
void vgpu_charge(const struct product *product, const struct gpu_state *state, unsigned vf,
	struct process *process)
{
	const struct vf *at = &state->vfs[vf];
	const struct vgpu_type *type = vgpu_type_find(product, at->type);

	if (type->profile < 0) {
		process->memory = ((uint64_t)(product->memory_mib - product->reserved_mib) << 20) /
				  vgpu_most(type, state->vgpu_is_mixed);
		return;
	}
	process->gi = at->gi;
	process->ci = 0;
	while (!state->instances[at->gi].compute[process->ci].serial)
		process->ci++;
	process->memory = ((uint64_t)product->profiles[type->profile].memory_mib << 20) /
			  type->most_per_instance;
}
