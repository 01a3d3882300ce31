/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The daemon's side of the worker processes (mechanism/worker.h): one per GPU, started when first
 * needed, ended when it hangs, started again with the next order. Orders to one worker are done in
 * turn; orders to different workers know nothing of each other.
 */

#include "mechanism/worker.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sd_event sd_event;
struct worker;

/*
 * Called once per order, on the loop. answer->result is -ETIMEDOUT if the call hung (the process
 * was killed), -EPIPE if the process died; after either nobody knows whether the step was done.
 */
typedef void (*worker_done_fn)(void *context, const struct work_answer *answer);

/* `lock_dir`: where the file stands by which a worker waits for its dead predecessor's driver call.
 */
int worker_new(sd_event *loop, const char *pci, const char *lock_dir, uint64_t timeout_ns,
	struct worker **ret_worker);
/* Ends the process; orders that wait are dropped unanswered. Returns NULL. */
struct worker *worker_free(struct worker *worker);

void worker_order(
	struct worker *worker, const struct work_order *order, worker_done_fn done, void *context);
/* Ends the process when it is idle, so that the driver is let go of; the next order starts it
 * again. */
void worker_let_go(struct worker *worker);
/* Has it let go of the driver, once what is in flight has ended and before all orders that wait; it
 * then gets none until it is woken. `done` is called when it rests, from within if it does at once.
 */
void worker_rest(struct worker *worker, worker_done_fn done, void *context);
void worker_wake(struct worker *worker);
bool worker_is_running(const struct worker *worker);
void worker_set_timeout(struct worker *worker, uint64_t timeout_ns);
