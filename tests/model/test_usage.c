/* SPDX-License-Identifier: Apache-2.0 */
/* Running figures from samples. */
#include "test.h"

#include "base/text.h"
#include "model/usage.h"

#include <math.h>

#define MS 1000000ULL

static struct usage_sample sample_of(enum usage_kind kind, double value, uint64_t span_ns)
{
	struct usage_sample sample = { 0 };

	usage_sample_add(&sample, kind, span_ns, value);
	return sample;
}

/* Each character is a tenth of a second: '#' busy, '.' idle. */
static struct usage usage_of(const char *pattern, double busy)
{
	struct usage usage = { 0 };
	uint64_t now = 7000 * MS;

	for (; *pattern; pattern++) {
		struct usage_sample sample =
			sample_of(USAGE_SM, *pattern == '#' ? busy : 0, 100 * MS);

		usage_add(&usage, &sample, now);
		now += 100 * MS;
	}
	return usage;
}

static void check_near(double got, double wanted)
{
	CHECK_SAY(fabs(got - wanted) < 1e-3, "got %g, wanted %g", got, wanted);
}

TEST(bursts_and_pauses_are_counted_and_measured)
{
	struct usage usage = usage_of("...###.......###.......##", 60);
	const struct usage_series *sm = &usage.series[USAGE_SM];

	CHECK_EQ(usage_busy_runs(sm).n, 3);
	CHECK_EQ(usage_busy_runs(sm).total_ns, 800 * MS);
	CHECK_EQ(usage_busy_runs(sm).longest_ns, 300 * MS);
	CHECK_EQ(usage_idle_runs(sm).n, 3);
	CHECK_EQ(usage_idle_runs(sm).longest_ns, 700 * MS);
	check_near(usage_duty(sm), 8 / 25.0);
	check_near(usage_mean(sm), 60 * 8 / 25.0);
	check_near(sm->peak, 60);
	CHECK_EQ(usage.n_samples, 25);
	CHECK_EQ(usage.seen_ns, 2400 * MS);
}

TEST(the_quantile_is_of_the_busy_time_and_never_beyond_the_peak)
{
	struct usage usage = { 0 };
	double last = 0;

	check_near(usage_quantile(&usage.series[USAGE_SM], 95), 0);
	for (unsigned i = 0; i <= 100; i++) {
		struct usage_sample sample = sample_of(USAGE_SM, i, 100 * MS);

		usage_add(&usage, &sample, (i + 1) * 100 * MS);
	}
	for (unsigned percent = 1; percent <= 100; percent++) {
		double value = usage_quantile(&usage.series[USAGE_SM], percent);

		CHECK(value >= last && value <= 100);
		CHECK_SAY(fabs(value - (5 + percent * 0.95)) <= 6, "%u: %g", percent, value);
		last = value;
	}
	usage = usage_of("#.......", 62);
	check_near(usage_quantile(&usage.series[USAGE_SM], 95), 62);
}

TEST(readings_count_by_their_span_and_many_are_drawn_together)
{
	struct usage_sample sample = { 0 };
	struct usage usage = { 0 };

	usage_sample_add(&sample, USAGE_BUSY, 300 * MS, 100);
	usage_sample_add(&sample, USAGE_BUSY, 100 * MS, 0);
	usage_sample_add(&sample, USAGE_BUSY, 0, 50);
	usage_sample_add(&sample, USAGE_BUSY, 100 * MS, NAN);
	CHECK_EQ(sample.kind[USAGE_BUSY].n, 2);
	for (unsigned i = 0; i < 100; i++)
		usage_sample_add(&sample, USAGE_BANDWIDTH, 10 * MS, i < 50 ? 20 : 40);
	CHECK_EQ(sample.kind[USAGE_BANDWIDTH].n, USAGE_READINGS_MAX);
	usage_add(&usage, &sample, 1000 * MS);
	check_near(usage_mean(&usage.series[USAGE_BUSY]), 75);
	CHECK_EQ(usage.series[USAGE_BANDWIDTH].seen_ns, 1000 * MS);
	check_near(usage_mean(&usage.series[USAGE_BANDWIDTH]), 30);
}

