/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The orders of an MPS worker ("carved --worker mps:NAME"): the process that speaks to one MPS
 * control daemon, so that a daemon that does not answer holds up nobody else. It never opens NVML,
 * and the control daemon that it starts outlives it.
 */

#include "driver/mps.h"

struct error;

enum mps_op {
	MPS_START,     /* spec: seen */
	MPS_LOOK,      /* spec: seen */
	MPS_LIMITS,    /* spec with the new limits */
	MPS_ADD,       /* spec, part: part (its partition filled in), environment */
	MPS_KEEP,      /* spec, keep */
	MPS_REMOVE,    /* spec, part */
	MPS_TERMINATE, /* spec, pid[]: seen */
	MPS_STOP,      /* spec: seen (MPS_SEEN_GONE) */
	MPS_FIND,      /* run_dir: foreign */
};

struct mps_order {
	enum mps_op op;
	uint64_t deadline_ns; /* from its start; the daemon's own deadline has to be later */
	struct mps_spec spec;
	struct mps_part part;
	uint32_t n_pids;
	int32_t pid[MPS_CLIENTS_MAX];
	char run_dir[MPS_DIR_MAX]; /* MPS_FIND: what is below it is ours */
	char keep[MPS_KEEP_MAX];
};

struct mps_answer {
	struct mps_seen seen;
	struct mps_part part;
	char environment[MPS_ENVIRONMENT_MAX]; /* "NAME=value" by lines */
	uint32_t n_foreign;
	struct mps_foreign foreign[MPS_FOREIGN_MAX];
};

/* Carries out one order: 0 or a negative errno with the sentence (driver/mps.h). */
int mps_obey(const struct mps_order *order, struct mps_answer *ret_answer, struct error *err);
