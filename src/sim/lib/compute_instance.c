/* SPDX-License-Identifier: Apache-2.0 */
/* Compute instances of a GPU instance. Their profile ids are their kinds. */
#include "sim/lib/entry.h"

#include "sim/lib/place.h"
#include "sim/node/geometry.h"
#include "sim/node/gpu.h"
#include "sim/node/identity.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What a kind is in this GPU instance. */
struct shape_found {
	struct place at;
	struct compute_shape shape;
	uint32_t sm;
};

static nvmlReturn_t find_shape(
	nvmlGpuInstance_t instance, unsigned int kind, struct shape_found *ret_found)
{
	nvmlReturn_t r = place_enter(instance, HANDLE_INSTANCE, &ret_found->at);

	if (r != NVML_SUCCESS)
		return r;
	if (kind >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!compute_shape_of(ret_found->at.profile, kind, &ret_found->shape))
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		ret_found->sm =
			compute_sm(&ret_found->at.gpu->product, ret_found->at.profile, kind);
	place_leave(&ret_found->at);
	return r;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t instance,
	unsigned int kind, unsigned int engine, nvmlComputeInstanceProfileInfo_t *info)
{
	struct shape_found found;
	nvmlReturn_t r = find_shape(instance, kind, &found);

	if (r == NVML_SUCCESS && (!info || engine >= NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_COUNT))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*info = (nvmlComputeInstanceProfileInfo_t){ kind, found.shape.slices,
			found.shape.most, found.sm, found.at.profile->copy,
			found.at.profile->decoders, found.at.profile->encoders,
			found.at.profile->jpeg, found.at.profile->ofa };
	return r;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t instance,
	unsigned int kind, unsigned int engine, nvmlComputeInstanceProfileInfo_v2_t *info)
{
	nvmlComputeInstanceProfileInfo_t now;
	char label[PROFILE_TEXT_MAX];
	struct shape_found found;
	nvmlComputeInstanceProfileInfo_v3_t full;
	nvmlReturn_t r = find_shape(instance, kind, &found);

	if (r == NVML_SUCCESS && !info)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && info->version != nvmlComputeInstanceProfileInfo_v2 &&
		info->version != nvmlComputeInstanceProfileInfo_v3)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (r == NVML_SUCCESS)
		r = sim_nvmlGpuInstanceGetComputeInstanceProfileInfo(instance, kind, engine, &now);
	if (r != NVML_SUCCESS)
		return r;
	full = (nvmlComputeInstanceProfileInfo_v3_t){ info->version, now.id, now.sliceCount,
		now.instanceCount, now.multiprocessorCount, now.sharedCopyEngineCount,
		now.sharedDecoderCount, now.sharedEncoderCount, now.sharedJpegCount,
		now.sharedOfaCount, "", 0 };
	snprintf(full.name, sizeof(full.name), "MIG %s",
		identity_profile_text(found.at.profile, kind, label));
	/* The third version is the second and a word of capabilities after it. */
	memcpy(info, &full,
		info->version == nvmlComputeInstanceProfileInfo_v3 ? sizeof(full) : sizeof(*info));
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t instance,
	unsigned int id, nvmlComputeInstancePlacement_t *placements, unsigned int *count)
{
	unsigned n = 0;
	struct shape_found found;
	nvmlReturn_t r = find_shape(instance, id, &found);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	for (uint32_t s = 0; s < found.at.profile->slices; s++) {
		if (!(found.shape.starts & 1u << s))
			continue;
		if (placements)
			placements[n] = (nvmlComputeInstancePlacement_t){ s, found.shape.slices };
		n++;
	}
	*count = n;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
	nvmlGpuInstance_t instance, unsigned int id, unsigned int *count)
{
	struct shape_found found;
	struct place at;
	nvmlReturn_t r = find_shape(instance, id, &found);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		r = place_enter(instance, HANDLE_INSTANCE, &at);
	if (r == NVML_SUCCESS) {
		*count = compute_capacity(at.profile, at.instance, id);
		place_leave(&at);
	}
	return r;
}

