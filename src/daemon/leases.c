/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/leases.h"

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/peers.h"
#include "daemon/vfs.h"
#include "mechanism/mechanism.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/*
 * A lease ends in three steps: its holder is told (SIGTERM) and, after the grace, ended
 * (cgroup.kill); the driver is asked until nobody is on its shares; then the shares go back. While
 * it waits or is being prepared, it belongs to the process that asked for it and is given up with
 * it.
 */

/* Between two questions whether somebody is still on a share whose holder is gone. */
#define USERS_AGAIN_NS (100 * 1000000ULL)
/* Who does not want to wait for room waits so long for a GPU that is being changed. */
#define BUSY_WAIT_NS (5 * 1000000000ULL)

void leases_init(struct daemon *daemon)
{
	daemon->room_number = 1;
	list_init(&daemon->leases);
	for (unsigned i = 0; i < LEASE_BUCKETS; i++)
		list_init(&daemon->leases_by_id[i]);
}

struct lease *lease_new(struct daemon *daemon, uint64_t id)
{
	struct lease *lease = must_alloc(1, sizeof(*lease));

	lease->daemon = daemon;
	lease->id = id;
	lease->created_wall_ns = wall_ns();
	holder_init(&lease->holder);
	list_add_tail(&daemon->leases, &lease->link);
	list_add_tail(&daemon->leases_by_id[id % LEASE_BUCKETS], &lease->id_link);
	daemon->n_leases++;
	return lease;
}

static void lease_free(struct lease *lease)
{
	list_remove(&lease->link);
	list_remove(&lease->id_link);
	lease->daemon->n_leases--;
	if (lease->state == LEASE_QUEUED)
		lease->daemon->n_queued--;
	charge_release(&lease->share_charge);
	charge_release(&lease->count_charge);
	sd_event_source_disable_unref(lease->timer);
	lease_watch_free(lease);
	holder_done(&lease->holder);
	json_decref(lease->binding);
	lease_free_shares(lease);
	free(lease->name);
	free(lease->choice);
	free(lease->why);
	free(lease->reason);
	free(lease->waits_for);
	free(lease);
}

/* Placed, but neither a step nor a cgroup can be left behind by that: active in a moment, or never
 * heard of. */
static bool leaves_nothing(const struct lease *lease)
{
	return lease->state == LEASE_PLACED && !lease->has_steps && !lease->holder.cgroup;
}

void lease_set_state(struct lease *lease, enum lease_state next)
{
	struct daemon *daemon = lease->daemon;

	assert(lease_may_follow(lease->state, next));
	daemon->n_queued -= lease->state == LEASE_QUEUED;
	daemon->n_queued += next == LEASE_QUEUED;
	lease->state = next;
	if (next == LEASE_ACTIVE)
		lease_watch_begin(lease);
	else
		lease_watch_end(lease);
	if (next != LEASE_QUEUED)
		lease->position = 0;
	if (!lease_is_over(next) && !leaves_nothing(lease))
		lease_record(lease);
	api_lease_changed(lease);
}

void lease_set_reason(struct lease *lease, const char *reason)
{
	free(lease->reason);
	lease->reason = reason ? must_strdup(reason) : NULL;
}

static void remember_over(struct lease *lease)
{
	struct daemon *daemon = lease->daemon;
	struct lease_over *over;

	if (!daemon->leases_over)
		daemon->leases_over = must_alloc(LEASES_OVER_KEPT, sizeof(*daemon->leases_over));
	over = &daemon->leases_over[daemon->next_over++ % LEASES_OVER_KEPT];
	free(over->reason);
	json_decref(over->profile);
	*over = (struct lease_over){ lease->id, lease->tenant ? lease->tenant->uid : 0,
		lease->state, lease->status, lease->reason ? must_strdup(lease->reason) : NULL,
		lease->watch ? lease_watch_json(lease) : NULL };
}

const struct lease_over *lease_over_find(const struct daemon *daemon, const char *id)
{
	uint64_t number;

	if (!daemon->leases_over || (*id != 'L' && *id != 'l') || parse_u64(id + 1, &number) < 0 ||
		number == 0)
		return NULL;
	for (unsigned i = 0; i < LEASES_OVER_KEPT; i++)
		if (daemon->leases_over[i].id == number)
			return &daemon->leases_over[i];
	return NULL;
}

bool driver_let_go(struct daemon *daemon)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		if (lease->n_shares && !lease_vf_is_idle(lease))
			return false;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (gpu_is_busy(daemon, i))
			return false;
	if (!mps_let_go(daemon))
		return false;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		worker_let_go(daemon->runtime[i].worker);
	return true;
}

