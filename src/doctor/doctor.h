/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The doctor: what is wrong with this node, and the way out. It looks for itself, so it needs no
 * daemon; it changes nothing; it runs for everyone, and says what it could not see.
 *
 *	struct doctor *doctor = doctor_new();
 *	doctor_look(doctor, DOCTOR_PATIENCE_MS);
 *	doctor_print(doctor, stdout, isatty(1));
 *	status = doctor_worst(doctor) == DOCTOR_BAD;
 *	doctor_free(doctor);
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_UNSEEN, /* could not be looked at: `how` says what that takes */
	DOCTOR_WARN,   /* works, but not all of it */
	DOCTOR_BAD,    /* stands in Carve's way */
	DOCTOR_VERDICT_N,
};
extern const char *const doctor_verdict_names[DOCTOR_VERDICT_N]; /* "ok", "unseen", "warn", "bad" */

/* What one check found about one thing. */
struct doctor_finding {
	const char *check; /* "driver", "cgroups": stable, for programs */
	enum doctor_verdict verdict;
	char *what;   /* what is */
	char *wanted; /* what should be; NULL where `what` says it all */
	char *how;    /* how to get there; NULL */
};

struct doctor;
struct doctor *doctor_new(void);
struct doctor *doctor_free(struct doctor *doctor); /* NULL */

/* Looks. A driver that has not answered for all its GPUs after that many milliseconds is taken for
 * hung: starting eight GPUs without persistence mode may take ten seconds. */
enum { DOCTOR_PATIENCE_MS = 20000 };
void doctor_look(struct doctor *doctor, unsigned patience_ms);

/* What was found, in the order of the checks; borrowed. */
const struct doctor_finding *doctor_findings(const struct doctor *doctor, unsigned *ret_n);
/* The gravest verdict. */
enum doctor_verdict doctor_worst(const struct doctor *doctor);

/* For people: a line for each finding, what should be and how indented below it, and a last line
 * that counts. */
void doctor_print(const struct doctor *doctor, FILE *out, bool has_colours);
/* {"version":1,"worst":"warn","findings":[{"check","verdict","what","wanted","how"}]} */
json_t *doctor_to_json(const struct doctor *doctor);
