/* SPDX-License-Identifier: Apache-2.0 */
#include "model/usage.h"

#include "base/text.h"

#include <string.h>

/* What the noise of an idle GPU does not reach. */
#define BUSY_PERCENT 5.0
#define BUSY_RATE    1e6

const char *const usage_kind_names[USAGE_N] = { "busy", "sm", "memory_busy", "bandwidth", "copy_in",
	"copy_out", "encoder", "decoder" };

bool usage_is_percent(enum usage_kind kind)
{
	return kind != USAGE_COPY_IN && kind != USAGE_COPY_OUT;
}

void usage_sample_add(
	struct usage_sample *sample, enum usage_kind kind, uint64_t span_ns, double value)
{
	struct usage_reading *last;

	if (!span_ns || !(value >= 0))
		return;
	if (sample->kind[kind].n < USAGE_READINGS_MAX) {
		sample->kind[kind].reading[sample->kind[kind].n++] =
			(struct usage_reading){ span_ns, value };
		return;
	}
	last = &sample->kind[kind].reading[USAGE_READINGS_MAX - 1];
	last->value = (last->value * (double)last->span_ns + value * (double)span_ns) /
		      (double)(last->span_ns + span_ns);
	last->span_ns += span_ns;
}

static void runs_add(struct usage_runs *runs, uint64_t ns)
{
	if (!ns)
		return;
	runs->n++;
	runs->total_ns += ns;
	if (runs->longest_ns < ns)
		runs->longest_ns = ns;
}

static void add_reading(
	struct usage_series *series, enum usage_kind kind, const struct usage_reading *reading)
{
	bool is_busy = reading->value >= (usage_is_percent(kind) ? BUSY_PERCENT : BUSY_RATE);
	unsigned step = reading->value < 100 ? (unsigned)(reading->value / 5) : USAGE_STEPS - 1;

	if (series->seen_ns && is_busy != series->is_busy) {
		runs_add(series->is_busy ? &series->busy : &series->idle, series->run_ns);
		series->run_ns = 0;
	}
	series->is_busy = is_busy;
	series->run_ns += reading->span_ns;
	series->seen_ns += reading->span_ns;
	series->n_readings++;
	series->sum += reading->value * (double)reading->span_ns / 1e9;
	if (series->peak < reading->value)
		series->peak = reading->value;
	if (usage_is_percent(kind))
		series->step_ns[step] += reading->span_ns;
}

static void most(uint64_t *peak, uint64_t value)
{
	if (*peak < value)
		*peak = value;
}

void usage_add(struct usage *usage, const struct usage_sample *sample, uint64_t now_ns)
{
	uint64_t passed = usage->last_ns && now_ns > usage->last_ns ? now_ns - usage->last_ns : 0;

	usage->n_samples++;
	usage->last_ns = now_ns;
	if (passed > USAGE_GAP_NS) {
		usage->unseen_ns += passed;
		usage->n_gaps++;
	} else {
		usage->seen_ns += passed;
	}
	most(&usage->share_peak, sample->share_bytes);
	most(&usage->biggest_peak, sample->biggest_bytes);
	most(&usage->biggest_peak, sample->most_bytes);
	most(&usage->memory_peak, sample->bytes);
	most(&usage->memory_peak, sample->most_bytes);
	usage->is_accounted |= sample->most_bytes > 0;
	if (usage->processes_peak < sample->n_processes)
		usage->processes_peak = sample->n_processes;
	text_copy(usage->memory_why, sizeof(usage->memory_why), sample->memory_why);
	for (int k = 0; k < USAGE_N; k++) {
		struct usage_series *series = &usage->series[k];

		for (unsigned i = 0; i < sample->kind[k].n; i++)
			add_reading(series, (enum usage_kind)k, &sample->kind[k].reading[i]);
		text_copy(series->why_not, sizeof(series->why_not), sample->kind[k].why_not);
	}
}

void usage_fail(struct usage *usage, const char *why)
{
	usage->n_failed++;
	text_copy(usage->failed_why, sizeof(usage->failed_why), why);
}

bool usage_is_seen(const struct usage_series *series)
{
	return series->seen_ns > 0;
}

double usage_mean(const struct usage_series *series)
{
	return series->seen_ns ? series->sum / ((double)series->seen_ns / 1e9) : 0;
}

double usage_quantile(const struct usage_series *series, double percent)
{
	uint64_t busy = 0, below = 0;

	/* step 0 is what counts as idle */
	for (unsigned i = 1; i < USAGE_STEPS; i++)
		busy += series->step_ns[i];
	for (unsigned i = 1; i < USAGE_STEPS && busy; i++) {
		below += series->step_ns[i];
		if ((double)below >= (double)busy * percent / 100)
			return (i + 1) * 5.0 < series->peak ? (i + 1) * 5.0 : series->peak;
	}
	return busy ? series->peak : 0;
}

struct usage_runs usage_busy_runs(const struct usage_series *series)
{
	struct usage_runs runs = series->busy;

	if (series->is_busy)
		runs_add(&runs, series->run_ns);
	return runs;
}

struct usage_runs usage_idle_runs(const struct usage_series *series)
{
	struct usage_runs runs = series->idle;

	if (!series->is_busy)
		runs_add(&runs, series->run_ns);
	return runs;
}

double usage_duty(const struct usage_series *series)
{
	return series->seen_ns ? (double)usage_busy_runs(series).total_ns / (double)series->seen_ns
			       : 0;
}
