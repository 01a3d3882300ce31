/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/vf_device.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_kind.h"

#include <stdio.h>

enum { BARS = 6 };
#define RESOURCE_MEM_64 0x00100000u /* the kernel's IORESOURCE_MEM_64 */

static uint64_t read_mmio(const char *pci)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/resource", pci);
	AUTO_FREE char *text = NULL;
	uint64_t sum = 0;
	char *rest, *line;

	if (root_read(path, &text) < 0)
		return 0;
	rest = text;
	for (unsigned i = 0; i < BARS && (line = strsep(&rest, "\n")); i++) {
		unsigned long long start, end, flags;

		if (sscanf(line, "%llx %llx %llx", &start, &end, &flags) == 3 && end > start &&
			(flags & RESOURCE_MEM_64))
			sum += end - start + 1;
	}
	return sum;
}

void vf_device_read(const char *pci, struct vf_device *ret_device)
{
	struct vf_device device = { .numa = -1 };
	int64_t number;

	if (pci_number(pci, "vendor", &number) == 0)
		device.vendor = (uint16_t)number;
	if (pci_number(pci, "device", &number) == 0)
		device.device = (uint16_t)number;
	if (pci_number(pci, "numa_node", &number) == 0 && number >= 0)
		device.numa = (int32_t)number;
	device.mmio_bytes = read_mmio(pci);
	if (vf_has_cdevs())
		vf_cdev(pci, device.cdev, sizeof(device.cdev));
	vf_mdev(pci, device.mdev);
	*ret_device = device;
}
