/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended capabilities are a list in configuration space from byte 256 on: id and version in the
 * lower 20 bits of a word, the next one's place in the upper 12. (PCI Express Base Specification:
 * 7.9.3 for the serial number, 9.3.3 for SR-IOV.)
 */
#include "driver/pci_sriov.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum {
	CONFIG_SIZE = 4096,
	CONFIG_PLAIN = 256, /* as much as others than root are told */
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

struct config {
	uint8_t byte[CONFIG_SIZE];
};

static uint16_t get16(const struct config *config, unsigned at)
{
	return (uint16_t)(config->byte[at] | config->byte[at + 1] << 8);
}

static uint32_t get32(const struct config *config, unsigned at)
{
	return get16(config, at) | (uint32_t)get16(config, at + 2) << 16;
}

static int read_config(const char *pci, struct config *ret_config)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/config", pci);
	AUTO_CLOSE int fd = root_openat(path, O_RDONLY);
	size_t length = 0;
	ssize_t n = 1;

	if (fd < 0)
		return fd == -ENOENT ? -ENODEV : fd;
	while (length < sizeof(ret_config->byte) && n > 0) {
		n = pread(fd, ret_config->byte + length, sizeof(ret_config->byte) - length,
			(off_t)length);
		if (n < 0)
			return -errno;
		length += (size_t)n;
	}
	memset(ret_config->byte + length, 0, sizeof(ret_config->byte) - length);
	if (length > CONFIG_PLAIN)
		return 0;
	/* Short for root too where the device has no extended space */
	return geteuid() == 0 ? -ENOENT : -EACCES;
}

/* Where the capability begins, or -ENOENT. */
static int find(const struct config *config, uint16_t id, unsigned size)
{
	enum { FIRST = 256, STEPS_MAX = (CONFIG_SIZE - FIRST) / 8 };
	unsigned at = FIRST;

	for (unsigned i = 0; i < STEPS_MAX && at >= FIRST && at + size <= CONFIG_SIZE; i++) {
		uint32_t header = get32(config, at);

		if (header == 0 || header == UINT32_MAX)
			break;
		if ((header & 0xffff) == id)
			return (int)at;
		at = header >> 20 & ~3u;
	}
	return -ENOENT;
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
	struct config config;
	int r = read_config(pci, &config);
	int at = r < 0 ? r : find(&config, CAP_SRIOV, SRIOV_SIZE);
	unsigned base;

	if (at < 0)
		return at;
	base = (unsigned)at;
	sriov.initial = get16(&config, base + SRIOV_INITIAL);
	sriov.total = get16(&config, base + SRIOV_TOTAL);
	sriov.enabled = get16(&config, base + SRIOV_NUM);
	sriov.is_on = get16(&config, base + SRIOV_CONTROL) & 1;
	sriov.has_ari = get16(&config, base + SRIOV_CONTROL) & 1 << 4;
	sriov.offset = get16(&config, base + SRIOV_OFFSET);
	sriov.stride = get16(&config, base + SRIOV_STRIDE);
	sriov.vf_device = get16(&config, base + SRIOV_VF_DEVICE);
	for (unsigned i = 0; i < PCI_VF_BARS; i++) {
		uint32_t bar = get32(&config, base + SRIOV_BAR + 4 * i);

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
	struct config config;
	int r = read_config(pci, &config);
	int at = r < 0 ? r : find(&config, CAP_SERIAL, SERIAL_SIZE);

	if (at < 0)
		return at;
	*ret_serial = (uint64_t)get32(&config, (unsigned)at + SERIAL_HIGH) << 32 |
		      get32(&config, (unsigned)at + SERIAL_LOW);
	return *ret_serial ? 0 : -ENOENT;
}
