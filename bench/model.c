/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model takes to decide, on 16 half-full H100s: "place NANOSECONDS" for one request,
 * "place-full NANOSECONDS" for one that finds no room, "plan NANOSECONDS" for a layout that changes
 * every GPU. Each is the median of RUNS runs.
 */
#include "base/error.h"
#include "fixtures.h"
#include "model/layout.h"
#include "model/place.h"
#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_GPUS = 16, RUNS = 9, PLACES = 20000, PLANS = 20 };

static const char layout_text[] = "version: carve/v1\n"
				  "layouts:\n"
				  "  other:\n"
				  "  - gpus: all\n"
				  "    mig: [3g.40gb, 2g.20gb, 1g.10gb*2]\n";

/* The processor's time: a decision waits for nothing, and what else runs here is not its cost. */
static uint64_t cpu_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median(double *values)
{
	qsort(values, RUNS, sizeof(*values), compare);
	return values[RUNS / 2];
}

/* Some of the places are taken, others hold idle instances, others are free. */
static void fill(struct gpu *gpus)
{
	uint64_t seed = 16;

	for (unsigned g = 0; g < N_GPUS; g++)
		for (unsigned start = 0; start < 7; start++)
			if (fixture_below(&seed, 2))
				fixture_add(&gpus[g], "1g.10gb", start, SHARE_DYNAMIC,
					fixture_below(&seed, 3) ? g * 8 + start + 1 : 0);
}

static double time_place(const struct gpu *gpus, bool is_full)
{
	static const char *const profiles[] = { "1g.10gb", "2g.20gb", "3g.40gb", "1g.20gb" };
	double values[RUNS];

	for (unsigned run = 0; run < RUNS; run++) {
		uint64_t since = cpu_ns();

		for (unsigned i = 0; i < PLACES; i++) {
			struct placement placement;
			struct request request;

			request_init(&request);
			strcpy(request.profile, is_full ? "7g.80gb" : profiles[i % 4]);
			if ((place(gpus, N_GPUS, &request, 0, &placement, NULL) != 0) != is_full)
				abort();
		}
		values[run] = (double)(cpu_ns() - since) / PLACES;
	}
	return median(values);
}

static double time_plan(const struct gpu *gpus)
{
	double values[RUNS];

	for (unsigned run = 0; run < RUNS; run++) {
		uint64_t since = cpu_ns();

		for (unsigned i = 0; i < PLANS; i++) {
			struct layout layout = { 0 };
			struct plan plan = { 0 };
			struct error err = ERROR_NONE;

			if (layout_parse("layout.yaml", layout_text, strlen(layout_text), NULL,
				    gpus, N_GPUS, &layout, &err) != 0 ||
				plan_layout(gpus, N_GPUS, &layout, &plan, &err) != 0 ||
				plan.n_steps == 0) {
				fprintf(stderr, "bench_model: %s\n", err.text);
				exit(1);
			}
			plan_done(&plan);
			layout_done(&layout);
		}
		values[run] = (double)(cpu_ns() - since) / PLANS;
	}
	return median(values);
}

int main(void)
{
	struct gpu *gpus = fixture_gpus(N_GPUS, FIXTURE_H100_80);

	fill(gpus);
	printf("runs %d\n", RUNS);
	printf("place %.0f\n", time_place(gpus, false));
	for (unsigned g = 0; g < N_GPUS; g++)
		for (unsigned i = 0; i < gpus[g].seen.n_instances; i++)
			gpus[g].seen.instance[i].origin = SHARE_PINNED;
	printf("place-full %.0f\n", time_place(gpus, true));
	for (unsigned g = 0; g < N_GPUS; g++)
		for (unsigned i = 0; i < gpus[g].seen.n_instances; i++)
			gpus[g].seen.instance[i].ci[0].lease = 0;
	printf("plan %.0f\n", time_plan(gpus));
	free(gpus);
	return 0;
}
