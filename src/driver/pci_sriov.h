/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The SR-IOV capability of a PCI device as the hardware has it, whatever its driver or the kernel
 * make of it: from its configuration space in /sys (the extended part takes root), and the sizes of
 * its virtual functions' BARs, which the kernel found when it enumerated the bus.
 */

#include "driver/pci.h"

#include <stdbool.h>
#include <stdint.h>

enum { PCI_VF_BARS = 6 };

struct pci_sriov {
	uint16_t total;	  /* TotalVFs: what the hardware can */
	uint16_t initial; /* InitialVFs */
	uint16_t enabled; /* NumVFs as it is written there */
	bool is_on;	  /* VF Enable */
	uint16_t offset, stride;
	uint16_t vf_device; /* device id of the VFs; vendor is the GPU's */
	bool has_ari;	    /* the bus below it is numbered with ARI */
	/* Of one VF; 0 where there is none. The upper half of a 64-bit BAR has 0. */
	uint64_t bar_size[PCI_VF_BARS];
	bool bar_is_64[PCI_VF_BARS];
	bool bar_is_prefetchable[PCI_VF_BARS]; /* it may lie in a bridge's window for such */
	bool bar_is_placed[PCI_VF_BARS];       /* the kernel found room for those of all VFs */
};

/*
 * -ENOENT: the device has no such capability (none, or it is switched off in the firmware);
 * -EACCES: only root is told; -ENODEV: no such device.
 */
int pci_sriov_read(const char *pci, struct pci_sriov *ret);

/* The number in its Device Serial Number capability: -ENOENT if it has none, -EACCES as above. */
int pci_serial(const char *pci, uint64_t *ret_serial);
