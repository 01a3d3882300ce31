/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One GPU as a row of cells: its instances, MPS shares or VFs, and the room between them. */

#include "client/json.h"
#include "model/mig.h"
#include "model/mps.h"

enum cell_kind {
	CELL_FREE,    /* an instance or a share can be made here */
	CELL_USELESS, /* free, and no profile fits as things are */
	CELL_LEASED,
	CELL_FAULTY,  /* leased, and its MPS server is broken */
	CELL_USED,    /* processes without a lease are on it */
	CELL_CACHE,   /* idle, made for a request, goes when its room is needed */
	CELL_PINNED,  /* idle, a layout wants it */
	CELL_FOREIGN, /* somebody else made it */
	CELL_KIND_N,
};

enum {
	CELLS_MAX = MIG_SLOTS_MAX,
	CELL_LEASES_MAX = MPS_SHARES_MAX,
	CELL_NAMES = 3,
	CELL_NAME_MAX = 48,
	CELLS_BY_MEMORY_MAX = 8,
};

struct gpu_cell {
	enum cell_kind kind;
	unsigned start, size;		      /* in slots */
	char name[CELL_NAMES][CELL_NAME_MAX]; /* the same from long to short: "3g.40gb", "3g" */
	bool is_pinned;
	bool has_mps;	    /* it has MPS shares */
	bool has_vfs;	    /* vGPUs lie in it */
	const char *tenant; /* whose MPS server is in the instance; NULL */
	unsigned n_leases;
	const json_t *lease[CELL_LEASES_MAX];
	const json_t *process; /* CELL_USED: the first of them */
};

struct gpu_cells {
	unsigned n_slots, n;
	bool has_slots; /* false: the GPU is not cut by MIG */
	struct gpu_cell cell[CELLS_MAX];
};

/* Everything in it is borrowed from the node. */
struct gpu_cells gpu_cells(const json_t *node, const json_t *gpu);

/* A cell's names; NULL: as the one before. */
void cell_set_names(
	struct gpu_cell *cell, const char *longest, const char *middle, const char *shortest);
static inline bool cell_is_held(const struct gpu_cell *cell)
{
	return cell->kind == CELL_LEASED || cell->kind == CELL_FAULTY || cell->kind == CELL_USED;
}

/*
 * Gives each of at most CELLS_BY_MEMORY_MAX cells, which have no slots, its width: its part of all
 * memory. None is so narrow that it cannot be read; the wide ones pay for it.
 */
void cells_set_widths(struct gpu_cells *cells, const double *memory, double all);

/* mps_cells.c: the shares of a GPU that is shared by MPS and not in MIG mode, by their memory. */
void mps_cells(struct gpu_cells *cells, const json_t *node, const json_t *gpu);
/* The MPS shares in an instance, and whose server it is. */
void mps_cell_look(struct gpu_cell *cell, const json_t *node, const json_t *gpu, const char *place);

/* vf_cells.c: the VFs of a GPU that is not in MIG mode, by their memory. */
void vf_cells(struct gpu_cells *cells, const json_t *node, const json_t *gpu);
/* The vGPUs that lie in an instance. */
void vf_cell_look(
	struct gpu_cell *cell, const json_t *node, const json_t *gpu, const json_t *instance);
