/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs stand one below the other and share their borders, so that the slots of all can be compared:
 *
 *	GPU 0     MIG │1g.10gb│1g.10gb│2g.20gb        │3g.40gb                        │
 *	managed       │L1 ann │cache ░│L2 bob: python │L3 eve: jupyter lab            │
 *	GPU 1     MIG ├───────┼───────┼───────────────┼───────────────────────────────┤
 *
 * A GPU that is shared by MPS, or whose VFs are on, shows its shares by their memory; the narrowest
 * are drawn wider than they are, so that they can be read.
 *
 * A cell says as much as fits: what it is first, who holds it next, asked and got last. A GPU is as
 * tall as what is to be said of it: what is idle takes one line, and the eye goes to what is held.
 * Every kind of cell has a word and a texture of its own beside its colour.
 */
#include "cli/picture.h"

#include "base/text.h"
#include "cli/canvas.h"
#include "cli/cell_text.h"
#include "cli/gpu_cells.h"
#include "cli/mps_text.h"
#include "cli/node.h"
#include "cli/vf_text.h"

#include <stdio.h>

enum { GUTTER = 14, WIDTH_MOST = 160, LINES_MOST = 3 };

struct picture {
	const json_t *node;
	const struct terminal *terminal;
	struct canvas canvas;
	unsigned width; /* of a box, without its left border */
};

/* How a kind of cell is painted, and what fills it where no text is. */
static const struct {
	enum paint text, fill;
	uint16_t texture;
	char plain; /* without Unicode */
} styles[CELL_KIND_N] = {
	[CELL_FREE] = { PAINT_DIM, PAINT_DIM, 0, 0 },
	[CELL_USELESS] = { PAINT_DIM, PAINT_DIM, 0, 0 },
	[CELL_LEASED] = { PAINT_GREEN, PAINT_PLAIN, 0, 0 },
	[CELL_FAULTY] = { PAINT_RED, PAINT_RED, '!', '!' },
	[CELL_USED] = { PAINT_YELLOW, PAINT_YELLOW, '!', '!' },
	[CELL_CACHE] = { PAINT_CYAN, PAINT_DIM, 0x2591, ':' },
	[CELL_PINNED] = { PAINT_BLUE, PAINT_DIM, 0x2592, '#' },
	[CELL_FOREIGN] = { PAINT_MAGENTA, PAINT_MAGENTA, 0x2571, '/' },
};

static unsigned slot_x(const struct picture *picture, const struct gpu_cells *cells, unsigned slot)
{
	return GUTTER + (slot * picture->width + cells->n_slots / 2) / cells->n_slots;
}

/* Marks the slots in free room, so that one sees how much it is. */
static void draw_ticks(struct picture *picture, const struct gpu_cells *cells,
	const struct gpu_cell *cell, unsigned y, unsigned lines)
{
	uint32_t tick = picture->terminal->has_unicode ? 0x250a : ':';

	for (unsigned slot = cell->start + 1; slot < cell->start + cell->size; slot++)
		for (unsigned i = 0; i < lines; i++)
			canvas_fill(&picture->canvas, slot_x(picture, cells, slot), y + i, 1,
				PAINT_DIM, tick);
}

static void draw_cell(struct picture *picture, const struct gpu_cells *cells,
	const struct gpu_cell *cell, unsigned y, unsigned lines)
{
	unsigned x = slot_x(picture, cells, cell->start) + 1;
	unsigned end = slot_x(picture, cells, cell->start + cell->size);
	unsigned width = end - x;
	uint32_t texture = picture->terminal->has_unicode ? styles[cell->kind].texture
							  : (uint32_t)styles[cell->kind].plain;
	char *line[LINES_MOST];

	if (end <= x)
		return;
	canvas_down(&picture->canvas, x - 1, y - 1, y + lines);
	canvas_down(&picture->canvas, end, y - 1, y + lines);
	cell_lines(cell, picture->terminal, width, lines, line);
	for (unsigned i = 0; i < lines; i++) {
		unsigned used = canvas_text(&picture->canvas, picture->terminal, x, y + i, width,
			styles[cell->kind].text, line[i]);

		free(line[i]);
		used += used > 0;
		if (texture && used < width)
			canvas_fill(&picture->canvas, x + used, y + i, width - used,
				styles[cell->kind].fill, texture);
	}
	if (cell->kind == CELL_FREE && cells->has_slots)
		draw_ticks(picture, cells, cell, y, lines);
}

struct state_word {
	char text[GUTTER];
	enum paint paint;
};

/* The GPU's states that are worth a word, the gravest first. */
static unsigned state_words(const json_t *gpu, struct state_word ret_words[], unsigned n_max)
{
	const char *health = json_text(gpu, "health");
	const json_t *server = mps_server_in_trouble(gpu);
	bool is_faulty = text_eq(json_text(server, "state"), "faulty");
	AUTO_BUF tenants = { 0 };
	unsigned n_tenants = mps_add_tenants(&tenants, gpu, ",");
	const struct {
		bool is_so;
		const char *before, *word;
		enum paint paint;
	} states[] = {
		{ *health && !text_eq(health, "healthy"), "", health, PAINT_RED },
		{ server != NULL, "MPS ", json_text(server, "state"),
			is_faulty ? PAINT_RED : PAINT_YELLOW },
		{ json_flag(gpu, "drained"), "", "drained", PAINT_YELLOW },
		{ json_flag(json_object_get(gpu, "mps"), "time_sliced"), "", "time-sliced",
			PAINT_YELLOW },
		{ *json_text(gpu, "busy"), "", "working", PAINT_CYAN },
		{ n_tenants > 0, "of ", buf_text(&tenants), PAINT_DIM },
		{ !json_flag(gpu, "managed"), "", "observed", PAINT_DIM },
	};
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(states) && n < n_max; i++)
		if (states[i].is_so) {
			snprintf(ret_words[n].text, sizeof(ret_words[n].text), "%s%s",
				states[i].before, states[i].word);
			ret_words[n++].paint = states[i].paint;
		}
	return n;
}