static nvmlReturn_t create(
	nvmlGpuInstance_t instance, unsigned int id, int start, nvmlComputeInstance_t *compute)
{
	uint32_t ci;
	struct shape_found found;
	nvmlReturn_t r = find_shape(instance, id, &found);

	if (r == NVML_SUCCESS && !compute)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)compute_instance_create(session_node, found.at.index, found.at.gi,
			(uintptr_t)instance & 0x3fffffff, id, start, &ci);
	if (r == NVML_SUCCESS)
		r = sim_nvmlGpuInstanceGetComputeInstanceById(instance, ci, compute);
	return r;
}

nvmlReturn_t sim_nvmlGpuInstanceCreateComputeInstance(
	nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *compute)
{
	return create(instance, id, GPU_START_DEFAULT, compute);
}

nvmlReturn_t sim_nvmlGpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t instance,
	unsigned int id, const nvmlComputeInstancePlacement_t *placement,
	nvmlComputeInstance_t *compute)
{
	struct shape_found found;
	nvmlReturn_t r = find_shape(instance, id, &found);

	if (r == NVML_SUCCESS && (!placement || placement->size != found.shape.slices ||
					 placement->start >= found.at.profile->slices))
		r = NVML_ERROR_INVALID_ARGUMENT;
	return r == NVML_SUCCESS ? create(instance, id, (int)placement->start, compute) : r;
}

nvmlReturn_t sim_nvmlComputeInstanceDestroy(nvmlComputeInstance_t compute)
{
	struct place at;
	nvmlReturn_t r = place_find(compute, HANDLE_COMPUTE, &at);

	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)compute_instance_destroy(
			session_node, at.index, at.gi, at.ci, (uintptr_t)compute & 0x3fffffff);
	return r;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t instance, unsigned int id,
	nvmlComputeInstance_t *computes, unsigned int *count)
{
	unsigned n = 0;
	struct shape_found found;
	struct place at;
	nvmlReturn_t r = find_shape(instance, id, &found);

	if (r == NVML_SUCCESS && (!computes || !count))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		r = place_enter(instance, HANDLE_INSTANCE, &at);
	if (r != NVML_SUCCESS)
		return r;
	for (unsigned ci = 0; ci < PRODUCT_COMPUTE; ci++) {
		const struct compute_instance *one = &at.instance->compute[ci];

		if (one->serial && one->kind == id)
			computes[n++] =
				handle_make(HANDLE_COMPUTE, at.index, at.gi, ci, one->serial);
	}
	place_leave(&at);
	*count = n;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlGpuInstanceGetComputeInstanceById(
	nvmlGpuInstance_t instance, unsigned int id, nvmlComputeInstance_t *compute)
{
	struct place at;
	nvmlReturn_t r = place_enter(instance, HANDLE_INSTANCE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!compute)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (id >= PRODUCT_COMPUTE || !at.instance->compute[id].serial)
		r = NVML_ERROR_NOT_FOUND;
	else
		*compute = handle_make(
			HANDLE_COMPUTE, at.index, at.gi, id, at.instance->compute[id].serial);
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlComputeInstanceGetInfo_v2(
	nvmlComputeInstance_t compute, nvmlComputeInstanceInfo_t *info)
{
	struct place at;
	nvmlReturn_t r = place_enter(compute, HANDLE_COMPUTE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (info)
		*info = (nvmlComputeInstanceInfo_t){ handle_make(HANDLE_GPU, at.index, 0, 0, 0),
			handle_make(HANDLE_INSTANCE, at.index, at.gi, 0, at.instance->serial),
			at.ci, at.compute->kind, { at.compute->start, at.compute->size } };
	place_leave(&at);
	return info ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* The older caller's struct ends with profileId. */
nvmlReturn_t sim_nvmlComputeInstanceGetInfo(
	nvmlComputeInstance_t compute, nvmlComputeInstanceInfo_t *info)
{
	nvmlComputeInstanceInfo_t now;
	nvmlReturn_t r = sim_nvmlComputeInstanceGetInfo_v2(compute, info ? &now : NULL);

	if (r == NVML_SUCCESS)
		memcpy(info, &now, offsetof(nvmlComputeInstanceInfo_t, placement));
	return r;
}
