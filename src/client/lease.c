/* SPDX-License-Identifier: Apache-2.0 */
#include "client/lease.h"

#include "base/error.h"
#include "base/text.h"
#include "client/client.h"
#include "client/http.h"
#include "client/json.h"
#include "model/request.h"

#include <errno.h>
#include <stdio.h>

enum { SEGMENT_MAX = 512, TRIES_MAX = 5 };

bool lease_json_is_active(const json_t *lease)
{
	return text_eq(json_text(lease, "state"), "active");
}

bool lease_json_is_over(const json_t *lease)
{
	const char *state = json_text(lease, "state");

	return text_eq(state, "ended") || text_eq(state, "failed") || text_eq(state, "releasing");
}

/* Moves the lease out of an answer, taking the answer. */
static int take_lease(json_t *answer, json_t **ret_lease, struct error *err)
{
	json_t *lease = json_object_get(answer, "lease");
	int r = json_is_object(lease)
			? 0
			: error_set(err, -EBADMSG, "carved's answer has no lease in it");

	if (r == 0 && ret_lease)
		*ret_lease = json_incref(lease);
	json_decref(answer);
	return r;
}

static json_t *holder_to_json(const struct holder *holder)
{
	json_t *json = json_pack("{ss}", "kind", holder->kind);

	if (holder->pid > 0)
		json_object_set_new(json, "pid", json_integer(holder->pid));
	if (holder->cgroup)
		json_object_set_new(json, "cgroup", json_string(holder->cgroup));
	if (holder->name)
		json_object_set_new(json, "name", json_string(holder->name));
	if (holder->command)
		json_object_set_new(json, "command",
			json_string(holder->command) ?: json_string("(not UTF-8)"));
	return json;
}

/* The lease that carved already keeps for this process; CARVE_NOT_FOUND if there is none. */
static int find_by_pid(struct client *client, pid_t pid, json_t **ret_lease, struct error *err)
{
	AUTO_JSON *answer = NULL;
	json_t *lease;
	size_t i;
	int r = client_get(client, &answer, err, "/v1/leases");

	if (r != 0)
		return r;
	json_array_foreach(json_object_get(answer, "leases"), i, lease)
	{
		const json_t *holder = json_object_get(lease, "holder");

		if (text_eq(json_text(holder, "kind"), "run") && json_whole(holder, "pid") == pid &&
			!lease_json_is_over(lease)) {
			*ret_lease = json_incref(lease);
			return 0;
		}
	}
	return CARVE_NOT_FOUND;
}

static bool is_lost(int fault)
{
	return fault == -ECONNRESET || fault == -EPIPE;
}

int lease_ask(struct client *client, const struct request *request, const struct holder *holder,
	double wait_s, json_t **ret_lease, struct error *err)
{
	AUTO_JSON *body = json_object();
	struct call call = {
		.method = "POST", .path = "/v1/leases", .body = body, .wait_s = wait_s
	};
	json_t *answer = NULL;
	int r;

	if (json_object_set_new(body, "request", request_to_json(request)) < 0 ||
		json_object_set_new(body, "holder", holder_to_json(holder)) < 0 ||
		json_object_set_new(body, "wait_reply", json_real(wait_s)) < 0)
		return error_set(err, -ENOMEM, "no memory for the request");
	if (holder->is_watched)
		json_object_set_new(body, "profile", json_true());
	for (unsigned n = 0;; n++) {
		r = client_call(client, &call, &answer, err);
		if (!is_lost(r) || !text_eq(holder->kind, "run") || n == TRIES_MAX)
			break;
		r = find_by_pid(client, holder->pid, ret_lease, err);
		if (r != CARVE_NOT_FOUND)
			return r;
	}
	return r == 0 ? take_lease(answer, ret_lease, err) : r;
}

int lease_get(struct client *client, const char *id, const char *state, double wait_s,
	json_t **ret_lease, struct error *err)
{
	char segment[SEGMENT_MAX], path[SEGMENT_MAX + 128];
	struct call call = { .method = "GET", .path = path, .may_repeat = true };
	json_t *answer = NULL;
	int r;

	if (http_segment_encode(segment, sizeof(segment), id) < 0)
		return error_set(err, -ENAMETOOLONG, "that is too long for a lease's name");
	if (state) {
		snprintf(path, sizeof(path), "/v1/leases/%s?wait=%.3f&not=%s", segment, wait_s,
			state);
		call.wait_s = wait_s;
	} else {
		snprintf(path, sizeof(path), "/v1/leases/%s", segment);
	}
	r = client_call(client, &call, &answer, err);
	return r == 0 ? take_lease(answer, ret_lease, err) : r;
}

int lease_post(struct client *client, const char *id, const char *verb, const json_t *body,
	json_t **ret_lease, struct error *err)
{
	char segment[SEGMENT_MAX];
	json_t *answer = NULL;
	int r;

	if (http_segment_encode(segment, sizeof(segment), id) < 0)
		return error_set(err, -ENAMETOOLONG, "that is too long for a lease's name");
	r = client_post(client, body, &answer, err, "/v1/leases/%s/%s", segment, verb);
	if (r != 0)
		return r;
	if (ret_lease)
		return take_lease(answer, ret_lease, err);
	json_decref(answer);
	return 0;
}
