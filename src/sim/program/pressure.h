/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Processes that are in the way, on order: of `inject memory:...` and `inject holder:...`. */

#include "sim/node/node.h"

struct error;

/* Whether a failure to inject is one of these. */
bool pressure_is_meant(const char *spec);

/*
 * memory: a process that takes memory of a device, all that is free or size=SIZE; holder: one that
 * holds it, with little. Keys: device=GPU[.INSTANCE[.COMPUTE]], size=SIZE, busy=PERCENT. It stays
 * until it is killed or the node goes.
 */
int pressure_start(struct node *node, const char *spec, pid_t *ret_pid, struct error *err);
