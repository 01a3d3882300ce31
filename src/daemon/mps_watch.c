/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the servers: their control daemon and server process by pidfd, their logs as they grow,
 * and a look at their state with each look at the GPUs. The log tells a fault first, and mostly who
 * caused it; a server that dies with a fault may have written that just before.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"
#include "daemon/workers.h"
#include "driver/mps_log.h"
#include "driver/process.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* A busy machine may keep a question waiting: it is asked again before anybody's work is ended. */
enum { HANGS_IN_A_ROW = 3 };

/* The line that names the client comes after the one that tells of the fault. */
#define FAULT_WHOLE_NS (20 * 1000000ULL)

static void drop_watch(sd_event_source **source, int *fd)
{
	*source = sd_event_source_disable_unref(*source);
	if (*fd >= 0)
		close(TAKE_FD(*fd));
}

void mps_server_unwatch(struct mps_runtime *server)
{
	drop_watch(&server->control_source, &server->control_pidfd);
	drop_watch(&server->server_source, &server->server_pidfd);
	server->log_source = sd_event_source_disable_unref(server->log_source);
	server->fault_source = sd_event_source_disable_unref(server->fault_source);
	server->fault[0] = '\0';
	if (server->log)
		mps_log_done(server->log);
	free(server->log);
	server->log = NULL;
}

static int on_fault_known(sd_event_source *source, uint64_t usec, void *context)
{
	struct mps_runtime *server = context;
	char why[sizeof(server->fault)];

	server->fault_source = sd_event_source_disable_unref(server->fault_source);
	text_copy(why, sizeof(why), server->fault);
	server->fault[0] = '\0';
	mps_server_broke(server, server->culprit, true, why);
	return 0;
}

void mps_server_suspect(struct mps_runtime *server, const char *why)
{
	if (server->state == MPS_STOPPING || (server->was_reported && server->ends_clients))
		return;
	if (!server->fault[0])
		text_copy(server->fault, sizeof(server->fault), why);
	if (!server->fault_source &&
		sd_event_add_time_relative(server->daemon->loop, &server->fault_source,
			CLOCK_MONOTONIC, FAULT_WHOLE_NS / 1000, 1000, on_fault_known, server) < 0)
		log_error("no timer for the MPS server %s", server->name);
	/* from now on nothing is placed there */
	gpu_rebuild(server->daemon, server->gpu);
}

/* 0 unknown. A client that broke its server may be gone before its fault is read. */
static uint64_t lease_of_client(struct daemon *daemon, unsigned gpu, int32_t pid)
{
	const struct lease *lease = lease_of_process(daemon, pid);
	const struct client_mark *mark;

	if (lease)
		return lease->id;
	vec_for_each (mark, &daemon->runtime[gpu].clients)
		if (mark->pid == pid)
			return mark->lease;
	return 0;
}

void mps_note_clients(struct daemon *daemon, unsigned gpu)
{
	const struct gpu_seen *seen = &daemon->gpus[gpu].seen;
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	__typeof__(runtime->clients) clients = { 0 };

	for (unsigned i = 0; i < seen->n_processes; i++) {
		int32_t pid = seen->process[i].pid;
		uint64_t lease = seen->process[i].is_mps ? lease_of_client(daemon, gpu, pid) : 0;

		if (lease)
			*vec_add(&clients) = (struct client_mark){ pid, lease };
	}
	vec_done(&runtime->clients);
	runtime->clients = clients;
}

static void see_fault(struct mps_runtime *server, const struct mps_log_event *event)
{
	bool is_ours = !event->server || !server->seen.server.pid ||
		       event->server == server->seen.server.pid;
	char why[sizeof(server->fault)];

	/* an earlier server's, or one that has been told */
	if (!is_ours || server->state != MPS_READY)
		return;
	snprintf(why, sizeof(why), "a fatal fault (\"%.150s\")", event->line);
	if (!server->has_log_fault || event->client)
		text_copy(server->fault, sizeof(server->fault), why);
	server->has_log_fault = true;
	if (event->client) {
		server->culprit = event->client;
		server->guilty = lease_of_client(server->daemon, server->gpu, event->client);
	}
	mps_server_suspect(server, why);
}

static void read_log(struct mps_runtime *server)
{
	struct mps_log_event event;

	while (server->log && mps_log_next(server->log, &event) > 0)
		if (event.kind == MPS_LOG_FAULT)
			see_fault(server, &event);
}

static int on_log(sd_event_source *source, int fd, uint32_t events, void *context)
{
	read_log(context);
	return 0;
}

static int on_server_gone(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct mps_runtime *server = context;

	drop_watch(&server->server_source, &server->server_pidfd);
	read_log(server);
	mps_server_suspect(server, "its process ended");
	return 0;
}

static int on_control_gone(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct mps_runtime *server = context;

	drop_watch(&server->control_source, &server->control_pidfd);
	read_log(server);
	if (!server->fault[0])
		mps_server_broke(server, 0, false, "its control daemon ended");
	return 0;
}

/* True if that process lives and is watched. */
static bool watch_process(struct mps_runtime *server, const struct mps_process *process, int *fd,
	sd_event_source **source, sd_event_io_handler_t on_gone)
{
	uint64_t started;

	*fd = process_open(process->pid);
	if (*fd < 0)
		return false;
	if (process_started(process->pid, &started) < 0 || started != process->start_ticks) {
		close(TAKE_FD(*fd));
		return false;
	}
	return sd_event_add_io(server->daemon->loop, source, *fd, EPOLLIN, on_gone, server) >= 0;
}

