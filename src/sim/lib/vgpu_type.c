/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a type of vGPU is. A type is known by its id alone, on any node that has a GPU which has it.
 * Its class and license follow from its series, the last letter of its name.
 */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/vf.h"
#include "sim/node/vgpu.h"

static const struct vgpu_type *type_of(unsigned id, const struct gpu **ret_gpu)
{
	for (unsigned i = 0; session_node->settings.vgpu_host && i < session_node->n_gpus; i++) {
		const struct gpu *gpu = &session_node->gpus[i];
		const struct vgpu_type *type = vgpu_type_find(&gpu->product, id);

		if (type) {
			*ret_gpu = gpu;
			return type;
		}
	}
	return NULL;
}

static bool is_compute(const struct vgpu_type *type)
{
	return strchr(strrchr(type->name, '-'), 'C') != NULL;
}

/* name(type, type *ret): of the type `type`, of the GPU `gpu`. */
#define GIVE_TYPE(name, c_type, value)                                                             \
	nvmlReturn_t sim_##name(nvmlVgpuTypeId_t id, c_type *ret)                                  \
	{                                                                                          \
		const struct gpu *gpu = NULL;                                                      \
		const struct vgpu_type *type = type_of(id, &gpu);                                  \
                                                                                                   \
		if (!type || !ret)                                                                 \
			return NVML_ERROR_INVALID_ARGUMENT;                                        \
		*ret = (value);                                                                    \
		return NVML_SUCCESS;                                                               \
	}

GIVE_TYPE(nvmlVgpuTypeGetFramebufferSize, unsigned long long,
	(unsigned long long)type->memory_mib << 20)
GIVE_TYPE(nvmlVgpuTypeGetGpuInstanceProfileId, unsigned int,
	type->profile < 0 ? INVALID_GPU_INSTANCE_PROFILE_ID
			  : gpu->product.profiles[type->profile].id)
GIVE_TYPE(nvmlVgpuTypeGetMaxInstancesPerVm, unsigned int, is_compute(type) ? 16 : 1)
GIVE_TYPE(nvmlVgpuTypeGetFrameRateLimit, unsigned int, 60)

/* Also how long the text is, with its end. */
static nvmlReturn_t give_sized(const char *from, char *text, unsigned *size)
{
	unsigned room = *size;

	*size = (unsigned)strlen(from) + 1;
	return room < *size ? NVML_ERROR_INSUFFICIENT_SIZE : give_text(text, room, from);
}

nvmlReturn_t sim_nvmlVgpuTypeGetClass(nvmlVgpuTypeId_t id, char *text, unsigned int *size)
{
	const struct gpu *gpu;
	const struct vgpu_type *type = type_of(id, &gpu);

	if (!type || !text || !size)
		return NVML_ERROR_INVALID_ARGUMENT;
	return give_sized(is_compute(type) ? "Compute" : "Quadro", text, size);
}

nvmlReturn_t sim_nvmlVgpuTypeGetName(nvmlVgpuTypeId_t id, char *text, unsigned int *size)
{
	const struct gpu *gpu;
	const struct vgpu_type *type = type_of(id, &gpu);

	if (!type || !text || !size)
		return NVML_ERROR_INVALID_ARGUMENT;
	return give_sized(type->name, text, size);
}

nvmlReturn_t sim_nvmlVgpuTypeGetLicense(nvmlVgpuTypeId_t id, char *text, unsigned int size)
{
	const struct gpu *gpu;
	const struct vgpu_type *type = type_of(id, &gpu);

	if (!type || !text)
		return NVML_ERROR_INVALID_ARGUMENT;
	return give_text(text, size,
		is_compute(type)
			? "NVIDIA-vComputeServer,9.0;Quadro-Virtual-DWS,5.0"
			: "Quadro-Virtual-DWS,5.0;GRID-Virtual-WS,2.0;GRID-Virtual-WS-Ext,2.0");
}

/* In the mode that the GPU has now. */
nvmlReturn_t sim_nvmlVgpuTypeGetMaxInstances(
	nvmlDevice_t device, nvmlVgpuTypeId_t id, unsigned int *count)
{
	const struct vgpu_type *type;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);

	if (r != NVML_SUCCESS)
		return r;
	type = vgpu_type_find(&at.gpu->product, id);
	if (!count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (at.kind == HANDLE_MIG || !vf_is_possible(session_node, at.gpu))
		r = NVML_ERROR_NOT_SUPPORTED;
	else if (!type)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else
		*count = type->profile < 0 ? vgpu_most(type, at.state->vgpu_is_mixed) : type->most;
	place_leave(&at);
	if (r == NVML_SUCCESS && *count > at.gpu->product.total_vfs)
		*count = at.gpu->product.total_vfs;
	return r;
}

nvmlReturn_t sim_nvmlVgpuTypeGetMaxInstancesPerGpuInstance(nvmlVgpuTypeMaxInstance_v1_t *most)
{
	const struct gpu *gpu;
	const struct vgpu_type *type;

	if (!most)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (most->version != nvmlVgpuTypeMaxInstance_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	type = type_of(most->vgpuTypeId, &gpu);
	if (!type)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (type->profile < 0)
		return NVML_ERROR_NOT_SUPPORTED;
	most->maxInstancePerGI = type->most_per_instance;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlVgpuTypeGetCapabilities(
	nvmlVgpuTypeId_t id, nvmlVgpuCapability_t capability, unsigned int *result)
{
	const struct gpu *gpu;

	if (!type_of(id, &gpu) || !result || capability > NVML_VGPU_CAP_EXCLUSIVE_SIZE)
		return NVML_ERROR_INVALID_ARGUMENT;
	*result = capability == NVML_VGPU_CAP_GPUDIRECT;
	return NVML_SUCCESS;
}

/* The type's part of the GPU's: sizes of its own are not published. */
nvmlReturn_t sim_nvmlVgpuTypeGetBAR1Info(nvmlVgpuTypeId_t id, nvmlVgpuTypeBar1Info_v1_t *info)
{
	const struct gpu *gpu;
	const struct vgpu_type *type;
	uint32_t mib = 1;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (info->version != nvmlVgpuTypeBar1Info_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	type = type_of(id, &gpu);
	if (!type)
		return NVML_ERROR_INVALID_ARGUMENT;
	while (2 * mib * type->most <= gpu->product.board.bar1_mib)
		mib *= 2;
	info->bar1Size = (unsigned long long)mib << 20;
	return NVML_SUCCESS;
}
