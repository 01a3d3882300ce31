/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Parts of the sentences about a request's placement. */

#include "model/wish.h"

/* "GPU 3" or "GPUs 0-2, 5". */
void wish_say_gpus(struct buf *text, uint32_t gpus);

/* What was asked, with the profile that it means where all of `gpus` (a mask) agree on it. */
void wish_say_asked(struct wish *wish, uint32_t gpus, struct buf *text);

/* The sentence for a request that the node could serve, but not now: PLACE_E_NO_ROOM. */
int wish_refuse_now(struct wish *wish, enum mechanism mechanism, struct error *err);
