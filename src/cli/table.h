/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A table of text: as narrow as its cells, and as wide as the terminal at most: then columns that
 * may go are cut or left out, and the widest of those that may shrink is cut. Columns without any
 * text in them are left out.
 */

#include "base/list.h"
#include "cli/terminal.h"

#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct column {
	const char *title;
	bool is_right;	 /* numbers stand to the right */
	bool may_shrink; /* long texts may be cut */
	bool may_go;	 /* left out where there is no room, the last one first */
};

struct row {
	char *text[TABLE_COLUMNS_MAX]; /* NULL: nothing */
	enum paint paint;
};

struct table {
	const struct column *columns;
	unsigned n_columns;
	VEC(struct row) rows;
};

struct table table_new(const struct column *columns, unsigned n_columns);
void table_done(struct table *table);
#define AUTO_TABLE __attribute__((cleanup(table_done))) struct table

/* Begins a row; then its cells. */
void table_row(struct table *table, enum paint paint);
void table_cell(struct table *table, unsigned column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void table_print(const struct table *table, const struct terminal *terminal, FILE *out);
