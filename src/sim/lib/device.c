/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs there are and what they are: all of it is answered of a lost GPU as well. */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/identity.h"

#include <stddef.h>
#include <stdio.h>

#define ANY_DEVICE (HANDLE_GPU | HANDLE_MIG | HANDLE_LOST_TOO)
#define ONLY_GPU   (HANDLE_GPU | HANDLE_LOST_TOO)
#define VENDOR	   0x10de

nvmlReturn_t sim_nvmlDeviceGetCount(unsigned int *count)
{
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = session_node->n_gpus;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetCount_v2(unsigned int *count)
{
	return sim_nvmlDeviceGetCount(count);
}

nvmlReturn_t sim_nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
	if (!device || index >= session_node->n_gpus)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = handle_make(HANDLE_GPU, index, 0, 0, 0);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	return sim_nvmlDeviceGetHandleByIndex(index, device);
}

/* Finds the MIG device with this UUID on one GPU; under the lock. */
static bool mig_by_uuid(unsigned index, const char *uuid, nvmlDevice_t *ret_device)
{
	const struct gpu_state *state = gpu_now(&session_node->gpus[index]);
	char text[UUID_TEXT_MAX];

	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &state->instances[gi];

		for (unsigned ci = 0; instance->serial && ci < PRODUCT_COMPUTE; ci++) {
			const struct compute_instance *compute = &instance->compute[ci];

			if (!compute->serial ||
				!text_eq(identity_uuid_text("MIG", compute->uuid, text), uuid))
				continue;
			*ret_device = handle_make(HANDLE_MIG, index, gi, ci, compute->serial);
			return true;
		}
	}
	return false;
}

nvmlReturn_t sim_nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	bool found = false;

	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	node_lock(session_node);
	for (unsigned i = 0; i < session_node->n_gpus && !found; i++) {
		if (text_eq(session_node->gpus[i].uuid, uuid)) {
			*device = handle_make(HANDLE_GPU, i, 0, 0, 0);
			found = true;
		} else if (text_starts(uuid, "MIG-")) {
			found = mig_by_uuid(i, uuid, device);
		}
	}
	node_unlock(session_node);
	return found ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t sim_nvmlDeviceGetHandleByPciBusId(const char *pci, nvmlDevice_t *device)
{
	unsigned domain = 0, bus, slot, function = 0;

	if (!pci || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3) {
		domain = 0;
		if (sscanf(pci, "%x:%x.%x", &bus, &slot, &function) < 2)
			return NVML_ERROR_INVALID_ARGUMENT;
	}
	for (unsigned i = 0; i < session_node->n_gpus; i++) {
		const struct gpu *gpu = &session_node->gpus[i];

		if (gpu->pci_domain == domain && gpu->pci_bus == bus && gpu->pci_device == slot)
			return sim_nvmlDeviceGetHandleByIndex(i, device);
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t sim_nvmlDeviceGetHandleByPciBusId_v2(const char *pci, nvmlDevice_t *device)
{
	return sim_nvmlDeviceGetHandleByPciBusId(pci, device);
}

nvmlReturn_t sim_nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
	if (!serial || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < session_node->n_gpus; i++)
		if (text_eq(session_node->gpus[i].serial, serial))
			return sim_nvmlDeviceGetHandleByIndex(i, device);
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t sim_nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	char profile[PROFILE_TEXT_MAX], text[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
	struct place at;
	nvmlReturn_t r = place_enter(device, ANY_DEVICE, &at);

	if (r != NVML_SUCCESS)
		return r;
	text_copy(text, sizeof(text), at.gpu->product.name);
	if (at.kind == HANDLE_MIG)
		snprintf(text, sizeof(text), "%s MIG %s", at.gpu->product.name,
			identity_profile_text(at.profile, at.compute->kind, profile));
	place_leave(&at);
	return give_text(name, length, text);
}

nvmlReturn_t sim_nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	char text[UUID_TEXT_MAX];
	struct place at;
	nvmlReturn_t r = place_enter(device, ANY_DEVICE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (at.kind == HANDLE_MIG)
		identity_uuid_text("MIG", at.compute->uuid, text);
	else
		text_copy(text, sizeof(text), at.gpu->uuid);
	place_leave(&at);
	return give_text(uuid, length, text);
}

nvmlReturn_t sim_nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ONLY_GPU, &at);

	return r == NVML_SUCCESS ? give_text(serial, length, at.gpu->serial) : r;
}

