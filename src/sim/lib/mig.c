/* SPDX-License-Identifier: Apache-2.0 */
/* MIG mode, and MIG devices: each compute instance is one. */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"
#include "sim/node/geometry.h"
#include "sim/node/gpu.h"

nvmlReturn_t sim_nvmlDeviceGetMigMode(
	nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!at.gpu->product.slots) {
		r = NVML_ERROR_NOT_SUPPORTED;
	} else if (!current || !pending) {
		r = NVML_ERROR_INVALID_ARGUMENT;
	} else {
		*current = at.state->mig_current;
		*pending = at.state->mig_pending;
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceSetMigMode(
	nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activation)
{
	int why = NVML_SUCCESS;
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!at.gpu->product.slots)
		return NVML_ERROR_NOT_SUPPORTED;
	if (!activation || mode > NVML_DEVICE_MIG_ENABLE)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!gpu_may_change(session_node))
		return NVML_ERROR_NO_PERMISSION;
	r = (nvmlReturn_t)gpu_set_mig_mode(session_node, at.index, mode, &why);
	if (r == NVML_SUCCESS)
		*activation = (nvmlReturn_t)why;
	return r;
}

/* As many as there are compute slices. */
nvmlReturn_t sim_nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*count = at.gpu->product.slices;
	return r;
}

/* How many MIG devices stand before this one. */
static unsigned mig_index(const struct place *at)
{
	unsigned n = 0;

	for (unsigned gi = 0; gi <= at->gi; gi++)
		for (unsigned ci = 0; ci < (gi < at->gi ? PRODUCT_COMPUTE : at->ci); ci++)
			n += at->state->instances[gi].serial &&
			     at->state->instances[gi].compute[ci].serial;
	return n;
}

/* Of a GPU among GPUs, of a MIG device among those of its GPU. */
GIVE(nvmlDeviceGetIndex, HANDLE_GPU | HANDLE_MIG | HANDLE_LOST_TOO, unsigned int,
	at.kind == HANDLE_MIG ? mig_index(&at) : at.index)

/* In the order of GPU instance ids, then compute instance ids, as they were seen on hardware. */
nvmlReturn_t sim_nvmlDeviceGetMigDeviceHandleByIndex(
	nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
	unsigned nth = 0;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	r = NVML_ERROR_NOT_FOUND;
	if (!at.gpu->product.slots || !at.state->mig_current)
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!mig || index >= at.gpu->product.slices)
		r = NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned gi = 0; r == NVML_ERROR_NOT_FOUND && gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &at.state->instances[gi];

		for (unsigned ci = 0; instance->serial && ci < PRODUCT_COMPUTE; ci++) {
			if (!instance->compute[ci].serial || nth++ != index)
				continue;
			*mig = handle_make(
				HANDLE_MIG, at.index, gi, ci, instance->compute[ci].serial);
			r = NVML_SUCCESS;
		}
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
	nvmlDevice_t mig, nvmlDevice_t *device)
{
	struct place at;
	nvmlReturn_t r = place_find(mig, HANDLE_MIG | HANDLE_LOST_TOO, &at);

	if (r == NVML_SUCCESS && !device)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*device = handle_make(HANDLE_GPU, at.index, 0, 0, 0);
	return r;
}

nvmlReturn_t sim_nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU | HANDLE_MIG | HANDLE_LOST_TOO, &at);

	if (r == NVML_SUCCESS && !is_mig)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*is_mig = at.kind == HANDLE_MIG;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetGpuInstanceId(nvmlDevice_t mig, unsigned int *id)
{
	struct place at;
	nvmlReturn_t r = place_find(mig, HANDLE_MIG | HANDLE_LOST_TOO, &at);

	if (r == NVML_SUCCESS && !id)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*id = at.gi;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetComputeInstanceId(nvmlDevice_t mig, unsigned int *id)
{
	struct place at;
	nvmlReturn_t r = place_find(mig, HANDLE_MIG | HANDLE_LOST_TOO, &at);

	if (r == NVML_SUCCESS && !id)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*id = at.ci;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetAttributes_v2(nvmlDevice_t mig, nvmlDeviceAttributes_t *attributes)
{
	struct place at;
	nvmlReturn_t r = place_enter(mig, HANDLE_GPU | HANDLE_MIG, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!attributes) {
		r = NVML_ERROR_INVALID_ARGUMENT;
	} else if (at.kind == HANDLE_GPU) {
		r = NVML_ERROR_NOT_SUPPORTED;
	} else {
		*attributes = (nvmlDeviceAttributes_t){
			.multiprocessorCount =
				compute_sm(&at.gpu->product, at.profile, at.compute->kind),
			.sharedCopyEngineCount = at.profile->copy,
			.sharedDecoderCount = at.profile->decoders,
			.sharedEncoderCount = at.profile->encoders,
			.sharedJpegCount = at.profile->jpeg,
			.sharedOfaCount = at.profile->ofa,
			.gpuInstanceSliceCount = at.profile->slices,
			.computeInstanceSliceCount = at.compute->size,
			.memorySizeMB = at.profile->memory_mib,
		};
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetAttributes(nvmlDevice_t mig, nvmlDeviceAttributes_t *attributes)
{
	return sim_nvmlDeviceGetAttributes_v2(mig, attributes);
}
