/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/place.h"
#include "sim/node/inject.h"

#include <stdint.h>

enum entry {
#define SIM_FN(name, params, args) ENTRY_##name,
#include "sim/node/entries.def"
};

static int no_gpu(const void *argument)
{
	(void)argument;
	return NODE_ANY_GPU;
}

/* As in NVIDIA's library these work before nvmlInit as well. */
static bool needs_no_init(const char *name)
{
	return text_starts(name, "nvmlInit") || text_eq(name, "nvmlShutdown") ||
	       text_eq(name, "nvmlSystemGetNVMLVersion");
}

/* What every call meets first. Before nvmlInit there is no node to have rules. */
static nvmlReturn_t enter(enum entry entry, bool may_be_first, int gpu)
{
	if (!session_is_on())
		return may_be_first ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
	return (nvmlReturn_t)inject_strike(session_node, entry, gpu);
}

/* The GPU that a call is about is known by its first argument, where that is a handle. */
#define FIRST(...)	   FIRST_(__VA_ARGS__ __VA_OPT__(, ) 0, 0)
#define FIRST_(first, ...) first
#define GPU_OF(first)                                                                              \
	_Generic((first), nvmlDevice_t                                                             \
		 : handle_gpu, nvmlGpuInstance_t                                                   \
		 : handle_gpu, nvmlComputeInstance_t                                               \
		 : handle_gpu, default                                                             \
		 : no_gpu)((const void *)(uintptr_t)(first))

#define SIM_FN(name, params, args)                                                                 \
	nvmlReturn_t name params                                                                   \
	{                                                                                          \
		nvmlReturn_t r = enter(ENTRY_##name, needs_no_init(#name), GPU_OF(FIRST args));    \
                                                                                                   \
		return r == NVML_SUCCESS ? sim_##name args : r;                                    \
	}
#include "sim/node/entries.def"
