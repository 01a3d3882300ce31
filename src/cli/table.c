/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>

/* READABLE: what may go is not cut to less. */
enum { GAP = 2, SHRUNK_MIN = 8, READABLE = 24 };

struct table table_new(const struct column *columns, unsigned n_columns)
{
	return (struct table){ .columns = columns, .n_columns = n_columns };
}

void table_done(struct table *table)
{
	struct row *row;

	vec_for_each (row, &table->rows)
		for (unsigned i = 0; i < table->n_columns; i++)
			free(row->text[i]);
	vec_done(&table->rows);
}

void table_row(struct table *table, enum paint paint)
{
	vec_add(&table->rows)->paint = paint;
}

void table_cell(struct table *table, unsigned column, const char *format, ...)
{
	struct row *row = &table->rows.at[table->rows.n - 1];
	va_list args;

	free(row->text[column]);
	va_start(args, format);
	if (vasprintf(&row->text[column], format, args) < 0)
		row->text[column] = NULL;
	va_end(args);
}

/* The columns' widths; 0 for one that is left out. Returns the width of all with their gaps. */
static unsigned measure(const struct table *table, const struct terminal *terminal, unsigned *width)
{
	unsigned sum = 0, n = 0;
	struct row *row;

	for (unsigned i = 0; i < table->n_columns; i++) {
		width[i] = 0;
		vec_for_each (row, &table->rows) {
			unsigned columns =
				row->text[i] ? terminal_columns(terminal, row->text[i]) : 0;

			if (columns > width[i])
				width[i] = columns;
		}
		if (width[i] > 0 && width[i] < strlen(table->columns[i].title))
			width[i] = (unsigned)strlen(table->columns[i].title);
		sum += width[i];
		n += width[i] > 0;
	}
	return n ? sum + GAP * (n - 1) : 0;
}

/* Leaves out what may go; the width of the rest. */
static unsigned leave_out(
	const struct table *table, unsigned *width, unsigned total, unsigned limit)
{
	for (unsigned i = table->n_columns; i-- > 0 && total > limit;) {
		unsigned least = table->columns[i].may_shrink ? READABLE : UINT32_MAX;

		if (!table->columns[i].may_go || width[i] == 0)
			continue;
		if (width[i] > least) {
			total -= width[i] - least;
			width[i] = least;
		}
		if (total <= limit) { /* gives back what is to spare */
			unsigned more = limit - total;

			width[i] += more;
			total += more;
			break;
		}
		total -= width[i] + GAP;
		width[i] = 0;
	}
	return total;
}

static void shrink(const struct table *table, unsigned *width, unsigned total, unsigned limit)
{
	while (total > limit) {
		unsigned widest = table->n_columns;

		for (unsigned i = 0; i < table->n_columns; i++)
			if (table->columns[i].may_shrink && width[i] > SHRUNK_MIN &&
				(widest == table->n_columns || width[i] > width[widest]))
				widest = i;
		if (widest == table->n_columns)
			return;
		width[widest]--;
		total--;
	}
}

static void print_row(const struct table *table, const struct terminal *terminal,
	const unsigned *width, char *const *text, FILE *out)
{
	AUTO_BUF line = { 0 };
	unsigned last = 0;

	for (unsigned i = 0; i < table->n_columns; i++)
		if (width[i] > 0 && text[i] && *text[i])
			last = i;
	for (unsigned i = 0; i <= last; i++) {
		const char *cell = text[i] ?: "";
		unsigned columns = terminal_columns(terminal, cell);
		int pad = (int)width[i] - (int)(columns < width[i] ? columns : width[i]);

		if (width[i] == 0)
			continue;
		if (line.length > 0)
			buf_addf(&line, "%*s", GAP, "");
		if (table->columns[i].is_right)
			buf_addf(&line, "%*s", pad, "");
		terminal_add_safe(terminal, &line, cell, width[i]);
		if (!table->columns[i].is_right && i < last)
			buf_addf(&line, "%*s", pad, "");
	}
	fputs(buf_text(&line), out);
}

void table_print(const struct table *table, const struct terminal *terminal, FILE *out)
{
	unsigned width[TABLE_COLUMNS_MAX];
	unsigned total = measure(table, terminal, width);
	char *titles[TABLE_COLUMNS_MAX];
	struct row *row;

	if (terminal->is_terminal)
		shrink(table, width, leave_out(table, width, total, terminal->width),
			terminal->width);
	for (unsigned i = 0; i < table->n_columns; i++)
		titles[i] = (char *)table->columns[i].title;
	terminal_paint(terminal, out, PAINT_BOLD);
	print_row(table, terminal, width, titles, out);
	terminal_paint(terminal, out, PAINT_PLAIN);
	fputc('\n', out);
	vec_for_each (row, &table->rows) {
		if (row->paint)
			terminal_paint(terminal, out, row->paint);
		print_row(table, terminal, width, row->text, out);
		if (row->paint)
			terminal_paint(terminal, out, PAINT_PLAIN);
		fputc('\n', out);
	}
}
