/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/api.h"
#include "daemon/daemon.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

/*
 * libmicrohttpd runs without a thread of its own: its epoll descriptor is a source of the loop, and
 * it is run once more after every round in which a call was answered (resumed), because it does not
 * see that by itself. A call that cannot be answered at once is suspended; a suspended connection
 * is not read, so we watch ourselves whether it is closed.
 *
 * A client has CLIENT_SECONDS for a whole request, from the connection or the last answer on, and
 * as many to take the answer: then it is cut off, whether it does nothing or sends a byte now and
 * then. The connections on which it is the client's turn are in a list by the time since when.
 */

enum {
	BODY_MAX = 1 << 20,
	CONNECTION_MEMORY = 6 * 1024, /* request line and headers; bodies are kept by us */
	CLIENT_SECONDS = 10,
	/* Of the connections, so many may belong to one user that is not an administrator, and to
	 * all those together: an administrator always gets in. */
	USER_SHARE_PERCENT = 60,
	USERS_SHARE_PERCENT = 90,
};

struct connection {
	struct peer peer;
	bool is_known;
	struct user_count *user;
	int fd;
	uint64_t since_ns; /* since when it is the client's turn */
	struct list link;  /* by that; alone while it is ours */
};

struct user_count {
	uid_t uid;
	unsigned n;
	struct list link;
};

struct http {
	struct daemon *daemon;
	struct MHD_Daemon *mhd;
	sd_event_source *io, *timer, *soon, *after, *deadline;
	unsigned connections_max, n_users_connections; /* of those who are no administrators */
	struct list slow; /* connections on which it is the client's turn */
	struct list users;
	bool is_resumed;
};

struct http_call {
	struct http *http;
	struct MHD_Connection *connection;
	struct buf body;
	bool is_too_large, is_dispatched, is_suspended;
	sd_event_source *hangup; /* while suspended */
	int status;		 /* 0: not answered yet */
	char *answer;
	size_t answer_length;
};

/* Runs libmicrohttpd, and sees to it that it is run again when it wants to be: what it has not
 * finished, in the next round of the loop, so that others have their turn too. */
