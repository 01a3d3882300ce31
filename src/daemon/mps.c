/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mps.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/*
 * A server's life:
 *
 *	(none) --first lease--> STARTING --ready--> READY --idle--> STOPPING --> (none)
 *	                         | in vain           | fatal fault, hang, death
 *	                         v                   v
 *	                      FAULTY (back-off)   FAULTY: its clients end, it is stopped by force
 *	                         |                   |
 *	                         '--> (none)         '--> STARTING, or (none) if that is no use
 *
 * What is placed on a server that is STARTING waits for it; one that is FAULTY or STOPPING gets
 * nothing (model/place.h). A server whose control daemon alone has died takes no new clients, but
 * those that it has go on: it is FAULTY until they are gone.
 */

/* Half of this goes to what has no clients any more. */
#define FORCED_STOP_DEADLINE_NS (200 * 1000000ULL)
/* After 1 s, 2 s, ... 64 s it is tried again. */
#define BACKOFF_FIRST_NS (1000000000ULL)

enum { BACKOFF_DOUBLED = 6 };

static const char starting_again[] = "it is started again";

static void set_state(struct mps_runtime *server, enum mps_state state, const char *why)
{
	server->state = state;
	text_copy(server->why, sizeof(server->why), why ?: "");
	gpu_rebuild(server->daemon, server->gpu);
}

static void arm(struct mps_runtime *server, uint64_t in_ns, sd_event_time_handler_t what)
{
	server->timer = sd_event_source_disable_unref(server->timer);
	if (sd_event_add_time_relative(server->daemon->loop, &server->timer, CLOCK_MONOTONIC,
		    in_ns / 1000, 1000, what, server) < 0)
		log_error("no timer for the MPS server %s", server->name);
}

/* "GPU 0's MPS server of alice" */
static const char *who(const struct mps_runtime *server, char ret_text[120])
{
	snprintf(ret_text, 120, "the MPS server of %.40s on GPU %u",
		tenant_name(server->daemon, server->uid) ?: "somebody", server->gpu);
	return ret_text;
}

static bool is_place_there(const struct mps_runtime *server)
{
	return mps_place_memory(&server->daemon->gpus[server->gpu], &server->place) > 0;
}

/* ---- starting ---- */

static int on_backoff(sd_event_source *source, uint64_t usec, void *context)
{
	struct mps_runtime *server = context;

	if (list_is_empty(&server->waits))
		mps_server_free(server);
	else
		mps_server_start(server);
	return 0;
}

/* Twice as long each time. */
static uint64_t backoff_ns(struct mps_runtime *server)
{
	unsigned times = server->daemon->runtime[server->gpu].mps_failures++;

	return BACKOFF_FIRST_NS << (times < BACKOFF_DOUBLED ? times : BACKOFF_DOUBLED);
}

static void start_failed(struct mps_runtime *server, const char *why)
{
	char name[120];

	event_add(server->daemon, "mps-failed", (int)server->gpu, 0, "%s could not be started: %s",
		who(server, name), why);
	ledger_mps_drop(server->daemon->ledger, server->name);
	server->fault_ns = server->fault_ns ?: now_ns();
	set_state(server, MPS_FAULTY, "it could not be started");
	arm(server, backoff_ns(server), on_backoff);
	mps_refuse_waits(server, why);
}

static void on_started(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	char name[120], took[DURATION_TEXT_MAX];

	if (server->is_stopping)
		return; /* its place was wanted meanwhile */
	if (answer->result < 0) {
		start_failed(server, answer->text);
		return;
	}
	server->seen = answer->mps.seen;
	mps_server_record(server);
	if (server->fault_ns)
		event_add(server->daemon, "mps-back", (int)server->gpu, 0,
			"%s is back in service after %s", who(server, name),
			duration_text(now_ns() - server->fault_ns, took));
	server->daemon->runtime[server->gpu].mps_failures = 0;
	server->fault_ns = 0;
	set_state(server, MPS_READY, NULL);
	mps_server_watch(server, false);
	if (server->seen.state == MPS_SEEN_FAULT)
		mps_server_suspect(server, "it says that it is in fault");
	gpu_look(server->daemon, server->gpu);
	if (server->state == MPS_READY) {
		mps_serve_waits(server);
		mps_server_check_idle(server);
	}
	leases_pump(server->daemon);
}

void mps_server_start(struct mps_runtime *server)
{
	struct daemon *daemon = server->daemon;
	struct mps_order order = { .op = MPS_START,
		.deadline_ns = daemon->config.mps.start_timeout_ns };

	server->timer = sd_event_source_disable_unref(server->timer);
	server->limits = (struct mps_limits){ 0 };
	server->culprit = 0;
	server->guilty = 0;
	server->n_hangs = 0;
	server->was_reported = server->ends_clients = server->has_log_fault = false;
	if (!is_place_there(server)) {
		start_failed(server, "its compute instance is gone");
		return;
	}
	/* at any moment of its start it can be told for ours */
	mps_server_record(server);
	set_state(server, MPS_STARTING, NULL);
	mps_server_order(server, &order, 0, on_started);
}

