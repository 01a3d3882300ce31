/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases on MPS servers. A lease that is placed waits until the server runs, holds limits that are
 * large enough for it, and knows its share; what binds its processes to the share is then in
 * lease_share.environment. Nobody waits for more than that: the server's clients come and go
 * without the daemon.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"
#include "driver/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MIB (1024 * 1024)

struct lease_share *mps_share_of(const struct mps_runtime *server, const struct lease *lease)
{
	for (unsigned i = 0; i < lease->n_shares; i++) {
		struct lease_share *share = &lease->share[i];

		if (share->mechanism == MECHANISM_MPS && share->gpu == server->gpu &&
			mps_place_is(&share->mps.place, &server->place) &&
			lease->tenant->uid == server->uid)
			return share;
	}
	return NULL;
}

unsigned mps_server_leases(const struct mps_runtime *server)
{
	struct lease *lease;
	unsigned n = 0;

	list_for_each (lease, &server->daemon->leases, link)
		n += mps_share_of(server, lease) != NULL;
	return n;
}

const struct mps_runtime *mps_find_server(
	const struct daemon *daemon, unsigned gpu, const struct mps_place *place, uint32_t uid)
{
	struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link)
		if (server->gpu == gpu && server->uid == uid && mps_place_is(&server->place, place))
			return server;
	return NULL;
}

static struct mps_runtime *server_of(struct lease *lease)
{
	for (unsigned i = 0; i < lease->n_shares; i++)
		if (lease->share[i].mechanism == MECHANISM_MPS)
			return (struct mps_runtime *)mps_find_server(lease->daemon,
				lease->share[i].gpu, &lease->share[i].mps.place,
				lease->tenant->uid);
	return NULL;
}

/* ---- beginning ---- */

static uint32_t mib_of(uint64_t bytes)
{
	return (uint32_t)(bytes / MIB);
}

static struct mps_part part_of(
	const struct mps_runtime *server, const struct lease_share *share, uint64_t lease)
{
	const struct gpu *gpu = &server->daemon->gpus[server->gpu];
	double percent = mps_device_percent(gpu, &server->place, share->mps.percent);
	struct mps_part part = { .limits = { mib_of(share->mps.memory_bytes),
					 (uint32_t)(percent * 1000 + 0.5) },
		.chunks = mps_chunks(gpu, share->mps.percent) };

	/* not by the share's number: a killed carved may have left one of that name */
	snprintf(part.name, sizeof(part.name), "l%" PRIu64, lease);
	text_copy(part.partition, sizeof(part.partition), share->partition ?: "");
	return part;
}

/* The limits that the server must hold for all its leases. */
static struct mps_limits limits_for(const struct mps_runtime *server)
{
	const struct gpu *gpu = &server->daemon->gpus[server->gpu];
	uint64_t memory_bytes;
	uint32_t percent;

	mps_limits_of(gpu, &server->place, server->uid, &memory_bytes, &percent);
	return (struct mps_limits){ mib_of(memory_bytes),
		(uint32_t)(mps_device_percent(gpu, &server->place, percent) * 1000 + 0.5) };
}

static void begin_failed(struct daemon *daemon, uint64_t id, const char *why)
{
	struct lease *lease = lease_by_id(daemon, id);

	if (lease && lease->state == LEASE_PLACED)
		lease_mps_ready(lease, -EIO, why);
}

static void on_added(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	struct lease *lease = lease_by_id(server->daemon, task->lease);
	struct lease_share *share = lease ? mps_share_of(server, lease) : NULL;

	if (!share || lease->state != LEASE_PLACED)
		return;
	if (answer->result < 0) {
		lease_mps_ready(lease, answer->result, answer->text);
		return;
	}
	/* what ends its leases has passed this one over */
	if (server->state != MPS_READY || server->fault[0]) {
		lease_mps_ready(lease, -EIO, "its MPS server broke before it was ready");
		return;
	}
	free(share->environment);
	free(share->partition);
	share->environment = must_strdup(answer->mps.environment);
	share->partition = must_strdup(answer->mps.part.partition);
	lease_mps_ready(lease, 0, NULL);
}

