/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server is to the daemon: its record, its worker, and the orders to that. What is forgotten
 * stays in memory until the loop's next round, as its worker may be in the middle of an answer.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* Its worker is given up later than its order. */
#define WORKER_EXTRA_NS (5 * 1000000000ULL)

struct mps_spec mps_spec_of(const struct mps_runtime *server)
{
	struct daemon *daemon = server->daemon;
	const struct gpu *gpu = &daemon->gpus[server->gpu];
	struct mps_spec spec = {
		.uid = server->uid, .server = server->seen.server.pid, .limits = server->limits
	};
	int at = mps_place_is_gpu(&server->place)
			 ? -1
			 : gpu_instance_at(gpu, server->place.profile_id, server->place.start);

	switch (daemon->config.mps.interface) {
	case CONFIG_MPS_ANY:
		spec.interface = MPS_INTERFACE_ANY;
		break;
	case CONFIG_MPS_V2:
		spec.interface = MPS_V2;
		break;
	case CONFIG_MPS_V3:
		spec.interface = MPS_V3;
		break;
	}
	if (daemon->config.mps.is_static && spec.interface != MPS_V3)
		spec.interface = MPS_V2_STATIC;
	snprintf(spec.dir, sizeof(spec.dir), "%s/mps/%s", daemon->run_dir, server->name);
	text_copy(spec.driver, sizeof(spec.driver), daemon->driver_version);
	text_copy(spec.device, sizeof(spec.device), gpu->facts.uuid);
	for (unsigned c = 0; at >= 0 && c < gpu->seen.instance[at].n_ci; c++)
		if (gpu->seen.instance[at].ci[c].id == server->place.ci)
			text_copy(spec.device, sizeof(spec.device),
				gpu->seen.instance[at].ci[c].uuid);
	return spec;
}

static uint64_t longest_order_ns(const struct daemon *daemon)
{
	uint64_t start_ns = daemon->config.mps.start_timeout_ns;

	return (start_ns > MPS_STOP_DEADLINE_NS ? start_ns : MPS_STOP_DEADLINE_NS) +
	       WORKER_EXTRA_NS;
}

struct mps_runtime *mps_server_new(
	struct daemon *daemon, unsigned gpu, const struct mps_place *place, uint32_t uid)
{
	struct mps_runtime *server = must_alloc(1, sizeof(*server));
	char worker[48];

	server->daemon = daemon;
	server->gpu = gpu;
	server->place = *place;
	server->uid = uid;
	server->state = MPS_STARTING;
	server->control_pidfd = server->server_pidfd = -1;
	list_init(&server->tasks);
	list_init(&server->waits);
	if (mps_place_is_gpu(place))
		snprintf(server->name, sizeof(server->name), "%u-%" PRIu32, gpu, uid);
	else
		snprintf(server->name, sizeof(server->name), "%u.%" PRIu32 ".%" PRIu32 "-%" PRIu32,
			gpu, place->start, place->ci, uid);
	snprintf(worker, sizeof(worker), "mps:%s", server->name);
	worker_new(
		daemon->loop, worker, daemon->run_dir, longest_order_ns(daemon), &server->worker);
	list_add_tail(&daemon->mps_servers, &server->link);
	return server;
}

static void drop_tasks(struct list *tasks)
{
	struct mps_task *task, *after;

	list_for_each_safe (task, after, tasks, link) {
		list_remove(&task->link);
		free(task);
	}
}

static void release(struct mps_runtime *server)
{
	mps_server_unwatch(server);
	sd_event_source_disable_unref(server->timer);
	worker_free(server->worker);
	drop_tasks(&server->tasks);
	drop_tasks(&server->waits);
	list_remove(&server->link);
	free(server);
}

static int on_buried(sd_event_source *source, void *context)
{
	release(context);
	return 0;
}

struct mps_runtime *mps_server_free(struct mps_runtime *server)
{
	struct daemon *daemon = server->daemon;

	ledger_mps_drop(daemon->ledger, server->name);
	mps_server_unwatch(server);
	drop_tasks(&server->tasks);
	drop_tasks(&server->waits);
	/* in the loop's next round: its worker may be in the middle of giving its answer */
	list_remove(&server->link);
	list_add_tail(&daemon->mps_buried, &server->link);
	server->timer = sd_event_source_disable_unref(server->timer);
	if (sd_event_add_defer(daemon->loop, &server->timer, on_buried, server) < 0)
		log_error("the MPS server %s stays in memory", server->name);
	gpu_rebuild(daemon, server->gpu);
	mps_start_waiting(daemon);
	mps_settle(daemon);
	if (daemon->driver_let_go)
		driver_let_go(daemon);
	leases_pump(daemon);
	return NULL;
}

void mps_done(struct daemon *daemon)
{
	struct mps_runtime *server, *after;

	list_for_each_safe (server, after, &daemon->mps_servers, link)
		release(server);
	list_for_each_safe (server, after, &daemon->mps_buried, link)
		release(server);
	worker_free(daemon->mps_finder);
	free(daemon->mps_foreign);
}

static void on_task(void *context, const struct work_answer *answer)
{
	struct mps_task *task = context;

	list_remove(&task->link);
	task->then(task, answer);
	free(task);
}

void mps_server_order(struct mps_runtime *server, struct mps_order *order, uint64_t lease,
	void (*then)(struct mps_task *task, const struct work_answer *answer))
{
	struct work_order *work = must_alloc(1, sizeof(*work));
	struct mps_task *task = must_alloc(1, sizeof(*task));

	*task = (struct mps_task){ .server = server, .lease = lease, .then = then };
	list_add_tail(&server->tasks, &task->link);
	work->op = WORK_MPS;
	order->spec = mps_spec_of(server);
	if (!order->deadline_ns)
		order->deadline_ns = MPS_LOOK_DEADLINE_NS;
	work->mps = *order;
	worker_order(server->worker, work, on_task, task);
	free(work);
}

void mps_reload(struct daemon *daemon)
{
	struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link) {
		worker_set_timeout(server->worker, longest_order_ns(daemon));
		if (server->state == MPS_READY)
			server->timer = sd_event_source_disable_unref(server->timer);
		if (server->state == MPS_READY)
			mps_server_check_idle(server);
	}
	if (daemon->mps_finder)
		worker_set_timeout(daemon->mps_finder, daemon->config.driver_timeout_ns);
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		gpu_rebuild(daemon, i);
	mps_settle(daemon);
}
