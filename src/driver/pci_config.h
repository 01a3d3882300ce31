/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The configuration space of a PCI device, as /sys/bus/pci tells it below the system root: read
 * once, asked often. Users without rights get its first 64 bytes only, which have no capability.
 */

#include <stdbool.h>
#include <stdint.h>

enum { PCI_CONFIG_SIZE = 4096 };

struct pci_config {
	unsigned length; /* bytes that were told: 64, 256 or 4096 */
	unsigned char byte[PCI_CONFIG_SIZE];
};

/* Negative errno; -ENODEV if the device has fallen off the bus (all ones). */
int pci_config_read(const char *address, struct pci_config *ret_config);
/* True if its capabilities could be read: false for users without rights. */
bool pci_config_is_whole(const struct pci_config *config);
/* Registers, little endian as on the bus; what was not told reads as 0. */
uint16_t pci_config_u16(const struct pci_config *config, unsigned at);
uint32_t pci_config_u32(const struct pci_config *config, unsigned at);
/* Where a capability, or one of PCI Express's extended ones, begins; 0: it has none. */
unsigned pci_config_capability(const struct pci_config *config, uint8_t id);
unsigned pci_config_extended(const struct pci_config *config, uint16_t id);
