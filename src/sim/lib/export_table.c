/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nvidia-smi asks NVML for without a public name: a table of functions by a GUID. No header
 * declares it. Which slot is what was found by watching nvidia-smi 535.261.03 call a table of
 * recorders between public calls whose meaning is known, and agrees with what Mokka
 * (NVIDIA/k8s-test-infra) says of 580.65.06. Slots that are not known answer NOT_SUPPORTED, which
 * nvidia-smi prints as N/A.
 */
#include "sim/lib/entry.h"

#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/gpu.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS	  320
#define NAME_SIZE 4096

/* An entry of the process lists: nvmlProcessDetail_v1_t with the name behind it. */
struct listed {
	nvmlProcessDetail_v1_t detail;
	char name[NAME_SIZE];
};
_Static_assert(sizeof(struct listed) == 4128, "as nvidia-smi steps through it");

static nvmlReturn_t slot_unknown(void)
{
	return NVML_ERROR_NOT_SUPPORTED;
}

/* Its arguments are a text to print, and its answer is not looked at. */
static nvmlReturn_t slot_report(void)
{
	return NVML_SUCCESS;
}

static nvmlReturn_t slot_handle(unsigned index, nvmlDevice_t *device)
{
	return sim_nvmlDeviceGetHandleByIndex_v2(index, device);
}

static nvmlReturn_t slot_part(nvmlDevice_t device, char *text, unsigned length)
{
	return sim_nvmlDeviceGetBoardPartNumber(device, text, length);
}

static nvmlReturn_t slot_host_pcie(nvmlDevice_t device, unsigned *generation)
{
	return sim_nvmlDeviceGetMaxPcieLinkGeneration(device, generation);
}

static nvmlReturn_t slot_addressing(nvmlDevice_t device, unsigned *mode)
{
	nvmlDeviceAddressingMode_v1_t now = { .version = nvmlDeviceAddressingMode_v1 };
	nvmlReturn_t r = sim_nvmlDeviceGetAddressingMode(device, &now);

	if (r == NVML_SUCCESS)
		*mode = now.value;
	return r;
}

static nvmlReturn_t slot_margin(nvmlDevice_t device, int *degrees)
{
	nvmlMarginTemperature_v1_t now = { .version = nvmlMarginTemperature_v1 };
	nvmlReturn_t r = sim_nvmlDeviceGetMarginTemperature(device, &now);

	if (r == NVML_SUCCESS)
		*degrees = now.marginTemperature;
	return r;
}

/* Whether it may be watched; dmon and pmon ask. */
static nvmlReturn_t slot_watchable(nvmlDevice_t device, unsigned *is_watchable)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS)
		*is_watchable = 1;
	return r;
}

/* The NUMA node of the GPU's own memory; none has one. */
static nvmlReturn_t slot_numa(nvmlDevice_t device, unsigned *node)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	return r == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : r;
}

/* What lies between two PCI functions. */
static nvmlReturn_t slot_between(const char *pci, const char *other, nvmlGpuTopologyLevel_t *level)
{
	nvmlDevice_t devices[2];
	nvmlReturn_t r = sim_nvmlDeviceGetHandleByPciBusId_v2(pci, &devices[0]);

	if (r == NVML_SUCCESS)
		r = sim_nvmlDeviceGetHandleByPciBusId_v2(other, &devices[1]);
	return r == NVML_SUCCESS
		       ? sim_nvmlDeviceGetTopologyCommonAncestor(devices[0], devices[1], level)
		       : r;
}

/* The processes of one kind, and those of another behind them. */
static nvmlReturn_t list(nvmlDevice_t device, unsigned mode, unsigned and_mode, unsigned *count,
	struct listed *entries)
{
	nvmlProcessDetail_v1_t details[2 * GPU_PROCESSES];
	nvmlProcessDetailList_v1_t all = { nvmlProcessDetailList_v1, mode, GPU_PROCESSES, details };
	nvmlReturn_t r = sim_nvmlDeviceGetRunningProcessDetailList(device, &all);
	unsigned n = all.numProcArrayEntries;

	if (r == NVML_SUCCESS && and_mode != mode) {
		all = (nvmlProcessDetailList_v1_t){ nvmlProcessDetailList_v1, and_mode,
			GPU_PROCESSES, details + n };
		r = sim_nvmlDeviceGetRunningProcessDetailList(device, &all);
		n += all.numProcArrayEntries;
	}
	if (r == NVML_SUCCESS)
		r = give_count(n, count, entries);
	for (unsigned i = 0; r == NVML_SUCCESS && i < n; i++) {
		entries[i].detail = details[i];
		/* One that is gone, or whom this user may not see, has no name. */
		if (sim_nvmlSystemGetProcessName(details[i].pid, entries[i].name, NAME_SIZE) !=
			NVML_SUCCESS)
			entries[i].name[0] = '\0';
	}
	return r;
}

