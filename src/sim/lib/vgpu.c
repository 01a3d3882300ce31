/* SPDX-License-Identifier: Apache-2.0 */
/* What vGPUs a GPU or GPU instance can have and has, and whether they may be of several sizes. */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"
#include "sim/node/gpu.h"
#include "sim/node/process.h"
#include "sim/node/vf.h"
#include "sim/node/vgpu.h"

/* A MIG device has no vGPUs of its own. */
#define ANY_DEVICE (HANDLE_GPU | HANDLE_MIG)
#define IS_HOST	   (at.kind != HANDLE_MIG && vf_is_possible(session_node, at.gpu))

GIVE_WHERE(nvmlDeviceGetHostVgpuMode, ANY_DEVICE, nvmlHostVgpuMode_t,
	session_node->settings.vgpu_host &&at.kind == HANDLE_GPU,
	IS_HOST ? NVML_HOST_VGPU_MODE_SRIOV : NVML_HOST_VGPU_MODE_NON_SRIOV)

/* Not the bandwidths, which nobody has published. */
GIVE_WHICH(nvmlDeviceGetVgpuCapabilities, ANY_DEVICE, nvmlDeviceVgpuCapability_t,
	which < NVML_DEVICE_VGPU_CAP_COUNT, unsigned int,
	IS_HOST &&which != NVML_DEVICE_VGPU_CAP_READ_DEVICE_BUFFER_BW &&
		which != NVML_DEVICE_VGPU_CAP_WRITE_DEVICE_BUFFER_BW,
	which < NVML_DEVICE_VGPU_CAP_READ_DEVICE_BUFFER_BW)

/* ---- lists of ids ---- */

struct ids {
	unsigned n;
	unsigned at[GPU_VFS];
};

static struct ids supported(const struct place *at)
{
	struct ids ids = { 0 };

	for (unsigned i = 0; i < at->gpu->product.n_vgpus; i++)
		ids.at[ids.n++] = at->gpu->product.vgpus[i].id;
	return ids;
}

/* A VF that is free is wanted too. */
static struct ids creatable(const struct place *at)
{
	struct vgpu_place place;
	bool is_free = false;
	struct ids ids = { 0 };

	for (unsigned i = 0; i < at->state->n_vfs; i++)
		is_free |= !at->state->vfs[i].type;
	for (unsigned i = 0; is_free && i < at->gpu->product.n_vgpus; i++) {
		const struct vgpu_type *type = &at->gpu->product.vgpus[i];

		if (vgpu_place(&at->gpu->product, at->state, type, at->gi, &place))
			ids.at[ids.n++] = type->id;
	}
	return ids;
}

/* Those that a virtual machine has. */
static struct ids active(const struct place *at)
{
	struct ids ids = { 0 };

	for (unsigned i = 0; i < at->state->n_vfs; i++) {
		const struct vf *vf = &at->state->vfs[i];

		if (vf->type && vf_holder(at->state, i) &&
			(at->gi == NVML_NO_INSTANCE || vf->gi == at->gi))
			ids.at[ids.n++] = vf->serial;
	}
	return ids;
}

