/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a job uses of its share while it runs: running figures made from samples, never a list of
 * them. Pure; times are monotonic nanoseconds.
 *
 * A sample is taken every USAGE_PERIOD_NS and brings readings: each is the mean of a span, which is
 * the driver's own and may be shorter or longer than the time between two samples. What lies
 * between them, or within a span, is not seen.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define USAGE_PERIOD_NS 100000000ULL
/* Later than so long after the one before, a sample leaves a gap: nobody looked in between. */
#define USAGE_GAP_NS (10 * USAGE_PERIOD_NS)

enum usage_kind {
	USAGE_BUSY,	   /* percent of the time in which kernels ran, on however many SMs */
	USAGE_SM,	   /* percent of the share's SMs that were busy */
	USAGE_MEMORY_BUSY, /* percent of the time in which its memory was read or written */
	USAGE_BANDWIDTH,   /* percent of its memory's bandwidth */
	USAGE_COPY_IN,	   /* bytes a second over PCIe to the GPU, */
	USAGE_COPY_OUT,	   /* and from it */
	USAGE_ENCODER,	   /* percent of the time */
	USAGE_DECODER,
	USAGE_N,
};
extern const char *const usage_kind_names[USAGE_N]; /* "busy", ... */
/* Else it is a rate. */
bool usage_is_percent(enum usage_kind kind);

enum {
	USAGE_READINGS_MAX = 16, /* of one kind in a sample; more are drawn together */
	USAGE_WHY_MAX = 160,
	USAGE_STEPS = 21, /* of a percentage: 0 to 5, 5 to 10, ..., 100 */
};

struct usage_reading {
	uint64_t span_ns;
	double value;
};

struct usage_sample {
	uint64_t share_bytes;	/* in use on the share, whoever has it; 0: not told */
	uint64_t bytes;		/* of the job's processes together */
	uint64_t biggest_bytes; /* of the biggest of them */
	uint64_t most_bytes; /* the most that one of them ever had, where the driver keeps accounts;
				else 0 */
	uint32_t n_processes;
	struct {
		uint32_t n;
		struct usage_reading reading[USAGE_READINGS_MAX];
		char why_not[USAGE_WHY_MAX]; /* why it is not seen; "" while it is */
	} kind[USAGE_N];
	char memory_why[USAGE_WHY_MAX]; /* the same of the memory */
};
void usage_sample_add(
	struct usage_sample *sample, enum usage_kind kind, uint64_t span_ns, double value);

/* Stretches of one kind: busy, or idle. */
struct usage_runs {
	uint64_t n, total_ns, longest_ns;
};

struct usage_series {
	uint64_t seen_ns, n_readings; /* 0: never seen */
	double sum;		      /* value times seconds */
	double peak;		      /* of one reading */
	uint64_t step_ns[USAGE_STEPS];
	struct usage_runs busy, idle; /* those that have ended */
	bool is_busy;
	uint64_t run_ns; /* the one under way */
	char why_not[USAGE_WHY_MAX];
};

struct usage {
	uint64_t n_samples;
	uint64_t last_ns;	    /* when the last was taken, or it began; 0: not begun */
	uint64_t seen_ns;	    /* between samples that were in time */
	uint64_t unseen_ns, n_gaps; /* where they were not */
	uint64_t n_failed;	    /* samples that could not be taken */
	uint64_t memory_peak, share_peak, biggest_peak;
	bool is_accounted; /* the driver keeps accounts: memory between samples is seen too */
	uint32_t processes_peak;
	struct usage_series series[USAGE_N];
	char memory_why[USAGE_WHY_MAX];
	char failed_why[USAGE_WHY_MAX];
};

void usage_add(struct usage *usage, const struct usage_sample *sample, uint64_t now_ns);
/* A sample that could not be taken, and why. */
void usage_fail(struct usage *usage, const char *why);

/* Whether it was ever seen; all below is 0 otherwise. */
bool usage_is_seen(const struct usage_series *series);
double usage_mean(const struct usage_series *series);
/* The value that is not exceeded in so many percent of the busy time: the upper end of its step of
 * five, or the peak where that is less. For percentages; 0 if it was never busy. */
double usage_quantile(const struct usage_series *series, double percent);
/* The runs with the one under way among them. */
struct usage_runs usage_busy_runs(const struct usage_series *series);
struct usage_runs usage_idle_runs(const struct usage_series *series);
/* Part of the seen time in which it was busy: 0 to 1. A reading is busy from 5 percent on, or from
 * 1 MB a second. */
double usage_duty(const struct usage_series *series);

/*
 * As JSON: the API's `profile` (docs/openapi.yaml), from which the figures go on after a restart.
 * Reading takes what is there and is -EINVAL where it is no such object.
 */
json_t *usage_to_json(const struct usage *usage);
int usage_from_json(const json_t *json, struct usage *ret_usage);
