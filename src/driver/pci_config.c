/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities are a list in the first 256 bytes, extended ones in the rest: id and version in the
 * lower 20 bits of a word, the next one's place in the upper 12. (PCI Express Base Specification,
 * 7.5 and 7.6.)
 */
#include "driver/pci_config.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>

enum {
	HEADER_SIZE = 64, /* all that users without rights are told */
	STATUS = 0x06,
	STATUS_HAS_CAPABILITIES = 0x10,
	FIRST_CAPABILITY = 0x34,
	EXTENDED_BEGINS = 0x100,
	/* A list that leads in a circle ends: there is no room for more. */
	CAPABILITIES_MAX = 48,
	EXTENDED_MAX = (PCI_CONFIG_SIZE - EXTENDED_BEGINS) / 8,
};

int pci_config_read(const char *address, struct pci_config *ret_config)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/config", address);
	AUTO_CLOSE int fd = root_openat(path, O_RDONLY);
	unsigned n = 0;
	ssize_t got;

	if (fd < 0)
		return fd;
	memset(ret_config, 0, sizeof(*ret_config));
	while (n < PCI_CONFIG_SIZE &&
		(got = read(fd, ret_config->byte + n, PCI_CONFIG_SIZE - n)) != 0) {
		if (got < 0)
			return -errno;
		n += (unsigned)got;
	}
	ret_config->length = n;
	return n < HEADER_SIZE || pci_config_u32(ret_config, 0) == UINT32_MAX ? -ENODEV : 0;
}

bool pci_config_is_whole(const struct pci_config *config)
{
	return config->length > HEADER_SIZE;
}

uint16_t pci_config_u16(const struct pci_config *config, unsigned at)
{
	if (at + 2 > config->length)
		return 0;
	return (uint16_t)(config->byte[at] | config->byte[at + 1] << 8);
}

uint32_t pci_config_u32(const struct pci_config *config, unsigned at)
{
	return pci_config_u16(config, at) | (uint32_t)pci_config_u16(config, at + 2) << 16;
}

unsigned pci_config_capability(const struct pci_config *config, uint8_t id)
{
	unsigned at;

	if (!(pci_config_u16(config, STATUS) & STATUS_HAS_CAPABILITIES))
		return 0;
	at = config->byte[FIRST_CAPABILITY] & ~3u;
	for (unsigned i = 0; i < CAPABILITIES_MAX && at >= HEADER_SIZE; i++) {
		uint16_t head = pci_config_u16(config, at);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & ~3u;
	}
	return 0;
}

unsigned pci_config_extended(const struct pci_config *config, uint16_t id)
{
	unsigned at = EXTENDED_BEGINS;

	for (unsigned i = 0; i < EXTENDED_MAX && at >= EXTENDED_BEGINS; i++) {
		uint32_t head = pci_config_u32(config, at);

		if (head == 0 || head == UINT32_MAX)
			return 0;
		if ((head & 0xffff) == id)
			return at;
		at = head >> 20 & ~3u;
	}
	return 0;
}
