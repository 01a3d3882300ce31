/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A PCI device as /sys/bus/pci tells it, below the system root; addresses are "0000:1b:00.0". */

#include <stdbool.h>
#include <stdint.h>

enum { PCI_ADDRESS_MAX = 16, PCI_VENDOR_NVIDIA = 0x10de };

/* The display controllers and 3D accelerators of NVIDIA on the bus, without their virtual
 * functions: how many, at most max. */
unsigned pci_find_gpus(char (*ret_address)[PCI_ADDRESS_MAX], unsigned max);
/* A number in one of its files ("numa_node", "sriov_totalvfs", "vendor"); -ENOENT if it has none.
 */
int pci_number(const char *address, const char *file, int64_t *ret_value);
/* The name of the kernel driver that has it; "" none. */
void pci_driver(const char *address, char *ret_name, unsigned size);
/* True if it is a virtual function. */
bool pci_is_virtual(const char *address);
