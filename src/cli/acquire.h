/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Asking for a lease and waiting for it, with progress on standard error. */

#include "client/lease.h"

struct invocation;

/*
 * 0 with the active lease, or a result as of client_call(): CARVE_TIMEOUT where the time that the
 * request allows is over, CARVE_OVER where the lease failed.
 */
int acquire_lease(struct invocation *invocation, const struct holder *holder, json_t **ret_lease,
	struct error *err);

/* Says on standard error what the lease lacks: its fence; and why it is where it is (--explain). */
void acquire_remarks(const struct invocation *invocation, const json_t *lease);
