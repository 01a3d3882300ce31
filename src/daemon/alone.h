/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A step that is done alone. Who has NVML open has every GPU of NVIDIA's: for their virtual
 * functions to come or go, nobody of ours may have it. So such steps wait for their turn, one of
 * them at a time; the workers of all other GPUs end what they are at, let go of the driver and rest
 * until it is done. Nobody has to know of that: an order to a worker that rests waits.
 *
 *	in line --first of it--> begun --all others rest--> given --answered--> over, others go on
 */

#include "base/list.h"
#include "daemon/daemon.h"
#include "daemon/workers.h"

/* The asker's, who leaves it alone until it is answered. */
struct alone {
	struct daemon *daemon;
	unsigned gpu;
	struct work_order order;
	worker_done_fn done;
	void *context;
	struct list link;
	unsigned n_awake;
	bool is_begun, is_given, is_withdrawn;
};

bool step_is_alone(const struct daemon *daemon, const struct step *step);
/* As worker_order, with the GPU's worker; `done` may be called from within where that fails. */
void alone_order(struct alone *alone, struct daemon *daemon, unsigned gpu,
	const struct work_order *order, worker_done_fn done, void *context);
/* The order is not wanted any more. Where it has not been given yet it is answered with -ECANCELED,
 * at once or when its turn comes; else nothing happens. */
void alone_withdraw(struct alone *alone);
