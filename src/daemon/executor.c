/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/executor.h"

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/alone.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/vfs.h"

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
	bool has_old_facts; /* of the GPU: asked for anew at the end */
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
	bool is_recovery;      /* it undoes what a killed daemon did */
	sd_event_source *soon; /* its beginning, then its end, in the loop's next round */
};

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

static void keep_vfs(struct txn *txn, unsigned gpu)
{
	for (unsigned k = 0; k < txn->n_steps; k++)
		if (txn->steps[k].step.gpu == gpu && step_is_of_vfs(&txn->steps[k].step)) {
			vfs_keep(txn->daemon, gpu);
			return;
		}
}

/* Success: what was made is now known as ours, what was removed is forgotten. */
static void record_origins(struct txn *txn)
{
	for (unsigned i = 0; i < txn->n_lanes; i++) {
		const struct lane *lane = &txn->lanes[i];

		for (unsigned k = lane->first; k < lane->first + lane->n; k++) {
			const struct step *step = &txn->steps[k].step;

			if (step->kind == STEP_CREATE)
				gpu_set_origin(txn->daemon, lane->gpu, step->profile_id,
					step->start, step->origin);
			else if (step->kind == STEP_DESTROY)
				gpu_set_origin(txn->daemon, lane->gpu, step->profile_id,
					step->start, SHARE_FOREIGN);
			else if (step->kind == STEP_ADD_MPS || step->kind == STEP_DROP_MPS)
				gpu_set_mps(txn->daemon, lane->gpu, step->mps,
					step->kind == STEP_ADD_MPS);
			else if (step->kind == STEP_COMPUTE_MODE)
				gpu_set_former_mode(txn->daemon, lane->gpu,
					step->mode == COMPUTE_EXCLUSIVE_PROCESS ? &step->mode_before
										: NULL);
			else if (step_is_of_vfs(step))
				vfs_record(txn->daemon, lane->gpu, step);
		}
		keep_vfs(txn, lane->gpu);
	}
}

/* What a killed daemon did may be in the books already: the inverses are written behind it. */
static void record_undone(struct txn *txn)
{
	for (unsigned k = txn->n_steps; k-- > 0;) {
		struct step back = step_inverse(&txn->steps[k].step);

		if (step_is_of_vfs(&back) && txn->steps[k].fate == FATE_UNDONE)
			vfs_record(txn->daemon, back.gpu, &back);
	}
	for (unsigned i = 0; i < txn->n_lanes; i++)
		keep_vfs(txn, txn->lanes[i].gpu);
}

static void record_rest_of_vfs(struct daemon *daemon, struct step step)
{
	step.origin = SHARE_DYNAMIC;
	vfs_record(daemon, step.gpu, &step);
}

/* What could be neither finished nor put back is ours all the same, if it stands; nobody wants it.
 */
static void record_rest(struct txn *txn, unsigned gpu)
{
	for (unsigned k = 0; k < txn->n_steps; k++) {
		const struct step *step = &txn->steps[k].step;

		if (step->gpu == gpu && step->kind == STEP_CREATE &&
			(txn->steps[k].fate == FATE_DONE || txn->steps[k].fate == FATE_UNSURE))
			gpu_set_origin(
				txn->daemon, gpu, step->profile_id, step->start, SHARE_DYNAMIC);
		else if (step->gpu == gpu && step_is_of_vfs(step) &&
			 txn->steps[k].fate == FATE_DONE)
			record_rest_of_vfs(txn->daemon, *step);
	}
	keep_vfs(txn, gpu);
}