static const char *mode_word(const json_t *node, const json_t *gpu)
{
	const json_t *mig = json_object_get(gpu, "mig");

	if (json_flag(mig, "on") != json_flag(mig, "pending"))
		return json_flag(mig, "on") ? "MIG*" : "(MIG)";
	if (json_flag(mig, "on"))
		return "MIG";
	if (vf_is_on(gpu))
		return "VF";
	return mps_is_used(node, gpu) ? "MPS" : "whole";
}

static void draw_gutter(struct picture *picture, const json_t *gpu, unsigned y, unsigned lines)
{
	struct state_word words[LINES_MOST];
	unsigned n = state_words(gpu, words, LINES_MOST);
	bool is_grave = n > 0 && words[0].paint != PAINT_DIM;
	char text[32];

	snprintf(text, sizeof(text), "GPU %-3lld %5s", json_whole(gpu, "index"),
		mode_word(picture->node, gpu));
	if (lines == 1 && is_grave)
		snprintf(text, sizeof(text), "GPU %lld", json_whole(gpu, "index"));
	canvas_text(&picture->canvas, picture->terminal, 0, y, GUTTER - 1, PAINT_BOLD, text);
	for (unsigned i = 1; i < lines && i <= n; i++)
		canvas_text(&picture->canvas, picture->terminal, 0, y + i, GUTTER - 1,
			words[i - 1].paint, words[i - 1].text);
	if (lines == 1 && is_grave)
		canvas_text(&picture->canvas, picture->terminal, 6, y, GUTTER - 7, words[0].paint,
			words[0].text);
}

/* The lines that say all there is to say of a GPU. */
static unsigned lines_needed(const struct picture *picture, const json_t *gpu)
{
	struct gpu_cells cells = gpu_cells(picture->node, gpu);
	struct state_word words[LINES_MOST - 1];
	unsigned most = 1 + state_words(gpu, words, LINES_MOST - 1);

	for (unsigned i = 0; i < cells.n; i++) {
		const struct gpu_cell *cell = &cells.cell[i];
		unsigned x = slot_x(picture, &cells, cell->start) + 1;
		unsigned end = slot_x(picture, &cells, cell->start + cell->size);
		unsigned n = cell_lines_needed(cell, picture->terminal, end - x);

		if (n > most)
			most = n;
	}
	return most;
}

static void draw_gpu(struct picture *picture, const json_t *gpu, unsigned y, unsigned lines)
{
	struct gpu_cells cells = gpu_cells(picture->node, gpu);

	canvas_across(&picture->canvas, GUTTER, GUTTER + picture->width, y);
	canvas_across(&picture->canvas, GUTTER, GUTTER + picture->width, y + lines + 1);
	for (unsigned i = 0; i < cells.n; i++)
		draw_cell(picture, &cells, &cells.cell[i], y + 1, lines);
	draw_gutter(picture, gpu, y + 1, lines);
}

/* The widest box whose slots are equally wide on the GPU that has most of them. */
static unsigned box_width(const json_t *node, const struct terminal *terminal)
{
	unsigned room = terminal->width < WIDTH_MOST ? terminal->width : WIDTH_MOST;
	unsigned most = 1;
	const json_t *gpu;
	size_t i;

	room -= GUTTER + 1;
	json_array_foreach(json_object_get(node, "gpus"), i, gpu)
	{
		struct gpu_cells cells = gpu_cells(node, gpu);

		if (cells.has_slots && cells.n_slots > most)
			most = cells.n_slots;
	}
	return room / most * most ?: room;
}

/* How tall the picture is with at most `most` lines for a GPU. */
static unsigned picture_height(const struct picture *picture, unsigned most)
{
	const json_t *gpu;
	unsigned y = 1;
	size_t i;

	json_array_foreach(json_object_get(picture->node, "gpus"), i, gpu)
	{
		unsigned needed = lines_needed(picture, gpu);

		y += 1 + (needed < most ? needed : most);
	}
	return y;
}

void picture_print(const json_t *node, const struct terminal *terminal, unsigned height, FILE *out)
{
	struct picture picture = { .node = node, .terminal = terminal };
	unsigned most = LINES_MOST, y = 0;
	const json_t *gpu;
	size_t i;

	if (json_array_size(json_object_get(node, "gpus")) == 0)
		return;
	picture.width = box_width(node, terminal);
	while (height > 0 && most > 1 && picture_height(&picture, most) > height)
		most--;
	picture.canvas = canvas_new(GUTTER + picture.width + 1, picture_height(&picture, most));
	json_array_foreach(json_object_get(node, "gpus"), i, gpu)
	{
		unsigned needed = lines_needed(&picture, gpu);
		unsigned lines = needed < most ? needed : most;

		draw_gpu(&picture, gpu, y, lines);
		y += lines + 1;
	}
	canvas_print(&picture.canvas, terminal, out);
	canvas_done(&picture.canvas);
}
