/* SPDX-License-Identifier: Apache-2.0 */
#include "model/queue.h"

#include "model/wish.h"

#include <stdlib.h>

static int compare_waiting(const void *left, const void *right)
{
	const struct waiting *a = left, *b = right;

	if (a->request->priority != b->request->priority)
		return a->request->priority > b->request->priority ? -1 : 1;
	if (a->tenant_use != b->tenant_use)
		return a->tenant_use < b->tenant_use ? -1 : 1;
	if (a->since_ns != b->since_ns)
		return a->since_ns < b->since_ns ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

void queue_sort(struct waiting *waiting, unsigned n)
{
	qsort(waiting, n, sizeof(waiting[0]), compare_waiting);
}

uint32_t queue_keep_for(
	const struct waiting *first, const struct gpu *gpus, unsigned n_gpus, uint64_t now_ns)
{
	unsigned distance[GPUS_MAX], room = 0;
	enum mechanism mechanism;
	uint32_t kept = 0;
	struct wish wish;

	if (now_ns < first->since_ns || now_ns - first->since_ns < QUEUE_PATIENCE_NS ||
		wish_make(&wish, gpus, n_gpus, first->request, 0, NULL) != 0)
		return 0;
	mechanism = wish_mechanism(&wish);
	for (unsigned g = 0; g < n_gpus; g++)
		distance[g] = wish_distance(&wish, g, mechanism);
	while (room < first->request->n_gpus) {
		unsigned nearest = n_gpus;

		for (unsigned g = 0; g < n_gpus; g++) {
			if (!(kept >> g & 1) && distance[g] != WISH_TOO_FAR &&
				(nearest == n_gpus || distance[g] < distance[nearest]))
				nearest = g;
		}
		if (nearest == n_gpus)
			break;
		kept |= 1u << nearest;
		room += wish_capacity_of(&wish, nearest, mechanism);
	}
	return kept;
}
