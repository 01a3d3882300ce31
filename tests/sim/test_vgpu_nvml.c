/* SPDX-License-Identifier: Apache-2.0 */
/* What NVML says of vGPUs is what the files of their virtual functions say. */
#include "vf.h"

#include "test.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define L40S_4Q	 1150
#define L40S_12Q 1153
#define L40S_16Q 1154
#define L40S_24Q 1155
#define L40S_48Q 1156

/* Of the L40S on bus 41: its VF number `vf`. */
static const char *file(unsigned vf, const char *name)
{
	static char path[120];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:41:%02x.%x/nvidia/%s", (vf + 4) / 8,
		(vf + 4) % 8, name);
	return path;
}

static int make(unsigned vf, unsigned type)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", type);
	return write_to(file(vf, "current_vgpu_type"), text);
}

static nvmlReturn_t set_mixed(unsigned gpu, unsigned mode)
{
	nvmlVgpuHeterogeneousMode_t value = { nvmlVgpuHeterogeneousMode_v1, mode };

	return nvml.nvmlDeviceSetVgpuHeterogeneousMode(sim_gpu(gpu), &value);
}

static unsigned mixed(unsigned gpu)
{
	nvmlVgpuHeterogeneousMode_t value = { nvmlVgpuHeterogeneousMode_v1, 7 };

	CHECK_EQ(nvml.nvmlDeviceGetVgpuHeterogeneousMode(sim_gpu(gpu), &value), NVML_SUCCESS);
	return value.mode;
}

TEST(a_driver_that_is_not_for_hosts_has_no_vgpus)
{
	nvmlVgpuHeterogeneousMode_t mode = { nvmlVgpuHeterogeneousMode_v1, 0 };
	nvmlGpuVirtualizationMode_t virtualization;
	nvmlHostVgpuMode_t host;
	unsigned value = 0;

	sim_begin("h100-l40s");
	CHECK_EQ(nvml.nvmlDeviceGetHostVgpuMode(sim_gpu(1), &host), NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetSupportedVgpus(sim_gpu(1), &value, NULL),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetActiveVgpus(sim_gpu(1), &value, NULL), NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuHeterogeneousMode(sim_gpu(1), &mode),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuCapabilities(sim_gpu(1), 0, &value),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstancesPerVm(L40S_4Q, &value),
		NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetVirtualizationMode(sim_gpu(1), &virtualization), NVML_SUCCESS);
	CHECK_EQ(virtualization, NVML_GPU_VIRTUALIZATION_MODE_NONE);
	sim_end();
	sim_begin("vgpu");
	CHECK_EQ(nvml.nvmlDeviceGetHostVgpuMode(sim_gpu(1), &host), NVML_SUCCESS);
	CHECK_EQ(host, NVML_HOST_VGPU_MODE_SRIOV);
	CHECK_EQ(nvml.nvmlDeviceGetVirtualizationMode(sim_gpu(1), &virtualization), NVML_SUCCESS);
	CHECK_EQ(virtualization, NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuCapabilities(
			 sim_gpu(1), NVML_DEVICE_VGPU_CAP_HETEROGENEOUS_TIMESLICE_SIZES, &value),
		NVML_SUCCESS);
	CHECK_EQ(value, 1);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuCapabilities(sim_gpu(1), NVML_DEVICE_VGPU_CAP_COUNT, &value),
		NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

static unsigned type_named(unsigned gpu, const char *name)
{
	unsigned types[64], n = ARRAY_SIZE(types), size;
	char text[NVML_VGPU_NAME_BUFFER_SIZE];

	CHECK_EQ(nvml.nvmlDeviceGetSupportedVgpus(sim_gpu(gpu), &n, types), NVML_SUCCESS);
	for (unsigned i = 0; i < n; i++) {
		size = sizeof(text);
		CHECK_EQ(nvml.nvmlVgpuTypeGetName(types[i], text, &size), NVML_SUCCESS);
		if (text_eq(text, name))
			return types[i];
	}
	return 0;
}

TEST(a_type_is_described_by_its_id)
{
	nvmlVgpuTypeMaxInstance_v1_t most = { .version = nvmlVgpuTypeMaxInstance_v1 };
	nvmlVgpuTypeBar1Info_v1_t bar = { .version = nvmlVgpuTypeBar1Info_v1 };
	char text[NVML_GRID_LICENSE_BUFFER_SIZE];
	unsigned size = 4, value, mig;
	unsigned long long bytes;

	sim_begin("vgpu");
	CHECK_EQ(nvml.nvmlVgpuTypeGetName(L40S_24Q, text, &size), NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(size, sizeof("NVIDIA L40S-24Q"));
	CHECK_EQ(nvml.nvmlVgpuTypeGetName(L40S_24Q, text, &size), NVML_SUCCESS);
	CHECK_TEXT(text, "NVIDIA L40S-24Q");
	size = sizeof(text);
	CHECK_EQ(nvml.nvmlVgpuTypeGetClass(L40S_24Q, text, &size), NVML_SUCCESS);
	CHECK_TEXT(text, "Quadro");
	CHECK_EQ(nvml.nvmlVgpuTypeGetLicense(L40S_24Q, text, sizeof(text)), NVML_SUCCESS);
	CHECK(text_starts(text, "Quadro-Virtual-DWS"));
	CHECK_EQ(nvml.nvmlVgpuTypeGetFramebufferSize(L40S_24Q, &bytes), NVML_SUCCESS);
	CHECK_EQ(bytes, 24ull << 30);
	CHECK_EQ(nvml.nvmlVgpuTypeGetGpuInstanceProfileId(L40S_24Q, &value), NVML_SUCCESS);
	CHECK_EQ(value, INVALID_GPU_INSTANCE_PROFILE_ID);
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstances(sim_gpu(0), L40S_24Q, &value), NVML_SUCCESS);
	CHECK_EQ(value, 2);
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstances(sim_gpu(2), L40S_24Q, &value),
		NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlVgpuTypeGetBAR1Info(L40S_24Q, &bar), NVML_SUCCESS);
	CHECK_EQ(bar.bar1Size, 32ull << 30);
	CHECK_EQ(nvml.nvmlVgpuTypeGetName(99, text, &size), NVML_ERROR_INVALID_ARGUMENT);

	mig = type_named(2, "NVIDIA H100XM-2-20C");
	CHECK(mig != 0);
	CHECK_EQ(nvml.nvmlVgpuTypeGetClass(mig, text, &(unsigned){ sizeof(text) }), NVML_SUCCESS);
	CHECK_TEXT(text, "Compute");
	CHECK_EQ(nvml.nvmlVgpuTypeGetGpuInstanceProfileId(mig, &value), NVML_SUCCESS);
	CHECK_EQ(value, sim_kind_id(sim_gpu(2), NVML_GPU_INSTANCE_PROFILE_2_SLICE));
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstances(sim_gpu(2), mig, &value), NVML_SUCCESS);
	CHECK_EQ(value, 3);
	most.vgpuTypeId = mig;
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstancesPerGpuInstance(&most), NVML_SUCCESS);
	CHECK_EQ(most.maxInstancePerGI, 1);
	sim_end();
}

