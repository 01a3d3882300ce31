/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a GPU is from serving a request for an MPS share: leases are ended, each time the one
 * whose end helps most, until it serves.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "model/place_mps.h"

#include <stdlib.h>

/* Ends the lease whose end helps most at the place; false if none would. */
static bool end_lease(struct gpu *gpu, const struct mps_offer *offer, uint32_t uid)
{
	unsigned best = MPS_SHARES_MAX;

	if (offer->bar == MPS_BAR_LEASED) {
		gpu->whole_lease = 0;
		for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
			unsigned c;

			if (mps_place_is_in(gpu, &gpu->seen.instance[i], &offer->place, &c)) {
				gpu->seen.instance[i].ci[c].lease = 0;
				gpu->seen.instance[i].ci[c].has_users = false;
			}
		}
		return true;
	}
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		const struct mps_share *share = &gpu->mps[i];

		if (!share->lease || !mps_place_is(&share->place, &offer->place) ||
			(offer->bar == MPS_BAR_TENANT && share->uid == uid))
			continue;
		if (best == MPS_SHARES_MAX || share->memory_bytes > gpu->mps[best].memory_bytes)
			best = i;
	}
	if (best == MPS_SHARES_MAX)
		return false;
	if (gpu->mps[best].is_pinned)
		gpu->mps[best].lease = 0;
	else
		gpu->mps[best] = gpu->mps[--gpu->n_mps];
	return true;
}

unsigned mps_distance(struct wish *wish, unsigned g)
{
	AUTO_FREE struct gpu *after = must_alloc(1, sizeof(*after));
	unsigned distance = 0;
	struct mps_offer offer;

	mps_offer(wish, g, &offer);
	*after = wish->gpus[g];
	after->n_mps_servers = 0; /* they go with their leases, or are started again */
	while (mps_bar_is_for_now(offer.bar) && wish->gpus[g].health == GPU_HEALTHY &&
		!wish->gpus[g].drained) {
		mps_offer_of(wish, g, after, &offer);
		if (offer.bar == MPS_BAR_NONE)
			return distance;
		if (offer.bar > MPS_BAR_LEASED || !end_lease(after, &offer, wish->request->uid))
			break;
		distance++;
	}
	return WISH_TOO_FAR;
}
