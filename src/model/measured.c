/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From figures to rows of advice.
 *
 * Advice asks how fast one share is while all its neighbours are busy with the same. So a row comes
 * from a figure whose copies were alike; what neighbours of another kind cost, which was measured
 * with two shares, is said in its words.
 */
#include "model/measured.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const work_kind_names[WORK_KINDS_N] = { "compute", "bandwidth", "launch" };
const char *const work_beside_names[BESIDE_N] = { "compute", "bandwidth", "launch", "alike",
	"nobody" };

#define OF(workload) (1U << WORKLOAD_##workload)
const struct work_meaning work_meanings[WORK_KINDS_N] = {
	[WORK_COMPUTE] = { OF(TRAINING) | OF(HPC),
		"large matrix products keep the multiprocessors' arithmetic busy" },
	[WORK_BANDWIDTH] = { OF(INFERENCE),
		"a model that answers word by word reads all its weights for each word" },
	[WORK_LAUNCH] = { OF(INTERACTIVE),
		"a person's session starts small kernels, and waits for each" },
};

int work_kind_find(const char *name)
{
	for (int i = 0; i < WORK_KINDS_N; i++)
		if (text_eq(name, work_kind_names[i]))
			return i;
	return -1;
}

/* ---- in hundredths of the whole GPU ---- */

static unsigned hundredths(double part, double whole)
{
	double value = whole > 0 ? 100 * part / whole : 0;

	return value < 1 ? 1 : value > 1e6 ? 1000000 : (unsigned)lround(value);
}

static void span_add(struct advice_span *span, unsigned value)
{
	if (!span->low || value < span->low)
		span->low = value;
	if (value > span->high)
		span->high = value;
}

static double speed_of(const struct work_rate *rate)
{
	return rate->items_per_s;
}

static double middle_of(const struct work_rate *rate)
{
	return (double)rate->p50_ns;
}

static double tail_of(const struct work_rate *rate)
{
	return (double)rate->p99_ns;
}

/* From the copy that has the least to the one that has the most. */
static struct advice_span span_of(
	const struct measured *measured, double (*of)(const struct work_rate *rate))
{
	struct advice_span span = { 0 };

	for (unsigned i = 0; i < measured->n; i++)
		span_add(&span, hundredths(of(&measured->copy[i]), of(&measured->alone)));
	return span;
}

struct advice_span measured_throughput(const struct measured *measured)
{
	return span_of(measured, speed_of);
}

struct advice_span measured_middle(const struct measured *measured)
{
	return span_of(measured, middle_of);
}

struct advice_span measured_tail(const struct measured *measured)
{
	return span_of(measured, tail_of);
}

unsigned measured_sum(const struct measured *measured)
{
	double sum = 0;

	for (unsigned i = 0; i < measured->n; i++)
		sum += measured->copy[i].items_per_s;
	return hundredths(sum, measured->alone.items_per_s);
}

/* Days since 1970 as a date of the Gregorian calendar; years begin in March, eras have 400. */
const char *measured_date(const struct measured *measured, char ret_text[MEASURED_DATE_MAX])
{
	uint64_t days = measured->time_s / 86400 + 719468;
	unsigned era = (unsigned)(days / 146097), day = (unsigned)(days % 146097);
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned of_year = day - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * of_year + 2) / 153;

	snprintf(ret_text, MEASURED_DATE_MAX, "%04u-%02u-%02u", 400 * era + year + (month >= 10),
		month < 10 ? month + 3 : month - 9, of_year - (153 * month + 2) / 5 + 1);
	return ret_text;
}

/* ---- rows of advice ---- */

static bool is_of_one_share(const struct measured *a, const struct measured *b)
{
	return a->option == b->option && a->count == b->count && a->percent == b->percent &&
	       text_eq(a->profile, b->profile) && text_eq(a->gpu, b->gpu);
}

/* With all the neighbours that there can be, and those are alike. */
static bool is_row(const struct measured *measured)
{
	return measured->beside == BESIDE_ALIKE || measured->count == 1;
}

static void say_shares(const struct measured *measured, struct buf *text)
{
	switch (measured->option) {
	case ADVICE_MPS:
		buf_addf(text, "%u MPS shares of %u %%, all busy", measured->count,
			measured->percent);
		break;
	case ADVICE_MIG:
		buf_addf(text, "%u x %s, all busy", measured->count, measured->profile);
		break;
	case ADVICE_TIME:
		buf_addf(text, "%u programs by the driver's own turns", measured->count);
		break;
	default:
		buf_add(text, "nobody else on it");
	}
}

