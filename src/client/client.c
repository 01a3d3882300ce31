/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call is tried until it is answered. Two things end that: a fault that trying again does not
 * mend, and patience. Who has met carved before waits for it to come back (it was restarted; leases
 * live on). Who has not is told at once how to start it; only a socket that is there and refuses is
 * given a moment, because a carved that restarts looks like that.
 *
 * What may not be repeated is sent once. It is tried again only where nothing of it went out.
 */
#include "client/client.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "client/json.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#define SECOND_NS	  1000000000ULL
#define ANSWER_NS	  (60 * SECOND_NS) /* beyond the wait that was asked for */
#define PATIENCE_NS	  (10 * SECOND_NS)
#define FIRST_PATIENCE_NS (SECOND_NS / 2)
#define PATH_MAX_LENGTH	  1024

int client_init(struct client *client, const char *socket, struct error *err)
{
	int r;

	*client = (struct client){ .connection = CONNECTION_NONE, .patience_ns = PATIENCE_NS };
	r = socket ? text_copy(client->socket, sizeof(client->socket), socket)
		   : address_find(client->socket);
	if (r < 0)
		return error_set(err, r, "the path of carved's socket is too long");
	return 0;
}

void client_done(struct client *client)
{
	connection_done(&client->connection);
}

int client_read_answer(const struct answer *answer, json_t **ret_answer, struct error *err)
{
	AUTO_JSON *json = json_loadb(answer->body, answer->length, JSON_REJECT_DUPLICATES, NULL);
	const json_t *refusal;

	if (!json_is_object(json))
		return error_set(
			err, -EBADMSG, "carved's answer is not JSON (status %d)", answer->status);
	if (answer->status < 400) {
		if (ret_answer)
			*ret_answer = json_incref(json);
		return 0;
	}
	refusal = json_object_get(json, "error");
	return error_set(err, refusal_find(json_text(refusal, "code")), "%s",
		*json_text(refusal, "message") ? json_text(refusal, "message")
					       : "carved refused and does not say why");
}

static int say_absent(const struct client *client, int fault, struct error *err)
{
	switch (fault) {
	case -ENOENT:
	case -ECONNREFUSED:
		return error_set(err, fault,
			"nobody answers at %s: start the daemon with 'systemctl start carved', or "
			"'carved' by hand",
			client->socket);
	case -EACCES:
	case -EPERM:
		return error_set(err, fault,
			"no permission to connect to %s: ask who runs this machine for access to "
			"it",
			client->socket);
	default:
		return fault;
	}
}

/* Connects where that is needed; a connection that carved has closed is replaced unseen. */
static int connect_if_needed(struct client *client, uint64_t deadline_ns, struct error *err)
{
	int r;

	if (client->connection.fd >= 0 && !client->connection.is_asking &&
		!connection_is_stale(&client->connection))
		return 0;
	r = connection_open(&client->connection, client->socket, deadline_ns, err);
	return r < 0 ? say_absent(client, r, err) : 0;
}

/* One try; *ret_sent tells whether some of the question may have arrived. */
static int try_once(struct client *client, const struct call *call, const char *body,
	struct answer *ret_answer, bool *ret_sent, struct error *err)
{
	uint64_t deadline_ns = now_ns() + ANSWER_NS + (uint64_t)(call->wait_s * (double)SECOND_NS);
	int r = connect_if_needed(client, deadline_ns, err);

	*ret_sent = false;
	if (r < 0)
		return r;
	*ret_sent = true;
	r = connection_ask(&client->connection, call->method, call->path, body,
		body ? strlen(body) : 0, deadline_ns, err);
	if (r < 0)
		return r;
	r = connection_receive(&client->connection, deadline_ns, ret_answer, err);
	if (r < 0)
		connection_close(&client->connection);
	return r;
}

/* Whether carved may be there again in a moment, and how long to hope so. */
static uint64_t patience_for(const struct client *client, int fault)
{
	switch (fault) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
		return client->has_met ? client->patience_ns : FIRST_PATIENCE_NS;
	case -ENOENT:
		return client->has_met ? client->patience_ns : 0;
	default:
		return 0;
	}
}

/* 5, 10, 20, ... 320 ms */
static void back_off(unsigned n_tries)
{
	poll(NULL, 0, 5 << (n_tries < 6 ? n_tries : 6));
}

int client_call(
	struct client *client, const struct call *call, json_t **ret_answer, struct error *err)
{
	char *body = call->body ? json_dumps(call->body, JSON_COMPACT) : NULL;
	uint64_t since_ns = 0;
	struct answer answer;
	int r;

	if (call->body && !body)
		return error_set(err, -ENOMEM, "no memory for the question");
	for (unsigned n_tries = 0;; n_tries++) {
		bool was_sent;
		uint64_t patience_ns;

		r = try_once(client, call, body, &answer, &was_sent, err);
		if (r == 0 || (was_sent && !call->may_repeat))
			break;
		patience_ns = patience_for(client, r);
		since_ns = since_ns ?: now_ns();
		if (now_ns() - since_ns >= patience_ns)
			break;
		back_off(n_tries);
	}
	free(body);
	if (r < 0)
		return r;
	client->has_met = true;
	if (call->ret_status)
		*call->ret_status = answer.status;
	return client_read_answer(&answer, ret_answer, err);
}

int client_get(
	struct client *client, json_t **ret_answer, struct error *err, const char *format, ...)
{
	char path[PATH_MAX_LENGTH];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return client_call(client,
		&(struct call){ .method = "GET", .path = path, .may_repeat = true }, ret_answer,
		err);
}

int client_post(struct client *client, const json_t *body, json_t **ret_answer, struct error *err,
	const char *format, ...)
{
	char path[PATH_MAX_LENGTH];
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	return client_call(client,
		&(struct call){ .method = "POST", .path = path, .body = body, .may_repeat = true },
		ret_answer, err);
}
