/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/api.h"

#include "base/error.h"
#include "base/log.h"
#include "daemon/apply.h"
#include "daemon/daemon.h"
#include "daemon/http.h"
#include "daemon/leases.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-event.h>

struct route {
	const char *method;
	const char *pattern; /* one * stands for one part of the path */
	void (*handle)(struct call *call);
	const char *keys; /* what the body may hold; NULL: no body */
};

static const struct route routes[] = {
	{ "GET", "/v1/node", api_get_node },
	{ "GET", "/v1/health", api_get_health },
	{ "GET", "/v1/gpus", api_get_gpus },
	{ "GET", "/v1/gpus/*", api_get_gpu },
	{ "POST", "/v1/gpus/*/manage", api_gpu_manage },
	{ "POST", "/v1/gpus/*/unmanage", api_gpu_unmanage, "keep reset" },
	{ "POST", "/v1/gpus/*/drain", api_gpu_drain },
	{ "POST", "/v1/gpus/*/undrain", api_gpu_undrain },
	{ "POST", "/v1/driver/drain", api_driver_drain },
	{ "POST", "/v1/driver/undrain", api_driver_undrain },
	{ "GET", "/v1/shares", api_get_shares },
	{ "GET", "/v1/shares/*", api_get_share },
	{ "POST", "/v1/shares/*/adopt", api_share_adopt },
	{ "GET", "/v1/leases", api_get_leases },
	{ "POST", "/v1/leases", api_post_lease, "request holder profile wait_reply" },
	{ "GET", "/v1/leases/*", api_get_lease },
	{ "POST", "/v1/leases/*/enter", api_lease_enter },
	{ "POST", "/v1/leases/*/leave", api_lease_leave },
	{ "POST", "/v1/leases/*/release", api_lease_release, "grace" },
	{ "POST", "/v1/leases/*/extend", api_lease_extend, "time" },
	{ "GET", "/v1/layout", api_get_layout },
	{ "POST", "/v1/plan", api_post_plan, "file text layout reset" },
	{ "POST", "/v1/apply", api_post_apply, "file text layout reset stop_services remember" },
	{ "GET", "/v1/operations/*", api_get_operation },
	{ "GET", "/v1/events", api_get_events },
	{ "GET", "/v1/measurements", api_get_measurements },
	{ "POST", "/v1/measurements", api_post_measurements, "gpu figures" },
	{ "POST", "/v1/measurements/forget", api_forget_measurements, "gpu" },
	{ "POST", "/v1/reload", api_reload },
};

const char *api_code(int status)
{
	static const struct {
		int status;
		const char *code;
	} codes[] = {
		{ API_BAD_REQUEST, "bad-request" },
		{ API_NOT_PERMITTED, "not-permitted" },
		{ API_NOT_FOUND, "not-found" },
		{ API_CONFLICT, "conflict" },
		{ API_TOO_LARGE, "too-large" },
		{ API_NEVER, "never" },
		{ API_QUOTA, "quota" },
		{ API_DRIVER, "driver" },
		{ API_NO_ROOM, "no-room" },
		{ API_TIMEOUT, "timeout" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].status == status)
			return codes[i].code;
	return "internal";
}

/* Answered: it waits no more. While its handler runs, it is still that handler's to look at. */
static void call_done(struct call *call)
{
	list_remove(&call->link);
	call->timer = sd_event_source_disable_unref(call->timer);
	call->is_answered = true;
	if (call->is_in_handler)
		return;
	json_decref(call->body);
	free(call);
}

static void call_handle(struct call *call, void (*handle)(struct call *call))
{
	call->is_in_handler = true;
	handle(call);
	call->is_in_handler = false;
	if (call->is_answered)
		call_done(call);
}

void call_reply(struct call *call, int status, json_t *body)
{
	char *text;

	json_object_set_new(body, "version", json_integer(1));
	text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(14));
	json_decref(body);
	if (!text) {
		status = API_INTERNAL;
		text = must_strdup(
			"{\"version\":1,\"error\":{\"code\":\"internal\",\"message\":\"the answer "
			"could not be written\"}}");
	}
	http_reply(call->http, status, text, strlen(text));
	call_done(call);
}

void call_fail(struct call *call, int status, const char *format, ...)
{
	char text[800];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_clean(text); /* it may quote what was sent, and may have been cut */
	call_reply(call, status,
		json_pack("{s:{s:s, s:s}}", "error", "code", api_code(status), "message", text));
}

void call_fail_error(struct call *call, int status, const struct error *err)
{
	call_fail(call, status, "%s", err->text);
}

const char *call_query(struct call *call, const char *name)
{
	return http_query(call->http, name);
}

uint64_t call_wait_ns(struct call *call, const char *name, uint64_t otherwise)
{
	const char *text = call_query(call, name);
	char *end;
	double seconds;

	if (!text)
		return otherwise;
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0))
		return otherwise;
	return (uint64_t)((seconds > 300 ? 300 : seconds) * 1e9);
}

bool call_refuse_unless_admin(struct call *call, const char *what)
{
	if (call->peer.is_admin)
		return false;
	call_fail(call, API_NOT_PERMITTED,
		"only root and members of the group carve may %s: use sudo, or have an "
		"administrator add you (usermod -aG carve USER)",
		what);
	return true;
}