static int on_closing(sd_event_source *source, void *context)
{
	struct txn *txn = context;
	struct daemon *daemon = txn->daemon;

	ledger_begin(daemon->ledger);
	if (txn->result.code == 0)
		record_origins(txn);
	else if (txn->is_recovery)
		record_undone(txn);
	for (unsigned i = 0; i < txn->n_lanes; i++) {
		unsigned gpu = txn->lanes[i].gpu;

		daemon->runtime[gpu].txn = NULL;
		if (txn->lanes[i].is_broken) {
			txn->result.broken |= 1u << gpu;
			record_rest(txn, gpu);
			gpu_set_health(daemon, gpu, GPU_BROKEN, txn->result.text);
		}
		gpu_rebuild(daemon, gpu);
		if (txn->lanes[i].has_old_facts)
			gpu_look_facts(daemon, gpu);
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

/* Modes change the minor and the geometry, which the next steps need; when VFs come or go NVIDIA's
 * driver is bound anew, which can wait for the end. */
static void note_changed_facts(struct lane *lane, const struct step *step)
{
	if (step->kind <= STEP_RESET)
		gpu_look_facts(lane->txn->daemon, lane->gpu);
	lane->has_old_facts |= step->kind == STEP_VF_COUNT;
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
		gpu_saw(daemon, lane->gpu, &answer->seen);
		note_changed_facts(lane, &step->step);
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

static void give(struct lane *lane, const struct step *step, worker_done_fn answered)
{
	const struct work_order order = { .op = WORK_DO, .step = *step };
	struct daemon *daemon = lane->txn->daemon;

	lane->in_flight = true;
	lane->is_alone = step_is_alone(daemon, step);
	if (lane->is_alone)
		alone_order(&lane->alone, daemon, lane->gpu, &order, answered, lane);
	else
		worker_order(daemon->runtime[lane->gpu].worker, &order, answered, lane);
}

/* What is in Carve's own books only is done at once: the end of the transaction writes it there. */
static void skip_books(struct lane *lane)
{
	struct txn *txn = lane->txn;

	while (lane->next < lane->first + lane->n &&
		!step_is_on_hardware(&txn->steps[lane->next].step)) {
		txn->steps[lane->next++].fate = FATE_DONE;
		txn->n_done++;
	}
}

/* Begins the lane's next step; false if it has none. */
static bool begin_step(struct lane *lane)
{
	struct txn *txn = lane->txn;
	unsigned number;

	skip_books(lane);
	number = lane->next;
	if (number == lane->first + lane->n)
		return false;
	lane->next++;
	txn->steps[number].fate = FATE_IN_FLIGHT;
	ledger_step_put(txn->daemon->ledger, txn->id, number,
		txn->daemon->gpus[lane->gpu].facts.uuid, &txn->steps[number].step, STEP_INTENDED);
	give(lane, &txn->steps[number].step, on_step_done);
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
		gpu_saw(daemon, lane->gpu, &answer->seen);
		note_changed_facts(lane, &undo->step);
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
	if (lane->is_broken || lane->next_undo == lane->undo.n)
		return false;
	give(lane, &lane->undo.at[lane->next_undo].step, on_undo_done);
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
		txn->state = TXN_UNDOING;
		for (unsigned i = 0; i < txn->n_lanes; i++)
			list_undo(&txn->lanes[i]);
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

static int on_opening(sd_event_source *source, void *context)
{
	advance(context);
	return 0;
}

static struct txn *txn_new(struct daemon *daemon, unsigned n)
{
	struct txn *txn = must_alloc(1, sizeof(*txn));

	txn->daemon = daemon;
	txn->steps = must_alloc(n, sizeof(*txn->steps));
	txn->n_steps = n;
	txn->result.gpu = -1;
	return txn;
}

static struct lane *lane_of(struct txn *txn, unsigned gpu)
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
		lane = lane_of(txn, steps[i].gpu);
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

/* Foreign until the transaction has ended: nobody else may lease what may be taken back. */
static void create_in(
	const struct mig_geometry *geometry, const struct step *step, struct gpu_seen *seen)
{
	struct mig_instance *instance = &seen->instance[seen->n_instances];
	int profile = mig_profile_find_id(geometry, step->profile_id);

	if (profile < 0 || seen->n_instances == MIG_INSTANCES_MAX)
		return;
	*instance =
		(struct mig_instance){ .gi = mig_place_id(geometry, (uint32_t)profile, step->start),
			.profile = (uint32_t)profile,
			.start = step->start,
			.n_ci = step->n_ci };
	for (unsigned c = 0; c < step->n_ci; c++) {
		instance->ci[c].id = c;
		for (unsigned k = 0; k < geometry->profile[profile].n_ci; k++)
			if (geometry->profile[profile].ci[k].id == step->ci_id[c])
				instance->ci[c].ci = k;
	}
	seen->n_instances++;
}

static int find_in(
	const struct mig_geometry *geometry, const struct step *step, const struct gpu_seen *seen)
{
	for (unsigned i = 0; i < seen->n_instances; i++)
		if (geometry->profile[seen->instance[i].profile].id == step->profile_id &&
			seen->instance[i].start == step->start)
			return (int)i;
	return -1;
}

void txn_apply_pending(const struct txn *txn, unsigned gpu, const struct mig_geometry *geometry,
	struct gpu_seen *seen)
{
	for (unsigned k = 0; k < txn->n_steps; k++) {
		const struct txn_step *step = &txn->steps[k];
		int i;

		if (step->step.gpu != gpu ||
			(step->fate != FATE_WAITING && step->fate != FATE_IN_FLIGHT))
			continue;
		i = find_in(geometry, &step->step, seen);
		if (step->step.kind == STEP_CREATE && i < 0)
			create_in(geometry, &step->step, seen);
		else if (step->step.kind == STEP_DESTROY && i >= 0)
			seen->instance[i] = seen->instance[--seen->n_instances];
		else if (step->step.kind == STEP_MODE_ON)
			seen->mig_on = seen->mig_pending = true;
		else if (step_is_of_vfs(&step->step))
			vf_view_step(&step->step, seen);
	}
}

const char *txn_text(const struct daemon *daemon, unsigned gpu)
{
	const struct txn *txn = daemon->runtime[gpu].txn;
	static char text[200];
	char step[160];

	if (!txn)
		return NULL;
	for (unsigned i = 0; i < txn->n_lanes; i++) {
		const struct lane *lane = &txn->lanes[i];

		if (lane->gpu != gpu || !lane->in_flight)
			continue;
		if (txn->state == TXN_FORWARD)
			return step_text(&txn->steps[lane->next - 1].step, text, sizeof(text));
		step_text(&lane->undo.at[lane->next_undo].step, step, sizeof(step));
		snprintf(text, sizeof(text), "putting back: %s", step);
		return text;
	}
	return "waiting for other GPUs";
}

/* What a killed daemon left: one undo transaction over all of its open steps. */
struct recovery {
	struct daemon *daemon;
	void (*done)(struct daemon *daemon);
	VEC(struct open_step) open;
};

struct open_step {
	uint64_t txn;
	unsigned number, gpu;
	struct step step;
};

static void recall_step(void *context, uint64_t id, unsigned number, const char *uuid,
	const struct step *step, enum step_record record)
{
	struct recovery *recovery = context;
	int gpu = gpu_by_uuid(recovery->daemon, uuid);

	if (record == STEP_UNDONE)
		return;
	if (gpu < 0) {
		log_warning(
			"a step on GPU %s was left open, but that GPU is no longer there", uuid);
		return;
	}
	*vec_add(&recovery->open) = (struct open_step){ id, number, (unsigned)gpu, *step };
}

static void on_recovered(void *context, const struct txn_result *result)
{
	struct recovery *recovery = context;

	for (unsigned i = 0; i < recovery->open.n; i++)
		ledger_txn_end(recovery->daemon->ledger, recovery->open.at[i].txn);
	if (result->broken == 0)
		log_info("put back what was half done when the daemon was ended: %zu steps",
			recovery->open.n);
	recovery->done(recovery->daemon);
	vec_done(&recovery->open);
	free(recovery);
}

void txn_recover(struct daemon *daemon, void (*done)(struct daemon *daemon))
{
	struct recovery *recovery = must_alloc(1, sizeof(*recovery));
	struct txn *txn;

	recovery->daemon = daemon;
	recovery->done = done;
	ledger_open_steps(daemon->ledger, recall_step, recovery);
	if (recovery->open.n == 0) {
		free(recovery);
		done(daemon);
		return;
	}
	txn = txn_new(daemon, (unsigned)recovery->open.n);
	txn->is_recovery = true;
	txn->done = on_recovered;
	txn->context = recovery;
	txn->id = ledger_txn_begin(daemon->ledger, "recovery");
	txn->result.code = -ECANCELED;
	snprintf(txn->result.text, sizeof(txn->result.text), "the daemon was ended in the middle");
	/* the ledger gives them newest first; a lane walks its steps oldest first, so fill from the
	 * end */
	for (size_t i = 0; i < recovery->open.n; i++) {
		const struct open_step *open = &recovery->open.at[i];
		struct txn_step *step = &txn->steps[recovery->open.n - 1 - i];

		step->step = open->step;
		step->step.gpu = open->gpu;
		step->fate = FATE_UNSURE;
		lane_of(txn, open->gpu);
	}
	txn->state = TXN_UNDOING;
	for (unsigned i = 0; i < txn->n_lanes; i++)
		list_undo(&txn->lanes[i]);
	advance(txn);
}
