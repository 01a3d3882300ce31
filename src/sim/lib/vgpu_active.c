/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGPUs that virtual machines have. NVML knows them by a number that no other has, and only for as
 * long as a machine has them: NOT_FOUND else. What a guest's driver would tell is not known.
 */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/identity.h"
#include "sim/node/process.h"
#include "sim/node/vf.h"
#include "sim/node/vgpu.h"

#include <stdio.h>

struct active {
	const struct gpu *gpu;
	const struct gpu_state *state;
	unsigned number; /* of its VF */
	const struct vf *vf;
	const struct vgpu_type *type;
};

/* Locks the node where it is found. */
static nvmlReturn_t active_enter(nvmlVgpuInstance_t serial, struct active *ret)
{
	if (!serial)
		return NVML_ERROR_INVALID_ARGUMENT;
	node_lock(session_node);
	for (unsigned i = 0; i < session_node->n_gpus; i++) {
		struct gpu *gpu = &session_node->gpus[i];

		process_reap(gpu);
		for (unsigned n = 0; n < gpu_now(gpu)->n_vfs; n++) {
			const struct vf *vf = &gpu_now(gpu)->vfs[n];

			if (vf->serial != serial || !vf_holder(gpu_now(gpu), n))
				continue;
			*ret = (struct active){ gpu, gpu_now(gpu), n, vf,
				vgpu_type_find(&gpu->product, vf->type) };
			return NVML_SUCCESS;
		}
	}
	node_unlock(session_node);
	return NVML_ERROR_NOT_FOUND;
}

static unsigned long long memory_of(const struct active *at)
{
	for (unsigned i = 0; i < at->state->n_processes; i++)
		if (at->state->processes[i].type == PROCESS_VM &&
			at->state->processes[i].vf == at->number)
			return at->state->processes[i].memory;
	return 0;
}

/* name(vgpu, type *ret): of the active vGPU `at`. */
#define GIVE_ACTIVE(name, c_type, value)                                                           \
	nvmlReturn_t sim_##name(nvmlVgpuInstance_t vgpu, c_type *ret)                              \
	{                                                                                          \
		struct active at;                                                                  \
		nvmlReturn_t r = ret ? active_enter(vgpu, &at) : NVML_ERROR_INVALID_ARGUMENT;      \
                                                                                                   \
		if (r != NVML_SUCCESS)                                                             \
			return r;                                                                  \
		*ret = (value);                                                                    \
		node_unlock(session_node);                                                         \
		return NVML_SUCCESS;                                                               \
	}

GIVE_ACTIVE(nvmlVgpuInstanceGetType, nvmlVgpuTypeId_t, at.type->id)
GIVE_ACTIVE(nvmlVgpuInstanceGetFbUsage, unsigned long long, memory_of(&at))
GIVE_ACTIVE(nvmlVgpuInstanceGetFrameRateLimit, unsigned int, 60)
GIVE_ACTIVE(nvmlVgpuInstanceGetGpuInstanceId, unsigned int,
	at.type->profile < 0 ? INVALID_GPU_INSTANCE_ID : at.vf->gi)
GIVE_ACTIVE(nvmlVgpuInstanceGetLicenseStatus, unsigned int, 0)

nvmlReturn_t sim_nvmlVgpuInstanceGetPlacementId(
	nvmlVgpuInstance_t vgpu, nvmlVgpuPlacementId_t *placement)
{
	struct active at;
	nvmlReturn_t r;

	if (!placement)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (placement->version != nvmlVgpuPlacementId_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = active_enter(vgpu, &at);
	if (r != NVML_SUCCESS)
		return r;
	placement->placementId = at.vf->placement;
	node_unlock(session_node);
	return NVML_SUCCESS;
}

/* A name for the vGPU or its machine: the GPU's UUID with the numbers of this one in its end. */
static nvmlReturn_t give_id(const struct active *at, uint32_t what, char *text, unsigned size)
{
	char uuid[UUID_TEXT_MAX];

	snprintf(uuid, sizeof(uuid), "%.24s%04x%08x", at->gpu->uuid + strlen("GPU-"),
		at->number & 0xffff, what);
	return give_text(text, size, uuid);
}

nvmlReturn_t sim_nvmlVgpuInstanceGetUUID(nvmlVgpuInstance_t vgpu, char *text, unsigned int size)
{
	struct active at;
	nvmlReturn_t r = text ? active_enter(vgpu, &at) : NVML_ERROR_INVALID_ARGUMENT;

	if (r != NVML_SUCCESS)
		return r;
	r = give_id(&at, at.vf->serial, text, size);
	node_unlock(session_node);
	return r;
}

nvmlReturn_t sim_nvmlVgpuInstanceGetVmID(
	nvmlVgpuInstance_t vgpu, char *text, unsigned int size, nvmlVgpuVmIdType_t *kind)
{
	struct active at;
	nvmlReturn_t r = text && kind ? active_enter(vgpu, &at) : NVML_ERROR_INVALID_ARGUMENT;

	if (r != NVML_SUCCESS)
		return r;
	*kind = NVML_VGPU_VM_ID_UUID;
	r = give_id(&at, (uint32_t)vf_holder(at.state, at.number), text, size);
	node_unlock(session_node);
	return r;
}

nvmlReturn_t sim_nvmlVgpuInstanceGetVmDriverVersion(
	nvmlVgpuInstance_t vgpu, char *text, unsigned int size)
{
	struct active at;
	nvmlReturn_t r = text ? active_enter(vgpu, &at) : NVML_ERROR_INVALID_ARGUMENT;

	if (r != NVML_SUCCESS)
		return r;
	node_unlock(session_node);
	return give_text(text, size, "Not Available");
}

/* As the guest's driver sees it; without one there is none. */
nvmlReturn_t sim_nvmlVgpuInstanceGetGpuPciId(
	nvmlVgpuInstance_t vgpu, char *text, unsigned int *size)
{
	static const char none[] = "00000000:00:00.0";
	struct active at;
	nvmlReturn_t r = text && size ? active_enter(vgpu, &at) : NVML_ERROR_INVALID_ARGUMENT;
	unsigned room;

	if (r != NVML_SUCCESS)
		return r;
	node_unlock(session_node);
	room = *size;
	*size = sizeof(none);
	return give_text(text, room, none);
}
