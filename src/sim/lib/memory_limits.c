/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on memory by cgroup; a library before R615 has not these two. */
#include "sim/lib/entry.h"

#include "sim/lib/place.h"
#include "sim/node/gpu.h"
#include "sim/node/memory_limit.h"

#include <stdlib.h>

#define FROM_DRIVER 615

static nvmlReturn_t enter(nvmlDevice_t device, const void *limits, struct place *ret_at)
{
	nvmlReturn_t r;

	if (!limits)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = place_find(device, HANDLE_GPU | HANDLE_MIG, ret_at);
	if (r == NVML_SUCCESS && atoi(session_node->settings.driver_version) < FROM_DRIVER)
		r = NVML_ERROR_FUNCTION_NOT_FOUND;
	if (r == NVML_SUCCESS && ret_at->kind != HANDLE_GPU)
		r = NVML_ERROR_NOT_SUPPORTED;
	return r;
}

nvmlReturn_t sim_nvmlDeviceSetMemoryLimits_v1(nvmlDevice_t device, nvmlSetMemoryLimits_v1_t *limits)
{
	struct place at;
	nvmlReturn_t r = enter(device, limits, &at);

	if (r == NVML_SUCCESS && !gpu_may_change(session_node))
		r = NVML_ERROR_NO_PERMISSION;
	if (r != NVML_SUCCESS)
		return r;
	return (nvmlReturn_t)memory_limit_set(
		session_node, at.index, limits->nameSpace, limits->softLimit, limits->hardLimit);
}

nvmlReturn_t sim_nvmlDeviceGetMemoryLimits_v1(nvmlDevice_t device, nvmlGetMemoryLimits_v1_t *limits)
{
	uint64_t soft, hard, used;
	struct place at;
	nvmlReturn_t r = enter(device, limits, &at);

	if (r == NVML_SUCCESS)
		r = (nvmlReturn_t)memory_limit_get(
			session_node, at.index, limits->nameSpace, &soft, &hard, &used);
	if (r != NVML_SUCCESS)
		return r;
	limits->softLimit = soft;
	limits->hardLimit = hard;
	limits->currentUsed = used;
	return r;
}
