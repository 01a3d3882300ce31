/* SPDX-License-Identifier: Apache-2.0 */
/* Clients are killed at any moment; the node goes on, whole, and what they used is free. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define GPUS	8
#define CLIENTS 6

static unsigned random_below(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static void destroy_all(nvmlDevice_t gpu)
{
	for (unsigned gi = 0; gi < 15; gi++) {
		nvmlGpuInstance_t instance;

		if (nvml.nvmlDeviceGetGpuInstanceById(gpu, gi, &instance) != NVML_SUCCESS)
			continue;
		for (unsigned ci = 0; ci < 8; ci++) {
			nvmlComputeInstance_t compute;

			if (nvml.nvmlGpuInstanceGetComputeInstanceById(instance, ci, &compute) ==
				NVML_SUCCESS)
				nvml.nvmlComputeInstanceDestroy(compute);
		}
		nvml.nvmlGpuInstanceDestroy(instance);
	}
}

/* What a client does: all that changes the node, in no order, until it is killed. */
static void be_busy(unsigned seed)
{
	static const unsigned ids[] = { 19, 20, 15, 14, 9, 5, 0 };

	for (;;) {
		nvmlDevice_t gpu = sim_gpu(random_below(&seed, GPUS));
		nvmlGpuInstance_t instance;
		nvmlComputeInstance_t compute;
		nvmlReturn_t activation;
		nvmlMemory_t memory;

		switch (random_below(&seed, 8)) {
		case 0:
			destroy_all(gpu);
			break;
		case 1:
			nvml.nvmlDeviceSetMigMode(gpu, random_below(&seed, 2), &activation);
			break;
		case 2:
			nvml.nvmlDeviceGetMemoryInfo(gpu, &memory);
			break;
		case 3:
			nvml.nvmlDeviceSetComputeMode(gpu, NVML_COMPUTEMODE_DEFAULT);
			break;
		default:
			if (nvml.nvmlDeviceCreateGpuInstance(
				    gpu, ids[random_below(&seed, 7)], &instance) == NVML_SUCCESS)
				nvml.nvmlGpuInstanceCreateComputeInstance(
					instance, random_below(&seed, 5), &compute);
		}
	}
}

static pid_t start_client(unsigned seed)
{
	pid_t pid = fork();

	if (pid == 0)
		be_busy(seed);
	return pid;
}

/* How many capability nodes the files show for a GPU, and how many its instances would have. */
static unsigned nodes_shown(unsigned gpu)
{
	unsigned n = 0, minor;
	struct dirent *entry;
	DIR *dir = opendir(sim_path("dev/nvidia-caps"));

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "nvidia-cap%u", &minor) == 1 && minor >= 3 + 135 * gpu &&
			minor < 3 + 135 * (gpu + 1))
			n++;
	closedir(dir);
	return n;
}

static unsigned nodes_due(unsigned gpu)
{
	unsigned n = 0;

	for (unsigned gi = 0; gi < 15; gi++) {
		nvmlGpuInstance_t instance;
		nvmlComputeInstance_t compute;

		if (nvml.nvmlDeviceGetGpuInstanceById(sim_gpu(gpu), gi, &instance) != NVML_SUCCESS)
			continue;
		n++;
		CHECK(sim_has(sim_path(
			"proc/driver/nvidia/capabilities/gpu%u/mig/gi%u/access", gpu, gi)));
		for (unsigned ci = 0; ci < 8; ci++)
			if (nvml.nvmlGpuInstanceGetComputeInstanceById(instance, ci, &compute) ==
				NVML_SUCCESS)
				n++;
	}
	return n;
}

/* No two instances in one slot, and never more compute than there is. */
static void check_whole(unsigned gpu)
{
	unsigned taken = 0;

	for (unsigned gi = 0; gi < 15; gi++) {
		nvmlGpuInstance_t instance;
		nvmlGpuInstanceInfo_t info;
		unsigned mask;

		if (nvml.nvmlDeviceGetGpuInstanceById(sim_gpu(gpu), gi, &instance) != NVML_SUCCESS)
			continue;
		CHECK_EQ(nvml.nvmlGpuInstanceGetInfo(instance, &info), NVML_SUCCESS);
		mask = ((1u << info.placement.size) - 1) << info.placement.start;
		CHECK(!(taken & mask));
		taken |= mask;
		CHECK_EQ(info.id,
			8 / info.placement.size - 1 + info.placement.start / info.placement.size);
	}
}

