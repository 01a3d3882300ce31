/* SPDX-License-Identifier: Apache-2.0 */
/* NVML's codes in our words: which errno, and what to do about it. */
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	nvmlReturn_t code;
	int error;
	const char *what_to_do;
} meaning[] = {
	{ NVML_ERROR_UNINITIALIZED, -ENODEV, NULL },
	{ NVML_ERROR_INVALID_ARGUMENT, -EINVAL, NULL },
	{ NVML_ERROR_NOT_SUPPORTED, -ENOTSUP, NULL },
	{ NVML_ERROR_NO_PERMISSION, -EPERM, "this takes root" },
	{ NVML_ERROR_NOT_FOUND, -ENOENT, NULL },
	{ NVML_ERROR_INSUFFICIENT_SIZE, -EIO, NULL },
	{ NVML_ERROR_DRIVER_NOT_LOADED, -ENODEV,
		"load it with 'modprobe nvidia', and look into 'dmesg' if that fails" },
	{ NVML_ERROR_TIMEOUT, -ETIMEDOUT, NULL },
	{ NVML_ERROR_FUNCTION_NOT_FOUND, -ENOTSUP, "this driver is too old for it" },
	{ NVML_ERROR_GPU_IS_LOST, -ENODEV,
		"it fell off the bus or is unreachable: 'dmesg' tells the XID; a power cycle of "
		"the "
		"machine may bring it back" },
	{ NVML_ERROR_RESET_REQUIRED, -EBUSY,
		"the GPU must be reset ('nvidia-smi --gpu-reset'), or its machine rebooted" },
	{ NVML_ERROR_LIB_RM_VERSION_MISMATCH, -ELIBBAD,
		"the driver was upgraded while its old kernel module is loaded: reload the nvidia "
		"modules, or reboot" },
	{ NVML_ERROR_IN_USE, -EBUSY, NULL },
	{ NVML_ERROR_MEMORY, -ENOMEM, NULL },
	{ NVML_ERROR_INSUFFICIENT_RESOURCES, -ENOSPC, NULL },
	{ NVML_ERROR_GPU_NOT_FOUND, -ENODEV, NULL },
};

int nvml_errno(nvmlReturn_t code)
{
	if (code == NVML_SUCCESS)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++) {
		if (meaning[i].code == code)
			return meaning[i].error;
	}
	return -EIO;
}

int nvml_fail(nvmlReturn_t code, struct error *err, const char *format, ...)
{
	const char *what_to_do = NULL;
	char what[300];
	va_list args;

	for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++) {
		if (meaning[i].code == code)
			what_to_do = meaning[i].what_to_do;
	}
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return error_set(err, nvml_errno(code), "%s: NVML says \"%s\" (%d)%s%s", what,
		nvml.nvmlErrorString(code), (int)code, what_to_do ? ": " : "",
		what_to_do ? what_to_do : "");
}
