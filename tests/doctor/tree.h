/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A node written by hand below CARVE_SYSTEM_ROOT: a host of virtual machines that is well, to be
 * made ill in one respect. One GPU at 0000:41:00.0 behind the root port 0000:40:01.0, with its
 * configuration space, in IOMMU groups, with NVIDIA's driver for hosts of vGPUs.
 */

#include <stdbool.h>
#include <stdint.h>

#define ROOT_PORT "0000:40:01.0"
#define GPU	  "0000:41:00.0"

struct tree {
	/* the GPU */
	uint16_t vendor, device;
	uint32_t class;
	const char *driver; /* NULL: none */
	bool has_capability;
	int total;	    /* sriov_totalvfs; -1: no such file */
	unsigned hardware;  /* TotalVFs */
	unsigned offset;    /* of the first VF */
	unsigned vfs;	    /* that are on */
	uint64_t bar_bytes; /* of one VF, in the root port's window; 0: forgotten */
	bool bars_have_no_place;
	uint64_t other_bar_bytes; /* of BAR 2 of one VF, which has its place; 0: there is none */
	uint64_t window_bytes;	  /* of the root port */
	unsigned last_bus;	  /* behind it */
	int numa;
	/* the rest */
	bool has_iommu, has_table; /* on; in the firmware */
	bool has_acs;
	const char *command_line;
	bool has_manager;
	bool has_monitor;
};

/* One that is well: an L40S with 32 VFs of 256 MiB, four of which are on. */
struct tree tree_well(void);
/* Writes it, and has CARVE_SYSTEM_ROOT and PATH lead there. */
void tree_write(const struct tree *tree);
/* One more file in it, below its root. */
void tree_put(const char *path, const char *text);
void tree_link(const char *path, const char *target);
/* Its root. */
const char *tree_root(void);
/* Removes it. */
void tree_remove(void);
