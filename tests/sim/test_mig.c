/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, instances, MIG devices and processes: what a client of NVML sees of them. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>

static const char mig_on[] = "  mig: on\n";

static nvmlReturn_t set_mode(unsigned gpu, unsigned mode)
{
	nvmlReturn_t activation = NVML_ERROR_UNKNOWN;

	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(gpu), mode, &activation), NVML_SUCCESS);
	return activation;
}

static void check_mode(unsigned gpu, unsigned current, unsigned pending)
{
	unsigned now, next;

	CHECK_EQ(nvml.nvmlDeviceGetMigMode(sim_gpu(gpu), &now, &next), NVML_SUCCESS);
	CHECK_SAY(now == current && next == pending, "%u, %u pending", now, next);
}

/* An instance of a kind with one compute instance that is the whole. */
static nvmlDevice_t make_mig(unsigned gpu, unsigned kind, nvmlComputeInstance_t *ret_compute)
{
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;
	nvmlDevice_t mig = NULL;

	CHECK(sim_make(sim_gpu(gpu), kind, -1, &instance) >= 0);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(instance, kind, &compute), NVML_SUCCESS);
	nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(gpu), 0, &mig);
	if (ret_compute)
		*ret_compute = compute;
	return mig;
}

static const char *uuid_of(nvmlDevice_t device)
{
	static char uuid[4][NVML_DEVICE_UUID_V2_BUFFER_SIZE];
	static unsigned next;
	char *text = uuid[next++ % 4];

	text[0] = '\0';
	nvml.nvmlDeviceGetUUID(device, text, sizeof(uuid[0]));
	return text;
}

TEST(all_functions_of_the_list_are_exported)
{
	sim_begin("h200");
#define NVML_FN(name, params, args) CHECK_SAY(nvml.name, "%s", #name);
#include "abi/nvml.def"
	sim_end();
}

TEST(an_ampere_mode_waits_for_a_reset)
{
	sim_begin("dgx-a100-40");
	CHECK_EQ(set_mode(0, 1), NVML_ERROR_RESET_REQUIRED);
	check_mode(0, 0, 1);
	CHECK_EQ(set_mode(0, 0), NVML_SUCCESS);
	check_mode(0, 0, 0);
	CHECK_EQ(set_mode(0, 1), NVML_ERROR_RESET_REQUIRED);
	CHECK_EQ(SIM("reset", "0"), 0);
	check_mode(0, 1, 1);
	CHECK_EQ(SIM("reset", "0"), 0);
	check_mode(0, 1, 1);
	check_mode(1, 0, 0);
	sim_end();
}

TEST(a_hopper_mode_comes_at_once_where_nobody_is)
{
	int holder;

	sim_begin("dgx-h100");
	CHECK_EQ(set_mode(3, 1), NVML_SUCCESS);
	check_mode(3, 1, 1);
	CHECK_EQ(set_mode(3, 0), NVML_SUCCESS);
	check_mode(3, 0, 0);
	holder = sim_hold("3");
	CHECK_EQ(set_mode(3, 1), NVML_ERROR_IN_USE);
	check_mode(3, 0, 1);
	sim_kill(holder);
	CHECK_EQ(set_mode(3, 1), NVML_SUCCESS);
	make_mig(3, NVML_GPU_INSTANCE_PROFILE_3_SLICE, NULL);
	CHECK_EQ(set_mode(3, 0), NVML_ERROR_IN_USE);
	check_mode(3, 1, 0);
	sim_end();
}

TEST(a_gpu_without_mig_says_so)
{
	nvmlReturn_t activation;
	unsigned a, b;

	sim_begin("h100-l40s");
	CHECK_EQ(nvml.nvmlDeviceGetMigMode(sim_gpu(1), &a, &b), NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(1), 1, &activation), NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetMaxMigDeviceCount(sim_gpu(1), &a), NVML_SUCCESS);
	CHECK_EQ(a, 0);
	CHECK_EQ(sim_kind_id(sim_gpu(1), 0), ~0u);
	sim_end();
}

