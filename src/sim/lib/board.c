/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU's board is, and what the system leaves out. All of it stays as long as the node. */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/process.h"

#include <stdio.h>
#include <stdlib.h>

#define ONLY_GPU   (HANDLE_GPU | HANDLE_LOST_TOO)
#define ANY_DEVICE (HANDLE_GPU | HANDLE_MIG)

/* Of what it takes a GSP: Turing has one and does not use it. */
#define HAS_GSP (at.gpu->product.architecture >= NVML_DEVICE_ARCH_AMPERE)

static unsigned board_id(const struct gpu *gpu)
{
	return gpu->pci_domain << 16 | gpu->pci_bus << 8 | gpu->pci_device << 3;
}

GIVE(nvmlDeviceGetBoardId, ONLY_GPU, unsigned int, board_id(at.gpu))
GIVE(nvmlDeviceGetMultiGpuBoard, ONLY_GPU, unsigned int, 0)
GIVE(nvmlDeviceGetModuleId, ONLY_GPU, unsigned int, at.index + 1)
GIVE(nvmlDeviceGetIrqNum, HANDLE_GPU, unsigned int, 100 + at.index)
GIVE(nvmlDeviceGetNumGpuCores, HANDLE_GPU, unsigned int,
	at.gpu->product.board.sm *at.gpu->product.board.cores_per_sm)
GIVE(nvmlDeviceGetMemoryBusWidth, HANDLE_GPU, unsigned int, at.gpu->product.board.bus_bits)
GIVE(nvmlDeviceGetBusType, HANDLE_GPU, nvmlBusType_t, NVML_BUS_TYPE_PCIE)
GIVE(nvmlDeviceGetVirtualizationMode, ANY_DEVICE, nvmlGpuVirtualizationMode_t,
	session_node->settings.vgpu_host ? NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU
					 : NVML_GPU_VIRTUALIZATION_MODE_NONE)
GIVE(nvmlDeviceGetDisplayMode, ANY_DEVICE, nvmlEnableState_t, NVML_FEATURE_DISABLED)
GIVE(nvmlDeviceGetDisplayActive, ANY_DEVICE, nvmlEnableState_t, NVML_FEATURE_DISABLED)
GIVE(nvmlDeviceGetInforomConfigurationChecksum, HANDLE_GPU, unsigned int,
	(unsigned)at.gpu->chip_seed)
GIVE_WHICH(nvmlDeviceGetAPIRestriction, HANDLE_GPU, nvmlRestrictedAPI_t,
	which < NVML_RESTRICTED_API_COUNT, nvmlEnableState_t,
	which == NVML_RESTRICTED_API_SET_APPLICATION_CLOCKS, NVML_FEATURE_ENABLED)

GIVE_TEXT(nvmlDeviceGetBoardPartNumber, ONLY_GPU, true, at.gpu->product.board.part)
GIVE_TEXT(nvmlDeviceGetVbiosVersion, ONLY_GPU, true, at.gpu->product.board.vbios)
GIVE_TEXT(nvmlDeviceGetInforomImageVersion, HANDLE_GPU, true, "G520.0200.00.05")

nvmlReturn_t sim_nvmlDeviceGetInforomVersion(
	nvmlDevice_t device, nvmlInforomObject_t object, char *version, unsigned int length)
{
	static const char *const versions[] = { "2.1", "7.16", "N/A" };
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!version || !length || object >= NVML_INFOROM_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	return object == NVML_INFOROM_POWER ? NVML_ERROR_NOT_SUPPORTED
					    : give_text(version, length, versions[object]);
}

nvmlReturn_t sim_nvmlDeviceValidateInforom(nvmlDevice_t device)
{
	struct place at;

	return place_find(device, HANDLE_GPU, &at);
}

nvmlReturn_t sim_nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ANY_DEVICE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	return HAS_GSP ? give_text(version, NVML_GSP_FIRMWARE_VERSION_BUF_SIZE,
				 session_node->settings.driver_version)
		       : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t sim_nvmlDeviceGetGspFirmwareMode(
	nvmlDevice_t device, unsigned int *is_enabled, unsigned int *default_mode)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ANY_DEVICE, &at);

	if (r == NVML_SUCCESS && (!is_enabled || !default_mode))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*is_enabled = *default_mode = HAS_GSP;
	return r;
}

