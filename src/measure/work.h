/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One kind of work on the GPU that this process may use, item by item. */

#include "model/measured.h"

struct error;
struct work;

/*
 * Prepares: a context, the kernel, its memory, and a moment of work so that clocks are up. An item
 * without rounds is found out: it takes about two milliseconds here and now, and goes through
 * `item.bytes` at most. Errors as of driver/cuda.h; -EIO where the GPU does no work.
 */
int work_open(enum work_kind kind, const struct work_item *item, struct work **ret_work,
	struct error *err);
struct work *work_close(struct work *work); /* NULL */

const struct work_item *work_item_of(const struct work *work);
const char *work_gpu(const struct work *work); /* its uuid, or "" */

/* Does one item, from its start to its end. */
int work_do(struct work *work, struct error *err);
