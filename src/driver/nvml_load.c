/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the library's entry points, whatever the driver's version. */
#include "base/error.h"
#include "driver/library.h"
#include "driver/nvml_calls.h"

#include <dlfcn.h>
#include <errno.h>

struct nvml_calls nvml;

/* What stands in for an entry point that this driver has not. */
#define NVML_FN(name, params, args)                                                                \
	static nvmlReturn_t missing_##name params                                                  \
	{                                                                                          \
		return NVML_ERROR_FUNCTION_NOT_FOUND;                                              \
	}
#include "abi/nvml.def"

static const char *missing_nvmlErrorString(nvmlReturn_t result)
{
	return "unknown error";
}

int nvml_load(struct error *err)
{
	static void *library;

	if (library)
		return 0;
	library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_set(err, -ENOENT,
			"NVIDIA's driver library cannot be opened: %s; install the driver's user "
			"space (libnvidia-ml.so.1)",
			dlerror());
#define NVML_FN(name, params, args) library_resolve(library, #name, &nvml.name);
#include "abi/nvml.def"
#define NVML_OLDER(newer, older)                                                                   \
	if (!nvml.newer)                                                                           \
		nvml.newer = nvml.older;
#include "abi/nvml.def"
#define NVML_FN(name, params, args)                                                                \
	if (!nvml.name)                                                                            \
		nvml.name = missing_##name;
#include "abi/nvml.def"
	library_resolve(library, "nvmlErrorString", &nvml.nvmlErrorString);
	if (!nvml.nvmlErrorString)
		nvml.nvmlErrorString = missing_nvmlErrorString;
	return 0;
}
