/* SPDX-License-Identifier: Apache-2.0 */
/* What a killed daemon left half done is put back by the next one, before it does anything else. */
#include "base/log.h"
#include "daemon/executor_txn.h"
#include "daemon/gpus.h"
#include "daemon/ledger.h"

#include <errno.h>
#include <stdio.h>

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
		txn_lane(txn, open->gpu);
	}
	txn_undo(txn);
}
