/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shares of a GPU that is shared by MPS, as cells by their memory. The last cell stands for all
 * that have no room of their own.
 */
#include "base/text.h"
#include "cli/gpu_cells.h"
#include "cli/mps_text.h"
#include "cli/node.h"

#include <stdio.h>

static bool is_faulty(const json_t *share)
{
	return text_eq(json_text(share, "server"), "faulty");
}

/* A leased share, or one that waits for a lease, into the cell. */
static void add_share(struct gpu_cell *cell, const json_t *node, const json_t *share)
{
	const json_t *lease = node_lease(node, json_text(share, "lease"));

	if (lease && cell->n_leases < CELL_LEASES_MAX)
		cell->lease[cell->n_leases++] = lease;
	if (is_faulty(share))
		cell->kind = CELL_FAULTY;
	else if (lease && cell->kind != CELL_FAULTY)
		cell->kind = CELL_LEASED;
}

void mps_cell_look(struct gpu_cell *cell, const json_t *node, const json_t *gpu, const char *place)
{
	const json_t *server = *place ? mps_server_at(gpu, place, 0) : NULL, *share;
	size_t i;

	json_array_foreach(json_object_get(node, "shares"), i, share)
	{
		if (!*place || !mps_is_share_at(share, gpu, place))
			continue;
		cell->has_mps = true;
		add_share(cell, node, share);
	}
	if (server && !cell->tenant)
		cell->tenant = json_text(json_object_get(server, "tenant"), "user");
}

static struct gpu_cell share_cell(const json_t *node, const json_t *share)
{
	bool is_pinned = text_eq(json_text(share, "origin"), "pinned");
	struct gpu_cell cell = { .kind = is_pinned ? CELL_PINNED : CELL_CACHE,
		.is_pinned = is_pinned };
	const char *colon = strrchr(json_text(share, "id"), ':');
	const char *name = colon ? colon + 1 : json_text(share, "id");
	double percent = json_number(share, "compute");
	char all[CELL_NAME_MAX], some[CELL_NAME_MAX], least[CELL_NAME_MAX], memory[32];

	snprintf(all, sizeof(all), "%.20s %s %.0f%%", name,
		memory_text(json_number(share, "memory"), memory), percent);
	snprintf(some, sizeof(some), "%.20s %.0f%%", name, percent);
	snprintf(least, sizeof(least), "%.0f%%", percent);
	cell_set_names(&cell, all, some, least);
	add_share(&cell, node, share);
	return cell;
}

static struct gpu_cell free_cell(double memory, double percent)
{
	struct gpu_cell cell = { .kind = CELL_FREE };
	char all[CELL_NAME_MAX], text[32];

	snprintf(all, sizeof(all), "free %s %.0f%%", memory_text(memory, text),
		percent > 0 ? percent : 0);
	cell_set_names(&cell, all, "free", NULL);
	return cell;
}

void mps_cells(struct gpu_cells *cells, const json_t *node, const json_t *gpu)
{
	double all = json_number(gpu, "memory"), left = all, percent_left = 100;
	double memory[CELLS_BY_MEMORY_MAX] = { 0 };
	unsigned n_more = 0;
	const json_t *share;
	size_t i;

	json_array_foreach(json_object_get(node, "shares"), i, share)
	{
		char more[CELL_NAME_MAX];

		if (!mps_is_share_at(share, gpu, NULL))
			continue;
		left -= json_number(share, "memory");
		percent_left -= json_number(share, "compute");
		if (cells->n < CELLS_BY_MEMORY_MAX - 1) {
			cells->cell[cells->n] = share_cell(node, share);
			memory[cells->n++] = json_number(share, "memory");
			continue;
		}
		add_share(&cells->cell[cells->n - 1], node, share);
		memory[cells->n - 1] += json_number(share, "memory");
		n_more++;
		snprintf(more, sizeof(more), "%u shares", n_more + 1);
		cell_set_names(&cells->cell[cells->n - 1], more, NULL, NULL);
	}
	if (left > 0 || cells->n == 0) {
		memory[cells->n] = left > 0 ? left : 0;
		cells->cell[cells->n] = free_cell(memory[cells->n], percent_left);
		cells->n++;
	}
	cells_set_widths(cells, memory, all);
}
