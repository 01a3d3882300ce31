/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvidia-cuda-mps-server of a simulated node. It is on the list of processes of each GPU that it
 * has, as long as it lives; its clients are on it beside it. A fatal fault of one client fails all
 * that are on the same GPU, and until they have left the server takes no new ones.
 *
 * The control daemon starts it, with a socket to it on descriptor 3 and the log on 4. When the
 * daemon is gone it serves the clients that it has, and ends with the last.
 */
#include "sim/mps/server.h"

#include "base/error.h"
#include "sim/mps/journal.h"
#include "sim/mps/wire.h"
#include "sim/node/mps_rule.h"
#include "sim/node/process.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONTROL_FD 3
#define LOG_FD	   4
#define LOOK_MS	   25

static void take_limits(struct server *server, const char *text)
{
	char key[16], value[64];

	if (wire_value(text, "LIMITS percentage", value, sizeof(value)))
		server->limits.percentage = strtod(value, NULL);
	if (wire_value(text, "priority", value, sizeof(value)))
		server->limits.priority = (unsigned)strtoul(value, NULL, 10);
	for (unsigned i = 0; i < LIMITS_DEVICES; i++) {
		snprintf(key, sizeof(key), "memory%u", i);
		if (wire_value(text, key, value, sizeof(value)))
			server->limits.memory[i] = strtoull(value, NULL, 10);
	}
}

static unsigned clients_alive(const struct server *server)
{
	const struct mps_client *client;
	unsigned n = 0;

	list_for_each (client, &server->clients, item)
		n++;
	return n;
}

/* With all clients that it has. */
static void server_end(struct server *server)
{
	struct mps_client *client, *after;

	server->is_leaving = true;
	list_for_each_safe (client, after, &server->clients, item) {
		client_fail(client, CUDA_MPS_CLIENT_TERMINATED);
		client_leave(server, client);
	}
}

static void hear_control(struct server *server)
{
	char text[WIRE_TEXT_MAX], busy[32];
	unsigned number, n;
	int fd, at = 0;

	if (wire_receive(server->control, text, &fd) <= 0) {
		journal("Server", "The control daemon is gone");
		close(server->control);
		server->control = -1;
		server->is_leaving = true;
	} else if (text_starts(text, "CLIENT\n") && fd >= 0) {
		client_join(server, fd, text);
	} else if (text_starts(text, "LIMITS ")) {
		take_limits(server, text);
	} else if (sscanf(text, "ASK %u %n", &number, &at) == 1) {
		server_answer(server, number, text + at);
	} else if (text_eq(text, "END")) {
		server_end(server);
	} else if (text_eq(text, "LEAVE")) {
		server->is_leaving = true;
		n = clients_alive(server);
		snprintf(busy, sizeof(busy), "BUSY %u", n);
		if (n)
			wire_send(server->control, busy, -1);
	}
}

/* A client says nothing more; what can be read is its end. */
static void hear_client(struct server *server, struct mps_client *client)
{
	char text[WIRE_TEXT_MAX];

	if (wire_receive(client->fd, text, NULL) > 0)
		return;
	client_leave(server, client);
	fault_heal(server);
}

static void server_turn(struct server *server)
{
	struct pollfd polled[1 + SERVER_CLIENTS_MAX * LIMITS_DEVICES];
	struct mps_client *client, *after;
	unsigned n = 0, at = 0;

	list_for_each (client, &server->clients, item)
		if (n < ARRAY_SIZE(polled) - 1)
			polled[n++] = (struct pollfd){ client->fd, POLLIN, 0 };
	polled[n] = (struct pollfd){ server->control, POLLIN, 0 };
	if (poll(polled, n + 1, LOOK_MS) <= 0)
		return;
	list_for_each_safe (client, after, &server->clients, item) {
		if (at == n)
			break;
		if (polled[at++].revents)
			hear_client(server, client);
	}
	if (polled[n].revents)
		hear_control(server);
}

static void server_hang(const struct server *server)
{
	const struct mps_party party = { .gpus = server_gpus(server), .server = getpid() };
	struct rule rule;

	if (!mps_rule_take(server->node, RULE_MPS_HANG, &party, &rule))
		return;
	while (mps_rule_lasts(server->node, rule.id) && node_is_there(server->node))
		node_work(LOOK_MS * 1000000ull);
}

static int server_serve(struct server *server)
{
	while (!server->is_leaving || !list_is_empty(&server->clients)) {
		if (!node_is_there(server->node))
			return EXIT_SUCCESS;
		server_hang(server);
		fault_look(server);
		server_turn(server);
	}
	journal("Server", "Server exit");
	for (unsigned i = 0; i < server->n_devices; i++)
		process_remove(server->node, server->devices[i].at.gpu, getpid());
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct server server = { .control = CONTROL_FD, .limits = LIMITS_NONE };
	struct error err = ERROR_NONE;

	if (argc < 5 || !text_eq(argv[1], "--control") || !text_eq(argv[3], "--pipe")) {
		puts("nvidia-cuda-mps-server is started by the control daemon, "
		     "nvidia-cuda-mps-control.");
		return argc > 1 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	signal(SIGPIPE, SIG_IGN);
	journal_take(LOG_FD);
	list_init(&server.clients);
	list_init(&server.partitions);
	server.is_partitioning = argc > 5 && text_eq(argv[5], "--static-partitioning");
	server.control_pid = atoi(argv[2]);
	journal("Other", "Startup");
	journal("Other", "Connecting to control daemon on socket: %s/control", argv[4]);
	journal("Other", "Initializing server process");
	if (dialect_node(&server.node, &err) < 0) {
		journal("Server", "Failed to start : %s", err.text);
		return EXIT_FAILURE;
	}
	dialect_read(server.node, &server.dialect);
	hear_control(&server); /* its limits */
	if (server_start(&server) < 0)
		return EXIT_FAILURE;
	journal("Server", "Server has started");
	wire_send(server.control, "READY", -1);
	return server_serve(&server);
}