void lease_finish(struct lease *lease, enum lease_state last)
{
	struct daemon *daemon = lease->daemon;
	bool held = lease->n_shares > 0;
	bool was_queued = lease->state == LEASE_QUEUED;
	bool had_vf = held && lease->share[0].mechanism == MECHANISM_VF;

	holder_end(lease);
	lease_return_shares(lease);
	lease_set_state(lease, last);
	if (lease->active_wall_ns || last == LEASE_FAILED)
		event_add(daemon, last == LEASE_FAILED ? "lease-failed" : "lease-ended", -1,
			lease->id, "L%" PRIu64 " %s%s%s", lease->id,
			last == LEASE_FAILED ? "failed" : "ended", lease->reason ? ": " : "",
			lease->reason ?: "");
	if (lease->holder.kind == HOLDER_VM)
		lease_vf_drop(daemon, lease->id);
	ledger_lease_drop(daemon->ledger, lease->id);
	remember_over(lease);
	lease_free(lease);
	if (held && daemon->driver_let_go)
		driver_let_go(daemon);
	if (had_vf)
		vfs_soon(daemon);
	if (held)
		leases_pump(daemon);
	else if (was_queued)
		queue_pump(daemon);
}

void lease_fail(struct lease *lease, int status, const char *reason)
{
	char *copy = must_strdup(reason);

	lease->status = status;
	lease_set_reason(lease, copy);
	free(copy);
	lease_finish(lease, LEASE_FAILED);
}

/* A client that is killed in the middle of its work can break its MPS server: that ends first. */
static void kill_holder(struct lease *lease)
{
	lease->is_terminating = true;
	if (lease->n_shares && lease->share[0].mechanism == MECHANISM_MPS)
		mps_lease_terminate(lease);
	else
		lease_mps_terminated(lease);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct lease *lease = context;
	char text[DURATION_TEXT_MAX], reason[400];

	switch (lease->state) {
	case LEASE_REQUESTED:
	case LEASE_QUEUED:
		if (!lease->request.wait_ns)
			text_copy(reason, sizeof(reason),
				lease->waits_for ?: "others were before it");
		else
			snprintf(reason, sizeof(reason),
				"no room came free within %s, the time given for it: %s",
				duration_text(lease->request.wait_ns, text),
				lease->waits_for ?: "others were before it");
		lease_fail(lease, API_TIMEOUT, reason);
		break;
	case LEASE_ACTIVE:
		lease_end(lease, lease->daemon->config.grace_ns, "its time is up");
		break;
	case LEASE_RELEASING:
		if (holder_ends_processes(&lease->holder) && holder_is_alive(&lease->holder)) {
			kill_holder(lease);
		} else {
			lease_check_users(lease);
		}
		break;
	default:
		break;
	}
	return 0;
}

void lease_arm(struct lease *lease, uint64_t in_ns)
{
	if (!lease->timer) {
		if (sd_event_add_time_relative(lease->daemon->loop, &lease->timer, CLOCK_MONOTONIC,
			    in_ns / 1000, 1000, on_timer, lease) < 0)
			log_error("no timer for lease L%" PRIu64, lease->id);
		return;
	}
	sd_event_source_set_time_relative(lease->timer, in_ns / 1000);
	sd_event_source_set_enabled(lease->timer, SD_EVENT_ONESHOT);
}

void lease_arm_wait(struct lease *lease)
{
	uint64_t waited = now_ns() - lease->waiting_since_ns;
	uint64_t limit = lease->request.wait_ns ?: BUSY_WAIT_NS;

	if (limit != REQUEST_WAIT_FOREVER)
		lease_arm(lease, limit > waited ? limit - waited : 1);
}

/* A lease that is asked about may be gone when the answer comes: the question names it by its id.
 */
struct users_question {
	struct daemon *daemon;
	uint64_t lease;
	struct lease_share share;
};

/* The processes seen on one compute instance are gone. */
static void forget_processes(struct gpu_seen *seen, uint32_t gi, uint32_t ci)
{
	unsigned n = 0;

	for (unsigned i = 0; i < seen->n_processes; i++)
		if (seen->process[i].gi != gi || seen->process[i].ci != ci)
			seen->process[n++] = seen->process[i];
	seen->n_processes = n;
}

