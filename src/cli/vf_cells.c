/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFs of a GPU that are set up or somebody's, as cells by their memory; where VFs have no sizes
 * all are equally wide. Those that are free have one cell together.
 */
#include "base/text.h"
#include "cli/gpu_cells.h"
#include "cli/node.h"
#include "cli/vf_text.h"

#include <stdio.h>

static void look_at_holder(struct gpu_cell *cell, const json_t *node, const json_t *share)
{
	const json_t *lease = node_lease(node, json_text(share, "lease"));
	const json_t *user = json_object_get(json_object_get(share, "vf"), "user");

	if (lease && cell->n_leases < CELL_LEASES_MAX)
		cell->lease[cell->n_leases++] = lease;
	else if (!cell->process && json_is_object(user))
		cell->process = user;
	if (cell->n_leases > 0)
		cell->kind = CELL_LEASED;
	else if (cell->process)
		cell->kind = CELL_USED;
}

static enum cell_kind idle_kind(const char *origin)
{
	if (text_eq(origin, "pinned"))
		return CELL_PINNED;
	return text_eq(origin, "foreign") ? CELL_FOREIGN : CELL_CACHE;
}

static struct gpu_cell vf_cell(const json_t *node, const json_t *share)
{
	const char *type = vf_type_text(json_text(share, "profile"));
	const char *colon = strrchr(json_text(share, "id"), ':');
	const char *name = colon ? colon + 1 : json_text(share, "id");
	double bytes = json_number(share, "memory");
	struct gpu_cell cell = { .kind = idle_kind(json_text(share, "origin")) };
	char all[CELL_NAME_MAX], some[CELL_NAME_MAX], memory[32] = "";

	cell.is_pinned = cell.kind == CELL_PINNED;
	if (bytes > 0)
		memory_text(bytes, memory);
	snprintf(all, sizeof(all), "%.12s%s%.30s", name, *type || *memory ? " " : "",
		*type ? type : memory);
	snprintf(some, sizeof(some), "%.12s%s%s", name, *memory ? " " : "", memory);
	cell_set_names(&cell, all, some, name);
	look_at_holder(&cell, node, share);
	return cell;
}

static struct gpu_cell free_cell(const json_t *gpu)
{
	long long n = json_whole(json_object_get(gpu, "vf"), "free");
	struct gpu_cell cell = { .kind = CELL_FREE };
	char all[CELL_NAME_MAX], some[CELL_NAME_MAX];

	snprintf(all, sizeof(all), "%lld VF%s free", n, n == 1 ? "" : "s");
	snprintf(some, sizeof(some), "%lld free", n);
	cell_set_names(&cell, all, some, "free");
	return cell;
}

void vf_cells(struct gpu_cells *cells, const json_t *node, const json_t *gpu)
{
	double left = json_number(gpu, "memory"), memory[CELLS_BY_MEMORY_MAX] = { 0 };
	const json_t *share;
	unsigned n_more = 0;
	size_t i;

	json_array_foreach(json_object_get(node, "shares"), i, share)
	{
		char more[CELL_NAME_MAX];

		if (!vf_is_share_of(share, gpu))
			continue;
		left -= json_number(share, "memory");
		if (cells->n < CELLS_BY_MEMORY_MAX - 1) {
			memory[cells->n] = json_number(share, "memory");
			cells->cell[cells->n++] = vf_cell(node, share);
			continue;
		}
		look_at_holder(&cells->cell[cells->n - 1], node, share);
		memory[cells->n - 1] += json_number(share, "memory");
		n_more++;
		snprintf(more, sizeof(more), "%u VFs", n_more + 1);
		cell_set_names(&cells->cell[cells->n - 1], more, NULL, NULL);
	}
	if (json_whole(json_object_get(gpu, "vf"), "free") > 0 || cells->n == 0) {
		memory[cells->n] = left > 0 ? left : 0;
		cells->cell[cells->n++] = free_cell(gpu);
	}
	cells_set_widths(cells, memory, json_number(gpu, "memory"));
}

void vf_cell_look(
	struct gpu_cell *cell, const json_t *node, const json_t *gpu, const json_t *instance)
{
	const json_t *share, *gi;
	size_t i;

	json_array_foreach(json_object_get(node, "shares"), i, share)
	{
		gi = json_object_get(json_object_get(share, "vf"), "gi");
		if (!vf_is_share_of(share, gpu) || !json_is_integer(gi) ||
			json_integer_value(gi) != json_whole(instance, "gi"))
			continue;
		cell->has_vfs = true;
		look_at_holder(cell, node, share);
	}
}