/* The ids that a VF without a vGPU offers, beside those that NVML calls creatable on the GPU. */
static void check_agreement(unsigned vf)
{
	unsigned types[64], n = ARRAY_SIZE(types), seen = 0;
	char *rest, *at, *line;

	CHECK_EQ(nvml.nvmlDeviceGetCreatableVgpus(sim_gpu(0), &n, types), NVML_SUCCESS);
	rest = at = strdup(read_from(file(vf, "creatable_vgpu_types")));
	strsep(&at, "\n");
	while ((line = strsep(&at, "\n")) && *line) {
		CHECK_SAY(seen < n && (unsigned)atoi(line) == types[seen], "'%s', %u of %u", line,
			seen, n);
		seen++;
	}
	CHECK_EQ(seen, n);
	free(rest);
}

/* Units of 1/96 of the GPU: no two vGPUs that are there may take more than all of it. */
static unsigned share(unsigned type, bool is_mixed)
{
	static const unsigned equal[] = { 96 / 48, 96 / 24, 96 / 16, 96 / 12, 96 / 8, 96 / 6,
		96 / 4, 96 / 3, 96 / 2, 96 };
	static const unsigned halves[] = { 3, 6, 6, 12, 12, 24, 24, 48, 48, 96 };

	return (is_mixed ? halves : equal)[type - 1147];
}

