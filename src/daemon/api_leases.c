/* SPDX-License-Identifier: Apache-2.0 */
/* Leases over the API: asked for, followed, entered, extended, released. */
#include "base/error.h"
#include "daemon/api.h"
#include "daemon/daemon.h"
#include "daemon/leases.h"
#include "daemon/render.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define WAIT_REPLY_NS (30ULL * 1000000000)
enum { GRACE_MAX_S = 86400 };

void api_answer_lease(struct call *call, struct lease *lease)
{
	int status = API_OK;

	if (lease->state == LEASE_FAILED && call->is_post) {
		call_fail(call, lease->status ?: API_DRIVER, "%s", lease->reason ?: "it failed");
		return;
	}
	if (call->is_post)
		status = lease->state >= LEASE_ACTIVE ? API_CREATED : API_ACCEPTED;
	call_reply(call, status, json_pack("{s:o}", "lease", render_lease(lease, &call->peer)));
}

/* A lease that is over is known for a while by its id, state, reason and what it used only. */
void api_answer_lease_over(struct call *call, const char *id)
{
	const struct lease_over *over = lease_over_find(call->daemon, id);

	if (!over) {
		call_fail(call, API_NOT_FOUND,
			"there is no lease %s (carve list leases shows those there are)", id);
		return;
	}
	call_reply(call, API_OK,
		json_pack("{s:{s:o, s:s, s:{s:I}, s:o, s:O?}}", "lease", "id",
			json_sprintf("L%" PRIu64, over->id), "state",
			lease_state_names[over->state], "tenant", "uid", (json_int_t)over->uid,
			"reason", render_text(over->reason), "profile",
			call->peer.is_admin || call->peer.uid == over->uid ? over->profile : NULL));
}

/* A number of seconds in the body: -1 if it is not a number. */
static double seconds_of(const json_t *body, const char *key, double otherwise)
{
	const json_t *value = json_object_get(body, key);

	return !value ? otherwise : json_is_number(value) ? json_number_value(value) : -1;
}

