/* SPDX-License-Identifier: Apache-2.0 */
/* One context, one kernel, in the order in which a process that computes needs them. */
#include "driver/cuda.h"

#include "base/error.h"
#include "base/text.h"
#include "driver/cuda_calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct cuda {
	CUdevice device;
	CUcontext context;
	CUfunction function;
	struct cuda_facts facts;
};

static int attribute(CUdevice device, CUdevice_attribute which)
{
	int value = 0;

	return cuda_calls.cuDeviceGetAttribute(&value, which, device) == CUDA_SUCCESS ? value : 0;
}

static void read_uuid(CUdevice device, char ret_text[CUDA_UUID_MAX])
{
	CUuuid uuid = { { 0 } };
	char *at = ret_text;

	if (cuda_calls.cuDeviceGetUuid_v2(&uuid, device) != CUDA_SUCCESS) {
		*ret_text = '\0';
		return;
	}
	at += snprintf(at, CUDA_UUID_MAX, "GPU");
	for (unsigned i = 0; i < sizeof(uuid.bytes); i++)
		at += snprintf(at, (size_t)(ret_text + CUDA_UUID_MAX - at), "%s%02x",
			i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			(unsigned char)uuid.bytes[i]);
}

static void read_facts(struct cuda *cuda)
{
	struct cuda_facts *facts = &cuda->facts;
	size_t bytes = 0;

	if (cuda_calls.cuDeviceGetName(facts->name, sizeof(facts->name), cuda->device) !=
		CUDA_SUCCESS)
		facts->name[0] = '\0';
	facts->name[sizeof(facts->name) - 1] = '\0';
	read_uuid(cuda->device, facts->uuid);
	facts->sm = (unsigned)attribute(cuda->device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	facts->l2_bytes = (uint64_t)attribute(cuda->device, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
	if (cuda_calls.cuDeviceTotalMem_v2(&bytes, cuda->device) == CUDA_SUCCESS)
		facts->memory_bytes = bytes;
}

static int find_device(CUdevice *ret_device, struct error *err)
{
	int n = 0;
	CUresult r = cuda_calls.cuInit(0);

	if (r != CUDA_SUCCESS)
		return cuda_fail(r, "CUDA cannot be used", err);
	r = cuda_calls.cuDeviceGetCount(&n);
	if (r == CUDA_SUCCESS && n == 0)
		r = CUDA_ERROR_NO_DEVICE;
	if (r == CUDA_SUCCESS)
		r = cuda_calls.cuDeviceGet(ret_device, 0);
	return r == CUDA_SUCCESS ? 0 : cuda_fail(r, "CUDA has no device", err);
}

int cuda_open(struct cuda **ret_cuda, struct error *err)
{
	struct cuda *cuda;
	CUdevice device;
	CUresult code;
	int r = cuda_load(err);

	if (r == 0)
		r = find_device(&device, err);
	if (r < 0)
		return r;
	cuda = must_alloc(1, sizeof(*cuda));
	cuda->device = device;
	code = cuda_calls.cuDevicePrimaryCtxRetain(&cuda->context, device);
	if (code != CUDA_SUCCESS) {
		cuda->context = NULL;
		cuda_close(cuda);
		return cuda_fail(code, "no context on the GPU", err);
	}
	code = cuda_calls.cuCtxSetCurrent(cuda->context);
	if (code != CUDA_SUCCESS) {
		cuda_close(cuda);
		return cuda_fail(code, "the context cannot be used", err);
	}
	read_facts(cuda);
	*ret_cuda = cuda;
	return 0;
}

struct cuda *cuda_close(struct cuda *cuda)
{
	if (!cuda)
		return NULL;
	if (cuda->context)
		(void)cuda_calls.cuDevicePrimaryCtxRelease_v2(cuda->device);
	free(cuda);
	return NULL;
}

const struct cuda_facts *cuda_facts(const struct cuda *cuda)
{
	return &cuda->facts;
}

int cuda_kernel(struct cuda *cuda, const char *ptx, const char *name, struct error *err)
{
	CUmodule module;
	CUresult r = cuda_calls.cuModuleLoadData(&module, ptx);

	if (r != CUDA_SUCCESS)
		return cuda_fail(r, "the driver does not take the kernel", err);
	r = cuda_calls.cuModuleGetFunction(&cuda->function, module, name);
	return r == CUDA_SUCCESS ? 0 : cuda_fail(r, "the kernel is not in its text", err);
}

int cuda_alloc(struct cuda *cuda, uint64_t bytes, uint64_t *ret_address, struct error *err)
{
	CUdeviceptr address;
	CUresult r = cuda_calls.cuMemAlloc_v2(&address, bytes);
	char what[80];

	if (r != CUDA_SUCCESS) {
		snprintf(what, sizeof(what), "no %llu MiB of the GPU's memory",
			(unsigned long long)(bytes >> 20));
		return cuda_fail(r, what, err);
	}
	*ret_address = address;
	return 0;
}

int cuda_launch(
	struct cuda *cuda, unsigned blocks, unsigned threads, void **arguments, struct error *err)
{
	CUresult r = cuda_calls.cuLaunchKernel(
		cuda->function, blocks, 1, 1, threads, 1, 1, 0, NULL, arguments, NULL);

	return r == CUDA_SUCCESS ? 0 : cuda_fail(r, "the kernel cannot be started", err);
}

int cuda_wait(struct cuda *cuda, struct error *err)
{
	CUresult r = cuda_calls.cuCtxSynchronize();

	return r == CUDA_SUCCESS ? 0 : cuda_fail(r, "the kernel failed", err);
}
