/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "client/address.h"
#include "client/http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* Waits until the descriptor is ready for `events`; -ETIMEDOUT at the deadline. */
static int wait_ready(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = events };
		uint64_t now = deadline_ns ? now_ns() : 0;
		uint64_t left = now < deadline_ns ? (deadline_ns - now + 999999) / 1000000 : 0;
		int n = poll(&poll_fd, 1, left > 1000000 ? 1000000 : (int)left);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left == 0)
			return -ETIMEDOUT;
	}
}

int connection_open(
	struct connection *connection, const char *path, uint64_t deadline_ns, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = -1;

	connection_close(connection);
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "'%s' is too long for a socket's path", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* A unix socket connects at once or not at all; EAGAIN: the queue of connections is full.
	 */
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return error_set(
				err, -errno, "cannot connect to %s: %s", path, strerror(errno));
		if (now_ns() >= deadline_ns)
			return error_set(err, -ETIMEDOUT,
				"carved has too many connections to answer at %s", path);
		poll(NULL, 0, 5);
	}
	connection->fd = TAKE_FD(fd);
	return 0;
}

void connection_close(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->is_asking = false;
	connection->n_in = 0;
}

void connection_done(struct connection *connection)
{
	connection_close(connection);
	free(connection->in);
	*connection = CONNECTION_NONE;
}

bool connection_is_stale(const struct connection *connection)
{
	char byte;
	ssize_t n;

	if (connection->fd < 0)
		return true;
	n = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	/* Bytes that nobody asked for are as bad as an end. */
	return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static int send_all(int fd, struct iovec *iov, unsigned n_iov, uint64_t deadline_ns)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = n_iov };

	while (message.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int r = wait_ready(fd, POLLOUT, deadline_ns);

			if (r < 0)
				return r;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (message.msg_iovlen > 0 && (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen > 0) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int connection_ask(struct connection *connection, const char *method, const char *path,
	const char *body, size_t body_length, uint64_t deadline_ns, struct error *err)
{
	char head[2048];
	int n = http_question_write(head, sizeof(head), method, path, body_length);
	struct iovec iov[] = {
		{ .iov_base = head, .iov_len = (size_t)n },
		{ .iov_base = (char *)body, .iov_len = body_length },
	};
	int r;

	if (n < 0)
		return error_set(err, n, "'%.80s' cannot be asked for", path);
	connection->n_in = 0;
	r = send_all(connection->fd, iov, body_length ? 2 : 1, deadline_ns);
	if (r < 0) {
		connection_close(connection);
		return error_set(err, r, "carved did not take the question: %s", strerror(-r));
	}
	connection->is_asking = true;
	return 0;
}

/* Makes room for `length` bytes and a NUL. */
static int reserve(struct connection *connection, size_t length)
{
	size_t room = connection->room ?: 4096;
	char *in;

	while (room < length + 1)
		room *= 2;
	if (room == connection->room)
		return 0;
	in = realloc(connection->in, room);
	if (!in)
		return -ENOMEM;
	connection->in = in;
	connection->room = room;
	return 0;
}

/* Receives what there is, up to `wanted` bytes in all; waits for the first byte only. */
static int receive_some(struct connection *connection, size_t wanted, uint64_t deadline_ns)
{
	for (;;) {
		ssize_t n;
		int r = reserve(connection, wanted);

		if (r < 0)
			return r;
		n = recv(connection->fd, connection->in + connection->n_in,
			connection->room - connection->n_in - 1, 0);
		if (n > 0) {
			connection->n_in += (size_t)n;
			connection->in[connection->n_in] = '\0';
			return 0;
		}
		if (n == 0)
			return -ECONNRESET;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_ready(connection->fd, POLLIN, deadline_ns);
		if (r < 0)
			return r;
	}
}

/* 0 with the answer once it is whole, HTTP_E_MORE with the bytes wanted in all, or a fault. */
static int look_for_answer(struct connection *connection, struct answer *ret_answer,
	size_t *ret_wanted, struct error *err)
{
	struct http_head head;
	size_t whole;
	int r = http_head_read(connection->in ?: "", connection->n_in, &head, err);

	if (r == HTTP_E_MORE)
		*ret_wanted = connection->n_in + 1024;
	if (r != 0)
		return r;
	whole = head.head_length + head.content_length;
	if (head.status < 200) { /* "100 Continue" and its kind come before the answer */
		memmove(connection->in, connection->in + head.head_length,
			connection->n_in - head.head_length + 1);
		connection->n_in -= head.head_length;
		return look_for_answer(connection, ret_answer, ret_wanted, err);
	}
	if (connection->n_in < whole) {
		*ret_wanted = whole;
		return HTTP_E_MORE;
	}
	if (connection->n_in > whole)
		return error_set(err, -EBADMSG, "carved said more than it announced");
	*ret_answer = (struct answer){
		.status = head.status,
		.body = connection->in + head.head_length,
		.length = head.content_length,
	};
	if (head.is_last) {
		close(connection->fd);
		connection->fd = -1;
	}
	return 0;
}

int connection_receive(struct connection *connection, uint64_t deadline_ns,
	struct answer *ret_answer, struct error *err)
{
	size_t wanted = 0;
	int r;

	while ((r = look_for_answer(connection, ret_answer, &wanted, err)) == HTTP_E_MORE) {
		r = receive_some(connection, wanted, deadline_ns);
		if (r == -ETIMEDOUT)
			return error_set(err, r, "carved did not answer in time");
		if (r < 0) {
			connection_close(connection);
			return error_set(
				err, r, "carved went away before it answered: %s", strerror(-r));
		}
	}
	connection->is_asking = false;
	if (r < 0)
		connection_close(connection);
	return r;
}