TEST(instances_take_the_mode_to_be_on)
{
	nvmlGpuInstance_t instance;
	unsigned n;

	sim_begin("h200");
	CHECK_EQ(nvml.nvmlDeviceCreateGpuInstance(sim_gpu(0), 19, &instance),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(sim_gpu(0), 19, &n),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(sim_kind_id(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE), 19);
	sim_end();
}

TEST(what_is_in_use_is_not_destroyed)
{
	nvmlComputeInstance_t compute;
	nvmlGpuInstance_t instance;
	nvmlComputeInstanceInfo_t info;
	nvmlDevice_t mig;
	int holder;

	sim_begin_product("H100-80", 1, mig_on);
	mig = make_mig(0, NVML_GPU_INSTANCE_PROFILE_2_SLICE, &compute);
	CHECK_EQ(nvml.nvmlComputeInstanceGetInfo_v2(compute, &info), NVML_SUCCESS);
	instance = info.gpuInstance;
	holder = sim_hold(uuid_of(mig));
	CHECK(holder > 0);
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_ERROR_IN_USE);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_ERROR_IN_USE);
	CHECK_EQ(SIM("reset", "0"), 1);
	sim_kill(holder);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_ERROR_IN_USE);
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	/* The handles are dead now. */
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlComputeInstanceGetInfo_v2(compute, &info), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetName(mig, (char[96]){ 0 }, 96), NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

TEST(the_same_place_has_the_same_uuid)
{
	char first[NVML_DEVICE_UUID_V2_BUFFER_SIZE], gpu[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
	nvmlDevice_t mig, found;

	sim_begin("dgx-h100");
	set_mode(0, 1);
	set_mode(1, 1);
	mig = make_mig(0, NVML_GPU_INSTANCE_PROFILE_3_SLICE, NULL);
	text_copy(first, sizeof(first), uuid_of(mig));
	text_copy(gpu, sizeof(gpu), uuid_of(sim_gpu(0)));
	CHECK_EQ(strlen(first), 40);
	CHECK(text_starts(first, "MIG-"));
	/* Version 5, variant 1. */
	CHECK_EQ(first[18], '5');
	CHECK(strchr("89ab", first[23]));
	CHECK_EQ(nvml.nvmlDeviceGetHandleByUUID(first, &found), NVML_SUCCESS);
	CHECK_TEXT(uuid_of(found), first);
	CHECK(!text_eq(uuid_of(make_mig(1, NVML_GPU_INSTANCE_PROFILE_3_SLICE, NULL)), first));
	CHECK_EQ(SIM("reset", "0"), 0);
	CHECK_EQ(nvml.nvmlDeviceGetHandleByUUID(first, &found), NVML_ERROR_NOT_FOUND);
	mig = make_mig(0, NVML_GPU_INSTANCE_PROFILE_3_SLICE, NULL);
	CHECK_TEXT(uuid_of(mig), first);
	sim_end();
	sim_begin("dgx-h100");
	CHECK_TEXT(uuid_of(sim_gpu(0)), gpu);
	sim_end();
}

/* ---- the kernel's files ---- */

static unsigned minor_in(const char *path)
{
	char *text = NULL;
	unsigned minor = ~0u;

	if (read_file_at(AT_FDCWD, path, 4096, &text, NULL) == 0)
		sscanf(text, "DeviceFileMinor: %u", &minor);
	free(text);
	return minor;
}

TEST(minors_follow_the_fixed_table)
{
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;
	char *table, line[64];

	sim_begin("dgx-h100");
	set_mode(5, 1);
	CHECK_EQ(sim_make(sim_gpu(5), NVML_GPU_INSTANCE_PROFILE_1_SLICE, 0, &instance), 7);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute), NVML_SUCCESS);
	CHECK_EQ(minor_in(sim_path("proc/driver/nvidia/capabilities/mig/config")), 1);
	CHECK_EQ(minor_in(sim_path("proc/driver/nvidia/capabilities/gpu5/mig/gi7/access")),
		3 + 135 * 5 + 9 * 7);
	CHECK_EQ(minor_in(sim_path("proc/driver/nvidia/capabilities/gpu5/mig/gi7/ci0/access")),
		3 + 135 * 5 + 9 * 7 + 1);
	CHECK_EQ(read_file_at(AT_FDCWD, sim_path("proc/driver/nvidia-caps/mig-minors"), 1 << 20,
			 &table, NULL),
		0);
	CHECK(text_starts(
		table, "config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\n"));
	snprintf(line, sizeof(line), "\ngpu31/gi14/ci7/access %d\n", 4322);
	CHECK(strstr(table, line));
	free(table);
	sim_end();
}

