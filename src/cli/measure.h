/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of `carve measure`: which GPU and what is in the way, one run of copies, the tables. */

#include "base/list.h"
#include "cli/terminal.h"
#include "client/json.h"
#include "measure/plan.h"

#include <signal.h>
#include <sys/types.h>

struct error;
struct invocation;

/* A measurement under way. */
struct measuring {
	struct invocation *invocation;
	unsigned gpu; /* index */
	char uuid[MEASURED_GPU_MAX];
	uint64_t memory_bytes;
	unsigned run_ms; /* that each run is measured */
	unsigned copies; /* the most at once in shares of their own */
	struct work_item item[WORK_KINDS_N];
	struct work_rate alone[WORK_KINDS_N]; /* items_per_s 0: not known yet */
	unsigned n_leases; /* that were asked for: they are called measure-PID-N */
	VEC(pid_t) pids;   /* of copies */
	VEC(struct measured) figures;
};

/* ---- measure_node.c ---- */

/*
 * The GPU that `name` says, or the first that nobody uses ("" or NULL). 0 with its index;
 * otherwise the exit status with the sentence: EXIT_IN_USE where others are on it, who are named,
 * EXIT_FAILED where it cannot be measured.
 */
int measure_choose(const json_t *node, const char *name, unsigned *ret_gpu, struct error *err);
/* Whether others than our own copies are on it by now: 0, or EXIT_IN_USE with the sentence. */
int measure_check_alone(const struct measuring *measuring, const json_t *node, struct error *err);
/* What a plan goes by, but ways and copies. */
int measure_look(const json_t *node, unsigned index, struct plan_ask *ask, struct error *err);

/* ---- measure_run.c ---- */

/*
 * Takes the leases of a run, has its copies work at once, and adds a figure for each kind. 0, or a
 * negative errno; -EINTR when a signal came: then as otherwise no copy and no lease of it is left.
 */
int measure_run(struct measuring *measuring, const struct plan_run *run, struct error *err);
/* From here on SIGINT, SIGTERM and SIGHUP only end a run. The one that came, or 0. */
void measure_hold_signals(void);
int measure_signal(void);
/* The signals that are blocked without us: for programs that we start. */
const sigset_t *measure_signal_mask(void);

/* ---- measure_text.c ---- */

/* What would be done, and what is left out. */
void measure_print_plan(const struct measuring *measuring, const struct measure_plan *plan,
	const struct terminal *terminal, FILE *out);
/* Figures as a table, by GPU; `driver`: as it is now. */
void measure_print(const struct measured *list, unsigned n, const char *driver,
	const struct terminal *terminal, FILE *out);
/* What is left out alone. */
void measure_print_skips(
	const struct measure_plan *plan, const struct terminal *terminal, FILE *out);
