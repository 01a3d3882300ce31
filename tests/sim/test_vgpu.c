/* SPDX-License-Identifier: Apache-2.0 */
/* vGPUs on virtual functions: what has room beside what, as NVIDIA's driver has it. */
#include "vf.h"

#include "test.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CREATABLE "creatable_vgpu_types"
#define TYPE	  "current_vgpu_type"

/* Ids of data/products/vgpu.def. */
#define L40S_12Q 1153
#define L40S_24Q 1155
#define L40S_48Q 1156

/* An attribute of a VF of a GPU on bus 41 (L40S) or c1 (H100). */
static const char *attribute(const char *bus, unsigned vf, const char *name)
{
	static char path[2][120];
	static unsigned turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "sys/bus/pci/devices/0000:%s:%02x.%x/nvidia/%s",
		bus, (vf + 4) / 8, (vf + 4) % 8, name);
	return path[turn];
}

static int make(const char *bus, unsigned vf, unsigned type)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", type);
	return write_to(attribute(bus, vf, TYPE), text);
}

/* How many types can be made on a VF, and the id of one of them by name (0: it cannot). */
static unsigned creatable(const char *bus, unsigned vf, const char *name, unsigned *ret_id)
{
	char *rest = strdup(read_from(attribute(bus, vf, CREATABLE))), *at = rest, *line;
	unsigned n = 0;

	*ret_id = 0;
	CHECK_TEXT(strsep(&at, "\n"), "ID    : vGPU Name");
	while ((line = strsep(&at, "\n")) && *line) {
		const char *is = strchr(line, ':');

		CHECK(is && is[1] == ' ');
		if (is && text_eq(is + 2, name))
			*ret_id = (unsigned)atoi(line);
		n++;
	}
	free(rest);
	return n;
}

TEST(a_vf_is_nothing_until_it_has_a_type)
{
	unsigned id;

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_TEXT(read_from(attribute("41", 0, TYPE)), "0\n");
	CHECK_TEXT(read_from(attribute("41", 0, "placement_id")), "(ENXIO)");
	CHECK_TEXT(read_from(attribute("41", 0, "gpu_instance_id")), "(ENXIO)");
	CHECK_EQ(creatable("41", 0, "NVIDIA L40S-24Q", &id), 17);
	CHECK_EQ(id, L40S_24Q);
	CHECK_EQ(make("41", 0, L40S_24Q), 0);
	CHECK_TEXT(read_from(attribute("41", 0, TYPE)), "1155\n");
	CHECK_TEXT(read_from(attribute("41", 0, "placement_id")), "0\n");
	CHECK_TEXT(read_from(attribute("41", 0, "gpu_instance_id")), "0\n");
	CHECK_EQ(creatable("41", 0, "NVIDIA L40S-24Q", &id), 0);
	CHECK(!sim_has(sim_path("sys/bus/pci/devices/0000:41:00.0/nvidia")));
	/* They go with the VFs. */
	CHECK_EQ(manage("-d", "0"), 0);
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_TEXT(read_from(attribute("41", 0, TYPE)), "0\n");
	sim_end();
}

TEST(what_can_be_made_shrinks_with_what_there_is)
{
	unsigned id;

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_EQ(make("41", 7, L40S_24Q), 0);
	/* One size on a GPU, of any series. */
	CHECK_EQ(creatable("41", 0, "NVIDIA L40S-24C", &id), 2);
	CHECK(id != 0);
	CHECK_EQ(make("41", 0, L40S_12Q), -EIO);
	CHECK_EQ(make("41", 0, L40S_48Q), -EIO);
	CHECK_EQ(make("41", 0, id), 0);
	CHECK_TEXT(read_from(attribute("41", 0, "placement_id")), "1\n");
	/* It is full. */
	CHECK_EQ(creatable("41", 1, "", &id), 0);
	CHECK_EQ(make("41", 1, L40S_24Q), -EIO);
	CHECK_EQ(make("41", 7, 0), 0);
	CHECK_EQ(make("41", 1, L40S_24Q), 0);
	CHECK_TEXT(read_from(attribute("41", 1, "placement_id")), "0\n");
	sim_end();
}

