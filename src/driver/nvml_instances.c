/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU holds by MIG: its instances, and the MIG devices that CUDA knows them by. */
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"
#include "driver/nvml_mig.h"

#include <errno.h>
#include <stdlib.h>

enum { MIG_DEVICES_MAX = MIG_INSTANCES_MAX * MIG_CIS_MAX };

struct mig_device {
	uint32_t gi, ci;
	nvmlDevice_t device;
};

/* One MIG device by its index; NOT_FOUND for a hole, and for one that goes away meanwhile. */
static nvmlReturn_t look_device(
	const struct nvml_gpu *gpu, unsigned index, struct mig_device *ret_device)
{
	nvmlReturn_t code =
		nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu->device, index, &ret_device->device);

	if (code == NVML_SUCCESS)
		code = nvml.nvmlDeviceGetGpuInstanceId(ret_device->device, &ret_device->gi);
	if (code == NVML_SUCCESS)
		code = nvml.nvmlDeviceGetComputeInstanceId(ret_device->device, &ret_device->ci);
	return code == NVML_ERROR_INVALID_ARGUMENT ? NVML_ERROR_NOT_FOUND : code;
}

static nvmlReturn_t look_devices(
	const struct nvml_gpu *gpu, struct mig_device ret_device[MIG_DEVICES_MAX], unsigned *ret_n)
{
	unsigned max = 0, n = 0;
	nvmlReturn_t code = nvml.nvmlDeviceGetMaxMigDeviceCount(gpu->device, &max);

	for (unsigned i = 0; i < max && n < MIG_DEVICES_MAX && code == NVML_SUCCESS; i++) {
		code = look_device(gpu, i, &ret_device[n]);
		if (code == NVML_SUCCESS)
			n++;
		else if (code == NVML_ERROR_NOT_FOUND)
			code = NVML_SUCCESS;
	}
	*ret_n = n;
	return code;
}

nvmlReturn_t nvml_mig_device(
	const struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, nvmlDevice_t *ret_device)
{
	struct mig_device device[MIG_DEVICES_MAX];
	unsigned n;
	nvmlReturn_t code = look_devices(gpu, device, &n);

	if (code != NVML_SUCCESS)
		return code;
	for (unsigned i = 0; i < n; i++) {
		if (device[i].gi == gi && device[i].ci == ci) {
			*ret_device = device[i].device;
			return NVML_SUCCESS;
		}
	}
	return NVML_ERROR_NOT_FOUND;
}

/* The index of a compute instance's profile; where the rule above was wrong, the one that has as
 * many slices, else the whole. */
static uint32_t ci_index(const struct mig_profile *profile, const struct mig_compute *compute)
{
	for (uint32_t i = 0; i < profile->n_ci; i++) {
		if (profile->ci[i].id == compute->profile_id)
			return i;
	}
	for (uint32_t i = 0; i < profile->n_ci; i++) {
		if (profile->ci[i].slices == compute->size)
			return i;
	}
	return profile->n_ci ? profile->n_ci - 1 : 0;
}

/* Adds its compute instances, without their uuids. */
static int look_computes(struct nvml_gpu *gpu, const struct mig_geometry *geometry,
	struct mig_instance *instance, struct error *err)
{
	struct mig_compute compute[MIG_CIS_MAX];
	int n = nvml_mig_computes(gpu, instance->gi, compute, err);

	for (int i = 0; i < n; i++)
		instance->ci[instance->n_ci++] = (struct mig_ci){
			.id = compute[i].id,
			.ci = ci_index(&geometry->profile[instance->profile], &compute[i]),
		};
	return n < 0 ? n : 0;
}

static int name_computes(
	struct nvml_gpu *gpu, struct mig_instance *list, unsigned n_list, struct error *err)
{
	struct mig_device device[MIG_DEVICES_MAX];
	unsigned n;
	nvmlReturn_t code = look_devices(gpu, device, &n);

	for (unsigned d = 0; d < n && code == NVML_SUCCESS; d++) {
		char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

		code = nvml.nvmlDeviceGetUUID(device[d].device, uuid, sizeof(uuid));
		for (unsigned i = 0; i < n_list && code == NVML_SUCCESS; i++) {
			for (unsigned c = 0; c < list[i].n_ci; c++) {
				if (list[i].gi == device[d].gi && list[i].ci[c].id == device[d].ci)
					text_copy(list[i].ci[c].uuid, sizeof(list[i].ci[c].uuid),
						uuid);
			}
		}
	}
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its MIG devices", gpu->pci);
	return 0;
}

static int compare_instances(const void *left, const void *right)
{
	const struct mig_instance *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->gi < b->gi ? -1 : a->gi > b->gi;
}

/* Adds those of one profile. */
static int add_instances(struct nvml_gpu *gpu, const struct mig_geometry *geometry,
	uint32_t profile, struct mig_instance *list, unsigned *n, struct error *err)
{
	nvmlGpuInstance_t handle[2 * MIG_INSTANCES_MAX];
	unsigned count = ARRAY_SIZE(handle);
	nvmlReturn_t code = nvml.nvmlDeviceGetGpuInstances(
		gpu->device, geometry->profile[profile].id, handle, &count);

	/* without MIG mode there are none */
	if (code == NVML_ERROR_NOT_SUPPORTED)
		return 0;
	for (unsigned i = 0; i < count && code == NVML_SUCCESS; i++) {
		nvmlGpuInstanceInfo_t info = { 0 };
		int r;

		code = nvml.nvmlGpuInstanceGetInfo(handle[i], &info);
		if (code == NVML_ERROR_NOT_FOUND) {
			code = NVML_SUCCESS;
			continue;
		}
		if (code != NVML_SUCCESS)
			break;
		if (*n == MIG_INSTANCES_MAX)
			return error_set(err, -E2BIG, "GPU %s has more than %d GPU instances",
				gpu->pci, MIG_INSTANCES_MAX);
		list[*n] = (struct mig_instance){ .gi = info.id,
			.profile = profile,
			.start = info.placement.start,
			.origin = SHARE_FOREIGN };
		r = look_computes(gpu, geometry, &list[*n], err);
		/* somebody destroyed it meanwhile */
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		(*n)++;
	}
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell its GPU instances", gpu->pci);
	return 0;
}

int nvml_mig_instances(struct nvml_gpu *gpu, const struct mig_geometry *geometry,
	struct mig_instance ret_instance[MIG_INSTANCES_MAX], struct error *err)
{
	struct mig_instance list[MIG_INSTANCES_MAX];
	unsigned n = 0;

	for (uint32_t p = 0; p < geometry->n_profiles; p++) {
		int r = add_instances(gpu, geometry, p, list, &n, err);

		if (r < 0)
			return r;
	}
	if (n > 0) {
		int r = name_computes(gpu, list, n, err);

		if (r < 0)
			return r;
	}
	qsort(list, n, sizeof(list[0]), compare_instances);
	for (unsigned i = 0; i < n; i++)
		ret_instance[i] = list[i];
	return (int)n;
}