nvmlReturn_t sim_nvmlDeviceOnSameBoard(nvmlDevice_t device, nvmlDevice_t other, int *is_same)
{
	struct place at, beside;
	nvmlReturn_t r = place_find(device, ONLY_GPU, &at);

	if (r == NVML_SUCCESS)
		r = place_find(other, ONLY_GPU, &beside);
	if (r == NVML_SUCCESS && !is_same)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*is_same = at.index == beside.index;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetAddressingMode(
	nvmlDevice_t device, nvmlDeviceAddressingMode_v1_t *mode)
{
	struct place at;
	nvmlReturn_t r = place_find(device, ANY_DEVICE, &at);

	if (r == NVML_SUCCESS && !mode)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && mode->version != nvmlDeviceAddressingMode_v1)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	/* A GPU that is one chip with its CPU (GH200) shares the CPU's page tables. */
	if (r == NVML_SUCCESS)
		mode->value = text_starts(at.gpu->product.key, "GH")
				      ? NVML_DEVICE_ADDRESSING_MODE_ATS
				      : NVML_DEVICE_ADDRESSING_MODE_NONE;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t *pci)
{
	nvmlPciInfo_t now;
	nvmlReturn_t r = sim_nvmlDeviceGetPciInfo_v3(device, pci ? &now : NULL);

	if (r != NVML_SUCCESS)
		return r;
	if (pci->version != nvmlPciInfoExt_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	*pci = (nvmlPciInfoExt_v1_t){ pci->version, now.domain, now.bus, now.device,
		now.pciDeviceId, now.pciSubSystemId, 0x03, 0x02, "" };
	text_copy(pci->busId, sizeof(pci->busId), now.busId);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetHandleByUUIDV(const nvmlUUID_v1_t *uuid, nvmlDevice_t *device)
{
	const unsigned char *b;
	char text[48];

	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (uuid->version != nvmlUUID_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (uuid->type == NVML_UUID_TYPE_ASCII) {
		snprintf(text, sizeof(text), "%.*s", NVML_DEVICE_UUID_ASCII_LEN, uuid->value.str);
		return sim_nvmlDeviceGetHandleByUUID(text, device);
	}
	if (uuid->type != NVML_UUID_TYPE_BINARY)
		return NVML_ERROR_INVALID_ARGUMENT;
	b = uuid->value.bytes;
	for (unsigned i = 0; i < 2; i++) {
		nvmlReturn_t r;

		snprintf(text, sizeof(text),
			"%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			i ? "MIG" : "GPU", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
			b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
		r = sim_nvmlDeviceGetHandleByUUID(text, device);
		if (r != NVML_ERROR_NOT_FOUND)
			return r;
	}
	return NVML_ERROR_NOT_FOUND;
}

/* The window is as large as the memory, or the part of it that an instance has. */
nvmlReturn_t sim_nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, ANY_DEVICE, &at);
	unsigned long long total, used;

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	total = (unsigned long long)at.gpu->product.board.bar1_mib << 20;
	if (at.profile)
		total = total * at.profile->size / at.gpu->product.slots;
	/* A process maps a few MiB, whatever it has allocated. */
	used = (at.profile ? 0 : 1ull << 20) + (process_memory(at.state, at.gi) ? 2ull << 20 : 0);
	if (bar1)
		*bar1 = (nvmlBAR1Memory_t){ total, total - used, used };
	place_leave(&at);
	return bar1 ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* Windows has several; one of the outputs may be NULL. */
nvmlReturn_t sim_nvmlDeviceGetDriverModel_v2(
	nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !current && !pending)
		r = NVML_ERROR_INVALID_ARGUMENT;
	return r == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : r;
}

nvmlReturn_t sim_nvmlDeviceGetDriverModel(
	nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	return sim_nvmlDeviceGetDriverModel_v2(device, current, pending);
}

/* ---- the system: no units, no host interface cards, no GPU left out ---- */

static nvmlReturn_t give_none(unsigned int *count)
{
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlUnitGetCount(unsigned int *count)
{
	return give_none(count);
}

nvmlReturn_t sim_nvmlGetExcludedDeviceCount(unsigned int *count)
{
	return give_none(count);
}

nvmlReturn_t sim_nvmlGetExcludedDeviceInfoByIndex(
	unsigned int index, nvmlExcludedDeviceInfo_t *info)
{
	return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t sim_nvmlSystemGetHicVersion(unsigned int *count, nvmlHwbcEntry_t *entries)
{
	return give_none(count);
}

nvmlReturn_t sim_nvmlSystemGetDriverBranch(
	nvmlSystemDriverBranchInfo_v1_t *branch, unsigned int length)
{
	char text[16];

	if (!branch || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (branch->version != nvmlSystemDriverBranchInfo_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	snprintf(text, sizeof(text), "r%d_00", atoi(session_node->settings.driver_version));
	return give_text(branch->branch,
		length < sizeof(branch->branch) ? length : sizeof(branch->branch), text);
}
