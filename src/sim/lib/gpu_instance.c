/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPU instances. What a GPU could be cut into (profile info, possible placements) is answered in
 * any mode, as drivers of today do; all else takes MIG mode to be on.
 */
#include "sim/lib/entry.h"

#include "sim/lib/place.h"
#include "sim/node/geometry.h"
#include "sim/node/gpu.h"

#include <stdio.h>
#include <string.h>

/* The GPU and its profile with this id (else kind); unlocked: products never change. */
static nvmlReturn_t find_profile(nvmlDevice_t device, uint32_t key, bool key_is_kind,
	struct place *ret_at, const struct profile **ret_profile)
{
	nvmlReturn_t r = place_find(device, HANDLE_GPU, ret_at);
	const struct product *product;
	int index;

	if (r != NVML_SUCCESS)
		return r;
	product = &ret_at->gpu->product;
	if (key_is_kind && key >= NVML_GPU_INSTANCE_PROFILE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	index = key_is_kind ? product_profile_by_kind(product, key)
			    : product_profile_by_id(product, key);
	if (index < 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*ret_profile = &product->profiles[index];
	return NVML_SUCCESS;
}

static unsigned profile_index(const struct place *at, const struct profile *profile)
{
	return (unsigned)(profile - at->gpu->product.profiles);
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceProfileInfo(
	nvmlDevice_t device, unsigned int kind, nvmlGpuInstanceProfileInfo_t *info)
{
	const struct profile *profile;
	struct place at;
	nvmlReturn_t r = find_profile(device, kind, true, &at, &profile);

	if (r == NVML_SUCCESS && !info)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*info = (nvmlGpuInstanceProfileInfo_t){ profile->id, 0, profile->slices,
			profile->most, profile->sm, profile->copy, profile->decoders,
			profile->encoders, profile->jpeg, profile->ofa, profile->memory_mib };
	return r;
}

static bool is_graphics(const struct profile *profile)
{
	return strstr(profile->label, "+gfx") != NULL;
}

/* The second and the third version are asked for by the word at their start. */
static nvmlReturn_t give_versioned(const struct profile *profile, void *to)
{
	unsigned int version;
	nvmlGpuInstanceProfileInfo_v2_t v2;
	nvmlGpuInstanceProfileInfo_v3_t v3;

	memcpy(&version, to, sizeof(version));
	if (version == nvmlGpuInstanceProfileInfo_v2) {
		v2 = (nvmlGpuInstanceProfileInfo_v2_t){ version, profile->id, 0, profile->slices,
			profile->most, profile->sm, profile->copy, profile->decoders,
			profile->encoders, profile->jpeg, profile->ofa, profile->memory_mib, "" };
		snprintf(v2.name, sizeof(v2.name), "MIG %s", profile->label);
		memcpy(to, &v2, sizeof(v2));
	} else if (version == nvmlGpuInstanceProfileInfo_v3) {
		v3 = (nvmlGpuInstanceProfileInfo_v3_t){ version, profile->id, profile->slices,
			profile->most, profile->sm, profile->copy, profile->decoders,
			profile->encoders, profile->jpeg, profile->ofa, profile->memory_mib, "",
			is_graphics(profile) ? NVML_GPU_INSTANCE_PROFILE_CAPS_GFX : 0 };
		snprintf(v3.name, sizeof(v3.name), "MIG %s", profile->label);
		memcpy(to, &v3, sizeof(v3));
	} else {
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	}
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceProfileInfoV(
	nvmlDevice_t device, unsigned int kind, nvmlGpuInstanceProfileInfo_v2_t *info)
{
	const struct profile *profile;
	struct place at;
	nvmlReturn_t r = find_profile(device, kind, true, &at, &profile);

	if (r == NVML_SUCCESS)
		r = info ? give_versioned(profile, info) : NVML_ERROR_INVALID_ARGUMENT;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceProfileInfoByIdV(
	nvmlDevice_t device, unsigned int id, nvmlGpuInstanceProfileInfo_v2_t *info)
{
	const struct profile *profile;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_SUCCESS)
		r = info ? give_versioned(profile, info) : NVML_ERROR_INVALID_ARGUMENT;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id,
	nvmlGpuInstancePlacement_t *placements, unsigned int *count)
{
	const struct profile *profile;
	unsigned n = 0;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	for (uint32_t s = 0; s < at.gpu->product.slots; s++) {
		if (!(profile->starts & 1u << s))
			continue;
		if (placements)
			placements[n] = (nvmlGpuInstancePlacement_t){ s, profile->size };
		n++;
	}
	*count = n;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstancePossiblePlacements(nvmlDevice_t device, unsigned int id,
	nvmlGpuInstancePlacement_t *placements, unsigned int *count)
{
	return sim_nvmlDeviceGetGpuInstancePossiblePlacements_v2(device, id, placements, count);
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceRemainingCapacity(
	nvmlDevice_t device, unsigned int id, unsigned int *count)
{
	const struct profile *profile;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		r = place_enter(device, HANDLE_GPU, &at);
	if (r != NVML_SUCCESS)
		return r;
	if (at.state->mig_current)
		*count = geometry_capacity(&at.gpu->product, at.state, profile_index(&at, profile));
	else
		r = NVML_ERROR_NOT_SUPPORTED;
	place_leave(&at);
	return r;
}

static nvmlReturn_t create(
	nvmlDevice_t device, unsigned int id, int start, nvmlGpuInstance_t *instance)
{
	const struct profile *profile;
	uint32_t gi;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_ERROR_NOT_SUPPORTED && at.gpu->product.slots)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && !instance)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)gpu_instance_create(
			session_node, at.index, profile_index(&at, profile), start, &gi);
	if (r == NVML_SUCCESS)
		r = sim_nvmlDeviceGetGpuInstanceById(device, gi, instance);
	return r;
}

nvmlReturn_t sim_nvmlDeviceCreateGpuInstance(
	nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance)
{
	return create(device, id, GPU_START_DEFAULT, instance);
}

nvmlReturn_t sim_nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int id,
	const nvmlGpuInstancePlacement_t *placement, nvmlGpuInstance_t *instance)
{
	const struct profile *profile;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_SUCCESS && (!placement || placement->size != profile->size ||
					 placement->start >= at.gpu->product.slots))
		return NVML_ERROR_INVALID_ARGUMENT;
	return create(device, id, placement ? (int)placement->start : 0, instance);
}

nvmlReturn_t sim_nvmlGpuInstanceDestroy(nvmlGpuInstance_t instance)
{
	struct place at;
	nvmlReturn_t r = place_find(instance, HANDLE_INSTANCE, &at);

	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)gpu_instance_destroy(
			session_node, at.index, at.gi, (uintptr_t)instance & 0x3fffffff);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstances(
	nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instances, unsigned int *count)
{
	const struct profile *profile;
	unsigned n = 0;
	struct place at;
	nvmlReturn_t r = find_profile(device, id, false, &at, &profile);

	if (r == NVML_SUCCESS && (!count || !instances))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r == NVML_SUCCESS)
		r = place_enter(device, HANDLE_GPU, &at);
	if (r != NVML_SUCCESS)
		return r;
	if (!at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	for (unsigned gi = 0; r == NVML_SUCCESS && gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &at.state->instances[gi];

		if (instance->serial && instance->profile == profile_index(&at, profile))
			instances[n++] =
				handle_make(HANDLE_INSTANCE, at.index, gi, 0, instance->serial);
	}
	place_leave(&at);
	if (r == NVML_SUCCESS)
		*count = n;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceById(
	nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!instance)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (id >= GPU_INSTANCES || !at.state->instances[id].serial)
		r = NVML_ERROR_NOT_FOUND;
	else
		*instance = handle_make(
			HANDLE_INSTANCE, at.index, id, 0, at.state->instances[id].serial);
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *info)
{
	struct place at;
	nvmlReturn_t r = place_enter(instance, HANDLE_INSTANCE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (info)
		*info = (nvmlGpuInstanceInfo_t){ handle_make(HANDLE_GPU, at.index, 0, 0, 0), at.gi,
			at.profile->id, { at.instance->start, at.profile->size } };
	place_leave(&at);
	return info ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}
