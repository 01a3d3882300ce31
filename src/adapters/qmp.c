/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object a line, in both directions. Answers carry the id of their command; an answer to
 * an earlier one, which nobody waits for any more, is dropped. Of events only those of devices are
 * kept: a guest can make others as often as it likes.
 *
 * Integers are read as reals: QEMU has 64-bit unsigned ones, which jansson refuses.
 */
#include "adapters/qmp.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "client/json.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MILLISECOND_NS 1000000ULL

static int wait_ready(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = events };
		uint64_t now = now_ns();
		uint64_t left = now < deadline_ns
					? (deadline_ns - now + MILLISECOND_NS - 1) / MILLISECOND_NS
					: 0;
		int n = poll(&poll_fd, 1, left > 1000000 ? 1000000 : (int)left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left == 0)
			return -ETIMEDOUT;
	}
}

static int say_no_connection(const char *path, int why, struct error *err)
{
	switch (why) {
	case ENOENT:
		return error_set(err, -why,
			"there is no socket %s: start QEMU with -qmp unix:%s,server=on,wait=off",
			path, path);
	case ECONNREFUSED:
		return error_set(
			err, -why, "nobody listens at %s: is the virtual machine running?", path);
	case EACCES:
		return error_set(err, -why,
			"%s may not be opened: run carve as the user of the virtual machine, or "
			"as root",
			path);
	default:
		return error_set(err, -why, "cannot connect to %s: %s", path, strerror(why));
	}
}

