/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/pci_facts.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/pci_sriov.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLASS_DISPLAY = 0x03, CLASS_ACCELERATOR = 0x12, TILES_MAX = 4 };

static bool is_wanted(int64_t class, const uint16_t *classes, unsigned n_classes)
{
	bool wanted = class >> 16 == CLASS_DISPLAY || class >> 16 == CLASS_ACCELERATOR;

	for (unsigned i = 0; i < n_classes; i++)
		wanted = wanted || class >> 8 == classes[i];
	return wanted;
}

bool pci_is_alone(const char *pci, bool has_nvml)
{
	int64_t vendor;

	return pci_number(pci, "vendor", &vendor) == 0 &&
	       (vendor != PCI_VENDOR_NVIDIA || !has_nvml);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

unsigned pci_find_pfs(const uint16_t *classes, unsigned n_classes, bool has_nvml,
	char (*ret_address)[PCI_ADDRESS_MAX], unsigned max)
{
	AUTO_FREE char *path = must_asprintf("%s/sys/bus/pci/devices", root_path());
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (struct dirent *entry; dir && n < max && (entry = readdir(dir));) {
		const char *pci = entry->d_name;
		int64_t class, total;

		if (pci[0] == '.' || pci_number(pci, "sriov_totalvfs", &total) < 0 ||
			pci_number(pci, "class", &class) < 0 ||
			!is_wanted(class, classes, n_classes) || !pci_is_alone(pci, has_nvml))
			continue;
		if (text_copy(ret_address[n], PCI_ADDRESS_MAX, pci) == 0)
			n++;
	}
	if (dir)
		closedir(dir);
	qsort(ret_address, n, PCI_ADDRESS_MAX, compare);
	return n;
}

/* Where a driver tells it: amdgpu's file, or xe's, one for each tile of the GPU. */
static uint64_t read_memory(const char *pci)
{
	int64_t bytes, sum = 0;
	char file[48];

	if (pci_number(pci, "mem_info_vram_total", &bytes) == 0 && bytes > 0)
		return (uint64_t)bytes;
	for (unsigned tile = 0; tile < TILES_MAX; tile++) {
		snprintf(file, sizeof(file), "tile%u/physical_vram_size_bytes", tile);
		if (pci_number(pci, file, &bytes) == 0 && bytes > 0)
			sum += bytes;
	}
	return (uint64_t)sum;
}

int pci_facts(const char *pci, struct gpu_facts *ret_facts, struct error *err)
{
	struct gpu_facts *facts;
	int64_t vendor, device, numa;
	uint64_t serial;

	if (pci_number(pci, "vendor", &vendor) < 0 || pci_number(pci, "device", &device) < 0)
		return error_set(err, -ENODEV, "there is no PCI device %s", pci);
	facts = must_alloc(1, sizeof(*facts));
	facts->is_pci_only = true;
	text_copy(facts->pci, sizeof(facts->pci), pci);
	facts->pci_device = (uint32_t)(device << 16 | vendor);
	facts->numa = pci_number(pci, "numa_node", &numa) == 0 ? (int32_t)numa : -1;
	facts->memory_bytes = read_memory(pci);
	if (pci_serial(pci, &serial) == 0)
		snprintf(facts->serial, sizeof(facts->serial), "%016llx",
			(unsigned long long)serial);
	snprintf(facts->uuid, sizeof(facts->uuid), "PCI-%s%s%s", pci, facts->serial[0] ? "-" : "",
		facts->serial);
	snprintf(facts->product, sizeof(facts->product), "%s %04x:%04x",
		vendor == 0x8086	      ? "Intel"
		: vendor == 0x1002	      ? "AMD"
		: vendor == PCI_VENDOR_NVIDIA ? "NVIDIA"
					      : "PCI device",
		(unsigned)vendor, (unsigned)device);
	*ret_facts = *facts;
	free(facts);
	return 0;
}