TEST(time_in_which_nobody_looked_is_told_and_not_counted)
{
	struct usage_sample none = { 0 };
	struct usage usage = { 0 };

	usage_add(&usage, &none, 1000 * MS);
	usage_add(&usage, &none, 1100 * MS);
	usage_add(&usage, &none, 9100 * MS);
	usage_add(&usage, &none, 9300 * MS);
	CHECK_EQ(usage.n_gaps, 1);
	CHECK_EQ(usage.unseen_ns, 8000 * MS);
	CHECK_EQ(usage.seen_ns, 300 * MS);
}

TEST(peaks_stay_and_accounts_raise_them)
{
	struct usage_sample sample = {
		.share_bytes = 5, .bytes = 3, .biggest_bytes = 2, .n_processes = 2
	};
	struct usage usage = { 0 };

	usage_add(&usage, &sample, 1000 * MS);
	sample = (struct usage_sample){ .share_bytes = 1, .bytes = 1, .n_processes = 1 };
	usage_add(&usage, &sample, 1100 * MS);
	CHECK_EQ(usage.memory_peak, 3);
	CHECK_EQ(usage.share_peak, 5);
	CHECK_EQ(usage.biggest_peak, 2);
	CHECK_EQ(usage.processes_peak, 2);
	CHECK(!usage.is_accounted);
	sample = (struct usage_sample){ .most_bytes = 9 };
	usage_add(&usage, &sample, 1200 * MS);
	CHECK_EQ(usage.memory_peak, 9);
	CHECK_EQ(usage.biggest_peak, 9);
	CHECK(usage.is_accounted);
}

TEST(what_is_written_down_goes_on_as_if_nothing_had_been)
{
	const char *one = "...###.....", *other = "..###......#";
	AUTO_BUF all = { 0 };
	struct usage whole, first, back, rest;
	json_t *json, *again;

	buf_addf(&all, "%s%s", one, other);
	whole = usage_of(buf_text(&all), 60);
	first = usage_of(one, 60);
	usage_fail(&first, "it hung");
	json = usage_to_json(&first);
	CHECK_EQ(usage_from_json(json, &back), 0);
	json_decref(json);
	CHECK_EQ(back.n_failed, 1);
	CHECK_TEXT(back.failed_why, "it hung");
	rest = usage_of(other, 60);
	for (unsigned i = 0; other[i]; i++) {
		struct usage_sample sample =
			sample_of(USAGE_SM, other[i] == '#' ? 60 : 0, 100 * MS);

		usage_add(&back, &sample, first.last_ns + (i + 1) * 100 * MS);
	}
	CHECK_EQ(back.n_samples, whole.n_samples);
	CHECK_EQ(back.seen_ns, whole.seen_ns);
	check_near(usage_mean(&back.series[USAGE_SM]), usage_mean(&whole.series[USAGE_SM]));
	check_near(usage_duty(&back.series[USAGE_SM]), usage_duty(&whole.series[USAGE_SM]));
	check_near(usage_quantile(&back.series[USAGE_SM], 95), 60);
	CHECK(usage_busy_runs(&back.series[USAGE_SM]).n == 3);
	CHECK(usage_is_seen(&rest.series[USAGE_SM]));
	again = json_pack("{s:i}", "samples", 3);
	CHECK(usage_from_json(again, &back) < 0);
	json_decref(again);
	CHECK(usage_from_json(NULL, &back) < 0);
}

TEST(what_is_not_seen_says_why)
{
	struct usage_sample sample = { 0 };
	struct usage usage = { 0 };
	json_t *json;

	text_copy(sample.kind[USAGE_SM].why_not, USAGE_WHY_MAX, "no counters");
	usage_add(&usage, &sample, MS);
	CHECK(!usage_is_seen(&usage.series[USAGE_SM]));
	json = usage_to_json(&usage);
	CHECK(json_is_false(json_object_get(json_object_get(json, "sm"), "seen")));
	CHECK_TEXT(json_string_value(json_object_get(json_object_get(json, "sm"), "why")),
		"no counters");
	json_decref(json);
}

TEST_MAIN()