static void add_share(struct mps_runtime *server, struct lease *lease)
{
	struct mps_order order = { .op = MPS_ADD };

	order.part = part_of(server, mps_share_of(server, lease), lease->id);
	mps_server_order(server, &order, lease->id, on_added);
}

static void on_limits(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	struct lease *lease = lease_by_id(server->daemon, task->lease);

	if (answer->result < 0) {
		server->limits = (struct mps_limits){ 0 }; /* nobody knows what it has */
		begin_failed(server->daemon, task->lease, answer->text);
	} else if (lease && mps_share_of(server, lease)) {
		gpu_rebuild(server->daemon, server->gpu);
		mps_server_record(server);
		add_share(server, lease);
	}
}

static void serve(struct mps_runtime *server, struct lease *lease)
{
	struct mps_limits wanted = limits_for(server);
	struct mps_order order = { .op = MPS_LIMITS };

	if (server->limits.memory_mib == wanted.memory_mib &&
		server->limits.millipercent == wanted.millipercent) {
		add_share(server, lease);
		return;
	}
	server->limits = wanted;
	mps_server_order(server, &order, lease->id, on_limits);
}

void mps_serve_waits(struct mps_runtime *server)
{
	while (!list_is_empty(&server->waits)) {
		struct mps_task *wait = container_of(server->waits.next, struct mps_task, link);
		struct lease *lease = lease_by_id(server->daemon, wait->lease);

		list_remove(&wait->link);
		free(wait);
		if (lease && lease->state == LEASE_PLACED && mps_share_of(server, lease))
			serve(server, lease);
	}
}

void mps_refuse_waits(struct mps_runtime *server, const char *why)
{
	/* each answer may change anything, but the server stays for its back-off */
	while (!list_is_empty(&server->waits)) {
		struct mps_task *wait = container_of(server->waits.next, struct mps_task, link);
		uint64_t id = wait->lease;

		list_remove(&wait->link);
		free(wait);
		begin_failed(server->daemon, id, why);
	}
}

/* Another tenant's server at the place that has no lease: it goes first. */
static struct mps_runtime *rival_of(const struct mps_runtime *server)
{
	struct mps_runtime *other;

	if (server->daemon->config.mps.may_time_slice)
		return NULL;
	list_for_each (other, &server->daemon->mps_servers, link)
		if (other != server && other->gpu == server->gpu &&
			mps_place_is(&other->place, &server->place) &&
			mps_server_leases(other) == 0)
			return other;
	return NULL;
}

static void start_if_wanted(struct mps_runtime *server)
{
	if (server->state == MPS_STARTING && !list_is_empty(&server->waits) &&
		list_is_empty(&server->tasks) && !server->timer)
		mps_server_start(server);
}

void mps_start_waiting(struct daemon *daemon)
{
	struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link)
		if (!rival_of(server))
			start_if_wanted(server);
}

void mps_lease_begin(struct lease *lease)
{
	const struct lease_share *share = &lease->share[0];
	struct mps_runtime *server = server_of(lease);
	struct mps_runtime *rival;
	struct mps_task *wait;

	if (!server)
		server = mps_server_new(
			lease->daemon, share->gpu, &share->mps.place, lease->tenant->uid);
	rival = rival_of(server);
	if (rival)
		mps_server_stop(rival, "its place is wanted for another user");
	if (server->state == MPS_READY) {
		mps_server_check_idle(server);
		serve(server, lease);
		return;
	}
	wait = must_alloc(1, sizeof(*wait));
	*wait = (struct mps_task){ .server = server, .lease = lease->id };
	list_add_tail(&server->waits, &wait->link);
	if (server->was_reported && !server->ends_clients)
		mps_refuse_waits(server, server->why);
	else if (!rival_of(server))
		start_if_wanted(server);
}