TEST(files_come_and_go_with_instances)
{
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;

	sim_begin_product("A30", 2, mig_on);
	CHECK_EQ(sim_make(sim_gpu(1), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 2, &instance), 2);
	CHECK(sim_has(sim_path("proc/driver/nvidia/capabilities/gpu1/mig/gi2/access")));
	CHECK(sim_has(sim_path("dev/nvidia-caps/nvidia-cap%d", 3 + 135 + 18)));
	CHECK(!sim_has(sim_path("proc/driver/nvidia/capabilities/gpu1/mig/gi2/ci0")));
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(instance, 1, &compute), NVML_SUCCESS);
	CHECK(sim_has(sim_path("dev/nvidia-caps/nvidia-cap%d", 3 + 135 + 18 + 1)));
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_SUCCESS);
	CHECK(!sim_has(sim_path("dev/nvidia-caps/nvidia-cap%d", 3 + 135 + 18 + 1)));
	CHECK_EQ(SIM("reset", "1"), 0);
	CHECK(!sim_has(sim_path("proc/driver/nvidia/capabilities/gpu1/mig/gi2")));
	CHECK(!sim_has(sim_path("dev/nvidia-caps/nvidia-cap%d", 3 + 135 + 18)));
	CHECK(sim_has(sim_path("sys/bus/pci/devices/0000:02:00.0/driver/0000:01:00.0/vendor")));
	CHECK(sim_has(sim_path("sys/class/drm/renderD129/device/numa_node")));
	sim_end();
}

/* ---- MIG devices and processes ---- */

TEST(a_mig_device_is_described_in_full)
{
	nvmlDeviceAttributes_t attributes;
	nvmlMemory_v2_t memory = { .version = nvmlMemory_v2 };
	char name[96];
	nvmlDevice_t mig, parent;
	unsigned is_mig, n;

	sim_begin_product("H100-80", 1, mig_on);
	mig = make_mig(0, NVML_GPU_INSTANCE_PROFILE_3_SLICE, NULL);
	CHECK_EQ(nvml.nvmlDeviceGetName(mig, name, sizeof(name)), NVML_SUCCESS);
	CHECK_TEXT(name, "NVIDIA H100 80GB HBM3 MIG 3g.40gb");
	CHECK_EQ(nvml.nvmlDeviceGetAttributes_v2(mig, &attributes), NVML_SUCCESS);
	CHECK_EQ(attributes.multiprocessorCount, 60);
	CHECK_EQ(attributes.gpuInstanceSliceCount, 3);
	CHECK_EQ(attributes.memorySizeMB, 40448);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo_v2(mig, &memory), NVML_SUCCESS);
	CHECK_EQ(memory.total, 40448ull << 20);
	CHECK_EQ(nvml.nvmlDeviceIsMigDeviceHandle(mig, &is_mig), NVML_SUCCESS);
	CHECK_EQ(is_mig, 1);
	CHECK_EQ(nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig, &parent), NVML_SUCCESS);
	CHECK(parent == sim_gpu(0));
	CHECK_EQ(nvml.nvmlDeviceGetGpuInstanceId(mig, &n), NVML_SUCCESS);
	CHECK_EQ(n, 2);
	CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), 1, &mig),
		NVML_ERROR_NOT_FOUND);
	CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), 7, &mig),
		NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