/* The driver says that nobody is on the share: what was seen of it before is no longer true. */
static void forget_users(struct daemon *daemon, const struct lease_share *share)
{
	struct gpu *gpu = &daemon->gpus[share->gpu];
	struct gpu_seen *views[] = { &gpu->seen, &daemon->runtime[share->gpu].truth };

	for (unsigned v = 0; v < ARRAY_SIZE(views); v++) {
		struct gpu_seen *seen = views[v];

		if (share->mechanism == MECHANISM_WHOLE)
			seen->n_processes = 0;
		for (unsigned i = 0; i < seen->n_instances; i++)
			for (unsigned c = 0; c < seen->instance[i].n_ci; c++)
				if (text_eq(seen->instance[i].ci[c].uuid, share->uuid)) {
					seen->instance[i].ci[c].has_users = false;
					forget_processes(seen, seen->instance[i].gi,
						seen->instance[i].ci[c].id);
				}
	}
	gpu->whole_in_use &= share->mechanism != MECHANISM_WHOLE;
}

/* One of the answers that it waits for before it ends. */
static void users_answered(struct lease *lease, bool has_users)
{
	lease->users_open--;
	lease->users_seen |= has_users;
	if (lease->users_open == 0 && lease->users_seen)
		lease_arm(lease, USERS_AGAIN_NS);
	else if (lease->users_open == 0)
		lease_finish(lease, lease->has_failed ? LEASE_FAILED : LEASE_ENDED);
}

void lease_mps_users(struct lease *lease, unsigned n_users)
{
	if (lease->state == LEASE_RELEASING && lease->users_open)
		users_answered(lease, n_users > 0);
}

void lease_mps_terminated(struct lease *lease)
{
	if (!lease->is_terminating)
		return;
	lease->is_terminating = false;
	if (holder_is_alive(&lease->holder))
		holder_signal(&lease->holder, SIGKILL);
	lease_arm(lease, USERS_AGAIN_NS);
}

void leases_mps_broke(struct daemon *daemon, const struct mps_runtime *server, const char *reason)
{
	struct lease *lease, *after;

	list_for_each_safe (lease, after, &daemon->leases, link) {
		if (!mps_share_of(server, lease) ||
			(lease->state != LEASE_ACTIVE && lease->state != LEASE_RELEASING))
			continue;
		lease->has_failed = true;
		lease->status = API_DRIVER;
		lease_set_reason(lease, reason);
		event_add(daemon, "lease-gpu", (int)server->gpu, lease->id, "L%" PRIu64 ": %s",
			lease->id, reason);
		/* nothing else would ever end it */
		if (lease->holder.kind == HOLDER_NAME)
			lease_fail(lease, API_DRIVER, reason);
		else
			lease_end(lease, daemon->config.mps.fault_grace_ns, NULL);
	}
}

static void on_users(void *context, const struct work_answer *answer)
{
	struct users_question *question = context;
	struct daemon *daemon = question->daemon;
	struct lease *lease = lease_by_id(daemon, question->lease);
	bool is_lost = daemon->gpus[question->share.gpu].health == GPU_LOST;

	if (lease && lease->state == LEASE_RELEASING) {
		bool is_free = answer->result == 0 && answer->n_users == 0;

		if (is_free)
			forget_users(daemon, &question->share);
		users_answered(lease, !is_free && !is_lost && answer->result != -ENODEV);
	}
	free(question);
}

/* Somebody else removed it, so nobody is on it: the driver removes nothing that is in use. */
static bool share_is_gone(const struct lease *lease, const struct lease_share *share)
{
	const struct daemon *daemon = lease->daemon;

	return share->mechanism == MECHANISM_MIG && daemon->runtime[share->gpu].has_facts &&
	       gpu_instance_at(&daemon->gpus[share->gpu], share->profile_id, share->start) < 0;
}

