/* SPDX-License-Identifier: Apache-2.0 */
/* What will be measured, and what was. */
#include "cli/measure.h"

#include "base/text.h"
#include "cli/table.h"

#include <inttypes.h>

/* Starting copies, and clocks. */
enum { START_MS = 4000 };

void measure_print_skips(
	const struct measure_plan *plan, const struct terminal *terminal, FILE *out)
{
	for (unsigned i = 0; i < plan->n_skips; i++) {
		const struct plan_skip *skip = &plan->skip[i];
		AUTO_BUF line = { 0 };

		buf_addf(&line, "Not measured: %s: %s. To have it: %s.",
			advice_option_names[skip->option], skip->why, skip->way);
		terminal_print_wrapped(terminal, out, 2, buf_text(&line));
	}
}

void measure_print_plan(const struct measuring *measuring, const struct measure_plan *plan,
	const struct terminal *terminal, FILE *out)
{
	char text[PLAN_TEXT_MAX];

	fprintf(out, "GPU %u: %u runs of %g s, about %u min in all.\n", measuring->gpu, plan->n,
		measuring->run_ms / 1000.0,
		(plan->n * (measuring->run_ms + START_MS) + 59999) / 60000);
	for (unsigned i = 0; i < plan->n; i++)
		fprintf(out, "  %s\n", plan_text(&plan->run[i], text));
	measure_print_skips(plan, terminal, out);
}

static const struct column columns[] = {
	{ "WAY", false, false, false },
	{ "SHARES", true, false, false },
	{ "EACH", false, true, false },
	{ "WORK", false, false, false },
	{ "BESIDE", false, false, false },
	{ "SPEED", true, false, false },
	{ "TOGETHER", true, false, false },
	{ "P50", true, false, false },
	{ "P99", true, false, false },
	{ "ITEM", true, false, true },
};

static void span_cell(
	struct table *table, unsigned column, const struct advice_span *span, const char *unit)
{
	if (span->low == span->high)
		table_cell(table, column, "%u%s", span->low, unit);
	else
		table_cell(table, column, "%u-%u%s", span->low, span->high, unit);
}

static void factor_cell(struct table *table, unsigned column, const struct advice_span *span)
{
	table_cell(table, column, "x%.2f", span->high / 100.0);
}

static void row(struct table *table, const struct measured *measured)
{
	struct advice_span speed = measured_throughput(measured);
	struct advice_span middle = measured_middle(measured), tail = measured_tail(measured);

	table_row(table, PAINT_PLAIN);
	table_cell(table, 0, "%s", advice_option_names[measured->option]);
	table_cell(table, 1, "%u", measured->count);
	if (*measured->profile)
		table_cell(table, 2, "%s", measured->profile);
	else if (measured->percent)
		table_cell(table, 2, "%u %%", measured->percent);
	table_cell(table, 3, "%s", work_kind_names[measured->kind]);
	table_cell(table, 4, "%s", work_beside_names[measured->beside]);
	span_cell(table, 5, &speed, " %");
	table_cell(table, 6, "%u %%", measured_sum(measured));
	factor_cell(table, 7, &middle);
	factor_cell(table, 8, &tail);
	table_cell(table, 9, "%.2f ms", (double)measured->alone.p50_ns / 1e6);
}

/* The figures of one way on one GPU are of one measurement. */
static bool is_of_one(const struct measured *a, const struct measured *b)
{
	return text_eq(a->gpu, b->gpu) && a->time_s == b->time_s && text_eq(a->driver, b->driver);
}

static void print_title(const struct measured *measured, const char *driver,
	const struct terminal *terminal, FILE *out)
{
	char date[MEASURED_DATE_MAX];
	AUTO_BUF line = { 0 };

	buf_addf(&line, "%s (%s), %s, driver %s", measured->gpu, measured->product,
		measured_date(measured, date), measured->driver);
	if (!text_eq(measured->driver, driver))
		buf_addf(&line, "; now it is %s", *driver ? driver : "not known");
	terminal_paint(terminal, out, PAINT_BOLD);
	terminal_print_wrapped(terminal, out, 0, buf_text(&line));
	terminal_paint(terminal, out, PAINT_PLAIN);
}

void measure_print(const struct measured *list, unsigned n, const char *driver,
	const struct terminal *terminal, FILE *out)
{
	for (unsigned i = 0, next; i < n; i = next) {
		AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));

		if (i > 0)
			fputc('\n', out);
		print_title(&list[i], driver, terminal, out);
		for (next = i; next < n && is_of_one(&list[next], &list[i]); next++)
			row(&table, &list[next]);
		table_print(&table, terminal, out);
	}
	if (n)
		terminal_print_wrapped(terminal, out, 0,
			"SPEED and latency are of one copy, against one alone on the whole GPU; "
			"ITEM is how long an item takes there.");
}
