/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/alone.h"

#include "base/cleanup.h"
#include "daemon/gpus.h"

#include <errno.h>

bool step_is_alone(const struct daemon *daemon, const struct step *step)
{
	enum vf_kind kind = daemon->gpus[step->gpu].facts.vf.kind;

	return step->kind == STEP_VF_COUNT &&
	       (kind == VF_KIND_NVIDIA || kind == VF_KIND_NVIDIA_MDEV);
}

static bool is_other(const struct alone *alone, unsigned gpu)
{
	/* a GPU that no library knows has a worker that opens none */
	return gpu != alone->gpu && !alone->daemon->gpus[gpu].facts.is_pci_only;
}

static void cancel(struct alone *alone)
{
	const struct work_answer answer = { .op = alone->order.op, .result = -ECANCELED };

	alone->done(alone->context, &answer);
}

static void begin_first(struct daemon *daemon);

static void leave_line(struct alone *alone)
{
	struct daemon *daemon = alone->daemon;

	list_remove(&alone->link);
	/* they do one thing each before the next in line has its turn */
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (is_other(alone, i))
			worker_wake(daemon->runtime[i].worker);
}

static void on_answer(void *context, const struct work_answer *answer)
{
	struct alone *alone = context;
	struct daemon *daemon = alone->daemon;

	leave_line(alone);
	alone->done(alone->context, answer);
	begin_first(daemon);
}

static void on_rest(void *context, const struct work_answer *answer)
{
	struct alone *alone = context;
	struct daemon *daemon = alone->daemon;

	if (--alone->n_awake > 0)
		return;
	if (alone->is_withdrawn) {
		leave_line(alone);
		cancel(alone);
		begin_first(daemon);
		return;
	}
	alone->is_given = true;
	worker_order(daemon->runtime[alone->gpu].worker, &alone->order, on_answer, alone);
}

static void begin_first(struct daemon *daemon)
{
	struct alone *first;

	if (list_is_empty(&daemon->alone))
		return;
	first = container_of(daemon->alone.next, struct alone, link);
	if (first->is_begun)
		return;
	first->is_begun = true;
	first->n_awake = 1;
	for (unsigned i = 0; i < daemon->n_gpus; i++) {
		if (!is_other(first, i))
			continue;
		first->n_awake++;
		worker_rest(daemon->runtime[i].worker, on_rest, first);
	}
	on_rest(first, NULL);
}

void alone_order(struct alone *alone, struct daemon *daemon, unsigned gpu,
	const struct work_order *order, worker_done_fn done, void *context)
{
	*alone = (struct alone){
		.daemon = daemon, .gpu = gpu, .order = *order, .done = done, .context = context
	};
	list_add_tail(&daemon->alone, &alone->link);
	begin_first(daemon);
}

void alone_withdraw(struct alone *alone)
{
	if (alone->is_given)
		return;
	alone->is_withdrawn = true;
	if (alone->is_begun)
		return;
	list_remove(&alone->link);
	cancel(alone);
}
