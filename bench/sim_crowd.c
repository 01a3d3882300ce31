/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients at once, and clients that are killed: how long a call takes among 1,000 processes
 * that all ask and change; how soon the node is usable after a client was killed wherever it was;
 * and how soon the memory of a killed process is free. Latencies are those of one client among the
 * others.
 */
#include "sim.h"

#include "base/io.h"
#include "base/text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GPUS	 8
#define CLIENTS	 1000
#define CALLS	 2000
#define KILLS	 400
#define HOLDERS	 100
#define BOUND_US 1000

/* Shared with the clients. */
struct shared {
	unsigned ready;
	unsigned long long calls;
	bool is_over;
};

static struct shared *shared;

static unsigned random_below(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

/* One call: mostly a question, now and then a change. True for a question. */
static bool call_once(unsigned *seed)
{
	nvmlDevice_t gpu = sim_gpu(random_below(seed, GPUS));
	nvmlGpuInstance_t instance;
	nvmlMemory_t memory;
	unsigned mw;

	switch (random_below(seed, 20)) {
	case 0:
		if (nvml.nvmlDeviceCreateGpuInstance(gpu, 19, &instance) == NVML_SUCCESS)
			nvml.nvmlGpuInstanceDestroy(instance);
		return false;
	case 1:
		nvml.nvmlDeviceSetComputeMode(gpu, NVML_COMPUTEMODE_DEFAULT);
		return false;
	case 2:
	case 3:
		nvml.nvmlDeviceGetPowerUsage(gpu, &mw);
		return true;
	default:
		nvml.nvmlDeviceGetMemoryInfo(gpu, &memory);
		return true;
	}
}

static pid_t start_client(unsigned seed)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("bench_sim_crowd: no more processes");
		exit(1);
	}
	if (pid != 0)
		return pid;
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&shared->is_over, __ATOMIC_ACQUIRE)) {
		call_once(&seed);
		__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

static void wait_ready(unsigned n)
{
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < n)
		usleep(200);
}

static int compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static void say(const char *what, double *us, unsigned n, double bound)
{
	qsort(us, n, sizeof(us[0]), compare);
	printf("%-48s median %8.1f  99%% %9.1f  worst %9.1f us", what, us[n / 2], us[n * 99 / 100],
		us[n - 1]);
	if (bound > 0)
		printf("  (bound %.0f%s)", bound, us[n - 1] > bound ? ", exceeded" : "");
	putchar('\n');
	fflush(stdout);
}

static void measure_crowd(void)
{
	static pid_t clients[CLIENTS];
	static double took[CALLS];
	unsigned seed = 1, n = 0;
	uint64_t start;

	memset(shared, 0, sizeof(*shared));
	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = start_client(i + 7);
	wait_ready(CLIENTS);
	shared->calls = 0;
	start = now_ns();
	while (n < CALLS) {
		uint64_t before = now_ns();

		if (call_once(&seed))
			took[n++] = (double)(now_ns() - before) / 1000;
		usleep(100);
	}
	printf("%u clients at once: %.0f calls per second\n", CLIENTS,
		(double)shared->calls * 1e9 / (double)(now_ns() - start));
	say("a query among them", took, n, 0);
	__atomic_store_n(&shared->is_over, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < CLIENTS; i++)
		waitpid(clients[i], NULL, 0);
}

/* A client is killed wherever it is; then the node is used. */
static void measure_kills(void)
{
	static double query[KILLS], change[KILLS];
	unsigned seed = 99;

	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t before;
		pid_t client;
		nvmlMemory_t memory;

		memset(shared, 0, sizeof(*shared));
		client = start_client(i);
		wait_ready(1);
		usleep(100 + random_below(&seed, 2000));
		kill(client, SIGKILL);
		before = now_ns();
		for (unsigned gpu = 0; gpu < GPUS; gpu++)
			nvml.nvmlDeviceGetMemoryInfo(sim_gpu(gpu), &memory);
		query[i] = (double)(now_ns() - before) / 1000 / GPUS;
		waitpid(client, NULL, 0);
		before = now_ns();
		for (unsigned gpu = 0; gpu < GPUS; gpu++)
			nvml.nvmlDeviceSetComputeMode(sim_gpu(gpu), NVML_COMPUTEMODE_DEFAULT);
		change[i] = (double)(now_ns() - before) / 1000 / GPUS;
	}
	say("a query after a client was killed", query, KILLS, BOUND_US);
	say("a change after a client was killed", change, KILLS, BOUND_US);
}

static void measure_holders(void)
{
	static double took[HOLDERS];
	nvmlMemory_t idle;

	nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &idle);
	for (unsigned i = 0; i < HOLDERS; i++) {
		pid_t holder = sim_hold("0");
		nvmlMemory_t memory;
		uint64_t before;
		siginfo_t info;

		if (holder <= 0)
			continue;
		kill(holder, SIGKILL);
		/* Dead, and not waited for: from here it is the node's to see. */
		waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT);
		before = now_ns();
		do
			nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &memory);
		while (memory.used != idle.used);
		took[i] = (double)(now_ns() - before) / 1000;
		waitpid(holder, NULL, 0);
	}
	say("a killed process's memory is free", took, HOLDERS, BOUND_US);
}

int main(void)
{
	nvmlReturn_t activation;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sim_begin("dgx-h100");
	measure_holders();
	for (unsigned i = 0; i < GPUS; i++)
		nvml.nvmlDeviceSetMigMode(sim_gpu(i), 1, &activation);
	measure_kills();
	measure_crowd();
	sim_end();
	return 0;
}
