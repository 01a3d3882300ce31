/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gpu_cells.h"

#include "base/text.h"
#include "cli/mps_text.h"
#include "cli/node.h"
#include "cli/vf_text.h"

#include <stdio.h>

enum { SCALE = 1000, LEAST = SCALE / 10 };

void cell_set_names(
	struct gpu_cell *cell, const char *longest, const char *middle, const char *shortest)
{
	const char *names[CELL_NAMES] = { longest, middle ?: longest, shortest ?: middle ?: longest };

	for (unsigned i = 0; i < CELL_NAMES; i++)
		snprintf(cell->name[i], CELL_NAME_MAX, "%s", names[i]);
}

void cells_set_widths(struct gpu_cells *cells, const double *memory, double all)
{
	double wanted[CELLS_BY_MEMORY_MAX], excess = -SCALE, over = 0;
	unsigned at = 0;

	cells->n_slots = SCALE;
	for (unsigned i = 0; i < cells->n; i++) {
		wanted[i] = all > 0 ? memory[i] / all * SCALE : 0;
		wanted[i] = wanted[i] > LEAST ? wanted[i] : LEAST;
		excess += wanted[i];
		over += wanted[i] - LEAST;
	}
	for (unsigned i = 0; i < cells->n; i++) {
		double width = wanted[i] - (over > 0 ? excess * (wanted[i] - LEAST) / over : 0);
		unsigned end = at + (unsigned)(width > 0 && width < SCALE ? width : 0);

		/* whatever was told, nothing is drawn beyond the GPU */
		end = end > SCALE || i + 1 == cells->n ? SCALE : end;
		cells->cell[i].start = at;
		cells->cell[i].size = end - at;
		at = end;
	}
}

/* The first process seen on the share that no lease covers. */
static const json_t *stranger_on(const json_t *gpu, const char *share)
{
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(gpu, "processes"), i, process)
	{
		if (*json_text(process, "lease") || mps_is_server(gpu, process))
			continue;
		if (!share || text_eq(json_text(process, "share"), share))
			return process;
	}
	return NULL;
}

static void look_at_share(
	struct gpu_cell *cell, const json_t *node, const json_t *gpu, const char *id)
{
	const json_t *share = node_share(node, id);
	const json_t *lease = node_lease(node, json_text(share, "lease"));

	if (lease && cell->n_leases < CELL_LEASES_MAX)
		cell->lease[cell->n_leases++] = lease;
	else if (!cell->process)
		cell->process = stranger_on(gpu, id);
}

static enum cell_kind kind_of(const struct gpu_cell *cell, const char *origin)
{
	if (cell->kind == CELL_FAULTY)
		return CELL_FAULTY;
	if (cell->n_leases > 0)
		return CELL_LEASED;
	if (text_eq(origin, "foreign"))
		return CELL_FOREIGN;
	if (cell->process)
		return CELL_USED;
	return text_eq(origin, "pinned") ? CELL_PINNED : CELL_CACHE;
}

static struct gpu_cell instance_cell(const json_t *node, const json_t *gpu, const json_t *instance)
{
	struct gpu_cell cell = {
		.start = (unsigned)json_whole(instance, "start"),
		.size = (unsigned)json_whole(instance, "size"),
		.is_pinned = text_eq(json_text(instance, "origin"), "pinned"),
	};
	const char *profile = json_text(instance, "profile");
	char with_more[CELL_NAME_MAX], brief[CELL_NAME_MAX];
	const json_t *id;
	size_t i;

	json_array_foreach(json_object_get(instance, "shares"), i, id)
	{
		look_at_share(&cell, node, gpu, json_string_value(id) ?: "");
		mps_cell_look(&cell, node, gpu, json_string_value(id) ?: "");
	}
	vf_cell_look(&cell, node, gpu, instance);
	snprintf(with_more, sizeof(with_more), "%s%s", profile,
		cell.has_vfs		      ? " VF"
		: cell.has_mps || cell.tenant ? " MPS"
					      : "");
	snprintf(brief, sizeof(brief), "%.*s", (int)strcspn(profile, "."), profile);
	cell_set_names(&cell, with_more, profile, brief);
	cell.kind = kind_of(&cell, json_text(instance, "origin"));
	return cell;
}

