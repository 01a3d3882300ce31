/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How GPUs lie to CPUs, memory and each other: those of one NUMA node share a host bridge, the
 * others only the system.
 */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"

#include <string.h>
#include <unistd.h>

/* This is the node of the GPU's own memory, which only coherent systems have. */
GIVE_WHERE(nvmlDeviceGetNumaNodeId, HANDLE_GPU, unsigned int, false, 0)

/*
 * Whether a CPU is near a GPU. This machine's CPUs are dealt out to the simulated one's NUMA nodes,
 * one run of them to each; where there are fewer CPUs than nodes they serve several.
 */
static bool is_near(const struct gpu *gpu, long cpu, long n_cpus)
{
	long n_nodes = 1;

	if (gpu->numa_node < 0)
		return true;
	for (unsigned i = 0; i < session_node->n_gpus; i++)
		if (session_node->gpus[i].numa_node >= n_nodes)
			n_nodes = session_node->gpus[i].numa_node + 1;
	if (n_cpus < n_nodes)
		return cpu == gpu->numa_node % n_cpus;
	return cpu * n_nodes / n_cpus == gpu->numa_node;
}

static nvmlReturn_t cpus_of(
	nvmlDevice_t device, unsigned int words, unsigned long *cpus, nvmlAffinityScope_t scope)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!words || !cpus || scope > NVML_AFFINITY_SCOPE_SOCKET))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	memset(cpus, 0, words * sizeof(*cpus));
	for (long cpu = 0; cpu < online && cpu / 64 < (long)words; cpu++)
		if (is_near(at.gpu, cpu, online))
			cpus[cpu / 64] |= 1ul << cpu % 64;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetCpuAffinity(
	nvmlDevice_t device, unsigned int words, unsigned long *cpus)
{
	return cpus_of(device, words, cpus, NVML_AFFINITY_SCOPE_NODE);
}

nvmlReturn_t sim_nvmlDeviceGetCpuAffinityWithinScope(
	nvmlDevice_t device, unsigned int words, unsigned long *cpus, nvmlAffinityScope_t scope)
{
	return cpus_of(device, words, cpus, scope);
}

nvmlReturn_t sim_nvmlDeviceGetMemoryAffinity(
	nvmlDevice_t device, unsigned int words, unsigned long *nodes, nvmlAffinityScope_t scope)
{
	unsigned numa;
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!words || !nodes || scope > NVML_AFFINITY_SCOPE_SOCKET))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	numa = at.gpu->numa_node < 0 ? 0 : (unsigned)at.gpu->numa_node;
	memset(nodes, 0, words * sizeof(*nodes));
	if (numa / 64 < words)
		nodes[numa / 64] |= 1ul << numa % 64;
	return NVML_SUCCESS;
}

static nvmlGpuTopologyLevel_t level_between(const struct gpu *one, const struct gpu *other)
{
	if (one == other)
		return NVML_TOPOLOGY_INTERNAL;
	return one->numa_node == other->numa_node ? NVML_TOPOLOGY_NODE : NVML_TOPOLOGY_SYSTEM;
}

nvmlReturn_t sim_nvmlDeviceGetTopologyCommonAncestor(
	nvmlDevice_t device, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level)
{
	struct place at, beside;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS)
		r = place_find(other, HANDLE_GPU, &beside);
	if (r == NVML_SUCCESS && !level)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*level = level_between(at.gpu, beside.gpu);
	return r;
}

/* The GPUs for which `wanted` is set, as the array asks for. */
static nvmlReturn_t give_gpus(uint64_t wanted, unsigned int *count, nvmlDevice_t *devices)
{
	unsigned n = 0;
	nvmlReturn_t r = give_count((unsigned)__builtin_popcountll(wanted), count, devices);

	/* A caller who asks with no room for the number only has not failed. */
	if (!devices)
		return NVML_SUCCESS;
	for (unsigned i = 0; r == NVML_SUCCESS && i < session_node->n_gpus; i++)
		if (wanted & 1ull << i)
			devices[n++] = handle_make(HANDLE_GPU, i, 0, 0, 0);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, nvmlGpuTopologyLevel_t level,
	unsigned int *count, nvmlDevice_t *devices)
{
	uint64_t wanted = 0;
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!count || level > NVML_TOPOLOGY_SYSTEM || level % 10))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	for (unsigned i = 0; i < session_node->n_gpus; i++)
		if (i != at.index && level_between(at.gpu, &session_node->gpus[i]) == level)
			wanted |= 1ull << i;
	return give_gpus(wanted, count, devices);
}

nvmlReturn_t sim_nvmlSystemGetTopologyGpuSet(
	unsigned int cpu, unsigned int *count, nvmlDevice_t *devices)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t wanted = 0;

	if (!count || (long)cpu >= online)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < session_node->n_gpus; i++)
		if (is_near(&session_node->gpus[i], (long)cpu, online))
			wanted |= 1ull << i;
	return give_gpus(wanted, count, devices);
}
