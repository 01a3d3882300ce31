/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is known of the place where output goes: a terminal or not, how wide, which characters, and
 * whether colours are wanted (NO_COLOR says no). And text that is safe to show there: names and
 * command lines come from other users, so control characters never reach the terminal.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct buf;

enum paint {
	PAINT_PLAIN,
	PAINT_BOLD,
	PAINT_DIM,
	PAINT_RED,
	PAINT_GREEN,
	PAINT_YELLOW,
	PAINT_BLUE,
	PAINT_MAGENTA,
	PAINT_CYAN,
	PAINT_N,
};

struct terminal {
	bool is_terminal;
	bool has_colour, has_unicode;
	unsigned width, height; /* height 0: as many lines as one likes */
};

/* Looks at a descriptor. $COLUMNS and $LINES say the size where it is no terminal. */
struct terminal terminal_look(int fd);

/* Begins a paint (PAINT_PLAIN: ends it); nothing where there are no colours. */
void terminal_paint(const struct terminal *terminal, FILE *out, enum paint paint);

/*
 * The next character of `*text` as it is shown, and moves on: printable and one column wide, else
 * '?'; 0 at the end. Where the terminal has no Unicode, what is not ASCII is '?' too.
 */
uint32_t terminal_next_rune(const struct terminal *terminal, const char **text);

/* Columns that the text takes, and the text made safe (added to `buf`, at most `width` columns). */
unsigned terminal_columns(const struct terminal *terminal, const char *text);
void terminal_add_safe(
	const struct terminal *terminal, struct buf *buf, const char *text, unsigned width);
void terminal_print_safe(const struct terminal *terminal, FILE *out, const char *text);
/* The same as lines: words that do not fit begin a new one, at column `indent`. Where the output is
 * no terminal, it is one line. */
void terminal_print_wrapped(
	const struct terminal *terminal, FILE *out, unsigned indent, const char *text);

/* One character in UTF-8; its length. */
unsigned rune_encode(uint32_t rune, char ret_bytes[4]);