TEST(what_is_no_type_or_too_many_is_refused)
{
	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_EQ(write_to(attribute("41", 0, TYPE), "many"), -EINVAL);
	CHECK_EQ(make("41", 0, 9999), -EIO);
	/* A type of the H100's. */
	CHECK_EQ(make("41", 0, 621), -EIO);
	CHECK_EQ(make("41", 0, 0), 0);
	CHECK_EQ(make("41", 0, L40S_48Q), 0);
	CHECK_EQ(make("41", 0, L40S_24Q), -EEXIST);
	CHECK_EQ(write_to(attribute("41", 0, CREATABLE), "1"), -EACCES);
	CHECK_EQ(write_to(attribute("41", 0, "vgpu_params"), "frame_rate_limiter=0\n"), 0);
	CHECK_TEXT(read_from(attribute("41", 0, "vgpu_params")), "frame_rate_limiter=0\n");
	sim_end();
}

TEST(every_type_has_room_as_often_as_its_table_says)
{
	static const struct {
		unsigned id, most;
	} wanted[] = { { 1147, 32 }, { 1148, 24 }, { 1149, 16 }, { 1150, 12 }, { 1151, 8 },
		{ 1152, 6 }, { 1153, 4 }, { 1154, 3 }, { 1155, 2 }, { 1156, 1 } };

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		unsigned n = 0;

		while (n < 32 && make("41", n, wanted[i].id) == 0)
			n++;
		CHECK_SAY(n == wanted[i].most, "%u of type %u", n, wanted[i].id);
		while (n-- > 0)
			CHECK_EQ(make("41", n, 0), 0);
	}
	sim_end();
}

TEST(what_a_virtual_machine_has_is_not_taken_from_it)
{
	unsigned count = 0;
	nvmlMemory_t memory;
	pid_t vm;

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_EQ(sim_hold_vf("0000:41:00.4"), -1);
	CHECK_EQ(make("41", 0, L40S_24Q), 0);
	vm = sim_hold_vf("0000:41:00.4");
	CHECK(vm > 0);
	CHECK_EQ(make("41", 0, 0), -EBUSY);
	CHECK_EQ(write_to(attribute("41", 0, "vgpu_params"), "x"), -EBUSY);
	CHECK_EQ(SIM("state"), 0);
	CHECK_SAY(strstr(sim_output, "NVIDIA L40S-24Q at 0  held by "), "%s", sim_output);
	/* It is no process of CUDA, and has its memory nevertheless. */
	CHECK_EQ(nvml.nvmlDeviceGetComputeRunningProcesses_v3(sim_gpu(0), &count, NULL),
		NVML_SUCCESS);
	CHECK_EQ(count, 0);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &memory), NVML_SUCCESS);
	CHECK_SAY(memory.used > 22ull << 30, "%llu", memory.used);
	CHECK_EQ(write_to("sys/bus/pci/devices/0000:41:00.0/reset", "1"), -EBUSY);
	sim_kill(vm);
	CHECK_EQ(make("41", 0, 0), 0);
	sim_end();
}

TEST(in_mig_mode_a_vgpu_wants_a_gpu_instance_of_its_profile)
{
	unsigned kind = NVML_GPU_INSTANCE_PROFILE_3_SLICE, small, large, time_sliced;
	nvmlGpuInstance_t instance[2];
	nvmlComputeInstance_t compute;
	nvmlReturn_t activation;
	char id[16];

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "2"), 0);
	CHECK_EQ(creatable("c1", 0, "NVIDIA H100XM-40C", &time_sliced), 8);
	CHECK(time_sliced != 0);
	CHECK_EQ(manage("-d", "2"), 0);
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(2), 1, &activation), NVML_SUCCESS);
	CHECK_EQ(manage("-e", "2"), 0);
	CHECK_EQ(creatable("c1", 0, "", &small), 0);
	CHECK_EQ(make("c1", 0, time_sliced), -EIO);

	/* Without a compute instance it is no place yet. */
	CHECK(sim_make(sim_gpu(2), kind, 4, &instance[1]) >= 0);
	CHECK_EQ(creatable("c1", 0, "NVIDIA H100XM-3-40C", &large), 0);
	snprintf(id, sizeof(id), "%d\n", sim_make(sim_gpu(2), kind, 0, &instance[0]));
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 instance[0], NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE, &compute),
		NVML_SUCCESS);
	CHECK_EQ(creatable("c1", 0, "NVIDIA H100XM-3-40C", &large), 1);
	CHECK_EQ(make("c1", 5, large), 0);
	CHECK_TEXT(read_from(attribute("c1", 5, "gpu_instance_id")), id);
	CHECK_EQ(make("c1", 6, large), -EIO);
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_ERROR_IN_USE);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance[1]), NVML_SUCCESS);
	CHECK_EQ(make("c1", 5, 0), 0);
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_SUCCESS);
	sim_end();
}

TEST_MAIN()
