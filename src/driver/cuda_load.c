/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the library's entry points, and its codes in our words. */
#include "base/error.h"
#include "base/text.h"
#include "driver/cuda.h"
#include "driver/cuda_calls.h"
#include "driver/library.h"

#include <dlfcn.h>
#include <errno.h>

struct cuda_calls cuda_calls;

/* What stands in for an entry point that this driver has not. */
#define CUDA_FN(name, params, args)                                                                \
	static CUresult missing_##name params                                                      \
	{                                                                                          \
		return CUDA_ERROR_NOT_FOUND;                                                       \
	}
#include "abi/cuda.def"

int cuda_load(struct error *err)
{
	static void *library;

	if (library)
		return 0;
	library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return error_set(err, -ENOENT,
			"CUDA's driver library cannot be opened: %s; install the driver's user "
			"space for computing (Debian: libcuda1; NVIDIA's packages: libcuda1 or "
			"nvidia-driver-cuda)",
			dlerror());
#define CUDA_FN(name, params, args) library_resolve(library, #name, &cuda_calls.name);
#include "abi/cuda.def"
#define CUDA_OLDER(newer, older)                                                                   \
	if (!cuda_calls.newer)                                                                     \
		cuda_calls.newer = cuda_calls.older;
#include "abi/cuda.def"
#define CUDA_FN(name, params, args)                                                                \
	if (!cuda_calls.name)                                                                      \
		cuda_calls.name = missing_##name;
#include "abi/cuda.def"
	return 0;
}

static const struct {
	CUresult code;
	int error;
	const char *what_to_do;
} meaning[] = {
	{ CUDA_ERROR_OUT_OF_MEMORY, -ENOMEM, "a larger share has more" },
	{ CUDA_ERROR_STUB_LIBRARY, -ENOENT,
		"that libcuda.so.1 is the one to link against, not the driver's: take it off the "
		"library path" },
	{ CUDA_ERROR_DEVICE_UNAVAILABLE, -EBUSY,
		"another process has it, or its compute mode lets nobody in" },
	{ CUDA_ERROR_NO_DEVICE, -ENODEV,
		"no GPU is there for this process, or the driver is not loaded ('carve doctor')" },
	{ CUDA_ERROR_INVALID_DEVICE, -ENODEV, NULL },
	{ CUDA_ERROR_DEVICE_NOT_LICENSED, -EPERM, "this vGPU has no licence yet" },
	{ CUDA_ERROR_NO_BINARY_FOR_GPU, -ENOTSUP, NULL },
	{ CUDA_ERROR_ECC_UNCORRECTABLE, -EIO, "the GPU's memory has a fault: 'carve doctor'" },
	{ CUDA_ERROR_INVALID_PTX, -ENOTSUP, NULL },
	{ CUDA_ERROR_JIT_COMPILER_NOT_FOUND, -ENOENT,
		"install the driver's compiler (libnvidia-ptxjitcompiler.so.1)" },
	{ CUDA_ERROR_UNSUPPORTED_PTX_VERSION, -ENOTSUP, "this driver is too old for it" },
	{ CUDA_ERROR_OPERATING_SYSTEM, -EIO,
		"the kernel refused the device's node, or there is none" },
	{ CUDA_ERROR_NOT_FOUND, -ENOTSUP, "this driver is too old for it" },
	{ CUDA_ERROR_LAUNCH_TIMEOUT, -EIO, "a display on this GPU lets no kernel run so long" },
	{ CUDA_ERROR_NOT_PERMITTED, -EPERM, NULL },
	{ CUDA_ERROR_SYSTEM_NOT_READY, -ENODEV,
		"NVSwitch has to be set up first: start nvidia-fabricmanager" },
	{ CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, -ELIBBAD,
		"the driver was upgraded while its old kernel module is loaded: reload the nvidia "
		"modules, or reboot" },
	{ CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, -ENOTSUP,
		"a compatibility library of CUDA's stands before the driver's own" },
	{ CUDA_ERROR_MPS_CONNECTION_FAILED, -EBUSY, "its MPS server does not answer" },
	{ CUDA_ERROR_MPS_SERVER_NOT_READY, -EBUSY, "its MPS server recovers from a fault" },
	{ CUDA_ERROR_MPS_MAX_CLIENTS_REACHED, -EBUSY, NULL },
	{ CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED, -EBUSY, NULL },
};

int cuda_fail(CUresult code, const char *what, struct error *err)
{
	const char *words = NULL, *what_to_do = NULL;
	int error = -EIO;

	if (cuda_calls.cuGetErrorString(code, &words) != CUDA_SUCCESS || !words)
		words = "unknown error";
	for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++) {
		if (meaning[i].code != code)
			continue;
		error = meaning[i].error;
		what_to_do = meaning[i].what_to_do;
	}
	return error_set(err, error, "%s: CUDA says \"%s\" (%d)%s%s", what, words, (int)code,
		what_to_do ? ": " : "", what_to_do ? what_to_do : "");
}
