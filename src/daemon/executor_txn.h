/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A transaction from within: what the executor_*.c files share. */

#include "daemon/alone.h"
#include "daemon/executor.h"
#include "model/plan.h"

struct daemon;
struct sd_event_source;

enum txn_state { TXN_FORWARD, TXN_UNDOING, TXN_CLOSING };

enum fate {
	FATE_WAITING,
	FATE_IN_FLIGHT,
	FATE_DONE,
	FATE_UNSURE,   /* hung, crashed or half undone: may have been done */
	FATE_NOT_DONE, /* refused by the driver, nothing was changed */
	FATE_UNDONE,
};

struct txn_step {
	struct step step;
	enum fate fate;
	bool is_unseen; /* done, and not looked at since */
};

struct lane {
	struct txn *txn;
	unsigned gpu;
	unsigned first, n; /* steps[first .. first + n) are this lane's */
	unsigned next;	   /* going forward: steps begun */
	VEC(struct undo) undo;
	unsigned next_undo, tries;
	struct alone alone; /* in flight, if its step `is_alone` */
	bool in_flight, is_alone, is_broken;
	enum work_after after; /* of what is in flight */
	bool has_old_facts;    /* of the GPU: told with its last step */
	bool is_unseen;	       /* what the last step made of it */
};

struct undo {
	struct step step;
	int number; /* the step that it undoes; -1: a reset that belongs to none */
};

struct txn {
	struct daemon *daemon;
	uint64_t id;
	enum txn_state state;
	unsigned n_steps, n_lanes, n_done;
	struct txn_step *steps;
	struct lane lanes[GPUS_MAX];
	struct txn_result result;
	txn_progress_fn progress;
	txn_done_fn done;
	void *context;
	bool is_recovery;	      /* it undoes what a killed daemon did */
	struct sd_event_source *soon; /* its beginning, then its end, in the loop's next round */
};

/* A transaction with room for n steps, and the lane of a GPU that is in it from then on. */
struct txn *txn_new(struct daemon *daemon, unsigned n);
struct lane *txn_lane(struct txn *txn, unsigned gpu);
/* What was done and may have been is put back, in all lanes. */
void txn_undo(struct txn *txn);

/* ---- Carve's own books (executor_books.c) ---- */

/* Success: what was made is now known as ours, what was removed is forgotten. */
void txn_record_done(struct txn *txn);
/* What a killed daemon did may be in the books already: the inverses are written behind it. */
void txn_record_undone(struct txn *txn);
/* What could be neither finished nor put back on a GPU is ours all the same, if it stands; nobody
 * wants it. */
void txn_record_rest(struct txn *txn, unsigned gpu);
