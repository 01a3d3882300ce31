/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Running another program to its end, with a deadline, its output kept. */

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/*
 * Runs argv (found on PATH, NULL at its end) with no standard input; what it prints on both outputs
 * is added to `output` (NULL: dropped). Returns its exit status (0..255), 128 + N if signal N ended
 * it, -ETIMEDOUT if `deadline_ns` from now passed and it was killed, or a negative errno with the
 * sentence in `err` if it could not be started.
 */
int spawn_wait(
	const char *const *argv, uint64_t deadline_ns, struct buf *output, struct error *err);

/* As spawn_wait, with what the program reads on its standard input (NULL: nothing) and more. */
struct spawn {
	const char *const *argv;
	const char *const *environment; /* "NAME=value", NULL at its end; NULL: ours */
	const char *input;
	/* It makes a daemon that outlives us: nothing of ours but the environment goes along, no
	 * descriptor, session or signal disposition. */
	bool is_daemon;
};
int spawn_run(
	const struct spawn *spawn, uint64_t deadline_ns, struct buf *output, struct error *err);