/* Megatransfers per second and lane, by generation. */
static unsigned pcie_mbps(unsigned generation)
{
	static const unsigned mbps[] = { 0, 2500, 5000, 8000, 16000, 32000 };

	return generation < ARRAY_SIZE(mbps) ? mbps[generation] : 0;
}

GIVE(nvmlDeviceGetMinorNumber, ONLY_GPU, unsigned int, at.index)
GIVE(nvmlDeviceGetBrand, ANY_DEVICE, nvmlBrandType_t, NVML_BRAND_NVIDIA)
GIVE(nvmlDeviceGetArchitecture, ANY_DEVICE, nvmlDeviceArchitecture_t, at.gpu->product.architecture)
GIVE(nvmlDeviceGetGpuMaxPcieLinkGeneration, HANDLE_GPU, unsigned int,
	at.gpu->product.pcie_generation)
GIVE(nvmlDeviceGetPcieLinkMaxSpeed, HANDLE_GPU, unsigned int,
	pcie_mbps(at.gpu->product.pcie_generation))
GIVE(nvmlDeviceGetPcieSpeed, HANDLE_GPU, unsigned int, pcie_mbps(at.gpu->product.pcie_generation))
GIVE(nvmlDeviceGetPcieReplayCounter, HANDLE_GPU, unsigned int, 0)
GIVE(nvmlDeviceGetMaxPcieLinkGeneration, HANDLE_GPU, unsigned int, at.gpu->product.pcie_generation)
GIVE(nvmlDeviceGetCurrPcieLinkGeneration, HANDLE_GPU, unsigned int, at.gpu->product.pcie_generation)
GIVE(nvmlDeviceGetMaxPcieLinkWidth, HANDLE_GPU, unsigned int, 16)
GIVE(nvmlDeviceGetCurrPcieLinkWidth, HANDLE_GPU, unsigned int, 16)

nvmlReturn_t sim_nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ANY_DEVICE, &at);

	if (r == NVML_SUCCESS && (!major || !minor))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS) {
		*major = at.gpu->product.compute_major;
		*minor = at.gpu->product.compute_minor;
	}
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ANY_DEVICE, &at);

	if (r == NVML_SUCCESS && !pci)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r != NVML_SUCCESS)
		return r;
	*pci = (nvmlPciInfo_t){ .domain = at.gpu->pci_domain,
		.bus = at.gpu->pci_bus,
		.device = at.gpu->pci_device,
		.pciDeviceId = at.gpu->product.device_id << 16 | VENDOR,
		.pciSubSystemId = at.gpu->product.subsystem_id << 16 | VENDOR };
	identity_pci_text(at.gpu, pci->busIdLegacy);
	snprintf(pci->busId, sizeof(pci->busId), "%08X:%02X:%02X.0", pci->domain, pci->bus,
		pci->device);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_v2_t *pci)
{
	nvmlPciInfo_t now;
	nvmlReturn_t r =
		pci ? sim_nvmlDeviceGetPciInfo_v3(device, &now) : NVML_ERROR_INVALID_ARGUMENT;

	if (r != NVML_SUCCESS)
		return r;
	*pci = (nvmlPciInfo_v2_t){ .domain = now.domain,
		.bus = now.bus,
		.device = now.device,
		.pciDeviceId = now.pciDeviceId,
		.pciSubSystemId = now.pciSubSystemId };
	memcpy(pci->busId, now.busIdLegacy, sizeof(pci->busId));
	return NVML_SUCCESS;
}

/* The oldest caller's struct ends with pciDeviceId: nothing after it may be written. */
nvmlReturn_t sim_nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_v2_t *pci)
{
	nvmlPciInfo_v2_t now;
	nvmlReturn_t r =
		pci ? sim_nvmlDeviceGetPciInfo_v2(device, &now) : NVML_ERROR_INVALID_ARGUMENT;

	if (r == NVML_SUCCESS)
		memcpy(pci, &now, offsetof(nvmlPciInfo_v2_t, pciSubSystemId));
	return r;
}
