/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What `carve run` does with its command, for the verbs that do more with it. */

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct invocation;

struct run {
	bool is_watched;  /* in: what it uses is wanted */
	json_t *lease;	  /* as it was given; NULL: there was none */
	uint64_t took_ns; /* of the command; 0: it was not started */
	json_t *figures;  /* what it used (model/usage.h); NULL: not known, and why: */
	struct error figures_error;
};

/* Asks for the lease, runs the command in it and gives it back; the exit status. */
int run_command(struct invocation *invocation, struct run *run, struct error *err);
void run_done(struct run *run);

/* "python train.py", cut where it is very long; freed by the caller. */
char *run_command_text(char **command);
