/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for CUDA's driver library: a device whose kernels take their time by sleeping.
 *
 *	STANDIN_LOG	appends a line for each call, but launches and waits, of which the first
 *	STANDIN_FAIL	NAME:CODE[:N] lets the N-th call of that name fail, and all after it
 *	STANDIN_UUID	of the device, "GPU-..."; without, that of CUDA_VISIBLE_DEVICES
 *	STANDIN_ROUND	nanoseconds that a round of a kernel takes; 20000
 *
 * With CUDA_MPS_ACTIVE_THREAD_PERCENTAGE a kernel takes longer in proportion.
 */
#include "abi/cuda.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMPUTE = 1, BANDWIDTH, LAUNCH, SM = 10, PTX_MAX = 100000 };

static unsigned long long memory_left = 16ULL << 30, owed_ns;
static unsigned launches;
static bool is_initialized, has_context;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	const char *path = getenv("STANDIN_LOG");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vdprintf(fd, format, args);
	va_end(args);
	close(fd);
}

/* The code that a call of that name answers by order, or 0. */
static CUresult fault(const char *name, unsigned *count)
{
	const char *order = getenv("STANDIN_FAIL");
	size_t n = strlen(name);
	char *end;
	unsigned long code, from = 1;

	++*count;
	if (!order || strncmp(order, name, n) != 0 || order[n] != ':')
		return CUDA_SUCCESS;
	code = strtoul(order + n + 1, &end, 10);
	if (*end == ':')
		from = strtoul(end + 1, NULL, 10);
	return *count >= from ? (CUresult)code : CUDA_SUCCESS;
}

#define BEGIN(name)                                                                                \
	static unsigned count_;                                                                    \
	CUresult fault_ = fault(#name, &count_);                                                   \
	if (fault_ != CUDA_SUCCESS)                                                                \
		return fault_;                                                                     \
	if (count_ == 1)                                                                           \
	say("%d " #name "\n", (int)getpid())

CUresult cuInit(unsigned int flags)
{
	BEGIN(cuInit);
	is_initialized = true;
	return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version)
{
	*version = 13000;
	return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **text)
{
	*text = "stand-in's words";
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
	BEGIN(cuDeviceGetCount);
	if (!is_initialized)
		return CUDA_ERROR_NOT_INITIALIZED;
	*count = getenv("STANDIN_EMPTY") ? 0 : 1;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	BEGIN(cuDeviceGet);
	*device = ordinal;
	return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device)
{
	snprintf(name, (size_t)length, "Stand-in");
	return CUDA_SUCCESS;
}

static CUresult get_uuid(CUuuid *uuid)
{
	const char *text = getenv("STANDIN_UUID") ?: getenv("CUDA_VISIBLE_DEVICES") ?: "GPU-";
	unsigned n = 0, value;

	memset(uuid, 0, sizeof(*uuid));
	text = strchr(text, '-') ? strchr(text, '-') + 1 : text;
	while (n < 16 && *text)
		if (*text == '-')
			text++;
		else if (sscanf(text, "%2x", &value) == 1) {
			uuid->bytes[n++] = (char)value;
			text += 2;
		} else {
			break;
		}
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
	BEGIN(cuDeviceGetUuid);
	return get_uuid(uuid);
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
	*value = attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT ? SM : 4 << 20;
	return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
	*bytes = memory_left;
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
	BEGIN(cuDevicePrimaryCtxRetain);
	*context = (CUcontext)&has_context;
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device)
{
	BEGIN(cuDevicePrimaryCtxRelease);
	has_context = false;
	return CUDA_SUCCESS;
}

#ifndef OLDER
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	BEGIN(cuDeviceGetUuid_v2);
	return get_uuid(uuid);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
	BEGIN(cuDevicePrimaryCtxRelease_v2);
	has_context = false;
	return CUDA_SUCCESS;
}
#endif

CUresult cuCtxSetCurrent(CUcontext context)
{
	BEGIN(cuCtxSetCurrent);
	has_context = context == (CUcontext)&has_context;
	return has_context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
	const char *text = image;

	BEGIN(cuModuleLoadData);
	if (!has_context || !strstr(text, ".version") || strlen(text) > PTX_MAX)
		return CUDA_ERROR_INVALID_PTX;
	*module = (CUmodule)(uintptr_t)text;
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	static const char *const names[] = { "", "compute", "bandwidth", "launch" };
	char entry[64];

	BEGIN(cuModuleGetFunction);
	snprintf(entry, sizeof(entry), ".visible .entry %s(", name);
	if (!strstr((const char *)module, entry))
		return CUDA_ERROR_NOT_FOUND;
	for (uintptr_t i = COMPUTE; i <= LAUNCH; i++)
		if (strcmp(names[i], name) == 0)
			*function = (CUfunction)i;
	return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
	BEGIN(cuMemAlloc_v2);
	say("%d bytes %zu\n", (int)getpid(), bytes);
	if (!has_context || bytes == 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (bytes > memory_left)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memory_left -= bytes;
	*address = 0x7f0000000000 + memory_left;
	return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned int blocks_x, unsigned int blocks_y,
	unsigned int blocks_z, unsigned int threads_x, unsigned int threads_y,
	unsigned int threads_z, unsigned int shared_bytes, CUstream stream, void **arguments,
	void **extra)
{
	const char *percent = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
	const char *round = getenv("STANDIN_ROUND");
	unsigned long long ns = round ? strtoull(round, NULL, 10) : 20000;
	uint32_t rounds = 1;

	BEGIN(cuLaunchKernel);
	if (!has_context || !blocks_x || blocks_y != 1 || blocks_z != 1 || threads_x > 1024)
		return CUDA_ERROR_INVALID_VALUE;
	if ((uintptr_t)function == COMPUTE)
		rounds = *(uint32_t *)arguments[1];
	if (count_ == 1)
		say("%d blocks %u threads %u rounds %u\n", (int)getpid(), blocks_x, threads_x,
			rounds);
	launches++;
	owed_ns += rounds * ns * 100 / (percent ? strtoull(percent, NULL, 10) : 100);
	return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
	struct timespec time = { (time_t)(owed_ns / 1000000000), (long)(owed_ns % 1000000000) };

	BEGIN(cuCtxSynchronize);
	if (count_ == 1)
		say("%d waited for %u\n", (int)getpid(), launches);
	owed_ns = 0;
	nanosleep(&time, NULL);
	return CUDA_SUCCESS;
}
