/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/nvml.h"

#include "base/error.h"
#include "base/spawn.h"
#include "base/text.h"
#include "driver/nvml_calls.h"
#include "driver/nvml_mig.h"
#include "driver/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_open;

int nvml_open(struct error *err)
{
	nvmlReturn_t code;
	int r;

	if (is_open)
		return 0;
	r = nvml_load(err);
	if (r < 0)
		return r;
	code = nvml.nvmlInit_v2();
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "cannot talk to the NVIDIA driver");
	is_open = true;
	return 0;
}

void nvml_close(void)
{
	if (is_open)
		nvml.nvmlShutdown();
	is_open = false;
}

int nvml_versions(
	char ret_driver[NVML_VERSION_MAX], char ret_library[NVML_VERSION_MAX], struct error *err)
{
	char driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE] = "";
	char library[NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE] = "";
	nvmlReturn_t code = nvml.nvmlSystemGetDriverVersion(driver, sizeof(driver));

	if (code == NVML_SUCCESS)
		code = nvml.nvmlSystemGetNVMLVersion(library, sizeof(library));
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "the driver does not tell its version");
	if (ret_driver)
		text_copy(ret_driver, NVML_VERSION_MAX, driver);
	if (ret_library)
		text_copy(ret_library, NVML_VERSION_MAX, library);
	return 0;
}

/* Older calls fill a struct that begins alike as far as we read it, but for the text. */
static nvmlReturn_t pci_info(nvmlDevice_t device, nvmlPciInfo_t *ret_info)
{
	nvmlPciInfo_v2_t older = { 0 };
	nvmlReturn_t code = nvml.nvmlDeviceGetPciInfo_v3(device, ret_info);

	if (code != NVML_ERROR_FUNCTION_NOT_FOUND)
		return code;
	code = nvml.nvmlDeviceGetPciInfo_v2(device, &older);
	if (code == NVML_ERROR_FUNCTION_NOT_FOUND)
		code = nvml.nvmlDeviceGetPciInfo(device, &older);
	*ret_info = (nvmlPciInfo_t){ .domain = older.domain,
		.bus = older.bus,
		.device = older.device,
		.pciDeviceId = older.pciDeviceId };
	return code;
}

static void pci_text(const nvmlPciInfo_t *info, char ret_pci[16])
{
	snprintf(ret_pci, 16, "%04x:%02x:%02x.0", info->domain, info->bus & 0xff,
		info->device & 0xff);
}

int nvml_list(char (*ret_pci)[16], unsigned max, struct error *err)
{
	unsigned count = 0, n = 0;
	nvmlReturn_t code = nvml.nvmlDeviceGetCount_v2(&count);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "the driver does not tell its GPUs");
	for (unsigned i = 0; i < count && n < max; i++) {
		nvmlDevice_t device;
		nvmlPciInfo_t info;
		nvmlReturn_t failed = nvml.nvmlDeviceGetHandleByIndex_v2(i, &device);

		if (failed == NVML_SUCCESS)
			failed = pci_info(device, &info);
		/* one that is lost or that we may not open does not hide the others */
		if (failed == NVML_SUCCESS)
			pci_text(&info, ret_pci[n++]);
		else
			code = failed;
	}
	if (n == 0 && code != NVML_SUCCESS)
		return nvml_fail(code, err, "none of %u GPUs answers", count);
	return (int)n;
}

int nvml_gpu_find(struct nvml_gpu *gpu, struct error *err)
{
	nvmlReturn_t code = nvml.nvmlDeviceGetHandleByPciBusId_v2(gpu->pci, &gpu->device);

	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "the driver does not open GPU %s", gpu->pci);
	return 0;
}

int nvml_gpu_open(const char *pci, struct nvml_gpu **ret_gpu, struct error *err)
{
	struct nvml_gpu *gpu = must_alloc(1, sizeof(*gpu));
	int r;

	text_copy(gpu->pci, sizeof(gpu->pci), pci);
	r = nvml_gpu_find(gpu, err);
	if (r < 0) {
		nvml_gpu_free(gpu);
		return r;
	}
	*ret_gpu = gpu;
	return 0;
}

struct nvml_gpu *nvml_gpu_free(struct nvml_gpu *gpu)
{
	if (gpu && gpu->events && is_open)
		nvml.nvmlEventSetFree(gpu->events);
	free(gpu);
	return NULL;
}

