/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction writes into Carve's own books when it ends. */
#include "daemon/executor_txn.h"
#include "daemon/gpus.h"
#include "daemon/vfs.h"

static void keep_vfs(struct txn *txn, unsigned gpu)
{
	for (unsigned k = 0; k < txn->n_steps; k++)
		if (txn->steps[k].step.gpu == gpu && step_is_of_vfs(&txn->steps[k].step)) {
			vfs_keep(txn->daemon, gpu);
			return;
		}
}

void txn_record_done(struct txn *txn)
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

void txn_record_undone(struct txn *txn)
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

void txn_record_rest(struct txn *txn, unsigned gpu)
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