static nvmlReturn_t list(const void *handle, unsigned kind,
	struct ids (*collect)(const struct place *), unsigned *count, unsigned *array)
{
	struct place at;
	nvmlReturn_t r = place_enter(handle, kind, &at);
	struct ids ids;

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	if (!count) {
		r = NVML_ERROR_INVALID_ARGUMENT;
	} else if (!IS_HOST) {
		r = NVML_ERROR_NOT_SUPPORTED;
	} else {
		ids = collect(&at);
		r = give_count(ids.n, count, array);
		for (unsigned i = 0; r == NVML_SUCCESS && i < ids.n; i++)
			array[i] = ids.at[i];
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetSupportedVgpus(
	nvmlDevice_t device, unsigned int *count, nvmlVgpuTypeId_t *types)
{
	return list(device, ANY_DEVICE, supported, count, types);
}

nvmlReturn_t sim_nvmlDeviceGetCreatableVgpus(
	nvmlDevice_t device, unsigned int *count, nvmlVgpuTypeId_t *types)
{
	return list(device, ANY_DEVICE, creatable, count, types);
}

nvmlReturn_t sim_nvmlDeviceGetActiveVgpus(
	nvmlDevice_t device, unsigned int *count, nvmlVgpuInstance_t *vgpus)
{
	return list(device, ANY_DEVICE, active, count, vgpus);
}

nvmlReturn_t sim_nvmlGpuInstanceGetCreatableVgpus(
	nvmlGpuInstance_t instance, nvmlVgpuTypeIdInfo_v1_t *info)
{
	if (info && info->version != nvmlVgpuTypeIdInfo_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	return list(instance, HANDLE_INSTANCE, creatable, info ? &info->vgpuCount : NULL,
		info ? info->vgpuTypeIds : NULL);
}

nvmlReturn_t sim_nvmlGpuInstanceGetActiveVgpus(
	nvmlGpuInstance_t instance, nvmlActiveVgpuInstanceInfo_v1_t *info)
{
	if (info && info->version != nvmlActiveVgpuInstanceInfo_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	return list(instance, HANDLE_INSTANCE, active, info ? &info->vgpuCount : NULL,
		info ? info->vgpuInstances : NULL);
}

/* ---- sizes, and places ---- */

nvmlReturn_t sim_nvmlDeviceGetVgpuHeterogeneousMode(
	nvmlDevice_t device, nvmlVgpuHeterogeneousMode_t *mode)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, ANY_DEVICE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!mode)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (mode->version != nvmlVgpuHeterogeneousMode_v1)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	else if (!IS_HOST || at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		mode->mode = at.state->vgpu_is_mixed;
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceSetVgpuHeterogeneousMode(
	nvmlDevice_t device, const nvmlVgpuHeterogeneousMode_t *mode)
{
	nvmlVgpuHeterogeneousMode_t now = { .version = mode ? mode->version : 0 };
	nvmlReturn_t r = sim_nvmlDeviceGetVgpuHeterogeneousMode(device, mode ? &now : NULL);

	if (r != NVML_SUCCESS)
		return r;
	if (mode->mode > NVML_FEATURE_ENABLED)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!gpu_may_change(session_node))
		return NVML_ERROR_NO_PERMISSION;
	return (nvmlReturn_t)vgpu_set_mixed(session_node, (unsigned)handle_gpu(device), mode->mode);
}

/*
 * Both versions of the list begin alike; the second says which mode it is about. Supported are
 * places for mixed sizes, whether the GPU has the mode or not; creatable those in the mode it has.
 */
static nvmlReturn_t places(
	nvmlDevice_t device, nvmlVgpuTypeId_t id, nvmlVgpuPlacementList_v2_t *list_, bool free_only)
{
	const struct vgpu_type *type;
	struct place at;
	nvmlReturn_t r = place_enter(device, ANY_DEVICE, &at);
	bool is_mixed;

	if (r != NVML_SUCCESS)
		return r;
	type = vgpu_type_find(&at.gpu->product, id);
	if (!list_)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (list_->version != nvmlVgpuPlacementList_v1 &&
		 list_->version != nvmlVgpuPlacementList_v2)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	else if (!IS_HOST)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!type || !list_->placementIds)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (type->profile >= 0 || (free_only && at.state->mig_current))
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS) {
		is_mixed = free_only ? at.state->vgpu_is_mixed
				     : list_->version == nvmlVgpuPlacementList_v1 ||
					       list_->mode == NVML_VGPU_PGPU_HETEROGENEOUS_MODE;
		list_->count = 0;
		list_->placementSize = vgpu_size(type, is_mixed);
		for (unsigned i = 0; i < vgpu_most(type, is_mixed); i++) {
			unsigned start = i * list_->placementSize;

			if (!free_only || vgpu_is_free(&at.gpu->product, at.state, type, start))
				list_->placementIds[list_->count++] = start;
		}
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetVgpuTypeSupportedPlacements(
	nvmlDevice_t device, nvmlVgpuTypeId_t type, nvmlVgpuPlacementList_v2_t *list_)
{
	return places(device, type, list_, false);
}

nvmlReturn_t sim_nvmlDeviceGetVgpuTypeCreatablePlacements(
	nvmlDevice_t device, nvmlVgpuTypeId_t type, nvmlVgpuPlacementList_v2_t *list_)
{
	return places(device, type, list_, true);
}