TEST(killed_clients_leave_the_node_whole)
{
	unsigned seed = 4711;
	pid_t clients[CLIENTS];

	sim_begin("dgx-h100");
	for (unsigned round = 0; round < 60; round++) {
		uint64_t start;

		for (unsigned i = 0; i < CLIENTS; i++)
			clients[i] = start_client(seed + 100 * round + i);
		usleep(1000 + random_below(&seed, 15000));
		for (unsigned i = 0; i < CLIENTS; i++)
			sim_kill(clients[i]);
		start = now_ns();
		for (unsigned gpu = 0; gpu < GPUS; gpu++) {
			unsigned due = nodes_due(gpu), shown = nodes_shown(gpu);

			CHECK_SAY(due == shown, "round %u: GPU %u: %u nodes, %u due", round, gpu,
				shown, due);
			check_whole(gpu);
		}
		CHECK_SAY(now_ns() - start < 2000000000, "the node is slow after a kill");
	}
	for (unsigned gpu = 0; gpu < GPUS; gpu++) {
		nvmlReturn_t activation;

		destroy_all(sim_gpu(gpu));
		CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(gpu), 0, &activation), NVML_SUCCESS);
		CHECK_EQ(activation, NVML_SUCCESS);
		CHECK_EQ(nodes_shown(gpu), 0);
	}
	sim_end();
}

static pid_t start_create(unsigned gpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		nvmlGpuInstance_t instance;

		_exit(sim_make(sim_gpu(gpu), NVML_GPU_INSTANCE_PROFILE_1_SLICE, -1, &instance) < 0);
	}
	return pid;
}

TEST(a_client_killed_at_work_frees_its_gpu)
{
	nvmlReturn_t activation;
	nvmlGpuInstance_t instance;

	sim_begin_slow("h200", "20", "20");
	nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation);
	for (unsigned i = 0; i < 10; i++) {
		pid_t pid = start_create(0);

		usleep(5000);
		sim_kill(pid);
	}
	/* None of them came to its end, so all of the GPU is there. */
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_7_SLICE, -1, &instance), 0);
	sim_end();
}

TEST(work_on_one_gpu_holds_up_that_gpu_only)
{
	uint64_t start, took;
	nvmlReturn_t activation;
	nvmlMemory_t memory;
	pid_t clients[3];
	int status;

	sim_begin_slow("dgx-h100", "500", "0"); /* a GPU instance: 400 ms */
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(1), 1, &activation), NVML_SUCCESS);
	start = now_ns();
	clients[0] = start_create(0);
	clients[1] = start_create(0);
	clients[2] = start_create(1);
	usleep(20000);
	took = now_ns();
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &memory), NVML_SUCCESS);
	CHECK_SAY(now_ns() - took < 200000000, "a query waits for work");
	CHECK_EQ(waitpid(clients[2], &status, 0), clients[2]);
	CHECK_EQ(status, 0);
	CHECK_SAY(now_ns() - start < 790000000, "two GPUs wait for each other");
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(waitpid(clients[i], &status, 0), clients[i]);
		CHECK_EQ(status, 0);
	}
	CHECK_SAY(now_ns() - start >= 800000000, "one GPU does two things at once");
	sim_end();
}

TEST(killed_holders_free_what_they_held)
{
	nvmlReturn_t activation;
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;
	nvmlDevice_t mig;
	char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

	sim_begin("h200");
	nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation);
	for (unsigned round = 0; round < 20; round++) {
		int holder;

		CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE, -1, &instance) >= 0);
		CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute),
			NVML_SUCCESS);
		CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), 0, &mig),
			NVML_SUCCESS);
		nvml.nvmlDeviceGetUUID(mig, uuid, sizeof(uuid));
		holder = sim_hold(uuid);
		CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_ERROR_IN_USE);
		/* Dead, and not yet waited for: a zombie holds nothing. */
		kill(holder, SIGKILL);
		waitid(P_PID, (id_t)holder, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
		CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_SUCCESS);
		CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
		waitpid(holder, NULL, 0);
	}
	sim_end();
}

TEST_MAIN()
