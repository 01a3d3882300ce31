/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a benchmark: as JSON and back, in hundredths, and as rows of advice. */
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "model/measured.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* `n` copies, each with `part` of the speed of one alone. */
static struct measured figure(
	enum advice_option option, enum work_kind kind, unsigned count, double part)
{
	struct measured measured = {
		.gpu = "GPU-1",
		.product = "NVIDIA X",
		.driver = "535.1",
		.time_s = 1764000000,
		.option = option,
		.kind = kind,
		.beside = count > 1 ? BESIDE_ALIKE : BESIDE_NOBODY,
		.count = count,
		.percent = option == ADVICE_MPS ? 100 / count : 0,
		.item = { 4224, 100, 1 << 28 },
		.alone = { 500, 2000000, 2100000 },
		.n = count,
	};

	for (unsigned i = 0; i < count; i++)
		measured.copy[i] = (struct work_rate){ 500 * part, (uint64_t)(2000000 / part),
			(uint64_t)(2100000 / part) + i * 2100000 };
	return measured;
}

TEST(a_figure_is_read_back_as_written)
{
	struct measured to = figure(ADVICE_MPS, WORK_BANDWIDTH, 4, 0.25), back;
	json_t *json = measured_to_json(&to);

	CHECK_EQ(measured_from_json(json, &back, NULL), 0);
	CHECK(memcmp(&to, &back, sizeof(to)) == 0);
	json_decref(json);
	to.gpu[0] = '\0';
	json = measured_to_json(&to);
	CHECK(!json_object_get(json, "gpu") && !json_object_get(json, "time"));
	CHECK_EQ(measured_from_json(json, &back, NULL), 0);
	json_decref(json);
}

