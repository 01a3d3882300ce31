/* SPDX-License-Identifier: Apache-2.0 */
#include "mechanism/watch.h"

#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_watch.h"

#include <errno.h>

/* As many as an MPS server has clients at most. */
enum { WATCHES_MAX = 60 };

static struct {
	uint64_t id;
	struct nvml_watch *watch; /* NULL: free */
} watches[WATCHES_MAX];

int watch_look(struct nvml_gpu *gpu, const struct work_watch *order,
	struct usage_sample *ret_sample, struct error *err)
{
	unsigned n = order->n_pids < WORK_PIDS_MAX ? order->n_pids : WORK_PIDS_MAX, at, vacant;

	for (at = 0, vacant = WATCHES_MAX; at < WATCHES_MAX; at++) {
		if (watches[at].watch && watches[at].id == order->id)
			break;
		if (!watches[at].watch && vacant == WATCHES_MAX)
			vacant = at;
	}
	if (at == WATCHES_MAX && vacant == WATCHES_MAX)
		return error_set(
			err, -ENOSPC, "%d jobs are watched on this GPU already", WATCHES_MAX);
	if (at == WATCHES_MAX) {
		at = vacant;
		watches[at].id = order->id;
		watches[at].watch = nvml_watch_new(gpu, order->gi, order->ci, order->is_shared);
	}
	return nvml_watch_sample(watches[at].watch, order->pid, n, ret_sample, err);
}

void watch_drop(uint64_t id)
{
	for (unsigned i = 0; i < WATCHES_MAX; i++)
		if (watches[i].watch && watches[i].id == id)
			watches[i].watch = nvml_watch_free(watches[i].watch);
}

void watches_drop(void)
{
	for (unsigned i = 0; i < WATCHES_MAX; i++)
		watches[i].watch = nvml_watch_free(watches[i].watch);
}
