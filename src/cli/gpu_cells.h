/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One GPU as a row of cells: its instances in their places, and the room between them. */

#include "client/json.h"
#include "model/mig.h"

enum cell_kind {
	CELL_FREE,    /* an instance can be made here */
	CELL_USELESS, /* free, and no profile fits as things are */
	CELL_LEASED,
	CELL_USED,    /* processes without a lease are on it */
	CELL_CACHE,   /* idle, made for a request, goes when its room is needed */
	CELL_PINNED,  /* idle, a layout wants it */
	CELL_FOREIGN, /* somebody else made it */
	CELL_KIND_N,
};

enum { CELLS_MAX = MIG_SLOTS_MAX, CELL_LEASES_MAX = MIG_CIS_MAX };

struct gpu_cell {
	enum cell_kind kind;
	unsigned start, size; /* in slots */
	const char *profile;  /* "" for free room, "whole GPU" */
	bool is_pinned;
	unsigned n_leases;
	const json_t *lease[CELL_LEASES_MAX];
	const json_t *process; /* CELL_USED: the first of them */
};

struct gpu_cells {
	unsigned n_slots, n;
	bool has_slots; /* false: the GPU is not cut, and its one cell is all of it */
	struct gpu_cell cell[CELLS_MAX];
};

/* Everything in it is borrowed from the node. */
struct gpu_cells gpu_cells(const json_t *node, const json_t *gpu);