/* What can be said in a path, on a command line and on a terminal, and is no lease's id. */
static bool is_good_name(const char *name)
{
	size_t n = strlen(name);
	const char *digits = name + 1;

	for (const char *p = name; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == '/' || *p == 0x7f ||
			((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0))
			return false;
	if (n && (*name == 'L' || *name == 'l') && *digits &&
		digits[strspn(digits, "0123456789")] == '\0')
		return false;
	return n > 0 && n < 64;
}

static bool parse_holder(struct call *call, struct holder_wish *wish)
{
	const json_t *holder = json_object_get(call->body, "holder");
	const char *kind = json_string_value(json_object_get(holder, "kind"));
	const json_t *pid = json_object_get(holder, "pid");

	*wish = (struct holder_wish){ .kind = HOLDER_KIND_N,
		.cgroup = json_string_value(json_object_get(holder, "cgroup")),
		.name = json_string_value(json_object_get(holder, "name")),
		.command = json_string_value(json_object_get(holder, "command")) };
	if (json_integer_value(pid) > 0 && json_integer_value(pid) <= INT_MAX)
		wish->pid = (pid_t)json_integer_value(pid);
	for (unsigned k = 0; k < HOLDER_KIND_N; k++)
		if (text_eq(kind, holder_kind_names[k]))
			wish->kind = (enum holder_kind)k;
	if (wish->kind == HOLDER_KIND_N)
		call_fail(
			call, API_BAD_REQUEST, "holder.kind must be run, pid, cgroup, name or vm");
	else if (wish->kind == HOLDER_PID && wish->pid <= 0)
		call_fail(call, API_BAD_REQUEST, "a pid holder needs holder.pid");
	else if (wish->kind == HOLDER_CGROUP && (!wish->cgroup || wish->cgroup[0] != '/'))
		call_fail(call, API_BAD_REQUEST,
			"a cgroup holder needs holder.cgroup, its path in the cgroup tree "
			"('/...')");
	else if ((wish->kind == HOLDER_NAME || wish->kind == HOLDER_VM) &&
		 (!wish->name || !wish->name[0]))
		call_fail(call, API_BAD_REQUEST,
			"a lease without a process needs a name (holder.name)");
	else if (wish->name && !is_good_name(wish->name))
		call_fail(call, API_BAD_REQUEST,
			"a lease's name has 1 to 63 bytes, no space, '/' or control character, and "
			"does not look like a number of a lease (L7)");
	else
		return true;
	return false;
}

/* A virtual machine's lease is held by its name, and no other holder can use a VF. */
static bool is_meant_alike(
	struct call *call, const struct request *request, const struct holder_wish *wish)
{
	if (request->is_vm == (wish->kind == HOLDER_VM))
		return true;
	call_fail(call, API_BAD_REQUEST, "%s",
		request->is_vm ? "a lease for a virtual machine is held by the machine's name "
				 "(holder.kind vm): carve lease --vm --name NAME"
			       : "a holder of kind vm asks for a virtual function: the request "
				 "needs \"vm\": true (carve lease --vm)");
	return false;
}

static bool parse_watched(
	struct call *call, const struct request *request, struct holder_wish *wish)
{
	const json_t *profile = json_object_get(call->body, "profile");

	wish->is_watched = json_is_true(profile);
	if (profile && !json_is_boolean(profile))
		call_fail(call, API_BAD_REQUEST, "profile is true or false");
	else if (wish->is_watched && request->is_vm)
		call_fail(call, API_BAD_REQUEST,
			"what a virtual machine uses is seen by its own driver only: leave profile "
			"out");
	else if (wish->is_watched && request->n_gpus > 1)
		call_fail(call, API_BAD_REQUEST,
			"a profile is of one share, %u were asked for: leave gpus or profile out",
			request->n_gpus);
	else
		return true;
	return false;
}

void api_post_lease(struct call *call)
{
	struct request request;
	struct holder_wish wish;
	struct error err = ERROR_NONE;
	struct lease *lease;
	double wait;
	int status;

	request_init(&request);
	if (!call->body) {
		call_fail(call, API_BAD_REQUEST,
			"a lease is asked for with a JSON body (docs/protocol.md)");
		return;
	}
	if (json_object_get(call->body, "request") &&
		request_from_json(json_object_get(call->body, "request"), &request, &err) < 0) {
		call_fail_error(call, API_BAD_REQUEST, &err);
		return;
	}
	if (!parse_holder(call, &wish) || !is_meant_alike(call, &request, &wish) ||
		!parse_watched(call, &request, &wish))
		return;
	wait = seconds_of(call->body, "wait_reply", 30);
	if (wait < 0) {
		call_fail(call, API_BAD_REQUEST, "wait_reply is a number of seconds");
		return;
	}
	status = lease_request(call->daemon, &call->peer, &request, &wish, &lease, &err);
	if (status != 0) {
		call_fail_error(call, status, &err);
		return;
	}
	call->is_post = true;
	if (lease->state >= LEASE_ACTIVE || wait == 0) {
		api_answer_lease(call, lease);
		return;
	}
	call->id = lease->id;
	call->not_state = -1;
	call_wait(
		call, CALL_WAITS_LEASE, wait < 300 ? (uint64_t)(wait * 1e9) : 300 * 1000000000ULL);
}

void api_get_lease(struct call *call)
{
	struct lease *lease = lease_find(call->daemon, call->arg);
	uint64_t wait_ns = call_wait_ns(call, "wait", 0);
	const char *not_state = call_query(call, "not");

	if (!lease) {
		api_answer_lease_over(call, call->arg);
		return;
	}
	call->not_state = -1;
	if (not_state) {
		call->not_state = lease_state_find(not_state);
		if (call->not_state < 0) {
			call_fail(
				call, API_BAD_REQUEST, "not=%s is no state of a lease", not_state);
			return;
		}
	}
	if (wait_ns &&
		(not_state ? (int)lease->state == call->not_state : lease->state < LEASE_ACTIVE)) {
		call->id = lease->id;
		call_wait(call, CALL_WAITS_LEASE, wait_ns);
		return;
	}
	api_answer_lease(call, lease);
}

/* The lease of the path, if the caller may change it; else the call is answered. */
static struct lease *own_lease(struct call *call, const char *verb)
{
	struct lease *lease = lease_find(call->daemon, call->arg);

	if (!lease) {
		api_answer_lease_over(call, call->arg);
		return NULL;
	}
	if (call->peer.uid != lease->tenant->uid && !call->peer.is_admin) {
		call_fail(call, API_NOT_PERMITTED,
			"lease L%" PRIu64
			" is not yours: only its owner, root or the group carve may %s it",
			lease->id, verb);
		return NULL;
	}
	return lease;
}

void api_lease_enter(struct call *call)
{
	struct lease *lease = own_lease(call, "enter");
	struct error err = ERROR_NONE;

	if (!lease)
		return;
	if (lease->state != LEASE_ACTIVE)
		call_fail(call, API_CONFLICT, "lease L%" PRIu64 " is %s", lease->id,
			lease_state_names[lease->state]);
	else if (holder_enter(lease, &call->peer, &err) < 0)
		call_fail_error(call, API_CONFLICT, &err);
	else
		call_reply(call, API_OK, json_object());
}

void api_lease_leave(struct call *call)
{
	struct lease *lease = own_lease(call, "leave");
	uint64_t id;

	if (!lease)
		return;
	id = lease->id;
	if (lease->holder.kind != HOLDER_RUN) {
		call_fail(call, API_CONFLICT, "lease L%" PRIu64 " was not made by carve run", id);
		return;
	}
	holder_leave(&lease->holder);
	if (!holder_is_alive(&lease->holder))
		lease_holder_gone(lease);
	lease = lease_by_id(call->daemon, id);
	if (lease && lease->state == LEASE_RELEASING) {
		call->id = id;
		call->not_state = LEASE_RELEASING;
		call_wait(call, CALL_WAITS_LEASE, 5 * 1000000000ULL);
	} else if (lease) {
		api_answer_lease(call, lease);
	} else {
		snprintf(call->arg, sizeof(call->arg), "L%" PRIu64, id);
		api_answer_lease_over(call, call->arg);
	}
}

void api_lease_release(struct call *call)
{
	struct lease *lease = own_lease(call, "release");
	const char *why;
	double grace;
	uint64_t id;

	if (!lease)
		return;
	id = lease->id;
	grace = seconds_of(call->body, "grace", (double)call->daemon->config.grace_ns / 1e9);
	if (!(grace >= 0 && grace <= GRACE_MAX_S)) {
		call_fail(call, API_BAD_REQUEST,
			"grace is a number of seconds from 0 to %d (a day)", GRACE_MAX_S);
		return;
	}
	why = call->peer.uid == lease->tenant->uid ? "released" : "released by an administrator";
	if (lease->holder.kind == HOLDER_VM && lease->state >= LEASE_ACTIVE) {
		call->id = id;
		call->not_state = LEASE_RELEASING;
		call->is_release = true;
		call_wait(call, CALL_WAITS_LEASE, WAIT_REPLY_NS);
		lease_vf_release(lease, why);
		return;
	}
	lease_end(lease, (uint64_t)(grace * 1e9), why);
	lease = lease_by_id(call->daemon, id);
	if (lease && lease->state == LEASE_RELEASING) {
		call->id = id;
		call->not_state = LEASE_RELEASING;
		call_wait(call, CALL_WAITS_LEASE, WAIT_REPLY_NS);
	} else if (lease) {
		api_answer_lease(call, lease);
	} else {
		snprintf(call->arg, sizeof(call->arg), "L%" PRIu64, id);
		api_answer_lease_over(call, call->arg);
	}
}

void api_lease_extend(struct call *call)
{
	struct lease *lease = own_lease(call, "extend");
	double seconds;

	if (!lease)
		return;
	seconds = seconds_of(call->body, "time", 0);
	if (!(seconds > 0) || seconds > 365.0 * 86400) {
		call_fail(
			call, API_BAD_REQUEST, "extend needs {\"time\": SECONDS}, at most a year");
		return;
	}
	if (lease->state > LEASE_ACTIVE) {
		call_fail(call, API_CONFLICT, "lease L%" PRIu64 " is %s", lease->id,
			lease_state_names[lease->state]);
		return;
	}
	lease_extend(lease, (uint64_t)(seconds * 1e9));
	api_answer_lease(call, lease);
}