/* ---- stopping ---- */

static bool may_start_again(const struct mps_runtime *server)
{
	const struct gpu *gpu = &server->daemon->gpus[server->gpu];

	return server->state == MPS_FAULTY && !server->daemon->driver_let_go &&
	       gpu->health == GPU_HEALTHY && gpu->managed && !gpu->drained &&
	       is_place_there(server);
}

static int on_stop_again(sd_event_source *source, uint64_t usec, void *context)
{
	mps_server_stop(context, "it is being ended");
	return 0;
}

static void on_stopped(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	char name[120];

	server->is_stopping = false;
	if (answer->result < 0) {
		event_add(server->daemon, "mps-failed", (int)server->gpu, 0,
			"%s could not be ended: %s", who(server, name), answer->text);
		arm(server, backoff_ns(server), on_stop_again);
		return;
	}
	mps_server_unwatch(server);
	server->seen = answer->mps.seen;
	gpu_forget_dead(server->daemon, server->gpu);
	if (!list_is_empty(&server->waits) || may_start_again(server))
		mps_server_start(server);
	else
		mps_server_free(server);
}

void mps_server_stop(struct mps_runtime *server, const char *why)
{
	struct mps_order order = { .op = MPS_STOP,
		.deadline_ns = server->state == MPS_FAULTY ? FORCED_STOP_DEADLINE_NS
							   : MPS_STOP_DEADLINE_NS };

	mps_server_unwatch(server);
	server->timer = sd_event_source_disable_unref(server->timer);
	if (server->is_stopping)
		return;
	server->is_stopping = true;
	if (server->state != MPS_FAULTY)
		set_state(server, MPS_STOPPING, why);
	mps_server_order(server, &order, 0, on_stopped);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *context)
{
	struct mps_runtime *server = context;

	server->timer = sd_event_source_disable_unref(server->timer);
	if (server->state == MPS_READY && mps_server_leases(server) == 0)
		mps_server_stop(server, "nobody needs it any more");
	return 0;
}

/* Nobody can come back to one whose GPU takes no leases. */
static uint64_t idle_ns(const struct mps_runtime *server)
{
	const struct gpu *gpu = &server->daemon->gpus[server->gpu];
	bool may_be_used = gpu->managed && !gpu->drained;

	return (may_be_used ? server->daemon->config.mps.idle_ns : 0) ?: 1000;
}

void mps_server_check_idle(struct mps_runtime *server)
{
	if (mps_server_leases(server) > 0) {
		if (server->state == MPS_READY)
			server->timer = sd_event_source_disable_unref(server->timer);
		return;
	}
	if (server->state == MPS_READY && !server->timer)
		arm(server, idle_ns(server), on_idle);
	else if (server->state == MPS_FAULTY && server->was_reported)
		mps_server_stop(server, starting_again);
}

/* ---- faults ---- */

static int on_clients_over(sd_event_source *source, uint64_t usec, void *context)
{
	mps_server_stop(context, starting_again);
	return 0;
}

void mps_server_broke(
	struct mps_runtime *server, int32_t culprit, bool ends_clients, const char *why)
{
	struct daemon *daemon = server->daemon;
	unsigned n = mps_server_leases(server);
	uint64_t guilty = culprit ? server->guilty : 0;
	char name[120], by[80] = "", reason[320];

	if (server->is_stopping ||
		(server->was_reported && (server->ends_clients || !ends_clients)))
		return;
	if (guilty)
		snprintf(by, sizeof(by), ", caused by process %d of lease L%" PRIu64, (int)culprit,
			guilty);
	else if (culprit)
		snprintf(by, sizeof(by), ", caused by process %d", (int)culprit);
	server->culprit = culprit;
	server->fault_ns = server->fault_ns ?: now_ns();
	server->was_reported = true;
	server->ends_clients = ends_clients;
	snprintf(reason, sizeof(reason), "%s: %s%s", who(server, name), why, by);
	event_add(daemon, "mps-fault", (int)server->gpu, guilty, "%s; %u lease%s %s", reason, n,
		n == 1 ? "" : "s",
		ends_clients ? "cannot go on" : "can go on, new ones cannot begin");
	set_state(server, MPS_FAULTY, why);
	if (!ends_clients) {
		/* it is there as long as its leases are: who waits for it would be one of them */
		mps_refuse_waits(server, reason);
		mps_server_check_idle(server);
		return;
	}
	arm(server, daemon->config.mps.fault_grace_ns ?: 1000, on_clients_over);
	leases_mps_broke(daemon, server, reason);
}