/* What neighbours of other kinds leave of the same share. */
static void say_others(
	const struct measured *measured, const struct measured *list, unsigned n, struct buf *text)
{
	for (unsigned i = 0; i < n; i++) {
		const struct measured *other = &list[i];

		if (other->option != measured->option || other->kind != measured->kind ||
			other->beside >= BESIDE_ALIKE || !text_eq(other->gpu, measured->gpu) ||
			!text_eq(other->profile, measured->profile))
			continue;
		buf_addf(text, "; %u %% as one of %u beside work bound by %s",
			measured_throughput(other).low, other->count,
			work_beside_names[other->beside]);
	}
}

static char *text_add(struct measured_rows *rows, struct buf *text)
{
	rows->text = must_realloc(rows->text, rows->n_texts + 1, sizeof(*rows->text));
	return rows->text[rows->n_texts++] = buf_take(text);
}

/* When, under which driver, and what has changed since. */
static void say_when(
	const struct measured *measured, const char *driver, bool is_own, struct buf *text)
{
	char date[MEASURED_DATE_MAX];

	buf_addf(text, "on %s%s, %s, driver %s",
		is_own ? "this node" : "another GPU of this product, ", is_own ? "" : measured->gpu,
		measured_date(measured, date), measured->driver);
	if (!text_eq(measured->driver, driver))
		buf_addf(text, " (now it is %s)", *driver ? driver : "not known");
}

static void row_put(const struct measured *of, uint32_t workloads,
	const struct advice_span speed[2], const char *what, const char *driver,
	struct measured_rows *rows)
{
	AUTO_BUF own = { 0 }, other = { 0 };
	struct advice_measured *row;

	say_when(of, driver, true, &own);
	say_when(of, driver, false, &other);
	buf_addf(&own, ": %s", what);
	buf_addf(&other, ": %s", what);
	rows->row = must_realloc(rows->row, rows->n + 1, sizeof(*rows->row));
	row = &rows->row[rows->n++];
	*row = (struct advice_measured){
		.gpu = of->gpu,
		.product = of->product,
		.option = of->option,
		.count = of->count,
		.percent = of->percent,
		.profile = of->profile,
		.workloads = workloads,
		.estimate = { .throughput = speed[0],
			.latency = speed[1],
			.source = SOURCE_MEASURED,
			.text = text_add(rows, &own),
			.where = "carve measure --show" },
		.elsewhere = text_add(rows, &other),
	};
}

static void row_add(const struct measured *measured, const struct measured *list, unsigned n,
	const char *driver, struct measured_rows *rows)
{
	struct advice_span speed[] = { measured_throughput(measured), measured_tail(measured) };
	AUTO_BUF what = { 0 };

	say_shares(measured, &what);
	buf_addf(&what, ", bound by %s", work_kind_names[measured->kind]);
	say_others(measured, list, n, &what);
	row_put(measured, work_meanings[measured->kind].workloads, speed, buf_text(&what), driver,
		rows);
}

/* For work that is not said: from the slowest of its kinds to the fastest, if all were measured. */
static void row_add_any(const struct measured *measured, const struct measured *list, unsigned n,
	const char *driver, struct measured_rows *rows)
{
	struct advice_span speed[2] = { 0 };
	AUTO_BUF what = { 0 };
	unsigned kinds = 0;

	for (unsigned i = 0; i < n; i++) {
		struct advice_span throughput = measured_throughput(&list[i]);
		struct advice_span tail = measured_tail(&list[i]);

		if (!is_row(&list[i]) || !is_of_one_share(&list[i], measured))
			continue;
		kinds |= 1U << list[i].kind;
		span_add(&speed[0], throughput.low);
		span_add(&speed[0], throughput.high);
		span_add(&speed[1], tail.low);
		span_add(&speed[1], tail.high);
	}
	if (kinds != (1U << WORK_KINDS_N) - 1)
		return;
	say_shares(measured, &what);
	buf_add(&what, ", bound by compute, bandwidth or launch");
	row_put(measured, OF(ANY), speed, buf_text(&what), driver, rows);
}

void measured_rows_make(
	const struct measured *list, unsigned n, const char *driver, struct measured_rows *ret_rows)
{
	struct measured_rows rows = { 0 };

	for (unsigned i = 0; i < n; i++) {
		if (!is_row(&list[i]))
			continue;
		row_add(&list[i], list, n, driver, &rows);
		if (list[i].kind == WORK_COMPUTE)
			row_add_any(&list[i], list, n, driver, &rows);
	}
	*ret_rows = rows;
}

void measured_rows_done(struct measured_rows *rows)
{
	for (unsigned i = 0; i < rows->n_texts; i++)
		free(rows->text[i]);
	free(rows->text);
	free(rows->row);
	*rows = (struct measured_rows){ 0 };
}