static void walk(bool is_mixed, unsigned seed)
{
	unsigned type[32] = { 0 };

	for (unsigned step = 0; step < 200; step++) {
		unsigned vf = (unsigned)rand_r(&seed) % 32, used = 0, size = 0;

		if (type[vf]) {
			CHECK_EQ(make(vf, 0), 0);
			type[vf] = 0;
		} else {
			unsigned wanted = 1147 + (unsigned)rand_r(&seed) % 10;

			check_agreement(vf);
			if (make(vf, wanted) == 0)
				type[vf] = wanted;
		}
		for (unsigned i = 0; i < 32; i++) {
			if (!type[i])
				continue;
			CHECK(is_mixed || !size || size == type[i]);
			size = type[i];
			used += share(type[i], is_mixed);
		}
		CHECK_SAY(used <= 96, "%u of 96 in use", used);
	}
	for (unsigned vf = 0; vf < 32; vf++)
		CHECK_EQ(make(vf, 0), 0);
}

TEST(nvml_and_the_files_agree_and_no_gpu_is_overbooked)
{
	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	walk(false, 1);
	CHECK_EQ(set_mixed(0, 1), NVML_SUCCESS);
	walk(true, 2);
	sim_end();
}

TEST(sizes_may_be_mixed_where_that_is_asked_for_before_the_first)
{
	unsigned ids[64], n = 0;
	nvmlVgpuPlacementList_v2_t list = { .version = nvmlVgpuPlacementList_v1,
		.placementIds = ids };

	BEGIN("vgpu");
	CHECK_EQ(set_mixed(0, 1), NVML_SUCCESS);
	CHECK_EQ(manage("-e", "0"), 0);
	/* Too early: sriov-manage starts the driver anew. */
	CHECK_EQ(mixed(0), 0);
	CHECK_EQ(make(0, L40S_24Q), 0);
	CHECK_EQ(set_mixed(0, 1), NVML_ERROR_IN_USE);
	CHECK_EQ(make(0, 0), 0);
	CHECK_EQ(set_mixed(0, 2), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(set_mixed(0, 1), NVML_SUCCESS);
	CHECK_EQ(mixed(0), 1);
	CHECK_EQ(make(0, L40S_24Q), 0);
	CHECK_EQ(make(1, L40S_12Q), 0);
	CHECK_TEXT(read_from(file(1, "placement_id")), "16\n");
	CHECK(make(2, L40S_48Q) < 0 && make(2, L40S_16Q) < 0);
	CHECK_EQ(make(2, L40S_12Q), 0);
	CHECK_EQ(make(3, L40S_4Q), -5);
	CHECK_EQ(make(1, 0), 0);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuTypeCreatablePlacements(sim_gpu(0), L40S_12Q, &list),
		NVML_SUCCESS);
	CHECK(list.count == 1 && ids[0] == 16 && list.placementSize == 8);
	CHECK_EQ(nvml.nvmlDeviceGetVgpuTypeSupportedPlacements(sim_gpu(0), L40S_16Q, &list),
		NVML_SUCCESS);
	CHECK(list.count == 2 && ids[1] == 16 && list.placementSize == 16);
	list.version = nvmlVgpuPlacementList_v2;
	list.mode = NVML_VGPU_PGPU_HOMOGENEOUS_MODE;
	CHECK_EQ(nvml.nvmlDeviceGetVgpuTypeSupportedPlacements(sim_gpu(0), L40S_16Q, &list),
		NVML_SUCCESS);
	CHECK_EQ(list.count, 3);
	list.version = 5;
	CHECK_EQ(nvml.nvmlDeviceGetVgpuTypeSupportedPlacements(sim_gpu(0), L40S_16Q, &list),
		NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	CHECK_EQ(nvml.nvmlVgpuTypeGetMaxInstances(sim_gpu(0), L40S_16Q, &n), NVML_SUCCESS);
	CHECK_EQ(n, 2);
	CHECK_EQ(manage("-d", "0"), 0);
	CHECK_EQ(mixed(0), 0);
	sim_end();
}

TEST(a_vgpu_is_active_while_a_virtual_machine_has_it)
{
	nvmlVgpuPlacementId_t placement = { .version = nvmlVgpuPlacementId_v1 };
	char text[80], other[80], id[80];
	unsigned vgpus[64], n = 0, value;
	unsigned long long bytes;
	nvmlVgpuVmIdType_t kind;
	pid_t vm[2];

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_EQ(make(0, L40S_12Q), 0);
	CHECK_EQ(make(3, L40S_12Q), 0);
	CHECK_EQ(nvml.nvmlDeviceGetActiveVgpus(sim_gpu(0), &n, NULL), NVML_SUCCESS);
	CHECK_EQ(n, 0);
	vm[0] = sim_hold_vf("0000:41:00.7");
	vm[1] = sim_hold_vf("0000:41:00.4");
	CHECK(vm[0] > 0 && vm[1] > 0);
	n = 1;
	CHECK_EQ(
		nvml.nvmlDeviceGetActiveVgpus(sim_gpu(0), &n, vgpus), NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(n, 2);
	CHECK_EQ(nvml.nvmlDeviceGetActiveVgpus(sim_gpu(0), &n, vgpus), NVML_SUCCESS);
	CHECK(vgpus[0] != vgpus[1]);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetType(vgpus[1], &value), NVML_SUCCESS);
	CHECK_EQ(value, L40S_12Q);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetPlacementId(vgpus[1], &placement), NVML_SUCCESS);
	CHECK_EQ(placement.placementId, 1);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetGpuInstanceId(vgpus[1], &value), NVML_SUCCESS);
	CHECK_EQ(value, INVALID_GPU_INSTANCE_ID);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetFbUsage(vgpus[1], &bytes), NVML_SUCCESS);
	CHECK(bytes > 11ull << 30 && bytes <= 12ull << 30);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetUUID(vgpus[0], text, sizeof(text)), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetUUID(vgpus[1], other, sizeof(other)), NVML_SUCCESS);
	CHECK(strlen(text) == 36 && !text_eq(text, other));
	CHECK_EQ(nvml.nvmlVgpuInstanceGetVmID(vgpus[0], id, sizeof(id), &kind), NVML_SUCCESS);
	CHECK(kind == NVML_VGPU_VM_ID_UUID && strlen(id) == 36);
	CHECK_EQ(
		nvml.nvmlVgpuInstanceGetVmID(vgpus[0], id, 4, &kind), NVML_ERROR_INSUFFICIENT_SIZE);
	sim_kill(vm[0]);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetType(vgpus[1], &value), NVML_ERROR_NOT_FOUND);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetType(vgpus[0], &value), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlVgpuInstanceGetType(0, &value), NVML_ERROR_INVALID_ARGUMENT);
	sim_kill(vm[1]);
	sim_end();
}

