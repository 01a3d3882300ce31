/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A VF as the PCI device that a virtual machine gets. */

#include <stdint.h>

struct vf_device {
	uint16_t vendor, device;
	int32_t numa;	     /* -1 unknown */
	uint64_t mmio_bytes; /* its 64-bit memory BARs together; 0 unknown */
	char cdev[32];	     /* "vfio3", where /dev/vfio/devices is there; "" none */
	char mdev[40];	     /* uuid of its mediated device; "" none */
};
void vf_device_read(const char *pci, struct vf_device *ret_device);
