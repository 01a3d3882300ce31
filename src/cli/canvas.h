/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A drawing of characters. Lines are kept as the directions in which they leave a cell, so that
 * lines that meet join by themselves; they become box characters, or + - |, when printed.
 */

#include "cli/terminal.h"

enum line { LINE_UP = 1, LINE_DOWN = 2, LINE_LEFT = 4, LINE_RIGHT = 8 };

struct cell {
	uint32_t rune; /* 0: nothing */
	uint8_t lines; /* enum line, as a mask */
	uint8_t paint;
};

struct canvas {
	unsigned width, height;
	struct cell *cell;
};

struct canvas canvas_new(unsigned width, unsigned height);
void canvas_done(struct canvas *canvas);
#define AUTO_CANVAS __attribute__((cleanup(canvas_done))) struct canvas

/* Lines from one point to the other, both included. */
void canvas_across(struct canvas *canvas, unsigned x1, unsigned x2, unsigned y);
void canvas_down(struct canvas *canvas, unsigned x, unsigned y1, unsigned y2);

/* Text from x on, at most `width` columns, cut with dots; returns the columns it took. */
unsigned canvas_text(struct canvas *canvas, const struct terminal *terminal, unsigned x, unsigned y,
	unsigned width, enum paint paint, const char *text);
/* Fills what is empty there. */
void canvas_fill(struct canvas *canvas, unsigned x, unsigned y, unsigned width, enum paint paint,
	uint32_t rune);

void canvas_print(const struct canvas *canvas, const struct terminal *terminal, FILE *out);
