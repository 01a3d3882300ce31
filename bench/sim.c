/* SPDX-License-Identifier: Apache-2.0 */
/* What a call of the simulated library costs: starting it, and a query, beside its lock alone. */
#include "sim/sim.h"

#include "base/io.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define ROUNDS 200000
#define STARTS 2000

static uint64_t lock_ns(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t lock;
	uint64_t began = 0;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&lock, &attributes);
	for (unsigned i = 0; i < 2 * ROUNDS; i++) {
		/* The first half warms up. */
		if (i == ROUNDS)
			began = now_ns();
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
	return (now_ns() - began) / ROUNDS;
}

#define COST(what, call)                                                                           \
	do {                                                                                       \
		uint64_t since = now_ns();                                                         \
                                                                                                   \
		for (unsigned i = 0; i < ROUNDS; i++)                                              \
			call;                                                                      \
		printf("%-28s %6" PRIu64 " ns\n", what, (now_ns() - since) / ROUNDS);              \
	} while (0)

int main(void)
{
	nvmlMemory_t memory;
	nvmlDevice_t gpu;
	uint64_t began;
	unsigned mw;
	char name[96];

	sim_begin("dgx-h100");
	gpu = sim_gpu(0);
	printf("%-28s %6" PRIu64 " ns\n", "a lock alone", lock_ns());
	COST("nvmlDeviceGetName", nvml.nvmlDeviceGetName(gpu, name, sizeof(name)));
	COST("nvmlDeviceGetPowerUsage", nvml.nvmlDeviceGetPowerUsage(gpu, &mw));
	COST("nvmlDeviceGetMemoryInfo", nvml.nvmlDeviceGetMemoryInfo(gpu, &memory));
	nvml.nvmlShutdown();
	began = now_ns();
	for (unsigned i = 0; i < STARTS; i++) {
		nvml.nvmlInit_v2();
		nvml.nvmlShutdown();
	}
	printf("%-28s %6" PRIu64 " ns\n", "nvmlInit_v2 and Shutdown", (now_ns() - began) / STARTS);
	nvml.nvmlInit_v2();
	sim_end();
	return 0;
}