TEST(a_figure_that_cannot_be_is_refused_with_its_reason)
{
	static const struct {
		const char *path[3], *value, *said;
	} cases[] = {
		{ { "way" }, "\"turns\"", "way 'turns'" },
		{ { "kind" }, "\"heat\"", "kind 'heat'" },
		{ { "beside" }, "\"compute\"", "beside is another kind" },
		{ { "beside" }, "7", "beside '(absent)'" },
		{ { "count" }, "0", "count is 1 or more" },
		{ { "count" }, "17", "count is not a whole number from 0 to 16" },
		{ { "percent" }, "101", "percent is not a whole number from 0 to 100" },
		{ { "time" }, "-1", "time is not" },
		{ { "time" }, "253402300800", "time is not" },
		{ { "gpu" }, "\"0123456789012345678901234567890123456789012345678\"", "gpu is no" },
		{ { "item", "rounds" }, "0", "rounds above 0" },
		{ { "item", "blocks" }, "4294967296", "blocks is not" },
		{ { "alone", "items_per_s" }, "0", "items_per_s above 0" },
		{ { "alone", "p50_ns" }, "2200000", "not above p99_ns" },
		{ { "alone", "more" }, "1", "and no more" },
		{ { "copies" }, "[]", "1 to 16" },
		{ { "heat" }, "1", "no key 'heat'" },
		{ { "way" }, "\"vf\"", "way is whole, time, mps or mig" },
		{ { "way" }, "\"whole\"", "nothing else has" },
		{ { "profile" }, "\"1g.10gb\"", "an instance has a profile" },
		{ { "way" }, "\"mig\"", "an instance has a profile" },
		{ { "percent" }, "0", "have a percent above 0" },
		{ { "count" }, "1", "is above 1" },
		{ { "count" }, "3", "as many copies as count" },
		{ { "count" }, "5", "as many copies as count" },
		{ { "beside" }, "\"nobody\"", "one beside nobody" },
		{ { "beside" }, "\"launch\"", "fewer beside another kind" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct measured of = figure(ADVICE_MPS, WORK_COMPUTE, 4, 0.25), back;
		json_t *json = measured_to_json(&of), *at = json;
		struct error err = ERROR_NONE;
		const char *const *path = cases[i].path;

		for (; path[1]; path++)
			at = json_object_get(at, *path);
		json_object_set_new(at, *path, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		CHECK_EQ(measured_from_json(json, &back, &err), -EINVAL);
		CHECK_SAY(strstr(err.text, cases[i].said), "%s: %s", cases[i].said, err.text);
		json_decref(json);
	}
}

TEST(hundredths_are_of_one_alone_on_the_whole_gpu)
{
	struct measured of = figure(ADVICE_MPS, WORK_COMPUTE, 4, 0.25);

	of.copy[3].items_per_s = 100;
	CHECK_EQ(measured_throughput(&of).low, 20);
	CHECK_EQ(measured_throughput(&of).high, 25);
	CHECK_EQ(measured_sum(&of), 95);
	CHECK_EQ(measured_middle(&of).low, 400);
	CHECK_EQ(measured_middle(&of).high, 400);
	CHECK_EQ(measured_tail(&of).low, 400);
	CHECK_EQ(measured_tail(&of).high, 700);
	of.copy[0].items_per_s = 1e-6;
	CHECK_EQ(measured_throughput(&of).low, 1);
}

TEST(dates_are_those_of_the_calendar)
{
	char text[MEASURED_DATE_MAX], wanted[40];

	for (uint64_t day = 0; day < 2932897; day += day < 60000 ? 1 : 97) {
		struct measured of = { .time_s = day * 86400 + 86399 };
		time_t at = (time_t)of.time_s;
		struct tm tm;

		gmtime_r(&at, &tm);
		snprintf(wanted, sizeof(wanted), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
			tm.tm_mday);
		CHECK_TEXT(measured_date(&of, text), wanted);
	}
}

static const struct advice_measured *row_of(const struct measured_rows *rows,
	enum advice_option option, unsigned count, enum workload workload)
{
	for (unsigned i = 0; i < rows->n; i++)
		if (rows->row[i].option == option && rows->row[i].count == count &&
			rows->row[i].workloads & 1U << workload)
			return &rows->row[i];
	return NULL;
}

TEST(advice_cites_busy_neighbours_of_the_same_kind_and_says_what_others_cost)
{
	struct measured list[] = {
		figure(ADVICE_MPS, WORK_COMPUTE, 2, 0.5),
		figure(ADVICE_MPS, WORK_BANDWIDTH, 2, 0.45),
		figure(ADVICE_MPS, WORK_LAUNCH, 2, 0.9),
		figure(ADVICE_MPS, WORK_BANDWIDTH, 2, 0.3),
		figure(ADVICE_MPS, WORK_BANDWIDTH, 2, 0.8),
		figure(ADVICE_MPS, WORK_BANDWIDTH, 4, 0.2),
	};
	struct measured_rows rows;
	const struct advice_measured *row;

	list[3].beside = BESIDE_COMPUTE;
	list[4].beside = BESIDE_NOBODY;
	measured_rows_make(list, ARRAY_SIZE(list), "535.1", &rows);
	/* four alike, and one for work that is not said: of four shares only one kind is known */
	CHECK_EQ(rows.n, 5);
	row = row_of(&rows, ADVICE_MPS, 2, WORKLOAD_INFERENCE);
	CHECK_EQ(row->estimate.throughput.low, 45);
	CHECK_EQ(row->percent, 50);
	CHECK_TEXT(row->estimate.text,
		"on this node, 2025-11-24, driver 535.1: 2 MPS shares of 50 %, all busy, bound by "
		"bandwidth; 30 % as one of 2 beside work bound by compute");
	CHECK(row_of(&rows, ADVICE_MPS, 2, WORKLOAD_TRAINING)->estimate.throughput.low == 50);
	row = row_of(&rows, ADVICE_MPS, 2, WORKLOAD_ANY);
	CHECK_EQ(row->estimate.throughput.low, 45);
	CHECK_EQ(row->estimate.throughput.high, 90);
	CHECK(!row_of(&rows, ADVICE_MPS, 4, WORKLOAD_ANY));
	CHECK(!row_of(&rows, ADVICE_MPS, 2, WORKLOAD_RENDERING));
	measured_rows_done(&rows);
}

TEST(what_has_changed_since_is_said)
{
	struct measured list[] = { figure(ADVICE_MPS, WORK_COMPUTE, 2, 0.5) };
	struct measured_rows rows;

	measured_rows_make(list, 1, "550.2", &rows);
	CHECK(strstr(rows.row[0].estimate.text, "driver 535.1 (now it is 550.2): "));
	CHECK(strstr(rows.row[0].elsewhere, "on another GPU of this product, GPU-1, 2025-"));
	measured_rows_done(&rows);
	measured_rows_make(list, 1, "", &rows);
	CHECK(strstr(rows.row[0].estimate.text, "(now it is not known)"));
	measured_rows_done(&rows);
	measured_rows_make(NULL, 0, "", &rows);
	CHECK_EQ(rows.n, 0);
	measured_rows_done(&rows);
}

TEST(no_workload_is_stood_for_twice)
{
	uint32_t seen = 0;

	for (unsigned i = 0; i < WORK_KINDS_N; i++) {
		CHECK(work_meanings[i].workloads != 0 && *work_meanings[i].why);
		CHECK_EQ(seen & work_meanings[i].workloads, 0);
		seen |= work_meanings[i].workloads;
		CHECK_EQ(work_kind_find(work_kind_names[i]), i);
	}
	CHECK_EQ(work_kind_find("heat"), -1);
}

TEST(the_page_says_for_what_each_kind_stands)
{
	char *page = NULL;
	size_t length;

	CHECK_EQ(read_file_at(AT_FDCWD, DOCS "/choosing.md", 1 << 20, &page, &length), 0);
	for (unsigned i = 0; i < WORK_KINDS_N; i++) {
		AUTO_BUF row = { 0 };

		buf_addf(&row, "| `%s` | ", work_kind_names[i]);
		for (unsigned w = 0, n = 0; w < WORKLOAD_N; w++)
			if (work_meanings[i].workloads & 1U << w)
				buf_addf(&row, "%s%s", n++ ? ", " : "", workload_names[w]);
		buf_addf(&row, " | %s | ", work_meanings[i].why);
		CHECK_SAY(page && strstr(page, buf_text(&row)), "%s", buf_text(&row));
	}
	free(page);
}

TEST_MAIN()
