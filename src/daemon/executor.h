/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one executor of steps. A transaction is a list of steps, GPU by GPU; each GPU's steps are
 * done in order, different GPUs' at the same time. The intent of each step is in the ledger before
 * it is done and its result after. When one fails, the steps done are undone, last first, to the
 * exact former placements, on all GPUs of the transaction; where undoing fails too, the GPU is
 * marked broken.
 */

#include "daemon/daemon.h"
#include "model/plan.h"

struct txn;
struct ledger;

struct txn_result {
	int code;	 /* 0 done; negative errno: failed and undone */
	char text[600];	 /* why it failed */
	int gpu;	 /* where; -1 */
	uint32_t broken; /* mask of GPUs that could not be put back */
};
typedef void (*txn_done_fn)(void *context, const struct txn_result *result);
typedef void (*txn_progress_fn)(void *context, unsigned steps_done, const char *text);

/*
 * Starts a transaction on GPUs that are not busy (gpu_is_busy). `progress` may be NULL. `done` is
 * called from the loop, never from within; the origins of instances made and removed are recorded
 * by then. Returns it, to be watched only.
 */
struct txn *txn_start(struct daemon *daemon, const char *what, const struct step *steps, unsigned n,
	txn_progress_fn progress, txn_done_fn done, void *context);

/* Undoes what transactions of a killed daemon left; `done` is called once all are. */
void txn_recover(struct daemon *daemon, void (*done)(struct daemon *daemon));

bool gpu_is_busy(const struct daemon *daemon, unsigned gpu);
/* Shows the steps that are not done yet as done in *seen: what the GPU will look like. */
void txn_apply_pending(const struct txn *txn, unsigned gpu, const struct mig_geometry *geometry,
	struct gpu_seen *seen);
/* "create 1g.10gb@4": the step under way on the GPU; NULL none. */
const char *txn_text(const struct daemon *daemon, unsigned gpu);
