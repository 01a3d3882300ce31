/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which copies run when. Pure.
 *
 * Each kind alone on the whole GPU comes first: all else is compared with it. Then each way with 2,
 * 3, ... copies of one kind; two of different kinds beside each other; and one in its share while
 * the neighbour's is idle, so that what the share costs can be told from what the neighbour does.
 */

#include "model/measured.h"

struct error;

struct plan_profile {
	char name[VF_NAME_MAX];
	unsigned max; /* as many as there can be beside what is pinned */
	unsigned percent;
};
/* The GPU as it is, and what is wanted. */
struct plan_ask {
	unsigned copies;  /* at most, by turns and by MPS: 1 to MEASURED_COPIES_MAX */
	uint32_t options; /* ways: 1 << enum advice_option */
	bool mig_on;
	bool is_alone_known; /* it was measured as a whole before */
	bool is_exclusive;   /* its compute mode lets one program in at a time */
	const char *no_mps;  /* why there is no MPS; NULL: there is */
	const char *no_mig;  /* why it can never be in MIG mode; NULL: it can */
	unsigned n_profiles;
	struct plan_profile profile[MIG_PROFILES_MAX];
};

struct plan_run {
	enum advice_option option;
	unsigned count, percent; /* as in struct measured */
	char profile[VF_NAME_MAX];
	unsigned n; /* copies */
	enum work_kind kind[MEASURED_COPIES_MAX];
};
struct plan_skip {
	enum advice_option option;
	const char *why, *way; /* what would make it possible */
};

enum { PLAN_RUNS_MAX = 256, PLAN_SKIPS_MAX = 4 };
struct measure_plan {
	unsigned n;
	struct plan_run run[PLAN_RUNS_MAX];
	unsigned n_skips;
	struct plan_skip skip[PLAN_SKIPS_MAX];
};

/* -ENOTSUP with the sentence if nothing is left that can be measured. */
int measure_plan(const struct plan_ask *ask, struct measure_plan *ret_plan, struct error *err);

/* With whom the copies of that kind were in a run. */
enum work_beside plan_beside(const struct plan_run *run, enum work_kind kind);
/* "3 copies of compute by mps, 33 % each" */
enum { PLAN_TEXT_MAX = 120 };
const char *plan_text(const struct plan_run *run, char ret_text[PLAN_TEXT_MAX]);
