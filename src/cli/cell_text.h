/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands in a cell of the picture. */

struct gpu_cell;
struct terminal;

/* `n` lines that fit `width` columns where that is possible, each to be freed. */
void cell_lines(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width,
	unsigned n, char **ret_lines);
/* The lines that all that is to be said of a cell takes. */
unsigned cell_lines_needed(
	const struct gpu_cell *cell, const struct terminal *terminal, unsigned width);