/* MPS clients are here too; the list of their own makes their type "M+C". */
static nvmlReturn_t slot_compute(nvmlDevice_t device, unsigned *count, struct listed *entries)
{
	return list(device, NVML_PROCESS_MODE_COMPUTE, NVML_PROCESS_MODE_MPS, count, entries);
}

static nvmlReturn_t slot_graphics(nvmlDevice_t device, unsigned *count, struct listed *entries)
{
	return list(device, NVML_PROCESS_MODE_GRAPHICS, NVML_PROCESS_MODE_GRAPHICS, count, entries);
}

static nvmlReturn_t slot_mps(nvmlDevice_t device, unsigned *count, struct listed *entries)
{
	return list(device, NVML_PROCESS_MODE_MPS, NVML_PROCESS_MODE_MPS, count, entries);
}

/* ---- a reset: a group of GPUs that must go together is made, asked and freed, then reset ---- */

struct group {
	unsigned n;
	nvmlDevice_t devices[NODE_GPUS];
};

/* Whether a display hangs on it. */
static nvmlReturn_t slot_primary(nvmlDevice_t device, unsigned *is_primary)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS)
		*is_primary = 0;
	return r;
}

/* No fabric stands in the way. */
static nvmlReturn_t slot_fabric(unsigned *state)
{
	*state = 0;
	return NVML_SUCCESS;
}

static nvmlReturn_t slot_group(struct group **ret_group, const nvmlDevice_t *devices, unsigned n)
{
	struct group *group;

	if (n > NODE_GPUS)
		return NVML_ERROR_INVALID_ARGUMENT;
	group = calloc(1, sizeof(*group));
	if (!group)
		return NVML_ERROR_MEMORY;
	group->n = n;
	memcpy(group->devices, devices, n * sizeof(devices[0]));
	*ret_group = group;
	return NVML_SUCCESS;
}

/* The bus ids of all that must be reset with the group: no other GPUs than its own. */
static nvmlReturn_t slot_group_list(const struct group *group, char **bus_ids, unsigned *count)
{
	for (unsigned i = 0; i < group->n; i++) {
		nvmlPciInfo_t pci;
		nvmlReturn_t r = sim_nvmlDeviceGetPciInfo_v3(group->devices[i], &pci);

		if (r != NVML_SUCCESS)
			return r;
		memcpy(bus_ids[i], pci.busId, sizeof(pci.busId));
	}
	*count = group->n;
	return NVML_SUCCESS;
}

static nvmlReturn_t slot_group_free(struct group *group)
{
	free(group);
	return NVML_SUCCESS;
}

static nvmlReturn_t slot_reset(unsigned n, const nvmlDevice_t *devices)
{
	for (unsigned i = 0; i < n; i++) {
		struct place at;
		nvmlReturn_t r = place_find(devices[i], HANDLE_GPU, &at);

		if (r == NVML_SUCCESS && !gpu_may_change(session_node))
			r = NVML_ERROR_NO_PERMISSION;
		if (r == NVML_SUCCESS)
			r = (nvmlReturn_t)gpu_reset(session_node, at.index);
		if (r != NVML_SUCCESS)
			return r;
	}
	return NVML_SUCCESS;
}

typedef void (*slot_fn)(void);

static const struct {
	unsigned slot;
	slot_fn call;
} known[] = {
	{ 20, (slot_fn)slot_primary },
	{ 23, (slot_fn)slot_between },
	{ 26, (slot_fn)slot_report },
	{ 72, (slot_fn)slot_watchable },
	{ 81, (slot_fn)slot_handle },
	{ 168, (slot_fn)slot_reset },
	{ 169, (slot_fn)slot_fabric },
	{ 182, (slot_fn)slot_group },
	{ 183, (slot_fn)slot_group_list },
	{ 184, (slot_fn)slot_group_free },
	{ 213, (slot_fn)slot_compute },
	{ 214, (slot_fn)slot_mps },
	{ 215, (slot_fn)slot_graphics },
	{ 230, (slot_fn)slot_host_pcie },
	{ 231, (slot_fn)slot_part },
	{ 240, (slot_fn)slot_margin },
	{ 241, (slot_fn)slot_numa },
	{ 242, (slot_fn)slot_addressing },
};

/* The first entry is the table's size in bytes. */
static union {
	uintptr_t size;
	slot_fn call;
} table[SLOTS];

__attribute__((constructor)) static void table_fill(void)
{
	for (unsigned i = 1; i < SLOTS; i++)
		table[i].call = (slot_fn)slot_unknown;
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		table[known[i].slot].call = known[i].call;
	table[0].size = sizeof(table);
}

nvmlReturn_t nvmlInternalGetExportTable(const void **ret_table, const unsigned char guid[16]);

nvmlReturn_t nvmlInternalGetExportTable(const void **ret_table, const unsigned char guid[16])
{
	static const unsigned char wanted[16] = { 0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
		0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4 };

	if (!ret_table || !guid)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memcmp(guid, wanted, sizeof(wanted)) != 0)
		return NVML_ERROR_NOT_FOUND;
	*ret_table = table;
	return NVML_SUCCESS;
}
