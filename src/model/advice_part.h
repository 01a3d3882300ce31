/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of advise(): the share that each way would make, its speed, and who is in the way. */

#include "model/advice.h"

struct buf;

/* The share that the option would make on a GPU. */
void advice_share_of(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, struct advice_share *ret_share);
/* The GPU as it is, but that Carve may use it: a copy (free). */
struct gpu *advice_opened(const struct gpu *gpu);
/* By what VFs are: time-sliced, or backed by MIG. */
void advice_share_vf(const struct advice_need *need, const struct advice_gpu *gpu, bool on_mig,
	struct advice_share *share);

void advice_estimate_of(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, const struct advice_share *share,
	const struct advice_measured *measured, unsigned n_measured,
	struct advice_estimate *ret_estimate);

/* "the leases L3 and L4, and the process 4711": all that is on the GPU; adds nothing if nobody is.
 */
void advice_say_users(const struct gpu *gpu, struct buf *text);
bool advice_has_users(const struct gpu *gpu);

/* The need as each of its shares has it: where no size was said, its part of a GPU. */
struct request advice_sized(const struct advice_need *need);
