/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long jobs wait, by the rule that places them: 500 jobs of MIGBench's trace on 8 H100, in
 * virtual time. Whoever fits starts, in the order of arrival; making an instance takes 250 ms,
 * removing one 100 ms. One trace says little, so the jobs are also drawn anew from it, with its
 * times of arrival; each rule sees the same draws.
 *
 * placement_wait TRACE [DRAWS]
 */
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/queue.h"
#include "placement_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOBS_MAX = 500, GPUS = 8, MAKE_MS = 250, REMOVE_MS = 100, DRAWS = 20, PROFILES = 4 };

/* What a job with so much memory gets, and how fast it runs. */
static const struct kind {
	unsigned memory_mib, percent, slices;
	const char *profile;
} kinds[PROFILES] = {
	{ 10240, 14, 1, "1g.10gb" },
	{ 20480, 28, 2, "2g.20gb" },
	{ 40960, 42, 3, "3g.40gb" },
	{ 81920, 100, 7, "7g.80gb" },
};

struct job {
	uint64_t arrival_ms, core_ms;
	unsigned kind;
	uint64_t start_ms, end_ms; /* 0: not yet */
	struct placement placement;
};

struct trace {
	unsigned n;
	struct job job[JOBS_MAX];
};

static bool trace_read(const char *path, struct trace *trace)
{
	FILE *file = fopen(path, "re");
	char line[128];

	trace->n = 0;
	while (file && trace->n < JOBS_MAX && fgets(line, sizeof(line), file)) {
		struct job job = { 0 };
		unsigned memory_mib;

		if (sscanf(line, "%" SCNu64 ",%" SCNu64 ",%u", &job.arrival_ms, &job.core_ms,
			    &memory_mib) != 3)
			continue;
		while (job.kind < PROFILES - 1 && kinds[job.kind].memory_mib < memory_mib)
			job.kind++;
		trace->job[trace->n++] = job;
	}
	if (file)
		fclose(file);
	return trace->n > 0;
}

static struct trace trace_draw(const struct trace *from, uint64_t seed)
{
	struct trace trace = *from;

	for (unsigned i = 0; i < trace.n; i++) {
		const struct job *job = &from->job[fixture_below(&seed, from->n)];

		trace.job[i].core_ms = job->core_ms;
		trace.job[i].kind = job->kind;
	}
	return trace;
}

struct run {
	struct node *node;
	const struct rule *rule;
	bool is_fair; /* GPUs are kept for whoever has waited too long: Carve's own queue */
	uint32_t profile[PROFILES];
	struct trace trace;
};

static void start_waiting(struct run *run, uint64_t now_ms)
{
	bool is_refused[PROFILES] = { false };

	run->node->kept = 0;
	for (unsigned i = 0; i < run->trace.n && run->trace.job[i].arrival_ms <= now_ms; i++) {
		struct job *job = &run->trace.job[i];
		unsigned made = run->node->made, removed = run->node->removed;
		struct request request;
		struct waiting first = { .request = &request,
			.since_ns = job->arrival_ms * 1000000 };

		if (job->end_ms || is_refused[job->kind])
			continue;
		if (node_lease(run->node, run->rule, run->profile[job->kind], i + 1,
			    &job->placement)) {
			job->start_ms = now_ms + (run->node->made - made) * MAKE_MS +
					(run->node->removed - removed) * REMOVE_MS;
			job->end_ms =
				job->start_ms + (job->core_ms + kinds[job->kind].percent - 1) /
							kinds[job->kind].percent;
			continue;
		}
		is_refused[job->kind] = true;
		if (run->node->kept || !run->is_fair)
			continue;
		request_init(&request);
		text_copy(request.profile, sizeof(request.profile), kinds[job->kind].profile);
		run->node->kept = queue_keep_for(
			&first, run->node->gpus, run->node->n_gpus, now_ms * 1000000);
	}
}

/* When its instance is free: a rule without cache removes it first. */
static uint64_t free_ms(const struct run *run, const struct job *job)
{
	return job->end_ms + (run->rule->keeps_idle ? 0 : REMOVE_MS);
}

struct outcome {
	/* In seconds; all but the first of waiting; by_slices: mean over slices, not jobs. */
	double makespan, mean, by_slices, p95, longest;
};

