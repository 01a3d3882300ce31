/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVLink. Two GPUs of one node are bridged to each other; three and more hang on switches, which
 * from Hopper on are a fabric. A GPU alone has links, and none is up.
 */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"

#include <stdio.h>
#include <string.h>

#define SWITCHES       4
#define SWITCH_BUS     0xc0
#define SWITCH_ID      0x22a310deu
#define SWITCH_ID_A100 0x1af110deu
#define FABRIC_VERSION 4 /* of NVLink */

static unsigned links_of(const struct gpu *gpu)
{
	return gpu->product.board.nvlinks;
}

/* The GPUs of this node that have links. */
static unsigned linked_gpus(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < session_node->n_gpus; i++)
		n += links_of(&session_node->gpus[i]) > 0;
	return n;
}

static nvmlReturn_t link_find(
	nvmlDevice_t device, unsigned link, const void *output, struct place *ret_at)
{
	nvmlReturn_t r = place_find(device, HANDLE_GPU, ret_at);

	if (r == NVML_SUCCESS && (!output || link >= NVML_NVLINK_MAX_LINKS))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && link >= links_of(ret_at->gpu))
		r = links_of(ret_at->gpu) ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_SUPPORTED;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkState(
	nvmlDevice_t device, unsigned int link, nvmlEnableState_t *is_active)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, is_active, &at);

	if (r == NVML_SUCCESS)
		*is_active = linked_gpus() > 1 ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkVersion(
	nvmlDevice_t device, unsigned int link, unsigned int *version)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, version, &at);

	if (r == NVML_SUCCESS)
		*version = at.gpu->product.board.nvlink_version;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned int link,
	nvmlNvLinkCapability_t capability, unsigned int *result)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, result, &at);

	if (r == NVML_SUCCESS && capability >= NVML_NVLINK_CAP_COUNT)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*result = capability != NVML_NVLINK_CAP_SLI_BRIDGE;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link,
	nvmlNvLinkErrorCounter_t counter, unsigned long long *count)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, count, &at);

	if (r == NVML_SUCCESS && counter >= NVML_NVLINK_ERROR_COUNT)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*count = 0;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkRemoteDeviceType(
	nvmlDevice_t device, unsigned int link, nvmlIntNvLinkDeviceType_t *type)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, type, &at);

	if (r == NVML_SUCCESS)
		*type = linked_gpus() > 2    ? NVML_NVLINK_DEVICE_TYPE_SWITCH
			: linked_gpus() == 2 ? NVML_NVLINK_DEVICE_TYPE_GPU
					     : NVML_NVLINK_DEVICE_TYPE_UNKNOWN;
	return r;
}

/* The other one of two. */
static nvmlReturn_t partner_pci(unsigned index, nvmlPciInfo_t *pci)
{
	for (unsigned i = 0; i < session_node->n_gpus; i++)
		if (i != index && links_of(&session_node->gpus[i]))
			return sim_nvmlDeviceGetPciInfo_v3(
				handle_make(HANDLE_GPU, i, 0, 0, 0), pci);
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkRemotePciInfo_v2(
	nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
	struct place at;
	nvmlReturn_t r = link_find(device, link, pci, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (linked_gpus() == 2)
		return partner_pci(at.index, pci);
	/* As a driver says of a link that is down. */
	if (linked_gpus() < 2)
		return NVML_ERROR_NOT_SUPPORTED;
	*pci = (nvmlPciInfo_t){ .bus = SWITCH_BUS + link % SWITCHES,
		.pciDeviceId = at.gpu->product.board.nvlink_version < FABRIC_VERSION
				       ? SWITCH_ID_A100
				       : SWITCH_ID };
	snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "0000:%02X:00.0", pci->bus & 0xff);
	snprintf(pci->busId, sizeof(pci->busId), "00000000:%02X:00.0", pci->bus & 0xff);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetNvLinkRemotePciInfo(
	nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *pci)
{
	return sim_nvmlDeviceGetNvLinkRemotePciInfo_v2(device, link, pci);
}

/* ---- the fabric of switches: one clique, never degraded ---- */

static nvmlGpuFabricState_t fabric_state(void)
{
	return linked_gpus() > 2 ? NVML_GPU_FABRIC_STATE_COMPLETED
				 : NVML_GPU_FABRIC_STATE_NOT_SUPPORTED;
}

GIVE_WHERE(nvmlDeviceGetGpuFabricInfo, HANDLE_GPU, nvmlGpuFabricInfo_t,
	at.gpu->product.board.nvlink_version >= FABRIC_VERSION,
	((nvmlGpuFabricInfo_t){ .status = NVML_SUCCESS, .state = fabric_state() }))

/* The third version is the second and a summary after it. */
nvmlReturn_t sim_nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v2_t *info)
{
	nvmlGpuFabricInfo_v3_t full;
	nvmlGpuFabricInfo_t now;
	nvmlReturn_t r;

	if (info && info->version != nvmlGpuFabricInfo_v2 && info->version != nvmlGpuFabricInfo_v3)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = sim_nvmlDeviceGetGpuFabricInfo(device, info ? &now : NULL);
	if (r != NVML_SUCCESS)
		return r;
	full = (nvmlGpuFabricInfo_v3_t){
		.version = info->version, .status = now.status, .state = now.state
	};
	memcpy(info, &full, info->version == nvmlGpuFabricInfo_v3 ? sizeof(full) : sizeof(*info));
	return NVML_SUCCESS;
}

/* ---- peer to peer ---- */

static nvmlGpuP2PStatus_t p2p_status(
	const struct place *one, const struct place *other, nvmlGpuP2PCapsIndex_t index)
{
	bool by_link = links_of(one->gpu) && links_of(other->gpu) && one->index != other->index;

	/* Instances are for themselves. */
	if (one->state->mig_current || other->state->mig_current)
		return NVML_P2P_STATUS_NOT_SUPPORTED;
	if (index == NVML_P2P_CAPS_INDEX_NVLINK || index == NVML_P2P_CAPS_INDEX_ATOMICS)
		return by_link ? NVML_P2P_STATUS_OK : NVML_P2P_STATUS_NOT_SUPPORTED;
	return by_link || one->gpu->numa_node == other->gpu->numa_node
		       ? NVML_P2P_STATUS_OK
		       : NVML_P2P_STATUS_CHIPSET_NOT_SUPPORTED;
}

nvmlReturn_t sim_nvmlDeviceGetP2PStatus(nvmlDevice_t device, nvmlDevice_t other,
	nvmlGpuP2PCapsIndex_t index, nvmlGpuP2PStatus_t *status)
{
	struct place at, beside;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS)
		r = place_find(other, HANDLE_GPU, &beside);
	if (r == NVML_SUCCESS && (!status || index >= NVML_P2P_CAPS_INDEX_UNKNOWN))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*status = p2p_status(&at, &beside, index);
	return r;
}
