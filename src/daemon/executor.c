/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/executor_txn.h"

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/*
 * Each GPU of a transaction is a lane. Going forward, a lane walks its steps; after a failure no
 * lane begins another step, and when the steps in flight have answered, every lane walks its undo
 * list: the inverses of the steps that were done or may have been (a call that hung or crashed),
 * last first. Steps are idempotent, so undoing what was not done is harmless. A reset belongs after
 * the mode change it makes effective, also on the way back.
 *
 *	FORWARD --all steps done--> CLOSING --> done(0)
 *	   '--a step failed--> UNDOING --all undone, or lanes broken--> CLOSING --> done(code)
 */

enum { UNDO_TRIES = 3 };

static void advance(struct txn *txn);

bool gpu_is_busy(const struct daemon *daemon, unsigned gpu)
{
	return daemon->runtime[gpu].txn != NULL;
}

static void txn_free(struct txn *txn)
{
	for (unsigned i = 0; i < txn->n_lanes; i++)
		vec_done(&txn->lanes[i].undo);
	sd_event_source_disable_unref(txn->soon);
	free(txn->steps);
	free(txn);
}

static int on_closing(sd_event_source *source, void *context)
{
	struct txn *txn = context;
	struct daemon *daemon = txn->daemon;

	ledger_begin(daemon->ledger);
	if (txn->result.code == 0)
		txn_record_done(txn);
	else if (txn->is_recovery)
		txn_record_undone(txn);
	for (unsigned i = 0; i < txn->n_lanes; i++) {
		unsigned gpu = txn->lanes[i].gpu;

		daemon->runtime[gpu].txn = NULL;
		if (txn->lanes[i].is_broken) {
			txn->result.broken |= 1u << gpu;
			txn_record_rest(txn, gpu);
			gpu_set_health(daemon, gpu, GPU_BROKEN, txn->result.text);
		}
		gpu_rebuild(daemon, gpu);
		/* where its last step did not come to tell it */
		if (txn->lanes[i].has_old_facts)
			gpu_look_facts(daemon, gpu);
		else if (txn->lanes[i].is_unseen)
			gpu_look(daemon, gpu);
	}
	txn->done(txn->context, &txn->result);
	ledger_txn_end(daemon->ledger, txn->id);
	ledger_commit(daemon->ledger);
	txn_free(txn);
	if (daemon->driver_let_go)
		driver_let_go(daemon);
	return 0;
}

static void fail(struct txn *txn, unsigned gpu, int code, const char *doing, const char *text)
{
	if (txn->result.code)
		return;
	txn->result.code = code;
	txn->result.gpu = (int)gpu;
	snprintf(txn->result.text, sizeof(txn->result.text), "GPU %u: %s: %s", gpu, doing, text);
}

/* When VFs come or go NVIDIA's driver is bound anew. */
static bool makes_facts_old(const struct step *step)
{
	return step->kind == STEP_VF_COUNT;
}

/* What the GPU is looked at for after a step, `next` being the lane's next one (NULL: none): from
 * one step of VFs to the next nobody needs to see how far it is. */
static enum work_after after_of(
	const struct lane *lane, const struct step *step, const struct step *next)
{
	if (next && step_is_of_vfs(step) && step_is_of_vfs(next))
		return WORK_AFTER_NOTHING;
	return !next && (lane->has_old_facts || makes_facts_old(step)) ? WORK_AFTER_FACTS
								       : WORK_AFTER_SEEN;
}

/* A step (or its inverse) is done: what is known of the GPU now. Modes change the minor and the
 * geometry, which the next steps need. */
static void take_answer(
	struct lane *lane, const struct step *step, const struct work_answer *answer)
{
	struct txn *txn = lane->txn;

	lane->is_unseen = lane->after == WORK_AFTER_NOTHING;
	lane->has_old_facts |= makes_facts_old(step);
	for (unsigned k = 0; k < txn->n_steps && !lane->is_unseen; k++)
		if (txn->steps[k].step.gpu == lane->gpu)
			txn->steps[k].is_unseen = false;
	if (lane->after == WORK_AFTER_FACTS) {
		lane->has_old_facts = false;
		gpu_told_facts(txn->daemon, lane->gpu, answer);
	} else if (lane->after == WORK_AFTER_SEEN) {
		gpu_saw(txn->daemon, lane->gpu, &answer->seen);
	}
	if (step->kind <= STEP_RESET)
		gpu_look_facts(txn->daemon, lane->gpu);
}

/* What has failed elsewhere need not be begun any more. */
static void withdraw_waiting(struct txn *txn)
{
	for (unsigned i = 0; i < txn->n_lanes; i++)
		if (txn->lanes[i].in_flight && txn->lanes[i].is_alone)
			alone_withdraw(&txn->lanes[i].alone);
}

