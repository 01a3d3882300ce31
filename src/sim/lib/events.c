/* SPDX-License-Identifier: Apache-2.0 */
/* Event sets: each follows the node's ring of events from where it was first registered. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "base/text.h"
#include "sim/lib/place.h"
#include "sim/node/event.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SUPPORTED                                                                                  \
	(nvmlEventTypeXidCriticalError | nvmlEventTypeSingleBitEccError |                          \
		nvmlEventTypeDoubleBitEccError)
#define SET_MAGIC 0x7465537455ull
/* How long one sleep lasts at most: a lost wake-up costs this much. */
#define NAP_NS 100000000ull

struct nvmlEventSet_st {
	uint64_t magic;
	uint32_t cursor;
	uint64_t types[NODE_GPUS];
};

static bool is_set(nvmlEventSet_t set)
{
	return set && set->magic == SET_MAGIC;
}

nvmlReturn_t sim_nvmlEventSetCreate(nvmlEventSet_t *set)
{
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	*set = calloc(1, sizeof(**set));
	if (!*set)
		return NVML_ERROR_MEMORY;
	(*set)->magic = SET_MAGIC;
	(*set)->cursor = event_now(session_node);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlEventSetFree(nvmlEventSet_t set)
{
	if (!is_set(set))
		return NVML_ERROR_INVALID_ARGUMENT;
	set->magic = 0;
	free(set);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !types)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*types = SUPPORTED;
	return r;
}

nvmlReturn_t sim_nvmlDeviceRegisterEvents(
	nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !is_set(set))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && types & ~SUPPORTED)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS)
		set->types[at.index] |= types;
	return r;
}

/* The next event that this set was registered for. */
static bool next_of_set(nvmlEventSet_t set, struct event *ret_event)
{
	while (event_next(session_node, &set->cursor, ret_event))
		if (set->types[ret_event->gpu] & ret_event->type)
			return true;
	return false;
}

nvmlReturn_t sim_nvmlEventSetWait_v2(
	nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
	uint64_t end = now_ns() + timeout_ms * 1000000ull;
	struct event event;

	if (!is_set(set) || !data)
		return NVML_ERROR_INVALID_ARGUMENT;
	while (!next_of_set(set, &event)) {
		uint64_t now = now_ns();

		if (now >= end)
			return NVML_ERROR_TIMEOUT;
		event_wait(session_node, set->cursor, end - now < NAP_NS ? end - now : NAP_NS);
	}
	*data = (nvmlEventData_t){ handle_make(HANDLE_GPU, event.gpu, 0, 0, 0), event.type,
		event.data, event.gi, event.ci };
	return NVML_SUCCESS;
}

/* The older caller's struct ends with eventData. */
nvmlReturn_t sim_nvmlEventSetWait(
	nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
	nvmlEventData_t now;
	nvmlReturn_t r = sim_nvmlEventSetWait_v2(set, data ? &now : NULL, timeout_ms);

	if (r == NVML_SUCCESS)
		memcpy(data, &now, offsetof(nvmlEventData_t, gpuInstanceId));
	return r;
}
