/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Virtual functions in use: what a virtual machine monitor does with one. */

#include "sim/program/devices.h"

/*
 * Opens the IOMMU group of the VF at a PCI address, as VFIO wants it, and holds the VF for as long
 * as this process lives. ret_device is its GPU, by the VF's name.
 */
int vf_open(struct node *node, const char *address, struct device *ret_device, struct error *err);
