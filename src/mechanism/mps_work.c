/* SPDX-License-Identifier: Apache-2.0 */
#include "mechanism/mps_work.h"

#include "base/error.h"

#include <errno.h>

int mps_obey(const struct mps_order *order, struct mps_answer *ret_answer, struct error *err)
{
	const struct mps_spec *spec = &order->spec;
	struct mps_answer *answer = ret_answer;
	uint64_t deadline_ns = order->deadline_ns;
	unsigned n_pids = order->n_pids < MPS_CLIENTS_MAX ? order->n_pids : MPS_CLIENTS_MAX;
	int r;

	switch (order->op) {
	case MPS_START:
		return mps_start(spec, deadline_ns, &answer->seen, err);
	case MPS_LOOK:
		return mps_look(spec, deadline_ns, &answer->seen, err);
	case MPS_LIMITS:
		return mps_set_limits(spec, deadline_ns, err);
	case MPS_ADD:
		answer->part = order->part;
		return mps_add(spec, &answer->part, deadline_ns, answer->environment, err);
	case MPS_KEEP:
		return mps_keep(spec, order->keep, deadline_ns, err);
	case MPS_REMOVE:
		return mps_remove(spec, &order->part, deadline_ns, err);
	case MPS_TERMINATE:
		r = mps_terminate(spec, order->pid, n_pids, deadline_ns, err);
		return r < 0 ? r : mps_look(spec, deadline_ns, &answer->seen, err);
	case MPS_STOP:
		return mps_stop(spec, deadline_ns, err);
	case MPS_FIND:
		answer->n_foreign = (uint32_t)mps_find_foreign(
			order->run_dir, answer->foreign, MPS_FOREIGN_MAX);
		return 0;
	}
	return error_set(err, -EINVAL, "no such order for MPS (%d)", (int)order->op);
}
