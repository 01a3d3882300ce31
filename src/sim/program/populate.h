/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a machine has from its start: instances, and processes that are nobody's business here. */

#include "sim/program/machine.h"

/*
 * Makes the machine's instances and starts its processes (this program as `hold`). They end with
 * the node, or with this process where asked.
 */
int populate(
	struct node *node, const struct machine *machine, bool dies_with_us, struct error *err);

/*
 * Starts one process on a device (a UUID), of the GPU `wanted->gpu`, and returns when it uses it;
 * -EINVAL if it may not, or it does not fit. Nobody's child when it outlives this process.
 */
int populate_process(struct node *node, const struct machine_process *wanted, const char *device,
	bool dies_with_us, pid_t *ret_pid, struct error *err);