/* ---- ending ---- */

/* It can be asked; one that carved has just come back to, as well: in turn. */
static bool is_up(const struct mps_runtime *server)
{
	return server->state == MPS_READY ||
	       (server->state == MPS_STARTING && server->seen.control.pid > 0);
}

static void on_removed(struct mps_task *task, const struct work_answer *answer)
{
	if (answer->result < 0 && answer->result != -ENOENT)
		log_warning("MPS server %s: %s", task->server->name, answer->text);
}

void mps_lease_end(struct daemon *daemon, const struct lease_share *share, uint64_t lease)
{
	struct mps_runtime *server;
	struct mps_order order = { .op = MPS_REMOVE };

	list_for_each (server, &daemon->mps_servers, link)
		if (server->gpu == share->gpu && mps_place_is(&server->place, &share->mps.place) &&
			server->uid == share->mps.uid)
			break;
	if (&server->link == &daemon->mps_servers)
		return;
	order.part = part_of(server, share, lease);
	gpu_forget_dead(daemon, share->gpu);
	if (is_up(server) && share->environment)
		mps_server_order(server, &order, lease, on_removed);
	mps_server_check_idle(server);
}

static void on_kept(struct mps_task *task, const struct work_answer *answer)
{
	if (answer->result < 0)
		log_warning("MPS server %s: %s", task->server->name, answer->text);
}

void mps_keep_shares(struct mps_runtime *server)
{
	struct mps_order order = { .op = MPS_KEEP };
	struct lease *lease;
	size_t at = 0;

	list_for_each (lease, &server->daemon->leases, link) {
		const struct lease_share *share = mps_share_of(server, lease);

		if (share && share->partition && at + strlen(share->partition) + 2 < MPS_KEEP_MAX)
			at += (size_t)snprintf(
				order.keep + at, sizeof(order.keep) - at, "%s\n", share->partition);
	}
	mps_server_order(server, &order, 0, on_kept);
}

/* Is this client one of the lease's processes, or what the server has not noticed to be gone? */
static bool is_of(struct lease *lease, int32_t client)
{
	uint64_t started;

	return process_started(client, &started) < 0 ||
	       lease_of_process(lease->daemon, client) == lease;
}

static void on_users(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	struct lease *lease = lease_by_id(server->daemon, task->lease);
	unsigned n = 0;

	mps_server_saw(server, answer);
	if (!lease)
		return;
	for (unsigned i = 0; answer->result == 0 && i < answer->mps.seen.n_clients; i++)
		n += is_of(lease, answer->mps.seen.client[i]);
	/* of a server that broke, its leases are told why before they are over; and one look in
	 * vain tells nothing */
	lease_mps_users(lease, n + (answer->result < 0 || server->fault[0]));
}

void mps_lease_ask(struct lease *lease)
{
	struct mps_runtime *server = server_of(lease);
	struct mps_order order = { .op = MPS_LOOK };

	/* a broken server is ended with its clients; none has none */
	if (!server || !is_up(server))
		lease_mps_users(lease, 0);
	else if (server->fault[0])
		lease_mps_users(lease, 1);
	else
		mps_server_order(server, &order, lease->id, on_users);
}

static void on_terminated(struct mps_task *task, const struct work_answer *answer)
{
	struct lease *lease = lease_by_id(task->server->daemon, task->lease);

	if (answer->result < 0)
		log_warning("MPS server %s: %s", task->server->name, answer->text);
	if (lease)
		lease_mps_terminated(lease);
}

void mps_lease_terminate(struct lease *lease)
{
	struct mps_runtime *server = server_of(lease);
	struct mps_order order = { .op = MPS_TERMINATE };

	/* whether they are clients, the server knows */
	order.n_pids = holder_pids(&lease->holder, order.pid, MPS_CLIENTS_MAX);
	if (!server || !is_up(server) || order.n_pids == 0)
		lease_mps_terminated(lease);
	else
		mps_server_order(server, &order, lease->id, on_terminated);
}
