/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For tests of virtual functions: files of the node that act, and who holds what. */

#include "sim.h"

/* Whether /proc and /sys are live, as VFs want them. */
bool vf_files_are_live(void);

/* Makes a node; the claim is skipped where its files are not live. */
#define BEGIN(machine)                                                                             \
	do {                                                                                       \
		sim_begin(machine);                                                                \
		if (!vf_files_are_live()) {                                                        \
			sim_end();                                                                 \
			SKIP("no FUSE here");                                                      \
		}                                                                                  \
	} while (0)

/* Writes to a file below the node's root: 0, or minus the errno. */
int write_to(const char *file, const char *text);
/* What a file holds, "(ENXIO)" if it says so; and where a link leads. Good until the next call. */
const char *read_from(const char *file);
const char *link_of(const char *file);

/* sriov-manage, with this process out of its way; its exit status. */
int manage(const char *deed, const char *gpu);