static void run(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	bool has_timeout;

	do {
		http->is_resumed = false;
		MHD_run(http->mhd);
	} while (http->is_resumed);
	has_timeout = MHD_get_timeout(http->mhd, &ms) == MHD_YES;
	sd_event_source_set_enabled(
		http->soon, has_timeout && ms == 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (has_timeout && ms > 0) {
		sd_event_source_set_time_relative(http->timer, ms * 1000);
		sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
	} else {
		sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	run(context);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	run(context);
	return 0;
}

static int on_soon(sd_event_source *source, void *context)
{
	run(context);
	return 0;
}

static int on_after(sd_event_source *source, void *context)
{
	struct http *http = context;

	if (http->is_resumed)
		run(http);
	return 0;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void turn_of_client(struct http *http, struct connection *connection)
{
	if (!connection)
		return;
	connection->since_ns = now_ns();
	list_remove(&connection->link);
	list_add_tail(&http->slow, &connection->link);
	if (http->deadline && sd_event_source_get_enabled(http->deadline, NULL) == 0) {
		sd_event_source_set_time_relative(http->deadline, CLIENT_SECONDS * 1000000ULL);
		sd_event_source_set_enabled(http->deadline, SD_EVENT_ONESHOT);
	}
}

static void turn_of_ours(struct connection *connection)
{
	if (!connection)
		return;
	list_remove(&connection->link);
	list_init(&connection->link);
}

/* Cuts off who has had his time; libmicrohttpd then sees a closed connection. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	const uint64_t limit_ns = CLIENT_SECONDS * 1000000000ULL;
	struct http *http = context;
	struct connection *connection, *after;
	uint64_t now = now_ns();

	list_for_each_safe (connection, after, &http->slow, link) {
		if (now - connection->since_ns < limit_ns) {
			sd_event_source_set_time_relative(
				source, (connection->since_ns + limit_ns - now) / 1000 + 1);
			sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
			break;
		}
		turn_of_ours(connection);
		shutdown(connection->fd, SHUT_RDWR);
	}
	return 0;
}

static enum MHD_Result send_answer(struct http_call *call)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		call->answer_length, call->answer, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	call->answer = NULL;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(call->connection, (unsigned)call->status, response);
	MHD_destroy_response(response);
	return result;
}

void http_reply(struct http_call *call, int status, char *text, size_t length)
{
	call->status = status;
	call->answer = text;
	call->answer_length = length;
	if (!call->is_suspended)
		return; /* within the handler, which sends it */
	call->is_suspended = false;
	call->hangup = sd_event_source_disable_unref(call->hangup);
	call->http->is_resumed = true;
	MHD_resume_connection(call->connection);
}

const char *http_query(struct http_call *call, const char *name)
{
	return MHD_lookup_connection_value(call->connection, MHD_GET_ARGUMENT_KIND, name);
}

static void take_body(struct http_call *call, const char *data, size_t length)
{
	if (call->body.length + length > BODY_MAX)
		call->is_too_large = true;
	else
		buf_add_n(&call->body, data, length);
}

static void refuse(struct http_call *call, int status, const char *sentence)
{
	char *text = must_asprintf("{\"version\":1,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
		api_code(status), sentence);

	http_reply(call, status, text, strlen(text));
}

static void dispatch(struct http_call *call, const char *url, const char *method)
{
	struct connection *connection = connection_of(call->connection);

	call->is_dispatched = true;
	if (call->is_too_large)
		refuse(call, API_TOO_LARGE, "the body is larger than 1 MiB");
	else if (!connection || !connection->is_known)
		refuse(call, API_NOT_PERMITTED, "the kernel does not say who asks");
	else
		api_dispatch(call->http->daemon, call, &connection->peer, method, url,
			buf_text(&call->body), call->body.length);
}

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct http_call *call = context;

	call->hangup = sd_event_source_disable_unref(call->hangup);
	api_hung_up(call->http->daemon, call);
	return 0;
}

static void suspend(struct http_call *call)
{
	struct connection *connection = connection_of(call->connection);

	call->is_suspended = true;
	MHD_suspend_connection(call->connection);
	/* no events asked for: EPOLLHUP is told always, and means closed for both directions */
	if (connection && sd_event_add_io(call->http->daemon->loop, &call->hangup, connection->fd,
				  0, on_hangup, call) < 0)
		log_debug("http: who waits on descriptor %d is not watched", connection->fd);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *length, void **request)
{
	struct http_call *call = *request;

	if (!call) {
		call = must_alloc(1, sizeof(*call));
		call->http = context;
		call->connection = connection;
		*request = call;
		return MHD_YES;
	}
	if (*length > 0) {
		take_body(call, data, *length);
		*length = 0;
		return MHD_YES;
	}
	if (!call->is_dispatched) {
		turn_of_ours(connection_of(connection));
		dispatch(call, url, method);
	}
	if (call->status) {
		turn_of_client(call->http, connection_of(connection));
		return send_answer(call);
	}
	suspend(call);
	return MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
	enum MHD_RequestTerminationCode code)
{
	struct http_call *call = *request;

	if (!call)
		return;
	turn_of_client(call->http, connection_of(connection));
	sd_event_source_disable_unref(call->hangup);
	buf_done(&call->body);
	free(call->answer);
	free(call);
	*request = NULL;
}

/* Users must not take all connections: those over their part are closed at once. */
static void count_user(struct http *http, struct connection *connection)
{
	struct user_count *user;

	list_for_each (user, &http->users, link)
		if (user->uid == connection->peer.uid)
			break;
	if (&user->link == &http->users) {
		user = must_alloc(1, sizeof(*user));
		user->uid = connection->peer.uid;
		list_add_tail(&http->users, &user->link);
	}
	user->n++;
	connection->user = user;
	if (connection->peer.is_admin)
		return;
	http->n_users_connections++;
	if (user->n > http->connections_max * USER_SHARE_PERCENT / 100 ||
		http->n_users_connections > http->connections_max * USERS_SHARE_PERCENT / 100)
		shutdown(connection->fd, SHUT_RDWR);
}

static void uncount_user(struct http *http, struct connection *connection)
{
	struct user_count *user = connection->user;

	if (!user)
		return;
	http->n_users_connections -= !connection->peer.is_admin;
	if (--user->n == 0) {
		list_remove(&user->link);
		free(user);
	}
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *http = context;
	struct connection *connection = *socket_context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection = must_alloc(1, sizeof(*connection));
		list_init(&connection->link);
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		connection->fd = info ? info->connect_fd : -1;
		connection->is_known =
			peer_look(http->daemon, connection->fd, &connection->peer) == 0;
		if (connection->is_known)
			count_user(http, connection);
		turn_of_client(http, connection);
		*socket_context = connection;
		return;
	}
	if (connection) {
		turn_of_ours(connection);
		uncount_user(http, connection);
	}
	free(connection);
	*socket_context = NULL;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Decodes a path or a parameter in place. %00 stays as it is: it would end the text. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1;
		int low = high >= 0 ? hex_digit(p[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*to = (char)(high * 16 + low);
			p += 3;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

static void on_mhd_log(void *context, const char *format, va_list args)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

int http_start(struct daemon *daemon, int listen_fd, struct http **ret_http, struct error *err)
{
	struct http *http = must_alloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;
	int r;

	http->daemon = daemon;
	http->connections_max = daemon->config.connections_max;
	list_init(&http->users);
	list_init(&http->slow);
	http->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		http->connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)1024,
		MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
		MHD_OPTION_END);
	if (!http->mhd) {
		free(http);
		return error_set(err, -EIO, "cannot serve HTTP on the API socket");
	}
	info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	r = sd_event_add_io(daemon->loop, &http->io, info->epoll_fd, EPOLLIN, on_io, http);
	if (r >= 0)
		r = sd_event_add_time_relative(
			daemon->loop, &http->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, http);
	if (r >= 0)
		r = sd_event_add_defer(daemon->loop, &http->soon, on_soon, http);
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->loop, &http->deadline, CLOCK_MONOTONIC,
			CLIENT_SECONDS * 1000000ULL, 100000, on_deadline, http);
	if (r >= 0)
		r = sd_event_add_post(daemon->loop, &http->after, on_after, http);
	if (r < 0) {
		http_stop(http);
		return error_set(err, r, "cannot put HTTP on the loop");
	}
	*ret_http = http;
	return 0;
}

struct http *http_stop(struct http *http)
{
	if (!http)
		return NULL;
	if (http->is_resumed)
		run(http); /* the last answers go out */
	sd_event_source_disable_unref(http->io);
	sd_event_source_disable_unref(http->timer);
	sd_event_source_disable_unref(http->soon);
	sd_event_source_disable_unref(http->after);
	http->deadline = sd_event_source_disable_unref(http->deadline);
	MHD_stop_daemon(http->mhd);
	free(http);
	return NULL;
}
