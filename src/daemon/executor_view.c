/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU as it will be when the transaction on it has ended, and what that is at now. */
#include "daemon/executor_txn.h"
#include "daemon/gpus.h"
#include "daemon/vfs.h"

#include <stdio.h>

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
			(step->fate != FATE_WAITING && step->fate != FATE_IN_FLIGHT &&
				!(step->fate == FATE_DONE && step->is_unseen)))
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
