/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/canvas.h"

#include "base/text.h"

#include <stdlib.h>

static struct cell *at(struct canvas *canvas, unsigned x, unsigned y)
{
	static struct cell outside;

	return x < canvas->width && y < canvas->height ? &canvas->cell[y * canvas->width + x]
						       : &outside;
}

struct canvas canvas_new(unsigned width, unsigned height)
{
	return (struct canvas){
		.width = width,
		.height = height,
		.cell = must_alloc((size_t)width * height, sizeof(struct cell)),
	};
}

void canvas_done(struct canvas *canvas)
{
	free(canvas->cell);
	canvas->cell = NULL;
}

void canvas_across(struct canvas *canvas, unsigned x1, unsigned x2, unsigned y)
{
	for (unsigned x = x1; x < x2; x++) {
		at(canvas, x, y)->lines |= LINE_RIGHT;
		at(canvas, x + 1, y)->lines |= LINE_LEFT;
	}
}

void canvas_down(struct canvas *canvas, unsigned x, unsigned y1, unsigned y2)
{
	for (unsigned y = y1; y < y2; y++) {
		at(canvas, x, y)->lines |= LINE_DOWN;
		at(canvas, x, y + 1)->lines |= LINE_UP;
	}
}

unsigned canvas_text(struct canvas *canvas, const struct terminal *terminal, unsigned x, unsigned y,
	unsigned width, enum paint paint, const char *text)
{
	unsigned columns = terminal_columns(terminal, text), n = columns < width ? columns : width;

	for (unsigned i = 0; i < n; i++) {
		bool is_cut = columns > width && i == n - 1;
		uint32_t rune = terminal_next_rune(terminal, &text);

		if (is_cut)
			rune = terminal->has_unicode ? 0x2026 : '~';
		*at(canvas, x + i, y) = (struct cell){ .rune = rune, .paint = (uint8_t)paint };
	}
	return n;
}

void canvas_fill(struct canvas *canvas, unsigned x, unsigned y, unsigned width, enum paint paint,
	uint32_t rune)
{
	for (unsigned i = 0; i < width; i++) {
		struct cell *cell = at(canvas, x + i, y);

		if (!cell->rune && !cell->lines)
			*cell = (struct cell){ .rune = rune, .paint = (uint8_t)paint };
	}
}

static uint32_t line_rune(unsigned lines, bool has_unicode)
{
	static const uint16_t box[16] = {
		[LINE_UP] = 0x2575,
		[LINE_DOWN] = 0x2577,
		[LINE_UP | LINE_DOWN] = 0x2502,
		[LINE_LEFT] = 0x2574,
		[LINE_RIGHT] = 0x2576,
		[LINE_LEFT | LINE_RIGHT] = 0x2500,
		[LINE_DOWN | LINE_RIGHT] = 0x250c,
		[LINE_DOWN | LINE_LEFT] = 0x2510,
		[LINE_UP | LINE_RIGHT] = 0x2514,
		[LINE_UP | LINE_LEFT] = 0x2518,
		[LINE_UP | LINE_DOWN | LINE_RIGHT] = 0x251c,
		[LINE_UP | LINE_DOWN | LINE_LEFT] = 0x2524,
		[LINE_DOWN | LINE_LEFT | LINE_RIGHT] = 0x252c,
		[LINE_UP | LINE_LEFT | LINE_RIGHT] = 0x2534,
		[LINE_UP | LINE_DOWN | LINE_LEFT | LINE_RIGHT] = 0x253c,
	};
	bool is_across = lines & (LINE_LEFT | LINE_RIGHT), is_down = lines & (LINE_UP | LINE_DOWN);

	if (has_unicode)
		return box[lines & 15];
	return is_across && is_down ? '+' : is_across ? '-' : '|';
}

static void print_line(
	const struct cell *cell, unsigned n, const struct terminal *terminal, FILE *out)
{
	uint8_t paint = PAINT_PLAIN;

	while (n > 0 && !cell[n - 1].rune && !cell[n - 1].lines)
		n--;
	for (unsigned i = 0; i < n; i++) {
		uint8_t wanted = cell[i].rune ? cell[i].paint : PAINT_PLAIN;
		uint32_t rune = cell[i].rune	? cell[i].rune
				: cell[i].lines ? line_rune(cell[i].lines, terminal->has_unicode)
						: ' ';
		char bytes[4];

		if (wanted != paint) {
			terminal_paint(terminal, out, PAINT_PLAIN);
			if (wanted)
				terminal_paint(terminal, out, wanted);
			paint = wanted;
		}
		fwrite(bytes, 1, rune_encode(rune, bytes), out);
	}
	if (paint)
		terminal_paint(terminal, out, PAINT_PLAIN);
	fputc('\n', out);
}

void canvas_print(const struct canvas *canvas, const struct terminal *terminal, FILE *out)
{
	for (unsigned y = 0; y < canvas->height; y++)
		print_line(canvas->cell + (size_t)y * canvas->width, canvas->width, terminal, out);
}