static int compare_waits(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static struct outcome outcome_of(const struct trace *trace)
{
	struct outcome outcome = { 0 };
	double wait[JOBS_MAX], slices = 0;

	for (unsigned i = 0; i < trace->n; i++) {
		const struct job *job = &trace->job[i];

		wait[i] = (double)(job->start_ms - job->arrival_ms) / 1000;
		outcome.mean += wait[i] / trace->n;
		outcome.by_slices += wait[i] * kinds[job->kind].slices;
		slices += kinds[job->kind].slices;
		outcome.makespan = fmax(outcome.makespan, (double)job->end_ms / 1000);
	}
	outcome.by_slices /= slices;
	qsort(wait, trace->n, sizeof(wait[0]), compare_waits);
	outcome.p95 = wait[trace->n * 95 / 100];
	outcome.longest = wait[trace->n - 1];
	return outcome;
}

static struct outcome replay(struct run *run)
{
	bool has_ended[JOBS_MAX] = { false };
	uint64_t now_ms = 0;

	node_clear(run->node);
	while (now_ms != UINT64_MAX) {
		uint64_t next_ms = UINT64_MAX;

		for (unsigned i = 0; i < run->trace.n; i++) {
			struct job *job = &run->trace.job[i];

			if (job->end_ms && !has_ended[i] && free_ms(run, job) <= now_ms) {
				node_end(run->node, run->rule, &job->placement);
				has_ended[i] = true;
			}
		}
		start_waiting(run, now_ms);
		for (unsigned i = 0; i < run->trace.n; i++) {
			const struct job *job = &run->trace.job[i];
			uint64_t at = job->end_ms ? free_ms(run, job) : job->arrival_ms;

			if (!has_ended[i] && at > now_ms && at < next_ms)
				next_ms = at;
		}
		now_ms = next_ms;
	}
	return outcome_of(&run->trace);
}

/* Half the width of the 95 % interval of the mean. */
static double interval(const double *sample, unsigned n, double mean)
{
	double squares = 0;

	for (unsigned i = 0; i < n; i++)
		squares += (sample[i] - mean) * (sample[i] - mean);
	return 2.0 * sqrt(squares / (n - 1) / n);
}

static double mean_of(const double *sample, unsigned n)
{
	double sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += sample[i];
	return sum / n;
}

int main(int argc, char **argv)
{
	static const struct variant {
		const char *name;
		unsigned rule;
		bool is_fair;
	} variants[] = {
		{ "mincap", RULE_MINCAP, false }, /* first: the others are compared with it */
		{ "first", RULE_FIRST, false },
		{ "driver", RULE_DRIVER, false },
		{ "carve", RULE_CARVE, false },
		{ "carve, fair", RULE_CARVE, true },
	};
	struct node node = { .gpus = fixture_gpus(GPUS, FIXTURE_H100_80), .n_gpus = GPUS };
	unsigned draws = argc > 2 ? (unsigned)atoi(argv[2]) : DRAWS;
	struct trace trace;
	struct outcome *base;

	if (argc < 2 || !trace_read(argv[1], &trace) || draws < 2) {
		fprintf(stderr, "placement_wait TRACE [DRAWS]: no trace\n");
		return EXIT_FAILURE;
	}
	base = must_alloc(draws, sizeof(*base));
	printf("%u jobs on %d H100. The trace itself, in seconds; then the mean of %u draws from "
	       "it, "
	       "in percent of\nmincap's (+-: 95 %% interval, paired). Waiting: mean over jobs, "
	       "mean "
	       "over their slices, 95th of a\nhundred, longest. fair: with Carve's queue, which "
	       "keeps GPUs for the first that does not fit; with\nthe others whoever fits goes "
	       "first.\n\n%-12s",
		trace.n, GPUS, draws, "");
	for (unsigned twice = 0; twice < 2; twice++)
		printf(twice ? "  %11s %11s %11s %11s %11s\n" : " %8s %7s %7s %7s %7s", "makespan",
			"mean", "slices", "95th", "longest");
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		double *part[5];
		struct outcome once = { 0 };

		for (unsigned k = 0; k < 5; k++)
			part[k] = must_alloc(draws, sizeof(**part));
		for (unsigned d = 0; d <= draws; d++) {
			struct run run = { &node, &rules[variants[v].rule], variants[v].is_fair };
			struct outcome outcome;

			for (unsigned k = 0; k < PROFILES; k++)
				run.profile[k] = (uint32_t)mig_profile_find(
					&node.gpus->facts.geometry, kinds[k].profile);
			run.trace = d == draws ? trace : trace_draw(&trace, 100 + d);
			outcome = replay(&run);
			if (d == draws) {
				once = outcome;
				break;
			}
			if (v == 0)
				base[d] = outcome;
			part[0][d] = 100 * outcome.makespan / base[d].makespan;
			part[1][d] = 100 * outcome.mean / base[d].mean;
			part[2][d] = 100 * outcome.by_slices / base[d].by_slices;
			part[3][d] = 100 * outcome.p95 / base[d].p95;
			part[4][d] = 100 * outcome.longest / base[d].longest;
		}
		printf("%-12s %8.0f %7.0f %7.0f %7.0f %7.0f  ", variants[v].name, once.makespan,
			once.mean, once.by_slices, once.p95, once.longest);
		for (unsigned k = 0; k < 5; k++) {
			double mean = mean_of(part[k], draws);

			printf("%7.1f+-%-4.1f", mean, interval(part[k], draws, mean));
			free(part[k]);
		}
		putchar('\n');
	}
	free(base);
	free(node.gpus);
	return EXIT_SUCCESS;
}
