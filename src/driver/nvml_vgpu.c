/* SPDX-License-Identifier: Apache-2.0 */
/* Types of vGPU. The files of a VF name those alone that can be made now; NVML names all. */
#include "driver/nvml_vgpu.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"

#include <errno.h>
#include <stdlib.h>

static bool read_type(struct nvml_gpu *gpu, nvmlVgpuTypeId_t id, struct vf_type *ret_type)
{
	nvmlVgpuTypeMaxInstance_v1_t most = { .version = nvmlVgpuTypeMaxInstance_v1,
		.vgpuTypeId = id };
	char name[NVML_VGPU_NAME_BUFFER_SIZE] = "";
	struct vf_type type = { .id = id, .profile_id = UINT32_MAX };
	unsigned size = sizeof(name);
	unsigned long long bytes = 0;

	if (nvml.nvmlVgpuTypeGetName(id, name, &size) != NVML_SUCCESS ||
		nvml.nvmlVgpuTypeGetFramebufferSize(id, &bytes) != NVML_SUCCESS)
		return false;
	text_copy(type.name, sizeof(type.name), name);
	type.memory_bytes = bytes;
	/* older drivers do not tell it: then it is time-sliced */
	if (nvml.nvmlVgpuTypeGetGpuInstanceProfileId(id, &type.profile_id) != NVML_SUCCESS)
		type.profile_id = UINT32_MAX;
	if (nvml.nvmlVgpuTypeGetMaxInstances(gpu->device, id, &type.max_per_gpu) != NVML_SUCCESS)
		type.max_per_gpu = 0;
	if (vf_type_is_mig(&type))
		type.max_per_instance =
			nvml.nvmlVgpuTypeGetMaxInstancesPerGpuInstance(&most) == NVML_SUCCESS
				? most.maxInstancePerGI
				: 1;
	*ret_type = type;
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct vf_type *x = a, *y = b;

	if (x->memory_bytes != y->memory_bytes)
		return x->memory_bytes < y->memory_bytes ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

int nvml_vgpu_types(struct nvml_gpu *gpu, struct vf_facts *facts, struct error *err)
{
	AUTO_FREE nvmlVgpuTypeId_t *ids = NULL;
	unsigned n = 0;
	nvmlReturn_t code = nvml.nvmlDeviceGetSupportedVgpus(gpu->device, &n, NULL);

	if (code == NVML_ERROR_INSUFFICIENT_SIZE) {
		ids = must_alloc(n, sizeof(*ids));
		code = nvml.nvmlDeviceGetSupportedVgpus(gpu->device, &n, ids);
	}
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its types of vGPU", gpu->pci);
	facts->n_types = 0;
	for (unsigned i = 0; i < n && ids && facts->n_types < VF_TYPES_MAX; i++)
		facts->n_types += read_type(gpu, ids[i], &facts->type[facts->n_types]);
	qsort(facts->type, facts->n_types, sizeof(facts->type[0]), compare);
	return 0;
}

int nvml_vgpu_is_sriov(struct nvml_gpu *gpu)
{
	nvmlHostVgpuMode_t mode = NVML_HOST_VGPU_MODE_NON_SRIOV;
	nvmlReturn_t code = nvml.nvmlDeviceGetHostVgpuMode(gpu->device, &mode);

	return code == NVML_SUCCESS ? mode == NVML_HOST_VGPU_MODE_SRIOV : nvml_errno(code);
}

bool nvml_vgpu_may_mix(struct nvml_gpu *gpu)
{
	unsigned may = 0;

	return nvml.nvmlDeviceGetVgpuCapabilities(gpu->device,
		       NVML_DEVICE_VGPU_CAP_HETEROGENEOUS_TIMESLICE_SIZES, &may) == NVML_SUCCESS &&
	       may;
}

int nvml_vgpu_mixed(struct nvml_gpu *gpu, bool *ret_mixed, struct error *err)
{
	nvmlVgpuHeterogeneousMode_t mode = { .version = nvmlVgpuHeterogeneousMode_v1 };
	nvmlReturn_t code = nvml.nvmlDeviceGetVgpuHeterogeneousMode(gpu->device, &mode);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell whether sizes of vGPUs are mixed",
			gpu->pci);
	*ret_mixed = mode.mode == NVML_FEATURE_ENABLED;
	return 0;
}

int nvml_vgpu_set_mixed(struct nvml_gpu *gpu, bool is_mixed, struct error *err)
{
	nvmlVgpuHeterogeneousMode_t mode = { .version = nvmlVgpuHeterogeneousMode_v1,
		.mode = is_mixed ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED };
	nvmlReturn_t code = nvml.nvmlDeviceSetVgpuHeterogeneousMode(gpu->device, &mode);
	bool now = !is_mixed;
	int r;

	if (code == NVML_ERROR_IN_USE)
		return error_set(err, -EBUSY,
			"whether sizes of vGPUs are mixed on GPU %s can only be changed while it "
			"has no vGPU",
			gpu->pci);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not %s sizes of vGPUs", gpu->pci,
			is_mixed ? "mix" : "separate");
	r = nvml_vgpu_mixed(gpu, &now, err);
	if (r == 0 && now != is_mixed)
		return error_set(err, -EIO,
			"GPU %s took the order to %s sizes of vGPUs, and did not do it", gpu->pci,
			is_mixed ? "mix" : "separate");
	return r;
}

int nvml_vgpu_licences(
	struct nvml_gpu *gpu, unsigned *ret_n, unsigned *ret_n_unlicensed, struct error *err)
{
	nvmlVgpuInstance_t vgpus[VFS_MAX];
	unsigned n = VFS_MAX, n_unlicensed = 0;
	nvmlReturn_t code = nvml.nvmlDeviceGetActiveVgpus(gpu->device, &n, vgpus);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its vGPUs", gpu->pci);
	for (unsigned i = 0; i < n && i < VFS_MAX; i++) {
		unsigned licensed = 1;

		n_unlicensed += nvml.nvmlVgpuInstanceGetLicenseStatus(vgpus[i], &licensed) ==
					NVML_SUCCESS &&
				!licensed;
	}
	*ret_n = n;
	*ret_n_unlicensed = n_unlicensed;
	return 0;
}
