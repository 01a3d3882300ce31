/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Running a program from the loop: its end, or its deadline, is a callback. */

#include <stdint.h>

typedef struct sd_event sd_event;

/* `status` as of base/spawn.h: exit status, 128 + N, or a negative errno (-ETIMEDOUT: killed at the
 * deadline). */
typedef void (*child_done_fn)(void *context, int status);

/* Starts argv (found on PATH) without input or output; failures to start come through `done` as
 * well. */
void child_run(sd_event *loop, const char *const *argv, uint64_t deadline_ns, child_done_fn done,
	void *context);