static struct gpu_cell whole_cell(const json_t *node, const json_t *gpu)
{
	const json_t *lease = node_lease(node, json_text(gpu, "lease"));
	struct gpu_cell cell = { .size = 1, .n_leases = lease != NULL };

	cell.lease[0] = lease;
	cell.process = lease ? NULL : stranger_on(gpu, NULL);
	cell.kind = lease ? CELL_LEASED : cell.process ? CELL_USED : CELL_FREE;
	if (cell.kind == CELL_FREE)
		cell_set_names(&cell, "whole GPU, free", "free", NULL);
	else
		cell_set_names(&cell, "whole GPU", NULL, "whole");
	return cell;
}

/* The free slots that an instance could take, were one made now. */
static uint32_t slots_of_use(const json_t *mig, uint32_t taken, long long slices_left)
{
	uint32_t of_use = 0;
	const json_t *profile, *start;
	size_t i, j;

	json_array_foreach(json_object_get(mig, "profiles"), i, profile)
	{
		uint32_t size = (uint32_t)json_whole(profile, "size");
		uint32_t slots = size < 32 ? (1U << size) - 1 : 0;

		if (json_whole(profile, "slices") > slices_left)
			continue;
		json_array_foreach(json_object_get(profile, "starts"), j, start)
		{
			uint64_t place = (uint64_t)slots << (json_integer_value(start) & 31);

			if (!(place & taken))
				of_use |= (uint32_t)place;
		}
	}
	return of_use;
}

/* Puts the runs of free slots between the instances. */
static void add_free(struct gpu_cells *cells, uint32_t taken, uint32_t of_use)
{
	for (unsigned slot = 0; slot < cells->n_slots && cells->n < CELLS_MAX;) {
		struct gpu_cell *cell = &cells->cell[cells->n];
		bool is_of_use = of_use >> slot & 1;
		unsigned begin = slot;

		if (taken >> slot & 1) {
			slot++;
			continue;
		}
		while (slot < cells->n_slots && !(taken >> slot & 1) &&
			(bool)(of_use >> slot & 1) == is_of_use)
			slot++;
		*cell = (struct gpu_cell){
			.kind = is_of_use ? CELL_FREE : CELL_USELESS,
			.start = begin,
			.size = slot - begin,
		};
		cell_set_names(cell, is_of_use ? "free" : "no fit", NULL, NULL);
		cells->n++;
	}
}

struct gpu_cells gpu_cells(const json_t *node, const json_t *gpu)
{
	const json_t *mig = json_object_get(gpu, "mig"), *instance;
	struct gpu_cells cells = { .n_slots = (unsigned)json_whole(mig, "slots") };
	long long slices_left = json_whole(mig, "slices");
	uint32_t taken = 0;
	size_t i;

	cells.has_slots = gpu_has_mig(gpu) && cells.n_slots > 0 && cells.n_slots <= MIG_SLOTS_MAX;
	if (!gpu_has_mig(gpu) && vf_is_on(gpu)) {
		vf_cells(&cells, node, gpu);
		return cells;
	}
	if (!gpu_has_mig(gpu) && mps_is_used(node, gpu)) {
		mps_cells(&cells, node, gpu);
		return cells;
	}
	if (!cells.has_slots) {
		cells.n_slots = cells.n = 1;
		cells.cell[0] = whole_cell(node, gpu);
		return cells;
	}
	json_array_foreach(json_object_get(gpu, "instances"), i, instance)
	{
		struct gpu_cell cell = instance_cell(node, gpu, instance);

		/* What does not lie within the GPU cannot be drawn. */
		if (cell.size == 0 || cell.size > cells.n_slots ||
			cell.start > cells.n_slots - cell.size || cells.n == CELLS_MAX)
			continue;
		taken |= ((1U << cell.size) - 1) << cell.start;
		slices_left -= json_whole(instance, "slices");
		cells.cell[cells.n++] = cell;
	}
	add_free(&cells, taken, slots_of_use(mig, taken, slices_left));
	return cells;
}