void lease_check_users(struct lease *lease)
{
	struct daemon *daemon = lease->daemon;
	uint64_t id = lease->id;
	unsigned n = lease->n_shares;

	if (n && lease->share[0].mechanism == MECHANISM_VF) {
		lease_vf_check(lease); /* it is the only one */
		return;
	}
	if (lease->users_open)
		return;
	lease->users_seen = false;
	lease->users_open = n;
	for (unsigned i = 0; i < n; i++)
		lease->users_open -= share_is_gone(lease, &lease->share[i]);
	if (lease->users_open == 0) {
		lease_finish(lease, lease->has_failed ? LEASE_FAILED : LEASE_ENDED);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (share_is_gone(lease, &lease->share[i]))
			continue;
		if (lease->share[i].mechanism == MECHANISM_MPS) {
			mps_lease_ask(lease);
			return; /* it is the only one */
		}
		struct users_question *question = must_alloc(1, sizeof(*question));
		struct work_order order = {
			.op = WORK_USERS, .gi = UINT32_MAX, .ci = UINT32_MAX, .vf = UINT32_MAX
		};
		const struct lease_share *share = &lease->share[i];

		*question = (struct users_question){ daemon, id, *share };
		if (share->mechanism == MECHANISM_MIG) {
			const struct gpu *gpu = &daemon->gpus[share->gpu];
			int at = gpu_instance_at(gpu, share->profile_id, share->start);

			if (at >= 0) {
				order.gi = gpu->seen.instance[at].gi;
				order.ci = share->ci_id;
			}
		}
		worker_order(daemon->runtime[share->gpu].worker, &order, on_users, question);
		/* an order that could not be given is answered at once, and may have finished the
		 * lease */
		lease = lease_by_id(daemon, id);
		if (!lease)
			return;
	}
}

void lease_let_go(struct lease *lease)
{
	if (lease->state != LEASE_RELEASING)
		lease_set_state(lease, LEASE_RELEASING);
	lease_check_users(lease);
}

void lease_end(struct lease *lease, uint64_t grace_ns, const char *why)
{
	if (why)
		lease_set_reason(lease, why);
	switch (lease->state) {
	case LEASE_REQUESTED:
	case LEASE_QUEUED:
		lease_finish(lease, LEASE_ENDED);
		return;
	case LEASE_PLACED:
		lease->is_unwanted = true;
		lease_record(lease);
		return;
	case LEASE_ACTIVE:
	case LEASE_RELEASING:
		break;
	default:
		return;
	}
	if (holder_ends_processes(&lease->holder) && holder_is_alive(&lease->holder)) {
		if (lease->state == LEASE_ACTIVE)
			lease_set_state(lease, LEASE_RELEASING);
		if (grace_ns) {
			holder_signal(&lease->holder, SIGTERM);
			lease_arm(lease, grace_ns);
		} else {
			kill_holder(lease);
		}
		return;
	}
	lease_let_go(lease);
}

void lease_holder_gone(struct lease *lease)
{
	if (lease->state == LEASE_REQUESTED || lease->state == LEASE_QUEUED ||
		lease->state == LEASE_PLACED)
		lease_end(lease, 0, "the process that asked for it ended");
	else if (!holder_is_alive(&lease->holder))
		lease_let_go(lease);
}

void lease_extend(struct lease *lease, uint64_t time_ns)
{
	lease->ends_ns = now_ns() + time_ns;
	lease->ends_wall_ns = wall_ns() + time_ns;
	lease->request.time_ns = time_ns;
	if (lease->state == LEASE_ACTIVE)
		lease_arm(lease, time_ns);
	lease_record(lease);
	event_add(lease->daemon, "lease-extended", -1, lease->id, "L%" PRIu64 " was extended",
		lease->id);
}

struct lease *lease_by_id(struct daemon *daemon, uint64_t id)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases_by_id[id % LEASE_BUCKETS], id_link)
		if (lease->id == id)
			return lease;
	return NULL;
}

struct lease *lease_find(struct daemon *daemon, const char *id_or_name)
{
	struct lease *lease;
	uint64_t id;

	if ((*id_or_name == 'L' || *id_or_name == 'l') && parse_u64(id_or_name + 1, &id) == 0) {
		lease = lease_by_id(daemon, id);
		if (lease)
			return lease;
	}
	list_for_each (lease, &daemon->leases, link)
		if (text_eq(lease->name, id_or_name))
			return lease;
	return NULL;
}

/* A lease that was tried may have failed by now: its reason is what the one who asked gets. */
static int still_there(
	struct daemon *daemon, uint64_t id, struct lease **ret_lease, struct error *err)
{
	const struct lease_over *over;
	char name[32];

	*ret_lease = lease_by_id(daemon, id);
	if (*ret_lease)
		return 0;
	snprintf(name, sizeof(name), "L%" PRIu64, id);
	over = lease_over_find(daemon, name);
	error_set(err, -EIO, "%s", over && over->reason ? over->reason : "it ended at once");
	return over && over->status ? over->status : API_CONFLICT;
}

