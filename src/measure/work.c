/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grid of an item is made for the whole GPU, in several waves: a share with fewer
 * multiprocessors does the same in more of them, and little is lost in the last.
 *
 * The buffer of the bandwidth's kernel is several times as large as the second cache, or the cache
 * would be measured; it must also fit into the smallest share.
 */
#include "measure/work.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/cuda.h"

#include <errno.h>
#include <stdlib.h>

#include "measure_kernels.inc" /* data/measure */

enum { THREADS = 256, LAUNCH_THREADS = 32, BLOCKS_PER_SM = 32, CACHES = 4, TRIES = 3 };
#define ITEM_NS	    2000000ULL
#define WARM_NS	    200000000ULL
#define BYTES_LEAST (256ULL << 20)
#define ROUNDS_MAX  (1U << 30)

struct work {
	const struct kind *kind;
	struct cuda *cuda;
	struct work_item item;
	uint64_t from, to;
};

static int prepare_compute(struct work *work, struct error *err)
{
	return cuda_alloc(
		work->cuda, work->item.blocks * (uint64_t)THREADS * sizeof(float), &work->to, err);
}

static int do_compute(struct work *work, struct error *err)
{
	void *arguments[] = { &work->to, &work->item.rounds };
	int r = cuda_launch(work->cuda, work->item.blocks, THREADS, arguments, err);

	return r == 0 ? cuda_wait(work->cuda, err) : r;
}

static int prepare_bandwidth(struct work *work, struct error *err)
{
	int r = cuda_alloc(work->cuda, work->item.bytes / 2, &work->from, err);

	return r == 0 ? cuda_alloc(work->cuda, work->item.bytes / 2, &work->to, err) : r;
}

/* Each round goes through the whole buffer before the next begins. */
static int do_bandwidth(struct work *work, struct error *err)
{
	uint64_t vectors = work->item.bytes / 2 / 16;
	void *arguments[] = { &work->from, &work->to, &vectors };
	int r = 0;

	for (uint32_t i = 0; i < work->item.rounds && r == 0; i++)
		r = cuda_launch(work->cuda, work->item.blocks, THREADS, arguments, err);
	return r == 0 ? cuda_wait(work->cuda, err) : r;
}

static int prepare_launch(struct work *work, struct error *err)
{
	return cuda_alloc(work->cuda, LAUNCH_THREADS * sizeof(uint32_t), &work->to, err);
}

static int do_launch(struct work *work, struct error *err)
{
	void *arguments[] = { &work->to };
	int r = 0;

	for (uint32_t i = 0; i < work->item.rounds && r == 0; i++) {
		r = cuda_launch(work->cuda, work->item.blocks, LAUNCH_THREADS, arguments, err);
		if (r == 0)
			r = cuda_wait(work->cuda, err);
	}
	return r;
}

static const struct kind {
	const char *ptx;
	int (*prepare)(struct work *work, struct error *err); /* its memory */
	int (*once)(struct work *work, struct error *err);
} kinds[WORK_KINDS_N] = {
	[WORK_COMPUTE] = { compute_ptx, prepare_compute, do_compute },
	[WORK_BANDWIDTH] = { bandwidth_ptx, prepare_bandwidth, do_bandwidth },
	[WORK_LAUNCH] = { launch_ptx, prepare_launch, do_launch },
};

/* All of an item but its rounds. */
static void size_item(enum work_kind kind, const struct cuda_facts *facts, struct work_item *item)
{
	uint64_t bytes = CACHES * facts->l2_bytes;

	item->blocks = kind == WORK_LAUNCH ? 1 : BLOCKS_PER_SM * (facts->sm ?: 1);
	bytes = bytes > BYTES_LEAST ? bytes : BYTES_LEAST;
	bytes = item->bytes && item->bytes < bytes ? item->bytes : bytes;
	item->bytes = kind == WORK_BANDWIDTH ? bytes & ~0xfffULL : 0;
}

/* How long an item takes: the least of a few. */
static int time_item(struct work *work, uint64_t *ret_ns, struct error *err)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t since = now_ns(), ns;
		int r = work->kind->once(work, err);

		if (r < 0)
			return r;
		ns = now_ns() - since;
		least = ns < least ? ns : least;
	}
	*ret_ns = least ?: 1;
	return 0;
}

static int warm_up(struct work *work, struct error *err)
{
	uint64_t until = now_ns() + WARM_NS;
	int r;

	do
		r = work->kind->once(work, err);
	while (r == 0 && now_ns() < until);
	return r;
}

/* Doubles the rounds until they take long enough to be counted, then goes by proportion. */
static int find_rounds(struct work *work, struct error *err)
{
	uint64_t ns;
	int r;

	for (work->item.rounds = 1;; work->item.rounds *= 2) {
		r = time_item(work, &ns, err);
		if (r < 0)
			return r;
		if (ns >= ITEM_NS / 4)
			break;
		if (work->item.rounds >= ROUNDS_MAX)
			return error_set(err, -EIO,
				"the GPU says that it did %u rounds of work, in %llu ns: it does "
				"none",
				work->item.rounds, (unsigned long long)ns);
	}
	r = warm_up(work, err);
	if (r == 0)
		r = time_item(work, &ns, err);
	if (r < 0)
		return r;
	ns = work->item.rounds * ITEM_NS / ns;
	work->item.rounds = ns < 1 ? 1 : ns > ROUNDS_MAX ? ROUNDS_MAX : (uint32_t)ns;
	return 0;
}

int work_open(enum work_kind kind, const struct work_item *item, struct work **ret_work,
	struct error *err)
{
	struct work *work = must_alloc(1, sizeof(*work));
	int r;

	work->kind = &kinds[kind];
	work->item = *item;
	r = cuda_open(&work->cuda, err);
	if (r == 0)
		r = cuda_kernel(work->cuda, work->kind->ptx, work_kind_names[kind], err);
	if (r == 0 && !item->rounds)
		size_item(kind, cuda_facts(work->cuda), &work->item);
	if (r == 0)
		r = work->kind->prepare(work, err);
	if (r == 0)
		r = item->rounds ? warm_up(work, err) : find_rounds(work, err);
	if (r < 0) {
		work_close(work);
		return r;
	}
	*ret_work = work;
	return 0;
}

struct work *work_close(struct work *work)
{
	if (work)
		cuda_close(work->cuda);
	free(work);
	return NULL;
}

const struct work_item *work_item_of(const struct work *work)
{
	return &work->item;
}

const char *work_gpu(const struct work *work)
{
	return cuda_facts(work->cuda)->uuid;
}

int work_do(struct work *work, struct error *err)
{
	return work->kind->once(work, err);
}
