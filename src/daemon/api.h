/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The API (docs/protocol.md): one table of routes, handlers that answer at once or later. A call
 * that waits for something (a lease to change, an event, an apply to move on) is kept in a list and
 * answered when that happens or its time is over.
 */

#include "base/list.h"
#include "daemon/peers.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct error;
struct http_call;
struct lease;
struct operation;
typedef struct sd_event_source sd_event_source;

/* HTTP statuses with their error codes. */
enum {
	API_OK = 200,
	API_CREATED = 201,
	API_ACCEPTED = 202,
	API_BAD_REQUEST = 400,
	API_NOT_PERMITTED = 403,
	API_NOT_FOUND = 404,
	API_CONFLICT = 409,
	API_TOO_LARGE = 413,
	API_NEVER = 422,
	API_QUOTA = 429,
	API_INTERNAL = 500,
	API_DRIVER = 502,
	API_NO_ROOM = 503,
	API_TIMEOUT = 504,
};
const char *api_code(int status); /* "no-room" */

/* One call of the API. */
struct call {
	struct daemon *daemon;
	struct http_call *http;
	struct peer peer;
	const char *method, *path; /* only until the handler returns */
	char arg[128];		   /* what stood for * in the route, decoded */
	json_t *body;		   /* NULL: none */
	bool is_in_handler, is_answered;

	/* while it waits */
	struct list link; /* in the daemon's waiting calls */
	enum call_waits {
		CALL_WAITS_NOT,
		CALL_WAITS_LEASE,
		CALL_WAITS_EVENT,
		CALL_WAITS_OPERATION
	} waits;
	uint64_t id;	 /* lease or operation number */
	int not_state;	 /* lease: answer when it is in another; -1: when it is active or over */
	uint64_t seen;	 /* event: the last seen; operation: steps seen */
	bool is_post;	 /* lease: the call that asked for it */
	bool is_release; /* lease: it has to be looked whether it may end */
	sd_event_source *timer;
};

/*
 * Answers the call with a JSON object (which is taken over) or an error, once. The call goes with
 * the end of its handler; one that waits is gone at once.
 */
void call_reply(struct call *call, int status, json_t *body);
void call_fail(struct call *call, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void call_fail_error(struct call *call, int status, const struct error *err);
/* Query parameter, decoded; NULL if absent. Borrowed. */
const char *call_query(struct call *call, const char *name);
/* A query parameter in seconds, as nanoseconds; `otherwise` if absent or bad; at most 300 s. */
uint64_t call_wait_ns(struct call *call, const char *name, uint64_t otherwise);

/* Dispatches one complete request (http.c calls it). */
void api_dispatch(struct daemon *daemon, struct http_call *http, const struct peer *peer,
	const char *method, const char *path, const char *text, size_t length);

/* Who asked has closed the connection: a call of it that waits need wait no longer. */
void api_hung_up(struct daemon *daemon, const struct http_call *http);

/* Puts a call to wait; `on_time` (what to answer) is decided by its kind. */
void call_wait(struct call *call, enum call_waits waits, uint64_t wait_ns);

void api_lease_changed(struct lease *lease);
/* It cannot be released now: answers who asked for that. */
void api_release_refused(struct lease *lease, const char *why);
void api_events_changed(struct daemon *daemon);
void api_operation_changed(struct operation *operation);

/* Handlers, by file. */
void api_get_node(struct call *call);
void api_get_gpus(struct call *call);
void api_get_gpu(struct call *call);
void api_get_shares(struct call *call);
void api_get_share(struct call *call);
void api_get_events(struct call *call);
void api_get_health(struct call *call);
void api_get_leases(struct call *call);
void api_get_lease(struct call *call);
void api_post_lease(struct call *call);
void api_lease_enter(struct call *call);
void api_lease_leave(struct call *call);
void api_lease_release(struct call *call);
void api_lease_extend(struct call *call);
void api_gpu_manage(struct call *call);
void api_gpu_unmanage(struct call *call);
void api_gpu_drain(struct call *call);
void api_gpu_undrain(struct call *call);
void api_driver_drain(struct call *call);
void api_driver_undrain(struct call *call);
void api_share_adopt(struct call *call);
void api_get_layout(struct call *call);
void api_post_plan(struct call *call);
void api_post_apply(struct call *call);
void api_get_operation(struct call *call);
void api_get_measurements(struct call *call);
void api_post_measurements(struct call *call);
void api_forget_measurements(struct call *call);
void api_reload(struct call *call);

/* Answers by kind of wait (api.c calls them). */
void api_answer_lease(struct call *call, struct lease *lease);
void api_answer_lease_over(struct call *call, const char *id);
void api_answer_events(struct call *call);
void api_answer_operation(struct call *call);
/* True where only administrators may; the call is answered then. */
bool call_refuse_unless_admin(struct call *call, const char *what);
