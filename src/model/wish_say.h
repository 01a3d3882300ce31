/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Parts of the sentences about a request's placement. */

#include "model/wish.h"

/* "GPU 3" or "GPUs 0-2, 5". */
void wish_say_gpus(struct buf *text, uint32_t gpus);

/* What was asked, with the profile that it means where all of `gpus` (a mask) agree on it. */
void wish_say_asked(struct wish *wish, uint32_t gpus, struct buf *text);

/* "lease L3" or "leases L3, L7 and 4 more"; nothing where there is none. Sorts them. */
void wish_say_leases(struct buf *text, uint64_t *lease, unsigned n);

/* Why GPU g takes nothing: its health, drained, or kept for another request. False: none of these.
 */
bool wish_say_closed(struct wish *wish, unsigned g, struct buf *text);

/* The sentence for a request that the node could serve, but not now: PLACE_E_NO_ROOM. */
int wish_refuse_now(struct wish *wish, enum mechanism mechanism, struct error *err);
