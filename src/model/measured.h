/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What `carve measure` found out about a GPU: figures, as the daemon keeps them and advice cites
 * them.
 *
 * A copy of the benchmark does items of one kind of work, one after the other. An item is of a size
 * that takes the whole GPU about two milliseconds when nobody else is on it. A figure says how fast
 * the copies were that ran at once in their shares, and how fast one was alone on the whole GPU
 * with the same item: from the two follow throughput and latency in hundredths of a whole GPU.
 */

#include "model/advice.h"

struct error;

/* What bounds the work. */
enum work_kind { WORK_COMPUTE, WORK_BANDWIDTH, WORK_LAUNCH, WORK_KINDS_N };
extern const char *const work_kind_names[WORK_KINDS_N]; /* "compute", "bandwidth", "launch" */
/* The kind of that name, or -1. */
int work_kind_find(const char *name);
/* Which workloads it stands for (1 << enum workload), and why. */
struct work_meaning {
	uint32_t workloads;
	const char *why;
};
extern const struct work_meaning work_meanings[WORK_KINDS_N];

/* Who was busy beside: copies of one kind, which may be another, or nobody. */
enum work_beside {
	BESIDE_COMPUTE = WORK_COMPUTE,
	BESIDE_BANDWIDTH = WORK_BANDWIDTH,
	BESIDE_LAUNCH = WORK_LAUNCH,
	BESIDE_ALIKE,
	BESIDE_NOBODY,
	BESIDE_N,
};
extern const char *const work_beside_names[BESIDE_N]; /* ..., "alike", "nobody" */

struct work_item {
	uint32_t blocks, rounds; /* of the kernel's grid; of its loop, or launches */
	uint64_t bytes;		 /* that it goes through; 0: none to speak of */
};
struct work_rate {
	double items_per_s;
	uint64_t p50_ns, p99_ns; /* of one item, as its program sees it */
};

enum { MEASURED_COPIES_MAX = 16, MEASURED_GPU_MAX = 48 };
struct measured {
	char gpu[MEASURED_GPU_MAX]; /* uuid */
	char product[96], driver[32];
	uint64_t time_s;	   /* since 1970 */
	enum advice_option option; /* WHOLE, TIME (the driver's own turns), MPS or MIG */
	enum work_kind kind;
	enum work_beside beside;
	unsigned count;	  /* shares: copies that were busy at once, the neighbours included;
			     with nobody beside as many as fit */
	unsigned percent; /* of the compute, that each share had; 0: turns */
	char profile[VF_NAME_MAX]; /* of MIG */
	struct work_item item;
	struct work_rate alone; /* one copy on the whole GPU */
	unsigned n;		/* copies of this kind */
	struct work_rate copy[MEASURED_COPIES_MAX];
};

/* Reads what measured_to_json() writes, but the keys that are the daemon's (gpu, product, driver,
 * time), which may be absent. -EINVAL with the sentence: unknown keys, and figures that cannot be.
 */
int measured_from_json(const json_t *json, struct measured *ret_measured, struct error *err);
json_t *measured_to_json(const struct measured *measured);

/* Hundredths of the whole GPU: the slowest and the fastest copy; together. Rounded, 1 at least. */
struct advice_span measured_throughput(const struct measured *measured);
unsigned measured_sum(const struct measured *measured);
/* The same of the tail's latency (p99), and of the middle's (p50). */
struct advice_span measured_tail(const struct measured *measured);
struct advice_span measured_middle(const struct measured *measured);

/* "2026-11-25" */
enum { MEASURED_DATE_MAX = 40 };
const char *measured_date(const struct measured *measured, char ret_text[MEASURED_DATE_MAX]);

/* The same for advise(): one row for each figure of busy neighbours of the same kind, and one for a
 * workload that is not said, which has all kinds in it. Freed with measured_rows_done(). */
struct measured_rows {
	unsigned n;
	struct advice_measured *row;
	unsigned n_texts;
	char **text; /* those of the rows */
};
void measured_rows_make(const struct measured *list, unsigned n, const char *driver,
	struct measured_rows *ret_rows);
void measured_rows_done(struct measured_rows *rows);
