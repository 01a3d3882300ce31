/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process. It opens the driver with the first order that needs it and lets go of it when
 * it no longer answers, so that the next order begins anew: a GPU that came back is found again.
 */
#include "mechanism/worker.h"

#include "base/error.h"
#include "base/text.h"
#include "driver/nvml.h"
#include "driver/pci_facts.h"
#include "driver/root.h"
#include "driver/vf.h"
#include "mechanism/mechanism.h"
#include "mechanism/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

/* One process, one GPU (or one MPS control daemon, or none). */
static struct {
	const char *pci;
	struct nvml_gpu *gpu; /* NULL: not opened, or no library knows it */
	bool has_facts;
	struct gpu_facts facts;
	struct capability vf; /* told with the facts */
} worker;

static void let_go(void)
{
	watches_drop();
	worker.gpu = nvml_gpu_free(worker.gpu);
	nvml_close();
	worker.has_facts = false;
}

/* The library is there: it may not work, which then is said of each GPU. */
static bool has_nvml(void)
{
	return nvml_open(NULL) != -ENOENT;
}

static bool is_alone(void)
{
	/* not to have the driver open on behalf of another vendor's GPU */
	return pci_is_alone(worker.pci, true) || !has_nvml();
}

static int get_gpu(struct error *err)
{
	int r = is_alone() ? 0 : nvml_open(err);

	if (r < 0 || worker.gpu || is_alone())
		return r;
	return nvml_gpu_open(worker.pci, &worker.gpu, err);
}

static int get_facts(struct error *err)
{
	int r = get_gpu(err);

	if (r < 0 || worker.has_facts)
		return r;
	r = worker.gpu ? nvml_gpu_facts(worker.gpu, &worker.facts, err)
		       : pci_facts(worker.pci, &worker.facts, err);
	if (r == 0)
		vf_facts_read(worker.pci, worker.gpu, &worker.facts, &worker.vf);
	worker.has_facts = r == 0;
	return r;
}

/* All mechanisms but VFs speak to NVIDIA's library. */
static bool is_possible(enum mechanism mechanism)
{
	return worker.gpu || mechanism == MECHANISM_VF;
}

static int observe(struct gpu_seen *ret_seen, struct error *err)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	int r = get_facts(err);

	for (int m = 0; m < MECHANISM_N && r == 0; m++)
		if (is_possible((enum mechanism)m))
			r = mechanism_of((enum mechanism)m)
				    ->observe(worker.gpu, &worker.facts, seen, err);
	if (r == 0)
		*ret_seen = *seen;
	free(seen);
	return r;
}

static int do_list(
	const struct work_classes *classes, struct work_answer *answer, struct error *err)
{
	bool has_library = has_nvml();
	int n = nvml_open(err);

	if (n == 0)
		n = nvml_versions(answer->list.driver, NULL, err);
	if (n == 0)
		n = nvml_list(answer->list.pci, GPUS_MAX, err);
	/* looking for all GPUs has opened all: nobody's reset is to wait for that */
	nvml_close();
	answer->list.n = n > 0 ? (uint32_t)n : 0;
	answer->list.n += pci_find_pfs(classes->class,
		classes->n < WORK_CLASSES_MAX ? classes->n : WORK_CLASSES_MAX, has_library,
		answer->list.pci + answer->list.n, GPUS_MAX - answer->list.n);
	/* without NVIDIA's driver a node of other GPUs is whole */
	return n < 0 && answer->list.n == 0 ? n : 0;
}

/* They are read anew where they may have changed since. */
static int tell_facts(struct work_answer *answer, struct error *err)
{
	int r = observe(&answer->facts.seen, err);

	if (r < 0)
		return r;
	answer->facts.facts = worker.facts;
	for (int m = 0; m < MECHANISM_N; m++) {
		struct capability *capability = &answer->facts.capability[m];

		if (m == MECHANISM_VF)
			*capability = worker.vf;
		else if (is_possible((enum mechanism)m))
			mechanism_of((enum mechanism)m)
				->probe(worker.gpu, &worker.facts, &answer->facts.seen, capability);
		else
			text_copy(capability->text, sizeof(capability->text),
				"no driver library that Carve speaks to knows this GPU: its "
				"virtual functions alone can be shared");
	}
	return 0;
}

static int do_facts(struct work_answer *answer, struct error *err)
{
	worker.has_facts = false;
	return tell_facts(answer, err);
}

/* A process that is told with its GPU instance only may use any part of it. */
static bool is_on(const struct gpu_process *process, uint32_t gi, uint32_t ci)
{
	return (gi == UINT32_MAX || process->gi == gi) &&
	       (ci == UINT32_MAX || process->ci == ci || process->ci == UINT32_MAX);
}

/* Who has the VF open: NVML does not tell it. */
static int do_vf_users(uint32_t number, struct work_answer *answer, struct error *err)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	int r = worker.has_facts ? 0 : get_facts(err);

	if (r == 0)
		r = vf_look(worker.pci, NULL, &worker.facts, seen, err);
	for (uint32_t i = 0; i < seen->vfs.n && r == 0; i++)
		answer->n_users += seen->vfs.vf[i].number == number && seen->vfs.vf[i].user;
	free(seen);
	return r;
}

static int do_users(const struct work_order *order, struct work_answer *answer, struct error *err)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	int r = get_gpu(err);

	if (r == 0 && worker.gpu)
		r = nvml_gpu_processes(worker.gpu, seen, err);
	for (unsigned i = 0; i < seen->n_processes && r == 0; i++)
		answer->n_users += is_on(&seen->process[i], order->gi, order->ci);
	free(seen);
	return r;
}

