/* SPDX-License-Identifier: Apache-2.0 */
/* Clients are killed at any moment; the node goes on, whole, and what they used is free. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
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

/* Any one thing that clients do. */
static void work_once(unsigned *seed)
{
	static const unsigned ids[] = { 19, 20, 15, 14, 9, 5, 0 };
	nvmlDevice_t gpu = sim_gpu(random_below(seed, GPUS));
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;
	nvmlReturn_t activation;
	nvmlMemory_t memory;

	switch (random_below(seed, 8)) {
	case 0:
		destroy_all(gpu);
		break;
	case 1:
		nvml.nvmlDeviceSetMigMode(gpu, random_below(seed, 2), &activation);
		break;
	case 2:
		nvml.nvmlDeviceGetMemoryInfo(gpu, &memory);
		break;
	case 3:
		nvml.nvmlDeviceSetComputeMode(gpu, NVML_COMPUTEMODE_DEFAULT);
		break;
	default:
		if (nvml.nvmlDeviceCreateGpuInstance(gpu, ids[random_below(seed, 7)], &instance) ==
			NVML_SUCCESS)
			nvml.nvmlGpuInstanceCreateComputeInstance(
				instance, random_below(seed, 5), &compute);
	}
}

/* What a client does: all that changes the node, in no order, until it is killed. */
static void be_busy(unsigned seed)
{
	for (;;)
		work_once(&seed);
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

#define STEPPED	 40		/* kills, spread over all instructions of one piece of work */
#define STEP_FOR 20000000000ull /* fewer where stepping is slow, as on a busy machine */

/* Makes an instance with a compute instance, and removes both; stopped before the first. */
static pid_t start_stepped(void)
{
	pid_t pid = fork();
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;

	if (pid != 0) {
		waitpid(pid, NULL, 0);
		return pid;
	}
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (nvml.nvmlDeviceCreateGpuInstance(sim_gpu(0), 19, &instance) == NVML_SUCCESS &&
		nvml.nvmlGpuInstanceCreateComputeInstance(instance, 0, &compute) == NVML_SUCCESS) {
		nvml.nvmlComputeInstanceDestroy(compute);
		nvml.nvmlGpuInstanceDestroy(instance);
	}
	_exit(0);
}

/* Lets it do so many instructions; how many it did before it ended. */
static unsigned long step(pid_t pid, unsigned long n)
{
	int status;

	for (unsigned long i = 0; i < n; i++)
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 ||
			waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return i;
	return n;
}

TEST(a_client_may_be_killed_at_any_instruction)
{
	nvmlReturn_t activation;
	nvmlGpuInstance_t instance;
	unsigned long all, at = 0;
	uint64_t until = now_ns() + STEP_FOR;
	cpu_set_t cpus, one;

	/* Handing each other one processor is quicker than waking each other on two. */
	sched_getaffinity(0, sizeof(cpus), &cpus);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	sim_begin("h200");
	nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation);
	all = step(start_stepped(), ~0ul);
	if (all == 0) {
		sim_end();
		sched_setaffinity(0, sizeof(cpus), &cpus);
		SKIP("processes may not be traced here");
	}
	for (unsigned i = 0; i < STEPPED && now_ns() < until; i++) {
		pid_t pid = start_stepped();

		/* By the golden section: spread evenly wherever it ends. */
		at = (at + all * 618 / 1000) % all;
		step(pid, at);
		sim_kill(pid);
		CHECK_SAY(nodes_due(0) == nodes_shown(0), "at instruction %lu of %lu", at, all);
		check_whole(0);
		/* What it made stands, as after a driver's call; and all can be used. */
		destroy_all(sim_gpu(0));
		CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_7_SLICE, -1, &instance), 0);
		CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
		CHECK_EQ(nodes_shown(0), 0);
	}
	sim_end();
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

#define CROWD 1000

/*
 * All of them at work at once: every third is killed wherever it is, the others come to their end
 * by themselves.
 */
