/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The IOMMU, which keeps a virtual machine's devices to its memory, and the groups of devices that
 * it can tell apart: what lies in one group goes to one machine. Reads only; below the system root.
 * The number of a group is of this boot.
 */

#include "driver/pci.h"

struct iommu {
	bool is_on; /* it translates: there are groups */
	enum iommu_maker {
		IOMMU_UNKNOWN,
		IOMMU_INTEL, /* the firmware has a table of it: DMAR */
		IOMMU_AMD,   /* IVRS */
		IOMMU_ARM,   /* IORT */
	} maker;	     /* IOMMU_UNKNOWN: the firmware tells of none */
	char option[64];    /* of the kernel's command line, about it: "intel_iommu=off"; "" none */
	bool overrides_acs; /* pcie_acs_override: groups are smaller than what is isolated */
	bool has_vfio;	    /* /dev/vfio/vfio */
	bool has_vfio_pci;  /* the driver vfio-pci */
	bool has_iommufd;   /* /dev/iommu */
};

void iommu_look(struct iommu *ret_iommu);

/* The group of a device; -1: none. */
int iommu_group(const char *address);
/* Its devices: how many, at most max. */
unsigned iommu_members(int group, char (*ret_address)[PCI_ADDRESS_MAX], unsigned max);
/* True if VFIO does not give the group away as long as this member has the driver that it has.
 * Bridges and devices without a driver are no obstacle. */
bool iommu_member_is_in_the_way(const char *address);

/*
 * Whether the bridges above a device keep what is behind them apart (PCI Express ACS): 1 if all do,
 * 0 if not (*ret_bridge is the first that does not), negative errno where that cannot be read.
 */
int acs_is_on(const char *address, char ret_bridge[PCI_ADDRESS_MAX]);
