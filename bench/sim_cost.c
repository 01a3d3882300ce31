/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulated driver costs its clients: a query beyond the lock that it takes, with and
 * without processes on the GPU, and the start of NVML in a new process. The lock is measured alone,
 * on a mutex of the same kind. Each number is the least of several rounds, or a median.
 */
#include "sim.h"

#include "base/io.h"
#include "base/text.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ROUNDS	    7
#define CALLS	    5000
#define STARTS	    101
#define PROCESSES   8
#define QUERY_BOUND 200	 /* ns beyond the lock */
#define INIT_BOUND  1000 /* us */

static nvmlDevice_t gpu;
static pthread_mutex_t *mutex;

static void take_lock(void)
{
	pthread_mutex_lock(mutex);
	pthread_mutex_unlock(mutex);
}

static void ask_mode(void)
{
	unsigned current, pending;

	nvml.nvmlDeviceGetMigMode(gpu, &current, &pending);
}

static void ask_uuid(void)
{
	char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

	nvml.nvmlDeviceGetUUID(gpu, uuid, sizeof(uuid));
}

static void ask_memory(void)
{
	nvmlMemory_t memory;

	nvml.nvmlDeviceGetMemoryInfo(gpu, &memory);
}

static void ask_utilization(void)
{
	nvmlUtilization_t utilization;

	nvml.nvmlDeviceGetUtilizationRates(gpu, &utilization);
}

static void ask_power(void)
{
	unsigned mw;

	nvml.nvmlDeviceGetPowerUsage(gpu, &mw);
}

static void ask_processes(void)
{
	nvmlProcessInfo_t infos[PROCESSES];
	unsigned n = PROCESSES;

	nvml.nvmlDeviceGetComputeRunningProcesses_v3(gpu, &n, infos);
}

static double cost_ns(void (*call)(void))
{
	double least = 1e18;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();
		double each;

		for (unsigned i = 0; i < CALLS; i++)
			call();
		each = (double)(now_ns() - start) / CALLS;
		least = each < least ? each : least;
	}
	return least;
}

static const struct {
	const char *name;
	void (*call)(void);
} queries[] = { { "nvmlDeviceGetMigMode", ask_mode }, { "nvmlDeviceGetUUID", ask_uuid },
	{ "nvmlDeviceGetMemoryInfo", ask_memory },
	{ "nvmlDeviceGetUtilizationRates", ask_utilization },
	{ "nvmlDeviceGetPowerUsage", ask_power },
	{ "nvmlDeviceGetComputeRunningProcesses_v3", ask_processes } };

static void say(const char *what, double value, const char *unit, double bound)
{
	printf("%-58s %9.1f %s", what, value, unit);
	if (bound > 0)
		printf("  (bound %.0f%s)", bound, value > bound ? ", exceeded" : "");
	putchar('\n');
	fflush(stdout);
}

static void measure_queries(const char *with, double lock_ns)
{
	char what[128];

	for (unsigned i = 0; i < ARRAY_SIZE(queries); i++) {
		snprintf(what, sizeof(what), "%s, %s", queries[i].name, with);
		say(what, cost_ns(queries[i].call) - lock_ns, "ns beyond the lock", QUERY_BOUND);
	}
}

static int compare(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

/* A process of its own: the library is loaded, as it is for any client, and then the clock runs. */
static int start_once(void)
{
	void *library = dlopen(getenv("CARVE_SIM_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
	nvmlReturn_t (*init)(void) = NULL;
	uint64_t start;

	if (library)
		init = (__typeof__(init))dlsym(library, "nvmlInit_v2");
	start = now_ns();
	if (!init || init() != NVML_SUCCESS)
		return 1;
	printf("%.3f\n", (double)(now_ns() - start) / 1000);
	return 0;
}

static double start_us(void)
{
	FILE *out = popen("/proc/$PPID/exe start", "r");
	double took = -1;

	if (out && fscanf(out, "%lf", &took) != 1)
		took = -1;
	if (out)
		pclose(out);
	return took;
}

static void measure_starts(void)
{
	double took[STARTS];

	for (unsigned i = 0; i < STARTS; i++)
		took[i] = start_us();
	qsort(took, STARTS, sizeof(took[0]), compare);
	say("nvmlInit_v2 in a new process, median", took[STARTS / 2], "us", INIT_BOUND);
	say("nvmlInit_v2 in a new process, worst of 101", took[STARTS - 1], "us", INIT_BOUND);
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t attributes;
	int holders[PROCESSES];
	double lock_ns;

	if (argc > 1 && text_eq(argv[1], "start"))
		return start_once();
	mutex = mmap(
		NULL, sizeof(*mutex), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attributes);
	lock_ns = cost_ns(take_lock);
	say("a robust lock in shared memory, taken and released", lock_ns, "ns", 0);

	sim_begin("dgx-h100");
	measure_starts();
	gpu = sim_gpu(0);
	measure_queries("no processes", lock_ns);
	for (unsigned i = 0; i < PROCESSES; i++)
		holders[i] = sim_hold("0");
	measure_queries("8 processes", lock_ns);
	for (unsigned i = 0; i < PROCESSES; i++)
		sim_kill(holders[i]);
	sim_end();
	return 0;
}