TEST(a_thousand_clients_at_once_leave_the_node_whole)
{
	static pid_t clients[CROWD];
	unsigned ended = 0;
	int status, gate[2];
	char byte;

	sim_begin("dgx-h100");
	CHECK_EQ(pipe(gate), 0);
	for (unsigned i = 0; i < CROWD; i++) {
		clients[i] = fork();
		CHECK(clients[i] >= 0);
		if (clients[i] != 0)
			continue;
		/* The gate opens when all are there. */
		close(gate[1]);
		if (read(gate[0], &byte, 1) == 0 && i % 3 == 0)
			be_busy(i);
		for (unsigned turn = 0; turn < 20; turn++)
			work_once(&(unsigned){ i * 20 + turn });
		_exit(0);
	}
	close(gate[1]);
	for (unsigned i = 0; i < CROWD; i++) {
		if (clients[i] < 0)
			continue;
		if (i % 3 == 0)
			kill(clients[i], SIGKILL);
		else if (waitpid(clients[i], &status, 0) == clients[i] && status == 0)
			ended++;
	}
	CHECK_EQ(ended, CROWD - (CROWD + 2) / 3);
	for (unsigned i = 0; i < CROWD; i += 3)
		sim_kill(clients[i]);
	close(gate[0]);
	for (unsigned gpu = 0; gpu < GPUS; gpu++) {
		nvmlMemory_t memory;

		CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(gpu), &memory), NVML_SUCCESS);
		CHECK_EQ(nodes_due(gpu), nodes_shown(gpu));
		check_whole(gpu);
	}
	sim_end();
}

/* The node sees it although nobody has waited for the dead, and without /proc. */
TEST(memory_of_many_killed_holders_is_free_at_once)
{
	nvmlMemory_t idle, held, after;
	int holders[12];

	sim_begin("h200");
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &idle), NVML_SUCCESS);
	for (unsigned i = 0; i < ARRAY_SIZE(holders); i++)
		holders[i] = sim_hold("0");
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &held), NVML_SUCCESS);
	CHECK_EQ(held.used - idle.used, ARRAY_SIZE(holders) * 1000000000ull);
	for (unsigned i = 0; i < ARRAY_SIZE(holders); i += 2)
		if (holders[i] > 0)
			kill(holders[i], SIGKILL);
	for (unsigned i = 0; i < ARRAY_SIZE(holders); i += 2)
		waitid(P_PID, (id_t)holders[i], &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &after), NVML_SUCCESS);
	CHECK_EQ(after.used - idle.used, ARRAY_SIZE(holders) / 2 * 1000000000ull);
	for (unsigned i = 0; i < ARRAY_SIZE(holders); i++)
		sim_kill(holders[i]);
	/* The places of the dead are taken again, many times over. */
	for (unsigned i = 0; i < 300; i++) {
		holders[0] = sim_hold("0");
		CHECK(holders[0] > 0);
		sim_kill(holders[0]);
	}
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &after), NVML_SUCCESS);
	CHECK_EQ(after.used, idle.used);
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

	sim_begin_slow("h200", "50", "0");
	nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation);
	for (unsigned tries = 0, killed = 0; killed < 10; tries++) {
		pid_t pid = start_create(0);

		usleep(5000);
		sim_kill(pid);
		/* We may have slept for longer, and it have come to its end. */
		if (nodes_due(0) == 0)
			killed++;
		else
			destroy_all(sim_gpu(0));
		CHECK(tries < 200);
	}
	/* Of none of them anything is left, so all of the GPU is there. */
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_7_SLICE, -1, &instance), 0);
	sim_end();
}

#define WORK_NS 400000000ull

/* Two pieces of work on one GPU and one on another, and queries all the while. */
static void work_and_query(uint64_t *ret_all, uint64_t *ret_slowest_query)
{
	uint64_t start = now_ns();
	unsigned left = 3;

	start_create(0);
	start_create(0);
	start_create(1);
	*ret_slowest_query = 0;
	while (left > 0) {
		uint64_t asked = now_ns(), took;
		nvmlMemory_t memory;
		int status;

		CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &memory), NVML_SUCCESS);
		took = now_ns() - asked;
		if (took > *ret_slowest_query)
			*ret_slowest_query = took;
		usleep(5000);
		while (left > 0 && waitpid(-1, &status, WNOHANG) > 0) {
			CHECK_EQ(status, 0);
			left--;
		}
	}
	*ret_all = now_ns() - start;
	destroy_all(sim_gpu(0));
	destroy_all(sim_gpu(1));
}

TEST(work_on_one_gpu_holds_up_that_gpu_only)
{
	bool is_query_free = false, are_apart = false;
	nvmlReturn_t activation;

	sim_begin_slow("dgx-h100", "500", "0"); /* a GPU instance: WORK_NS */
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(1), 1, &activation), NVML_SUCCESS);
	/* What waits for something does so every time; what a busy machine holds up does not. */
	for (unsigned i = 0; i < 20 && !(is_query_free && are_apart); i++) {
		uint64_t all, query;

		work_and_query(&all, &query);
		CHECK_SAY(all >= 2 * WORK_NS, "one GPU does two things at once");
		is_query_free = is_query_free || query < WORK_NS / 2;
		are_apart = are_apart || all < 3 * WORK_NS;
	}
	CHECK_SAY(is_query_free, "a query waits for work");
	CHECK_SAY(are_apart, "two GPUs wait for each other");
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