void mps_server_watch(struct mps_runtime *server, bool log_from_end)
{
	mps_server_unwatch(server);
	server->log = must_alloc(1, sizeof(*server->log));
	mps_log_init(server->log, mps_spec_of(server).dir, log_from_end);
	if (mps_log_fd(server->log) >= 0 &&
		sd_event_add_io(server->daemon->loop, &server->log_source, mps_log_fd(server->log),
			EPOLLIN, on_log, server) < 0)
		log_warning("the logs of the MPS server %s are read late", server->name);
	if (!watch_process(server, &server->seen.server, &server->server_pidfd,
		    &server->server_source, on_server_gone))
		mps_server_suspect(server, "its process ended");
	else if (!watch_process(server, &server->seen.control, &server->control_pidfd,
			 &server->control_source, on_control_gone))
		mps_server_broke(server, 0, false, "its control daemon ended");
}

static bool is_same(const struct mps_process *a, const struct mps_process *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

static bool is_hang(const struct work_answer *answer)
{
	return answer->result == -ETIMEDOUT ||
	       (answer->result == 0 && answer->mps.seen.state == MPS_SEEN_HUNG);
}

/*
 * A hung server's clients cannot go on; those of a hung control daemon can. With v3 nothing tells
 * the two apart, as all questions go through to the server.
 */
static void tell_hang(struct mps_runtime *server, const struct work_answer *answer)
{
	bool is_server = answer->result == 0 || server->seen.interface == MPS_V3;

	server->n_hangs = 0;
	if (is_server)
		mps_server_suspect(server, "it does not answer");
	else
		mps_server_broke(server, 0, false, "its control daemon does not answer");
}

void mps_server_saw(struct mps_runtime *server, const struct work_answer *answer)
{
	const struct mps_seen *seen = &answer->mps.seen;

	read_log(server);
	if (server->state != MPS_READY || server->fault[0])
		return;
	if (is_hang(answer)) {
		if (++server->n_hangs >= HANGS_IN_A_ROW)
			tell_hang(server, answer);
		return;
	}
	/* that it could not be looked at says nothing of it: NVIDIA's program may be being replaced
	 */
	if (answer->result < 0)
		return;
	server->n_hangs = 0;
	if (seen->state == MPS_SEEN_FAULT)
		mps_server_suspect(server, "it says that it is in fault");
	else if (seen->state == MPS_SEEN_GONE)
		mps_server_broke(server, 0, false, "its control daemon ended");
	else if (!is_same(&seen->server, &server->seen.server))
		mps_server_suspect(server, "its process ended");
	else
		server->seen = *seen;
}

static void on_looked(struct mps_task *task, const struct work_answer *answer)
{
	mps_server_saw(task->server, answer);
}

static bool is_being_asked(const struct mps_runtime *server)
{
	return !list_is_empty(&server->tasks);
}

/* Control daemons of others. */
static void on_found(void *context, const struct work_answer *answer)
{
	struct daemon *daemon = context;
	const struct mps_answer *found = &answer->mps;

	worker_let_go(daemon->mps_finder);
	daemon->mps_finding = false;
	if (answer->result < 0)
		return;
	for (unsigned i = 0; i < found->n_foreign; i++) {
		bool is_known = false;

		for (unsigned k = 0; k < daemon->n_mps_foreign; k++)
			is_known |= daemon->mps_foreign[k].pid == found->foreign[i].pid;
		if (!is_known)
			event_add(daemon, "mps-foreign", -1, 0,
				"an MPS control daemon that is not Carve's runs (process %d, "
				"devices %s): it is left alone",
				(int)found->foreign[i].pid,
				found->foreign[i].devices[0] ? found->foreign[i].devices : "all");
	}
	daemon->mps_foreign = must_realloc(
		daemon->mps_foreign, found->n_foreign + 1, sizeof(*daemon->mps_foreign));
	memcpy(daemon->mps_foreign, found->foreign, found->n_foreign * sizeof(found->foreign[0]));
	daemon->n_mps_foreign = found->n_foreign;
}

static void find_foreign(struct daemon *daemon)
{
	struct work_order *order;

	if (daemon->mps_finding)
		return;
	if (!daemon->mps_finder)
		worker_new(daemon->loop, "mps:-", daemon->run_dir, daemon->config.driver_timeout_ns,
			&daemon->mps_finder);
	order = must_alloc(1, sizeof(*order));
	order->op = WORK_MPS;
	order->mps.op = MPS_FIND;
	order->mps.deadline_ns = daemon->config.driver_timeout_ns / 2;
	text_copy(order->mps.run_dir, sizeof(order->mps.run_dir), daemon->run_dir);
	daemon->mps_finding = true;
	worker_order(daemon->mps_finder, order, on_found, daemon);
	free(order);
}

void mps_look_all(struct daemon *daemon)
{
	struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link) {
		struct mps_order order = { .op = MPS_LOOK };

		if (server->state == MPS_READY && !is_being_asked(server))
			mps_server_order(server, &order, 0, on_looked);
	}
	/* every so often: who starts one by hand looks at what it does himself */
	if (daemon->mps_looks++ % 16 == 0)
		find_foreign(daemon);
	mps_settle(daemon);
}

const struct mps_foreign *mps_foreign_on(
	const struct daemon *daemon, unsigned gpu, unsigned *position)
{
	const struct gpu_facts *facts = &daemon->gpus[gpu].facts;
	char index[16];

	snprintf(index, sizeof(index), "%u", gpu);
	while (*position < daemon->n_mps_foreign) {
		const struct mps_foreign *foreign = &daemon->mps_foreign[(*position)++];
		const char *devices = foreign->devices;

		if (!*devices || strstr(devices, facts->uuid))
			return foreign;
		for (const char *p = devices; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] != 0))
			if (strcspn(p, ",") == strlen(index) &&
				strncmp(p, index, strlen(index)) == 0)
				return foreign;
	}
	return NULL;
}