static int facts_identity(struct nvml_gpu *gpu, struct gpu_facts *facts, struct error *err)
{
	nvmlDevice_t device = gpu->device;
	nvmlMemory_t memory = { 0 };
	nvmlPciInfo_t info = { 0 };
	nvmlReturn_t code;

	if ((code = nvml.nvmlDeviceGetName(device, facts->product, sizeof(facts->product))) ||
		(code = nvml.nvmlDeviceGetUUID(device, facts->uuid, sizeof(facts->uuid))) ||
		(code = nvml.nvmlDeviceGetMinorNumber(device, &facts->minor)) ||
		(code = nvml.nvmlDeviceGetMemoryInfo(device, &memory)) ||
		(code = pci_info(device, &info)))
		return nvml_fail(code, err, "GPU %s does not say what it is", gpu->pci);
	facts->memory_bytes = memory.total;
	facts->pci_device = info.pciDeviceId;
	pci_text(&info, facts->pci);
	/* GeForce and workstation boards have none */
	if (nvml.nvmlDeviceGetSerial(device, facts->serial, sizeof(facts->serial)) != NVML_SUCCESS)
		facts->serial[0] = '\0';
	return 0;
}

int nvml_gpu_facts(struct nvml_gpu *gpu, struct gpu_facts *ret_facts, struct error *err)
{
	struct gpu_facts *facts = must_alloc(1, sizeof(*facts));
	nvmlDeviceArchitecture_t architecture = NVML_DEVICE_ARCH_UNKNOWN;
	bool on, pending;
	int64_t numa;
	int r = facts_identity(gpu, facts, err);

	if (r < 0) {
		free(facts);
		return r;
	}
	/* NVML's own NUMA call means something else: GPUs whose memory is a NUMA node */
	facts->numa = pci_number(facts->pci, "numa_node", &numa) == 0 ? (int32_t)numa : -1;
	facts->has_mig = nvml_mig_mode(gpu, &on, &pending, NULL) == 0;
	nvml_gpu_compute(gpu, facts);
	nvml.nvmlDeviceGetArchitecture(gpu->device, &architecture);
	facts->mode_needs_reset = facts->has_mig && architecture == NVML_DEVICE_ARCH_AMPERE;
	if (facts->has_mig)
		nvml_mig_geometry(gpu, facts->memory_bytes, &facts->geometry, NULL);
	*ret_facts = *facts;
	free(facts);
	return 0;
}

int nvml_gpu_used(
	struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, uint64_t *ret_bytes, struct error *err)
{
	nvmlDevice_t device = gpu->device;
	nvmlMemory_t memory = { 0 };
	nvmlReturn_t code = NVML_SUCCESS;

	if (gi != NVML_NO_INSTANCE)
		code = nvml_mig_device(gpu, gi, ci, &device);
	if (code == NVML_SUCCESS)
		code = nvml.nvmlDeviceGetMemoryInfo(device, &memory);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s does not tell the memory in use", gpu->pci);
	*ret_bytes = memory.used;
	return 0;
}

int nvml_gpu_check(struct nvml_gpu *gpu, struct error *err)
{
	nvmlMemory_t memory;
	nvmlReturn_t code = nvml.nvmlDeviceGetMemoryInfo(gpu->device, &memory);

	if (code == NVML_SUCCESS || code == NVML_ERROR_NOT_SUPPORTED ||
		code == NVML_ERROR_NO_PERMISSION)
		return 0;
	return nvml_fail(code, err, "GPU %s does not answer", gpu->pci);
}

int nvml_gpu_persistence(struct nvml_gpu *gpu)
{
	nvmlEnableState_t mode;
	nvmlReturn_t code = nvml.nvmlDeviceGetPersistenceMode(gpu->device, &mode);

	return code == NVML_SUCCESS ? mode == NVML_FEATURE_ENABLED : nvml_errno(code);
}

static int run_reset(const char *pci, uint64_t deadline_ns, struct error *err)
{
	const char *argv[] = { "nvidia-smi", "--gpu-reset", "-i", pci, NULL };
	AUTO_BUF output = { 0 };
	int r = spawn_wait(argv, deadline_ns, &output, err);

	if (r < 0)
		return error_prefix(err, r, "cannot reset GPU %s", pci);
	for (char *p = output.text; p && *p; p++) {
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	}
	if (r > 0)
		return error_set(err, strstr(buf_text(&output), "in use") ? -EBUSY : -EIO,
			"cannot reset GPU %s: nvidia-smi says \"%s\"", pci, buf_text(&output));
	return 0;
}

int nvml_gpu_reset(struct nvml_gpu *gpu, uint64_t deadline_ns, struct error *err)
{
	struct error again = ERROR_NONE;
	int r;

	if (gpu->events)
		nvml.nvmlEventSetFree(gpu->events);
	gpu->events = NULL;
	nvml_close();
	r = run_reset(gpu->pci, deadline_ns, err);
	if (nvml_open(&again) < 0 || nvml_gpu_find(gpu, &again) < 0)
		return r < 0 ? r : error_set(err, again.code, "after the reset: %s", again.text);
	return r;
}