/* Matches a path (decoded already); the part that stands at * goes into `arg`. */
static bool route_matches(const char *pattern, const char *path, char *arg, size_t size)
{
	size_t n = 0;

	for (; *pattern; pattern++) {
		if (*pattern != '*') {
			if (*pattern != *path++)
				return false;
			continue;
		}
		while (*path && *path != '/' && n + 1 < size)
			arg[n++] = *path++;
		if (n == 0)
			return false;
	}
	arg[n] = '\0';
	return *path == '\0';
}

static bool word_is_in(const char *word, const char *words)
{
	size_t n = strlen(word);

	for (const char *at = words; n && at && *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		if (length == n && strncmp(at, word, n) == 0)
			return true;
		at += length;
	}
	return false;
}

/* A key that nobody reads would be a wish that nobody fulfils. True: the call is answered. */
static bool has_unknown_key(struct call *call, const struct route *route)
{
	const char *key;
	json_t *value;

	json_object_foreach(call->body, key, value)
	{
		if (word_is_in(key, route->keys))
			continue;
		call_fail(call, API_BAD_REQUEST,
			"the body has a key '%.60s' that %s does not know; it knows: %s", key,
			call->path, route->keys ?: "none");
		return true;
	}
	return false;
}

void api_dispatch(struct daemon *daemon, struct http_call *http, const struct peer *peer,
	const char *method, const char *path, const char *text, size_t length)
{
	struct call *call = must_alloc(1, sizeof(*call));
	bool is_path = false;
	json_error_t json_error;

	*call = (struct call){
		.daemon = daemon, .http = http, .peer = *peer, .method = method, .path = path
	};
	list_init(&call->link);
	if (length > 0) {
		call->body = json_loadb(text, length, JSON_REJECT_DUPLICATES, &json_error);
		if (!call->body || !json_is_object(call->body)) {
			call_fail(call, API_BAD_REQUEST,
				"the body is not a JSON object: %s (line %d, column %d)",
				call->body ? "it is something else" : json_error.text,
				call->body ? 1 : json_error.line,
				call->body ? 1 : json_error.column);
			return;
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		char arg[sizeof(call->arg)];

		if (!route_matches(routes[i].pattern, path, arg, sizeof(arg)))
			continue;
		is_path = true;
		if (!text_eq(routes[i].method, method))
			continue;
		memcpy(call->arg, arg, sizeof(arg));
		if (!has_unknown_key(call, &routes[i]))
			call_handle(call, routes[i].handle);
		return;
	}
	if (is_path)
		call_fail(call, API_NOT_FOUND, "%s does not take %s", path, method);
	else
		call_fail(call, API_NOT_FOUND,
			"there is nothing at %s (docs/openapi.yaml lists what there is)", path);
}

static void answer_waiting(struct call *call)
{
	char name[32];
	struct lease *lease;

	switch (call->waits) {
	case CALL_WAITS_LEASE:
		lease = lease_by_id(call->daemon, call->id);
		snprintf(name, sizeof(name), "L%" PRIu64, call->id);
		if (lease)
			api_answer_lease(call, lease);
		else
			api_answer_lease_over(call, name);
		break;
	case CALL_WAITS_EVENT:
		api_answer_events(call);
		break;
	case CALL_WAITS_OPERATION:
		api_answer_operation(call);
		break;
	case CALL_WAITS_NOT:
		break;
	}
}

static int on_wait_over(sd_event_source *source, uint64_t usec, void *context)
{
	answer_waiting(context);
	return 0;
}

void call_wait(struct call *call, enum call_waits waits, uint64_t wait_ns)
{
	call->waits = waits;
	list_add_tail(&call->daemon->calls, &call->link);
	if (sd_event_add_time_relative(call->daemon->loop, &call->timer, CLOCK_MONOTONIC,
		    wait_ns / 1000, 10000, on_wait_over, call) < 0) {
		log_error("no timer for a call that would wait: it is answered at once");
		answer_waiting(call);
	}
}

void api_hung_up(struct daemon *daemon, const struct http_call *http)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &daemon->calls, link)
		if (call->http == http)
			answer_waiting(call);
}

static bool lease_answers(const struct call *call, const struct lease *lease)
{
	if (lease_is_over(lease->state))
		return true;
	if (call->not_state < 0)
		return lease->state >= LEASE_ACTIVE;
	if (call->is_release && lease->state == LEASE_ACTIVE)
		return false;
	return (int)lease->state != call->not_state;
}

void api_lease_changed(struct lease *lease)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &lease->daemon->calls, link)
		if (call->waits == CALL_WAITS_LEASE && call->id == lease->id &&
			lease_answers(call, lease))
			api_answer_lease(call, lease);
}

void api_release_refused(struct lease *lease, const char *why)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &lease->daemon->calls, link)
		if (call->waits == CALL_WAITS_LEASE && call->id == lease->id && call->is_release)
			call_fail(call, API_CONFLICT, "%s", why);
}

void api_events_changed(struct daemon *daemon)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &daemon->calls, link)
		if (call->waits == CALL_WAITS_EVENT)
			api_answer_events(call);
}

void api_operation_changed(struct operation *operation)
{
	struct call *call, *after;

	list_for_each_safe (call, after, &operation->daemon->calls, link)
		if (call->waits == CALL_WAITS_OPERATION && call->id == operation->id &&
			(operation->state != OPERATION_RUNNING ||
				operation->steps_done != call->seen))
			api_answer_operation(call);
}
