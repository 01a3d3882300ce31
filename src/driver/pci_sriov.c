/* SPDX-License-Identifier: Apache-2.0 */
/* PCI Express Base Specification: 7.9.3 for the serial number, 9.3.3 for SR-IOV. */
#include "driver/pci_sriov.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/pci_config.h"
#include "driver/root.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	CONFIG_PLAIN = 256, /* what comes before extended capabilities */
	CAP_SERIAL = 0x03,
	CAP_SRIOV = 0x10,
	/* in the capability */
	SRIOV_CONTROL = 0x08, /* bit 0: VF Enable, bit 4: ARI */
	SRIOV_INITIAL = 0x0c,
	SRIOV_TOTAL = 0x0e,
	SRIOV_NUM = 0x10,
	SRIOV_OFFSET = 0x14,
	SRIOV_STRIDE = 0x16,
	SRIOV_VF_DEVICE = 0x1a,
	SRIOV_BAR = 0x24,
	SRIOV_SIZE = SRIOV_BAR + 4 * PCI_VF_BARS,
	/* lines of the file "resource": six BARs, the ROM, then the BARs of the VFs */
	RESOURCE_VF_FIRST = 7,
};

/* Where the capability begins; all of it is there. */
static int find(const char *pci, uint16_t id, unsigned size, struct pci_config *ret_config)
{
	int r = pci_config_read(pci, ret_config);
	unsigned at;

	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	at = pci_config_extended(ret_config, id);
	if (at && at + size <= ret_config->length)
		return (int)at;
	/* Short for root too where the device has no extended space */
	return ret_config->length > CONFIG_PLAIN || geteuid() == 0 ? -ENOENT : -EACCES;
}

/* The kernel's resource of a VF BAR is that of all VFs together. */
static void read_bars(const char *pci, struct pci_sriov *sriov)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/resource", pci);
	AUTO_FREE char *text = NULL;
	char *rest, *line;

	if (sriov->total == 0 || root_read(path, &text) < 0)
		return;
	rest = text;
	for (unsigned i = 0; (line = strsep(&rest, "\n")) && i < RESOURCE_VF_FIRST + PCI_VF_BARS;
		i++) {
		unsigned long long start, end, flags;

		if (i < RESOURCE_VF_FIRST ||
			sscanf(line, "%llx %llx %llx", &start, &end, &flags) != 3 || end <= start)
			continue;
		sriov->bar_size[i - RESOURCE_VF_FIRST] = (end - start + 1) / sriov->total;
		/* what has no room is counted from 0 */
		sriov->bar_is_placed[i - RESOURCE_VF_FIRST] = start != 0;
	}
}

int pci_sriov_read(const char *pci, struct pci_sriov *ret)
{
	struct pci_sriov sriov = { 0 };
	struct pci_config config;
	int at = find(pci, CAP_SRIOV, SRIOV_SIZE, &config);
	unsigned base;

	if (at < 0)
		return at;
	base = (unsigned)at;
	sriov.initial = pci_config_u16(&config, base + SRIOV_INITIAL);
	sriov.total = pci_config_u16(&config, base + SRIOV_TOTAL);
	sriov.enabled = pci_config_u16(&config, base + SRIOV_NUM);
	sriov.is_on = pci_config_u16(&config, base + SRIOV_CONTROL) & 1;
	sriov.has_ari = pci_config_u16(&config, base + SRIOV_CONTROL) & 1 << 4;
	sriov.offset = pci_config_u16(&config, base + SRIOV_OFFSET);
	sriov.stride = pci_config_u16(&config, base + SRIOV_STRIDE);
	sriov.vf_device = pci_config_u16(&config, base + SRIOV_VF_DEVICE);
	for (unsigned i = 0; i < PCI_VF_BARS; i++) {
		uint32_t bar = pci_config_u32(&config, base + SRIOV_BAR + 4 * i);

		sriov.bar_is_prefetchable[i] = bar & 8;
		/* bit 0: I/O; bits 1 and 2: 2 is 64 bits wide, its upper half in the next one */
		if ((bar & 7) == 4 && i + 1 < PCI_VF_BARS)
			sriov.bar_is_64[i++] = true;
	}
	read_bars(pci, &sriov);
	*ret = sriov;
	return 0;
}

int pci_serial(const char *pci, uint64_t *ret_serial)
{
	enum { SERIAL_LOW = 4, SERIAL_HIGH = 8, SERIAL_SIZE = 12 };
	struct pci_config config;
	int at = find(pci, CAP_SERIAL, SERIAL_SIZE, &config);

	if (at < 0)
		return at;
	*ret_serial = (uint64_t)pci_config_u32(&config, (unsigned)at + SERIAL_HIGH) << 32 |
		      pci_config_u32(&config, (unsigned)at + SERIAL_LOW);
	return *ret_serial ? 0 : -ENOENT;
}
