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