static void on_step_done(void *context, const struct work_answer *answer)
{
	struct lane *lane = context;
	struct txn *txn = lane->txn;
	struct daemon *daemon = txn->daemon;
	unsigned number = lane->next - 1;
	struct txn_step *step = &txn->steps[number];
	char doing[160], said[200];

	lane->in_flight = false;
	step_text(&step->step, doing, sizeof(doing));
	if (answer->result == 0) {
		step->fate = FATE_DONE;
		txn->n_done++;
		ledger_step_mark(daemon->ledger, txn->id, number, STEP_DONE);
		step->is_unseen = true;
		take_answer(lane, &step->step, answer);
		snprintf(said, sizeof(said), "GPU %u: %s", lane->gpu, doing);
		if (txn->progress)
			txn->progress(txn->context, txn->n_done, said);
	} else {
		bool is_unsure = answer->result == -ETIMEDOUT || answer->result == -EPIPE ||
				 answer->result == -ENOTRECOVERABLE;

		step->fate = is_unsure ? FATE_UNSURE : FATE_NOT_DONE;
		if (!is_unsure)
			ledger_step_mark(daemon->ledger, txn->id, number, STEP_UNDONE);
		fail(txn, lane->gpu, answer->result, doing, answer->text);
		withdraw_waiting(txn);
	}
	advance(txn);
}

static void give(struct lane *lane, const struct step *step, const struct step *next,
	worker_done_fn answered)
{
	const struct work_order order = {
		.op = WORK_DO, .after = after_of(lane, step, next), .step = *step
	};
	struct daemon *daemon = lane->txn->daemon;

	lane->after = order.after;
	lane->in_flight = true;
	lane->is_alone = step_is_alone(daemon, step);
	if (lane->is_alone)
		alone_order(&lane->alone, daemon, lane->gpu, &order, answered, lane);
	else
		worker_order(daemon->runtime[lane->gpu].worker, &order, answered, lane);
}

static bool is_for_worker(const struct step *step)
{
	return step_is_on_hardware(step) && !step->vf.goes;
}

static void intend(struct lane *lane, unsigned number)
{
	struct txn *txn = lane->txn;

	ledger_step_put(txn->daemon->ledger, txn->id, number,
		txn->daemon->gpus[lane->gpu].facts.uuid, &txn->steps[number].step, STEP_INTENDED);
}

/* What is in Carve's own books only is done at once: the end of the transaction writes it there. So
 * is what goes with a later step, but whoever undoes that has to know. */
static void skip_done(struct lane *lane)
{
	struct txn *txn = lane->txn;

	while (lane->next < lane->first + lane->n && !is_for_worker(&txn->steps[lane->next].step)) {
		struct txn_step *step = &txn->steps[lane->next];

		if (step_is_on_hardware(&step->step)) {
			intend(lane, lane->next);
			step->is_unseen = true;
		}
		step->fate = FATE_DONE;
		lane->next++;
		txn->n_done++;
	}
}

/* The lane's next step that a worker does; NULL: none. */
static const struct step *next_of(const struct lane *lane)
{
	for (unsigned k = lane->next; k < lane->first + lane->n; k++)
		if (is_for_worker(&lane->txn->steps[k].step))
			return &lane->txn->steps[k].step;
	return NULL;
}

/* Begins the lane's next step; false if it has none. */
static bool begin_step(struct lane *lane)
{
	struct txn *txn = lane->txn;
	unsigned number;

	skip_done(lane);
	number = lane->next;
	if (number == lane->first + lane->n)
		return false;
	lane->next++;
	txn->steps[number].fate = FATE_IN_FLIGHT;
	intend(lane, number);
	give(lane, &txn->steps[number].step, next_of(lane), on_step_done);
	return true;
}

static void on_undo_done(void *context, const struct work_answer *answer)
{
	struct lane *lane = context;
	struct txn *txn = lane->txn;
	struct daemon *daemon = txn->daemon;
	struct undo *undo = &lane->undo.at[lane->next_undo];
	char doing[160];

	lane->in_flight = false;
	if (answer->result == 0) {
		if (undo->number >= 0) {
			txn->steps[undo->number].fate = FATE_UNDONE;
			ledger_step_mark(
				daemon->ledger, txn->id, (unsigned)undo->number, STEP_UNDONE);
		}
		lane->next_undo++;
		lane->tries = 0;
		take_answer(lane, &undo->step, answer);
	} else if (++lane->tries >= UNDO_TRIES) {
		lane->is_broken = true;
		step_text(&undo->step, doing, sizeof(doing));
		event_add(daemon, "gpu-broken", (int)lane->gpu, 0,
			"GPU %u could not be put back: %s: %s", lane->gpu, doing, answer->text);
		fail(txn, lane->gpu, answer->result, doing, answer->text);
	}
	advance(txn);
}

static bool begin_undo(struct lane *lane)
{
	const struct undo *undo;

	if (lane->is_broken || lane->next_undo == lane->undo.n)
		return false;
	undo = &lane->undo.at[lane->next_undo];
	give(lane, &undo->step, lane->next_undo + 1 < lane->undo.n ? &undo[1].step : NULL,
		on_undo_done);
	return true;
}