TEST(processes_are_listed_with_their_instance_and_memory)
{
	nvmlProcessInfo_v1_t old[2];
	nvmlProcessInfo_t infos[2];
	nvmlMemory_t memory;
	unsigned n = 0;
	nvmlDevice_t mig;
	int holder;

	sim_begin_product("H100-80", 1, mig_on);
	mig = make_mig(0, NVML_GPU_INSTANCE_PROFILE_1_SLICE, NULL);
	holder = sim_hold(uuid_of(mig));
	CHECK_EQ(nvml.nvmlDeviceGetComputeRunningProcesses_v3(sim_gpu(0), &n, NULL),
		NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(n, 1);
	n = 2;
	CHECK_EQ(nvml.nvmlDeviceGetComputeRunningProcesses_v3(sim_gpu(0), &n, infos), NVML_SUCCESS);
	CHECK_EQ(n, 1);
	CHECK_EQ(infos[0].pid, holder);
	CHECK_EQ(infos[0].gpuInstanceId, 13);
	CHECK_EQ(infos[0].computeInstanceId, 0);
	n = 2;
	CHECK_EQ(nvml.nvmlDeviceGetComputeRunningProcesses(mig, &n, old), NVML_SUCCESS);
	CHECK_EQ(old[0].usedGpuMemory, 1000000000);
	n = 2;
	CHECK_EQ(nvml.nvmlDeviceGetGraphicsRunningProcesses_v3(mig, &n, infos), NVML_SUCCESS);
	CHECK_EQ(n, 0);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(mig, &memory), NVML_SUCCESS);
	CHECK_EQ(memory.used, 1000000000);
	sim_kill(holder);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(mig, &memory), NVML_SUCCESS);
	CHECK_EQ(memory.used, 0);
	sim_end();
}

TEST(struct_versions_are_checked)
{
	nvmlMemory_v2_t memory = { .version = nvmlMemory_v2 + 1 };
	nvmlGpuInstanceProfileInfo_v2_t v2 = { .version = 1 };
	nvmlGpuInstanceProfileInfo_v3_t v3 = { .version = nvmlGpuInstanceProfileInfo_v3 };
	nvmlComputeInstanceProfileInfo_v2_t compute = { .version = 7 };
	nvmlGpuInstance_t instance;

	sim_begin_product("RTX-PRO-6000", 1, mig_on);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo_v2(sim_gpu(0), &memory),
		NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	CHECK_EQ(nvml.nvmlDeviceGetGpuInstanceProfileInfoV(sim_gpu(0), 0, &v2),
		NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	CHECK_EQ(nvml.nvmlDeviceGetGpuInstanceProfileInfoByIdV(
			 sim_gpu(0), 47, (nvmlGpuInstanceProfileInfo_v2_t *)&v3),
		NVML_SUCCESS);
	CHECK_TEXT(v3.name, "MIG 1g.24gb+gfx");
	CHECK_EQ(v3.capabilities, NVML_GPU_INSTANCE_PROFILE_CAPS_GFX);
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, -1, &instance) >= 0);
	CHECK_EQ(nvml.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 0, 0, &compute),
		NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	compute.version = nvmlComputeInstanceProfileInfo_v2;
	CHECK_EQ(nvml.nvmlGpuInstanceGetComputeInstanceProfileInfoV(instance, 0, 0, &compute),
		NVML_SUCCESS);
	CHECK_TEXT(compute.name, "MIG 1c.2g.48gb");
	sim_end();
}

TEST(bad_arguments_are_answered_not_followed)
{
	nvmlDevice_t none = (nvmlDevice_t)(void *)0x7f0012345678, gpu;
	char name[8];
	unsigned n;

	sim_begin("h200");
	CHECK_EQ(nvml.nvmlDeviceGetName(NULL, name, 8), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetName(none, name, 8), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetName(sim_gpu(0), name, 8), NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(nvml.nvmlDeviceGetName(sim_gpu(0), NULL, 8), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetHandleByIndex_v2(1, &gpu), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetHandleByUUID("GPU-0", &gpu), NVML_ERROR_NOT_FOUND);
	CHECK_EQ(nvml.nvmlDeviceGetHandleByPciBusId_v2("00000000:65:00.0", &gpu), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy((nvmlGpuInstance_t)(void *)sim_gpu(0)),
		NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceGetMinorNumber(sim_gpu(0), NULL), NVML_ERROR_INVALID_ARGUMENT);
	nvml.nvmlShutdown();
	CHECK_EQ(nvml.nvmlDeviceGetCount_v2(&n), NVML_ERROR_UNINITIALIZED);
	nvml.nvmlInit_v2();
	sim_end();
}

TEST_MAIN()
