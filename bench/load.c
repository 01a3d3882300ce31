/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases and releases over the API's socket, as fast as carved answers:
 *
 *	bench_load SOCKET PROFILE CLIENTS SECONDS
 *
 * Each client is a connection of its own that is kept open, asks for a share for a name, gives it
 * back when it has it, and asks again. Prints how many pairs of lease and release were answered per
 * second, all clients together.
 */
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "client/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 1024, BODY_MAX = 256 };

#define ANSWER_NS (10 * 1000000000ULL)

struct load {
	unsigned n_clients;
	struct connection connection[CLIENTS_MAX];
	struct pollfd poll[CLIENTS_MAX];
	bool holds[CLIENTS_MAX]; /* has its lease, and has asked to give it back */
	char body[CLIENTS_MAX][BODY_MAX], path[CLIENTS_MAX][64];
	uint64_t n_pairs;
};

static int ask(struct load *load, unsigned i, struct error *err)
{
	const char *body = load->holds[i] ? NULL : load->body[i];

	return connection_ask(&load->connection[i], "POST",
		load->holds[i] ? load->path[i] : "/v1/leases", body, body ? strlen(body) : 0,
		now_ns() + ANSWER_NS, err);
}

static int start(struct load *load, const char *socket, const char *profile, struct error *err)
{
	for (unsigned i = 0; i < load->n_clients; i++) {
		int r;

		snprintf(load->body[i], BODY_MAX,
			"{\"request\":{\"profile\":\"%s\",\"wait\":0},"
			"\"holder\":{\"kind\":\"name\",\"name\":\"load-%u\"}}",
			profile, i);
		snprintf(load->path[i], sizeof(load->path[i]), "/v1/leases/load-%u/release", i);
		load->connection[i] = CONNECTION_NONE;
		r = connection_open(&load->connection[i], socket, now_ns() + ANSWER_NS, err);
		if (r == 0)
			r = ask(load, i, err);
		if (r < 0)
			return r;
		load->poll[i] = (struct pollfd){ .fd = load->connection[i].fd, .events = POLLIN };
	}
	return 0;
}

/* Takes the client's answer and, unless this is the end and it holds nothing, asks on. */
static int go_on(struct load *load, unsigned i, bool is_over, struct error *err)
{
	struct answer answer;
	int r = connection_receive(&load->connection[i], 0, &answer, err);

	if (r == -ETIMEDOUT)
		return 0;
	if (r < 0)
		return r;
	if (answer.status != (load->holds[i] ? 200 : 201))
		return error_set(
			err, -EPROTO, "carved answered %d: %s", answer.status, answer.body);
	load->n_pairs += load->holds[i] && !is_over;
	load->holds[i] = !load->holds[i];
	if (is_over && !load->holds[i]) {
		load->poll[i].fd = -1;
		load->n_clients--;
		return 0;
	}
	return ask(load, i, err);
}

static int run(struct load *load, uint64_t until_ns, struct error *err)
{
	unsigned n = load->n_clients;

	while (load->n_clients > 0) {
		bool is_over;

		if (poll(load->poll, n, 10000) <= 0)
			return error_set(err, -ETIMEDOUT, "carved does not answer any more");
		is_over = now_ns() >= until_ns;
		for (unsigned i = 0; i < n; i++) {
			int r = load->poll[i].revents ? go_on(load, i, is_over, err) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct load load;
	struct error err = ERROR_NONE;
	uint64_t since_ns;
	double seconds;

	if (argc != 5) {
		fprintf(stderr, "Usage: bench_load SOCKET PROFILE CLIENTS SECONDS\n");
		return 64;
	}
	load.n_clients = (unsigned)atoi(argv[3]);
	seconds = atof(argv[4]);
	if (load.n_clients < 1 || load.n_clients > CLIENTS_MAX || !(seconds > 0))
		return 64;
	since_ns = now_ns();
	if (start(&load, argv[1], argv[2], &err) < 0 ||
		run(&load, since_ns + (uint64_t)(seconds * 1e9), &err) < 0) {
		fprintf(stderr, "bench_load: %s\n", err.text);
		return 1;
	}
	printf("%.0f\n", (double)load.n_pairs / seconds);
	return 0;
}