int lease_request(struct daemon *daemon, const struct peer *peer, const struct request *request,
	const struct holder_wish *wish, struct lease **ret_lease, struct error *err)
{
	const struct quota one = { .leases = 1 };
	uint64_t id = daemon->last_lease + 1;
	struct lease *lease;
	uint32_t busy = 0;
	int r;

	if (wish->name && lease_find(daemon, wish->name)) {
		error_set(err, -EEXIST,
			"there is a lease named '%s' already: release it (carve release %s) or "
			"take another name",
			wish->name, wish->name);
		return API_CONFLICT;
	}
	lease = lease_new(daemon, id);
	lease->tenant = tenant_get(daemon, peer);
	lease->request = *request;
	lease->request.uid = lease->tenant->uid;
	lease->name = wish->name ? must_strdup(wish->name) : NULL;
	lease->waiting_since_ns = now_ns();
	if (wish->is_watched)
		lease_watch_want(lease, NULL);
	r = holder_take(&lease->holder, wish, peer, err);
	if (r < 0) {
		lease_free(lease);
		return r == -EPERM ? API_NOT_PERMITTED : API_BAD_REQUEST;
	}
	if (charge_take(&lease->count_charge, lease->tenant, &one, err) != 0) {
		lease_free(lease);
		return API_QUOTA;
	}
	daemon->last_lease = id;
	/* who stands behind others must not pass them; what can never be is told at once all the
	 * same */
	r = lease_try(lease, daemon->n_queued ? UINT32_MAX : 0, &busy, err);
	if (r != 0 && r != PLACE_E_NO_ROOM) {
		daemon->last_lease--; /* nobody has seen this number */
		lease_free(lease);
		return r;
	}
	if (r == 0)
		return still_there(daemon, id, ret_lease, err);
	if (request->wait_ns == 0 && daemon->n_queued == 0 && !busy) {
		daemon->last_lease--;
		lease_free(lease);
		return API_NO_ROOM;
	}
	lease_set_state(lease, LEASE_QUEUED);
	if (holder_watch_requester(lease) < 0) {
		lease_finish(lease, LEASE_ENDED);
		error_set(err, -ESRCH, "the process that asked has ended");
		return API_CONFLICT;
	}
	queue_try(daemon);
	lease = lease_by_id(daemon, id);
	if (lease && lease->state == LEASE_QUEUED)
		event_add(daemon, "lease-queued", -1, id, "L%" PRIu64 " waits: %s", id,
			lease->waits_for ?: "");
	if (lease && lease->state == LEASE_QUEUED && request->wait_ns == 0 && !busy) {
		error_set(err, -ENOSPC, "%s", lease->waits_for ?: "no room");
		lease_finish(lease, LEASE_ENDED);
		return API_NO_ROOM;
	}
	if (lease && lease->state == LEASE_QUEUED)
		lease_arm_wait(lease);
	return still_there(daemon, id, ret_lease, err);
}

void leases_gpu_changed(struct daemon *daemon, unsigned gpu)
{
	const struct gpu *changed = &daemon->gpus[gpu];
	struct lease *lease, *after;
	char text[400];

	if (changed->health == GPU_HEALTHY) {
		leases_pump(daemon);
		return;
	}
	snprintf(text, sizeof(text), "GPU %u is %s: %s", gpu, gpu_health_names[changed->health],
		changed->health_text);
	list_for_each_safe (lease, after, &daemon->leases, link)
		for (unsigned i = 0; i < lease->n_shares; i++) {
			if (lease->share[i].gpu != gpu || lease->state != LEASE_ACTIVE)
				continue;
			event_add(daemon, "lease-gpu", (int)gpu, lease->id, "L%" PRIu64 ": %s",
				lease->id, text);
			lease_set_reason(lease, text);
			api_lease_changed(lease);
			/* a virtual machine's is for ever: the GPU may come back */
			lease->has_failed |=
				changed->health == GPU_LOST && lease->holder.kind != HOLDER_VM;
			/* nothing else would ever end it */
			if (lease->has_failed && lease->holder.kind == HOLDER_NAME)
				lease_fail(lease, API_DRIVER, text);
			break;
		}
}

void leases_done(struct daemon *daemon)
{
	struct lease *lease, *after;

	list_for_each_safe (lease, after, &daemon->leases, link)
		lease_free(lease);
	for (unsigned i = 0; daemon->leases_over && i < LEASES_OVER_KEPT; i++) {
		free(daemon->leases_over[i].reason);
		json_decref(daemon->leases_over[i].profile);
	}
	free(daemon->leases_over);
	daemon->pump = sd_event_source_disable_unref(daemon->pump);
}
