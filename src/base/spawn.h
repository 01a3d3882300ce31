/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Running another program to its end, with a deadline, its output kept. */

#include "base/text.h"

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