static const struct mechanism_ops *ops_of(const struct step *step)
{
	if (step_is_of_vfs(step))
		return mechanism_of(MECHANISM_VF);
	return mechanism_of(step->kind == STEP_COMPUTE_MODE ? MECHANISM_MPS : MECHANISM_MIG);
}

static int run_step(const struct step *step, struct error *err)
{
	int r = get_facts(err);

	if (r < 0)
		return r;
	/* VFs come and go while nobody has the GPU open, and NVIDIA's driver is bound anew */
	if (step->kind == STEP_VF_COUNT)
		let_go();
	else if (!worker.gpu && !step_is_of_vfs(step))
		return error_set(err, -ENOTSUP, "GPU %s has virtual functions only", worker.pci);
	r = ops_of(step)->do_step(worker.gpu, &worker.facts, step, err);
	/* modes change the minor and the geometry */
	if (step->kind < STEP_CREATE)
		worker.has_facts = false;
	return r;
}

static int do_step(const struct work_order *order, struct work_answer *answer, struct error *err)
{
	struct step inverse = step_inverse(&order->step);
	int r = run_step(&order->step, err);

	if (r < 0 || order->after == WORK_AFTER_NOTHING)
		return r;
	r = order->after == WORK_AFTER_FACTS ? tell_facts(answer, err)
					     : observe(&answer->seen, err);
	if (r == 0)
		return 0;
	/* a step that nobody can see the result of has not been done */
	if (run_step(&inverse, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "it was done, but");
	return r;
}

static bool is_gone(int code)
{
	return code == -ENODEV || code == -ENOENT;
}

static int do_events(struct work_answer *answer, struct error *err)
{
	struct nvml_event event[WORK_EVENTS_MAX];
	int n, r;

	/* of one that is known from /sys alone there is nothing to be told but that it is there */
	if (is_alone())
		return 0;
	r = nvml_open(err);
	if (r < 0)
		return r;
	r = get_gpu(err);
	if (r == 0)
		r = nvml_gpu_check(worker.gpu, err);
	if (is_gone(r))
		answer->events.is_lost = true;
	else if (r < 0)
		return r;
	if (!worker.gpu)
		return 0;
	n = nvml_gpu_events(worker.gpu, event, WORK_EVENTS_MAX, err);
	for (int i = 0; i < n; i++)
		answer->events.event[answer->events.n++] = (struct work_event){
			.kind = event[i].is_xid ? WORK_EVENT_XID : WORK_EVENT_ECC_DOUBLE,
			.code = event[i].code,
			.gi = event[i].gi,
			.ci = event[i].ci,
		};
	if (answer->events.is_lost)
		let_go();
	/* boards that tell no events are told by their answers alone */
	return n < 0 && n != -ENOTSUP && !answer->events.is_lost ? n : 0;
}

static int do_watch(const struct work_watch *watch, struct work_answer *answer, struct error *err)
{
	int r;

	if (watch->ends) {
		watch_drop(watch->id);
		return 0;
	}
	r = get_gpu(err);
	if (r == 0 && !worker.gpu)
		return error_set(err, -ENOTSUP,
			"no driver library that Carve speaks to knows GPU %s", worker.pci);
	return r < 0 ? r : watch_look(worker.gpu, watch, &answer->sample, err);
}

static int obey(const struct work_order *order, struct work_answer *answer, struct error *err)
{
	if (text_starts(worker.pci, "mps:") != (order->op == WORK_MPS))
		return error_set(err, -EINVAL, "this worker is for MPS only, or not for MPS");
	if (text_eq(worker.pci, "-") && order->op != WORK_LIST)
		return error_set(err, -EINVAL, "this worker has no GPU");
	switch (order->op) {
	case WORK_LIST:
		return do_list(&order->classes, answer, err);
	case WORK_FACTS:
		return do_facts(answer, err);
	case WORK_OBSERVE:
		return observe(&answer->seen, err);
	case WORK_USERS:
		if (order->vf != UINT32_MAX)
			return do_vf_users(order->vf, answer, err);
		return do_users(order, answer, err);
	case WORK_LET_GO:
		let_go();
		return 0;
	case WORK_DO:
		return do_step(order, answer, err);
	case WORK_EVENTS:
		return do_events(answer, err);
	case WORK_WATCH:
		return do_watch(&order->watch, answer, err);
	case WORK_MPS:
		return mps_obey(&order->mps, &answer->mps, err);
	}
	return error_set(err, -EINVAL, "no such order (%d)", (int)order->op);
}

int worker_main(const char *name)
{
	static struct work_order order;
	static struct work_answer answer;

	worker.pci = name;
	/* what it runs must not keep them */
	fcntl(WORKER_FD, F_SETFD, FD_CLOEXEC);
	fcntl(WORKER_FD + 1, F_SETFD, FD_CLOEXEC);
	if (root_open(NULL) < 0)
		return EXIT_FAILURE;
	for (;;) {
		struct error err = ERROR_NONE;
		ssize_t n = recv(WORKER_FD, &order, sizeof(order), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(order))
			break;
		memset(&answer, 0, sizeof(answer));
		answer.result = obey(&order, &answer, &err);
		answer.number = order.number;
		answer.op = order.op;
		if (answer.result < 0)
			text_copy(answer.text, sizeof(answer.text), err.text);
		if (is_gone(answer.result))
			let_go();
		if (send(WORKER_FD, &answer, work_answer_size(&answer), MSG_NOSIGNAL) < 0)
			break;
	}
	let_go();
	return EXIT_SUCCESS;
}