static void list_undo(struct lane *lane)
{
	struct txn *txn = lane->txn;
	bool resets = false;

	for (unsigned k = txn->n_steps; k-- > 0;) {
		const struct txn_step *step = &txn->steps[k];
		bool is_mode = step->step.kind == STEP_MODE_ON || step->step.kind == STEP_MODE_OFF;

		if (step->step.gpu != lane->gpu || !step_is_on_hardware(&step->step) ||
			(step->fate != FATE_DONE && step->fate != FATE_UNSURE))
			continue;
		if (step->step.kind == STEP_RESET) {
			resets = true;
			continue;
		}
		*vec_add(&lane->undo) = (struct undo){ step_inverse(&step->step), (int)k };
		if (is_mode && resets) {
			*vec_add(&lane->undo) = (struct undo){
				{ .kind = STEP_RESET, .gpu = lane->gpu, .name = "reset" }, -1
			};
			resets = false;
		}
	}
}

static void do_soon(struct txn *txn, sd_event_handler_t what)
{
	sd_event_source_disable_unref(txn->soon);
	if (sd_event_add_defer(txn->daemon->loop, &txn->soon, what, txn) < 0) {
		/* killed and started again, carved puts the steps back */
		log_error("out of memory in the middle of a transaction");
		abort();
	}
}

static void close_soon(struct txn *txn)
{
	txn->state = TXN_CLOSING;
	do_soon(txn, on_closing);
}

static void advance(struct txn *txn)
{
	bool in_flight = false;

	if (txn->state == TXN_FORWARD && !txn->result.code) {
		for (unsigned i = 0; i < txn->n_lanes; i++)
			if (!txn->lanes[i].in_flight && !txn->result.code)
				begin_step(&txn->lanes[i]);
	}
	for (unsigned i = 0; i < txn->n_lanes; i++)
		in_flight |= txn->lanes[i].in_flight;
	if (txn->state == TXN_FORWARD && !in_flight) {
		if (txn->result.code == 0) {
			close_soon(txn);
			return;
		}
		txn_undo(txn);
		return;
	}
	if (txn->state != TXN_UNDOING)
		return;
	for (unsigned i = 0; i < txn->n_lanes && txn->state == TXN_UNDOING; i++)
		if (!txn->lanes[i].in_flight)
			begin_undo(&txn->lanes[i]);
	in_flight = false;
	for (unsigned i = 0; i < txn->n_lanes; i++)
		in_flight |= txn->lanes[i].in_flight;
	if (txn->state == TXN_UNDOING && !in_flight)
		close_soon(txn);
}

void txn_undo(struct txn *txn)
{
	txn->state = TXN_UNDOING;
	for (unsigned i = 0; i < txn->n_lanes; i++)
		list_undo(&txn->lanes[i]);
	advance(txn);
}

static int on_opening(sd_event_source *source, void *context)
{
	advance(context);
	return 0;
}

struct txn *txn_new(struct daemon *daemon, unsigned n)
{
	struct txn *txn = must_alloc(1, sizeof(*txn));

	txn->daemon = daemon;
	txn->steps = must_alloc(n, sizeof(*txn->steps));
	txn->n_steps = n;
	txn->result.gpu = -1;
	return txn;
}

struct lane *txn_lane(struct txn *txn, unsigned gpu)
{
	struct lane *lane;

	for (unsigned i = 0; i < txn->n_lanes; i++)
		if (txn->lanes[i].gpu == gpu)
			return &txn->lanes[i];
	lane = &txn->lanes[txn->n_lanes++];
	lane->txn = txn;
	lane->gpu = gpu;
	txn->daemon->runtime[gpu].txn = txn;
	txn->daemon->runtime[gpu].busy_since_ns = now_ns();
	return lane;
}

struct txn *txn_start(struct daemon *daemon, const char *what, const struct step *steps, unsigned n,
	txn_progress_fn progress, txn_done_fn done, void *context)
{
	struct txn *txn = txn_new(daemon, n);

	txn->progress = progress;
	txn->done = done;
	txn->context = context;
	for (unsigned i = 0; i < n; i++) {
		struct lane *lane;

		txn->steps[i].step = steps[i];
		if (i > 0 && steps[i].gpu == steps[i - 1].gpu) {
			txn->lanes[txn->n_lanes - 1].n++;
			continue;
		}
		lane = txn_lane(txn, steps[i].gpu);
		lane->first = lane->next = i;
		lane->n = 1;
	}
	txn->id = ledger_txn_begin(daemon->ledger, what);
	for (unsigned i = 0; i < txn->n_lanes; i++)
		gpu_rebuild(daemon, txn->lanes[i].gpu);
	/* not from within: an order must not go out before its intent is in the ledger, and the
	 * caller may be in the middle of writing that */
	do_soon(txn, on_opening);
	return txn;
}