static int connect_to(const char *path, uint64_t deadline_ns, int *ret_fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = -1;

	if (text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return error_set(
			err, -ENAMETOOLONG, "'%.40s...' is too long for a socket's path", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* EAGAIN: others wait to be let in already, and QEMU talks to one at a time. */
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EAGAIN && now_ns() < deadline_ns)
			poll(NULL, 0, 5);
		else if (errno != EINTR)
			return say_no_connection(path, errno, err);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Receives what there is; waits for the first byte until the deadline. */
static int receive(struct qmp *qmp, uint64_t deadline_ns, struct error *err)
{
	char chunk[16384];
	ssize_t n;
	int r;

	while ((n = recv(qmp->fd, chunk, sizeof(chunk), 0)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return error_set(err, -errno, "cannot read from QEMU at %s: %s", qmp->path,
				strerror(errno));
		r = wait_ready(qmp->fd, POLLIN, deadline_ns);
		if (r < 0)
			return r;
	}
	if (n == 0)
		return error_set(err, -ECONNRESET,
			"QEMU closed its monitor %s: the virtual machine has ended, or another "
			"program took it over",
			qmp->path);
	buf_add_n(&qmp->in, chunk, (size_t)n);
	if (qmp->in.length > QMP_LINE_MAX && !memchr(qmp->in.text, '\n', qmp->in.length))
		return error_set(err, -EBADMSG,
			"%s sends a line without an end: it is no monitor of QEMU's", qmp->path);
	return 0;
}

static void drop_line(struct qmp *qmp, size_t length)
{
	memmove(qmp->in.text, qmp->in.text + length + 1, qmp->in.length - length);
	qmp->in.length -= length + 1;
	qmp->searched = 0;
}

static bool is_blank(const char *line, size_t length)
{
	return length == 0 || (length == 1 && line[0] == '\r');
}

static int parse_line(struct qmp *qmp, size_t length, json_t **ret_message, struct error *err)
{
	json_error_t why;
	json_t *message = json_loadb(qmp->in.text, length, JSON_DECODE_INT_AS_REAL, &why);

	drop_line(qmp, length);
	if (!json_is_object(message)) {
		json_decref(message);
		return error_set(err, -EBADMSG,
			"%s does not speak QMP: is it QEMU's human monitor, or another program?",
			qmp->path);
	}
	*ret_message = message;
	return 0;
}

/* The next message, of any kind. -ETIMEDOUT is without a sentence. Somebody who never stops sending
 * is not listened to beyond the deadline either. */
static int read_message(
	struct qmp *qmp, uint64_t deadline_ns, json_t **ret_message, struct error *err)
{
	for (bool is_first = true;; is_first = false) {
		const char *text = buf_text(&qmp->in);
		const char *end =
			memchr(text + qmp->searched, '\n', qmp->in.length - qmp->searched);
		int r;

		if (end && is_blank(text, (size_t)(end - text))) {
			drop_line(qmp, (size_t)(end - text));
			continue;
		}
		if (end)
			return parse_line(qmp, (size_t)(end - text), ret_message, err);
		qmp->searched = qmp->in.length;
		if (!is_first && now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		r = receive(qmp, deadline_ns, err);
		if (r < 0)
			return r;
	}
}

static void keep_event(struct qmp *qmp, const json_t *message)
{
	if (!text_starts(json_text(message, "event"), "DEVICE_"))
		return;
	if (json_array_size(qmp->events) >= QMP_EVENTS_MAX)
		json_array_remove(qmp->events, 0);
	json_array_append(qmp->events, (json_t *)message);
}

static int send_all(struct qmp *qmp, const char *text, uint64_t deadline_ns, struct error *err)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = send(qmp->fd, text, length, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			text += n;
			length -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		r = errno == EAGAIN ? wait_ready(qmp->fd, POLLOUT, deadline_ns) : -errno;
		if (r < 0)
			return error_set(err, r, "QEMU at %s does not take a command: %s",
				qmp->path, strerror(-r));
	}
	return 0;
}

static int read_answer(const json_t *answer, json_t **ret_value, struct error *err)
{
	const json_t *refusal = json_object_get(answer, "error");

	if (!refusal) {
		if (ret_value)
			*ret_value = json_incref(json_object_get(answer, "return"));
		return 0;
	}
	return error_set(err,
		text_eq(json_text(refusal, "class"), "DeviceNotFound") ? QMP_E_NOT_FOUND
								       : QMP_E_REFUSED,
		"%s", json_text(refusal, "desc"));
}

static bool is_answer_to(const json_t *message, const char *id)
{
	return (json_object_get(message, "return") || json_object_get(message, "error")) &&
	       text_eq(json_text(message, "id"), id);
}

int qmp_ask(struct qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ns,
	json_t **ret_value, struct error *err)
{
	AUTO_FREE char *id = must_asprintf("carve-%" PRIu64, ++qmp->last_id);
	AUTO_JSON *question =
		json_pack("{ss ss so*}", "execute", command, "id", id, "arguments", arguments);
	AUTO_FREE char *text = json_dumps(question, JSON_COMPACT);
	AUTO_FREE char *line = must_asprintf("%s\n", text ?: "");
	int r = text ? send_all(qmp, line, deadline_ns, err)
		     : error_set(err, -EINVAL, "'%s' cannot be asked for", command);

	for (bool is_first = true; r == 0; is_first = false) {
		AUTO_JSON *message = NULL;

		r = is_first || now_ns() < deadline_ns
			    ? read_message(qmp, deadline_ns, &message, err)
			    : -ETIMEDOUT;
		if (r == -ETIMEDOUT)
			return error_set(err, r,
				"QEMU at %s does not answer '%s': the virtual machine may be "
				"stopped or under load; try again, or with a longer --timeout",
				qmp->path, command);
		if (r == 0 && is_answer_to(message, id))
			return read_answer(message, ret_value, err);
		if (r == 0)
			keep_event(qmp, message);
	}
	return r;
}

int qmp_wait(struct qmp *qmp, bool (*is_it)(const json_t *event, const void *what),
	const void *what, uint64_t deadline_ns, json_t **ret_event, struct error *err)
{
	for (bool is_first = true;; is_first = false) {
		AUTO_JSON *message = NULL;
		json_t *event;
		size_t i;
		int r;

		json_array_foreach(qmp->events, i, event)
		{
			if (!is_it(event, what))
				continue;
			*ret_event = json_incref(event);
			json_array_remove(qmp->events, i);
			return 0;
		}
		r = is_first || now_ns() < deadline_ns
			    ? read_message(qmp, deadline_ns, &message, err)
			    : -ETIMEDOUT;
		if (r < 0)
			return r;
		keep_event(qmp, message);
	}
}

/* The first line of a QMP monitor, which is nobody's answer. */
static int read_greeting(struct qmp *qmp, uint64_t deadline_ns, struct error *err)
{
	AUTO_JSON *greeting = NULL;
	int r = read_message(qmp, deadline_ns, &greeting, err);

	if (r == -ETIMEDOUT)
		return error_set(err, r,
			"%s does not greet: its virtual machine hangs, or another program "
			"(libvirt?) has this monitor; give it a second one, -qmp "
			"unix:PATH,server=on,wait=off",
			qmp->path);
	if (r == 0 && !json_object_get(greeting, "QMP"))
		return error_set(err, -EBADMSG,
			"%s does not greet as QEMU does: is it a QMP "
			"monitor?",
			qmp->path);
	return r;
}

int qmp_open(struct qmp *qmp, const char *path, uint64_t deadline_ns, struct error *err)
{
	int r;

	*qmp = QMP_NONE;
	r = connect_to(path, deadline_ns, &qmp->fd, err);
	if (r < 0)
		return r;
	text_copy(qmp->path, sizeof(qmp->path), path);
	qmp->events = json_array();
	r = read_greeting(qmp, deadline_ns, err);
	if (r == 0)
		r = qmp_ask(qmp, "qmp_capabilities", NULL, deadline_ns, NULL, err);
	if (r > 0)
		r = error_prefix(err, -EBADMSG, "QEMU at %s refuses", qmp->path);
	if (r < 0)
		qmp_close(qmp);
	return r;
}

void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	buf_done(&qmp->in);
	json_decref(qmp->events);
	*qmp = QMP_NONE;
}
