/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who is next: fair order, and no starvation of big requests.
 *
 * Waiting requests are ordered by priority, then by how much their tenant holds already (less
 * first), then by arrival. A request that does not fit lets later ones pass, but once it has been
 * passed for QUEUE_PATIENCE_NS, the GPUs that it needs are kept for it: those where it is nearest
 * to fitting.
 */

#include "model/gpu.h"
#include "model/request.h"

#include <stdint.h>

#define QUEUE_PATIENCE_NS (10ULL * 1000000000)

struct waiting {
	uint64_t id;
	const struct request *request;
	uint32_t tenant;
	uint64_t since_ns;   /* when it began to wait */
	uint64_t tenant_use; /* what its tenant holds now, in millionths of a GPU */
};

/* Sorts in place into the order in which they are to be tried. */
void queue_sort(struct waiting *waiting, unsigned n);

/*
 * The GPUs (mask) that are to be kept for `first`, a request that does not fit: none while it has
 * waited less than the patience, or where leases are not all that is in its way. They are kept for
 * one request at a time: the frontmost for which there are any.
 */
uint32_t queue_keep_for(
	const struct waiting *first, const struct gpu *gpus, unsigned n_gpus, uint64_t now_ns);
