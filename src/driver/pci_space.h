/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Room on the PCI bus: the ranges of memory that a device has, the windows of the bridges above it,
 * and their bus numbers. From /sys/bus/pci below the system root.
 */

#include "driver/pci.h"

/* A line of a device's file `resource`; all zero: none, or no room was found for it. */
struct pci_range {
	uint64_t start, end, flags;
};

enum {
	PCI_RANGES_MAX = 17,
	PCI_RANGE_WINDOWS = 13, /* the first of three: what a bridge passes on. I/O, memory,
				   prefetchable memory */
};

/* All its ranges; how many lines there were. */
unsigned pci_ranges(const char *address, struct pci_range ret_ranges[PCI_RANGES_MAX]);
/* True if the kernel has given it a place. */
bool pci_range_is_placed(const struct pci_range *range);
/* Bytes; 0 for one that is not placed. */
uint64_t pci_range_size(const struct pci_range *range);

/* The bridge above it; -ENOENT on a root bus. */
int pci_parent(const char *address, char ret_parent[PCI_ADDRESS_MAX]);
/*
 * What is free in a bridge's window of memory, the prefetchable one (above 4 GiB, where big BARs
 * lie) or the plain one: the window without what the devices behind it have of it. An upper limit,
 * as what is free may be in pieces.
 */
uint64_t pci_window_free(const char *bridge, bool is_prefetchable);
/* The last bus number that is behind it; negative errno. */
int pci_last_bus(const char *bridge);
