/* SPDX-License-Identifier: Apache-2.0 */
/* The figures as JSON: times in seconds, to the microsecond. */
#include "base/text.h"
#include "model/usage.h"

#include <errno.h>
#include <math.h>

static json_t *seconds(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1e6);
}

static json_t *rounded(double value)
{
	return json_real(round(value * 1000) / 1000);
}

static json_t *runs_to_json(struct usage_runs runs)
{
	return json_pack("{s:I, s:o, s:o}", "runs", (json_int_t)runs.n, "seconds",
		seconds(runs.total_ns), "longest", seconds(runs.longest_ns));
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *series_to_json(const struct usage_series *series, enum usage_kind kind)
{
	json_t *json, *steps = json_array();

	if (!usage_is_seen(series)) {
		json_decref(steps);
		return json_pack("{s:b, s:o}", "seen", 0, "why", text_or_null(series->why_not));
	}
	json = json_pack("{s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "seen", 1, "readings",
		(json_int_t)series->n_readings, "seconds", seconds(series->seen_ns), "mean",
		rounded(usage_mean(series)), "peak", rounded(series->peak), "duty",
		rounded(usage_duty(series)), "busy", runs_to_json(usage_busy_runs(series)), "idle",
		runs_to_json(usage_idle_runs(series)));
	for (unsigned i = 0; i < USAGE_STEPS; i++)
		json_array_append_new(steps, seconds(series->step_ns[i]));
	if (usage_is_percent(kind))
		json_object_set_new(json, "steps", steps);
	else
		json_decref(steps);
	return json;
}

json_t *usage_to_json(const struct usage *usage)
{
	json_t *json = json_pack("{s:o, s:I, s:o, s:o, s:I, s:I, s:o, s:I}", "period",
		seconds(USAGE_PERIOD_NS), "samples", (json_int_t)usage->n_samples, "seconds",
		seconds(usage->seen_ns), "unseen", seconds(usage->unseen_ns), "gaps",
		(json_int_t)usage->n_gaps, "failed", (json_int_t)usage->n_failed, "failed_why",
		text_or_null(usage->failed_why), "processes", (json_int_t)usage->processes_peak);

	json_object_set_new(json, "last", json_integer((json_int_t)usage->last_ns));
	json_object_set_new(json, "memory",
		json_pack("{s:I, s:I, s:I, s:b, s:o}", "peak", (json_int_t)usage->memory_peak,
			"share", (json_int_t)usage->share_peak, "biggest",
			(json_int_t)usage->biggest_peak, "accounted", usage->is_accounted, "why",
			text_or_null(usage->memory_why)));
	for (int k = 0; k < USAGE_N; k++)
		json_object_set_new(json, usage_kind_names[k],
			series_to_json(&usage->series[k], (enum usage_kind)k));
	return json;
}

/* ---- reading ---- */

static uint64_t whole_of(const json_t *json, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(json, key));

	return value > 0 ? (uint64_t)value : 0;
}

static double number_of(const json_t *json, const char *key)
{
	double value = json_number_value(json_object_get(json, key));

	return value > 0 && value < 1e15 ? value : 0;
}

static uint64_t ns_of(double value)
{
	return value > 0 && value < 1e9 ? (uint64_t)llround(value * 1e6) * 1000 : 0;
}

static uint64_t seconds_of(const json_t *json, const char *key)
{
	return ns_of(number_of(json, key));
}

static void copy_text(char *to, size_t size, const json_t *json, const char *key)
{
	text_copy(to, size, json_string_value(json_object_get(json, key)) ?: "");
}

static struct usage_runs runs_of(const json_t *json)
{
	return (struct usage_runs){ whole_of(json, "runs"), seconds_of(json, "seconds"),
		seconds_of(json, "longest") };
}

/* The run that was under way counts as ended. */
static void series_from_json(const json_t *json, struct usage_series *series)
{
	const json_t *steps = json_object_get(json, "steps");

	copy_text(series->why_not, sizeof(series->why_not), json, "why");
	series->seen_ns = seconds_of(json, "seconds");
	series->n_readings = whole_of(json, "readings");
	series->peak = number_of(json, "peak");
	series->sum = number_of(json, "mean") * (double)series->seen_ns / 1e9;
	series->busy = runs_of(json_object_get(json, "busy"));
	series->idle = runs_of(json_object_get(json, "idle"));
	for (unsigned i = 0; i < USAGE_STEPS; i++)
		series->step_ns[i] = ns_of(json_number_value(json_array_get(steps, i)));
}

int usage_from_json(const json_t *json, struct usage *ret_usage)
{
	const json_t *memory = json_object_get(json, "memory");
	struct usage usage = { 0 };

	if (!json_is_object(json) || !json_is_object(memory))
		return -EINVAL;
	usage.n_samples = whole_of(json, "samples");
	usage.last_ns = whole_of(json, "last");
	usage.seen_ns = seconds_of(json, "seconds");
	usage.unseen_ns = seconds_of(json, "unseen");
	usage.n_gaps = whole_of(json, "gaps");
	usage.n_failed = whole_of(json, "failed");
	copy_text(usage.failed_why, sizeof(usage.failed_why), json, "failed_why");
	usage.processes_peak = (uint32_t)whole_of(json, "processes");
	usage.memory_peak = whole_of(memory, "peak");
	usage.share_peak = whole_of(memory, "share");
	usage.biggest_peak = whole_of(memory, "biggest");
	usage.is_accounted = json_is_true(json_object_get(memory, "accounted"));
	copy_text(usage.memory_why, sizeof(usage.memory_why), memory, "why");
	for (int k = 0; k < USAGE_N; k++)
		series_from_json(json_object_get(json, usage_kind_names[k]), &usage.series[k]);
	*ret_usage = usage;
	return 0;
}
