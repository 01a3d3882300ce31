/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One connection to carved: a question goes out, its answer comes in, again and again. Nothing
 * blocks beyond its deadline (monotonic nanoseconds), and an answer that is not whole at the
 * deadline can be received further.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct connection {
	int fd;		/* -1: closed */
	bool is_asking; /* a question is out */
	char *in;	/* what was received of its answer */
	size_t n_in, room;
};
#define CONNECTION_NONE ((struct connection){ .fd = -1 })

struct answer {
	int status;
	const char *body; /* in the connection's buffer: valid until the next question; NUL follows
			   */
	size_t length;
};

/* Connects; a connection that is open is closed first. */
int connection_open(
	struct connection *connection, const char *path, uint64_t deadline_ns, struct error *err);
void connection_close(struct connection *connection);
/* Frees everything; the struct is CONNECTION_NONE afterwards. */
void connection_done(struct connection *connection);

/* True if the other side has closed: a question would be lost. */
bool connection_is_stale(const struct connection *connection);

/* Sends one question. A failure closes the connection. */
int connection_ask(struct connection *connection, const char *method, const char *path,
	const char *body, size_t body_length, uint64_t deadline_ns, struct error *err);

/*
 * Receives the answer. -ETIMEDOUT leaves everything as it is, so that one can wait on (deadline 0
 * only looks); any other failure closes the connection.
 */
int connection_receive(struct connection *connection, uint64_t deadline_ns,
	struct answer *ret_answer, struct error *err);