TEST(a_gpu_instance_knows_its_own_vgpus)
{
	unsigned ids[64], type;
	nvmlVgpuTypeIdInfo_v1_t types = { nvmlVgpuTypeIdInfo_v1, ARRAY_SIZE(ids), ids };
	nvmlActiveVgpuInstanceInfo_v1_t vgpus = { nvmlActiveVgpuInstanceInfo_v1, 0, NULL };
	nvmlGpuInstance_t first, second;
	nvmlComputeInstance_t compute;
	nvmlReturn_t activation;
	char text[16];
	pid_t vm;

	BEGIN("vgpu");
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(2), 1, &activation), NVML_SUCCESS);
	CHECK_EQ(manage("-e", "2"), 0);
	CHECK(sim_make(sim_gpu(2), NVML_GPU_INSTANCE_PROFILE_3_SLICE, 0, &first) >= 0);
	CHECK(sim_make(sim_gpu(2), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 4, &second) >= 0);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 first, NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE, &compute),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 second, NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE, &compute),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceGetCreatableVgpus(second, &types), NVML_SUCCESS);
	CHECK_EQ(types.vgpuCount, 1);
	type = type_named(2, "NVIDIA H100XM-2-20C");
	CHECK_EQ(ids[0], type);
	snprintf(text, sizeof(text), "%u", type);
	CHECK_EQ(write_to("sys/bus/pci/devices/0000:c1:00.4/nvidia/current_vgpu_type", text), 0);
	types.vgpuCount = ARRAY_SIZE(ids);
	CHECK_EQ(nvml.nvmlGpuInstanceGetCreatableVgpus(second, &types), NVML_SUCCESS);
	CHECK_EQ(types.vgpuCount, 0);
	vm = sim_hold_vf("0000:c1:00.4");
	CHECK(vm > 0);
	CHECK_EQ(nvml.nvmlGpuInstanceGetActiveVgpus(second, &vgpus), NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(vgpus.vgpuCount, 1);
	vgpus.vgpuCount = 0;
	CHECK_EQ(nvml.nvmlGpuInstanceGetActiveVgpus(first, &vgpus), NVML_SUCCESS);
	CHECK_EQ(vgpus.vgpuCount, 0);
	sim_kill(vm);
	sim_end();
}

TEST_MAIN()
