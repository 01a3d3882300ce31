/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which way a request takes that leaves the mechanism to Carve (--mechanism auto): of those that
 * have room now the first in the ranking of advise(), so that a lease gets what advice says.
 */

#include "model/place.h"

/* `ways`: those that have room, as bits of enum advice_option; at least one. */
enum advice_option choice_best(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t ways);

/*
 * One sentence why a request went where it was placed, or NULL if it had no choice. To be asked
 * before the placement is carried out. Text owned by the caller (free).
 */
char *choice_text(const struct gpu *gpus, unsigned n_gpus, const struct request *request,
	const struct placement *placement);

struct buf;
/* For --explain: a line for each way, the best first; `placement` may be NULL. */
void choice_explain(const struct gpu *gpus, unsigned n_gpus, const struct request *request,
	const struct placement *placement, struct buf *text);
