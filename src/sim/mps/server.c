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

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/wire.h"
#include "sim/node/inject.h"
#include "sim/node/mps_rule.h"
#include "sim/node/process.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONTROL_FD   3
#define LOG_FD	     4
#define LOOK_MS	     25
#define SERVER_BYTES (30ull << 20)

#define CLIENTS_FROM_VOLTA   48
#define CLIENTS_BEFORE_VOLTA 16
#define VOLTA_MAJOR	     7

#define CHUNK_FROM_HOPPER   8
#define CHUNK_BEFORE_HOPPER 4
#define HOPPER_MAJOR	    9

/* ---- devices ---- */

/* A MIG device has the hardware for so many clients as its part of the GPU is. */
static void measure(const struct node *node, struct mps_device *device)
{
	const struct gpu *gpu = &node->gpus[device->at.gpu];
	unsigned most = gpu->product.compute_major >= VOLTA_MAJOR ? CLIENTS_FROM_VOLTA
								  : CLIENTS_BEFORE_VOLTA;

	device->sm = gpu->product.board.sm;
	device->chunk = gpu->product.compute_major >= HOPPER_MAJOR ? CHUNK_FROM_HOPPER
								   : CHUNK_BEFORE_HOPPER;
	device->most_clients = most;
	text_copy(device->uuid, sizeof(device->uuid), gpu->uuid);
	if (device->at.gi != NVML_NO_INSTANCE) {
		const struct gpu_instance *instance = &gpu_now(gpu)->instances[device->at.gi];
		const struct compute_instance *compute = &instance->compute[device->at.ci];
		const struct profile *profile = &gpu->product.profiles[instance->profile];

		identity_uuid_text("MIG", compute->uuid, device->uuid);
		device->slices = compute->size;
		device->sm = profile->sm * compute->size / (profile->slices ?: 1);
		device->most_clients = most * compute->size / (gpu->product.slices ?: 1);
	}
}

static bool has_device(const struct server *server, const struct device *at)
{
	for (unsigned i = 0; i < server->n_devices; i++)
		if (server->devices[i].at.gpu == at->gpu && server->devices[i].at.gi == at->gi &&
			server->devices[i].at.ci == at->ci)
			return true;
	return false;
}

static bool add_device(struct server *server, const char *name)
{
	struct mps_device *device = &server->devices[server->n_devices];

	if (server->n_devices == LIMITS_DEVICES ||
		device_open(server->node, name, &device->at, NULL) < 0 ||
		has_device(server, &device->at))
		return false;
	node_lock(server->node);
	measure(server->node, device);
	node_unlock(server->node);
	server->n_devices++;
	return true;
}

unsigned server_find_devices(struct server *server)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	char text[2048], *rest = text, *name;

	if (visible) {
		text_copy(text, sizeof(text), visible);
		while ((name = strsep(&rest, ",")) && add_device(server, name))
			;
		return server->n_devices;
	}
	for (unsigned i = 0; i < server->node->n_gpus; i++) {
		snprintf(text, sizeof(text), "%u", i);
		add_device(server, text);
	}
	return server->n_devices;
}

uint64_t server_gpus(const struct server *server)
{
	uint64_t gpus = 0;

	for (unsigned i = 0; i < server->n_devices; i++)
		gpus |= 1ull << server->devices[i].at.gpu;
	return gpus;
}

/* ---- start ---- */

static int start_failed(const char *why)
{
	journal("Server", "Failed to start : %s", why);
	return -1;
}

static void journal_context(const struct server *server, unsigned device)
{
	journal("Server", "Creating server context on device %u (%s)", device,
		server->node->gpus[server->devices[device].at.gpu].product.name);
}

static int create_contexts(struct server *server)
{
	char bytes[LIMITS_TEXT_MAX];

	for (unsigned i = 0; i < server->n_devices; i++) {
		const struct mps_device *device = &server->devices[i];
		struct process process = { .pid = getpid(),
			.type = PROCESS_COMPUTE,
			.memory = SERVER_BYTES,
			.gi = device->at.gi,
			.ci = device->at.ci };
		int r;

		journal_context(server, i);
		r = process_add(server->node, device->at.gpu, &process);
		if (r == NVML_ERROR_IN_USE)
			return start_failed("CUDA-capable device(s) is/are busy or unavailable");
		if (r != NVML_SUCCESS)
			return start_failed(inject_code_name(r) ?: "unknown error");
	}
	journal("Server", "Active Threads Percentage set to %.1f", server->limits.percentage);
	for (unsigned i = 0; i < server->n_devices; i++) {
		snprintf(bytes, sizeof(bytes), "0x%llx",
			(unsigned long long)server->limits.memory[i]);
		if (server->limits.memory[i])
			journal("Server",
				"Device pinned memory limit for device %u set to %s bytes", i,
				bytes);
	}
	journal("Server", "Server Priority set to %u", server->limits.priority);
	return 0;
}

static int server_start(struct server *server)
{
	struct mps_party party;
	struct rule rule;

	if (!text_eq(server->dialect.version, server->node->settings.driver_version))
		return start_failed("system has unsupported display driver / cuda driver "
				    "combination");
	server_find_devices(server);
	party = (struct mps_party){
		.gpus = server_gpus(server), .server = getpid(), .control = server->control_pid
	};
	node_work(server->node->settings.mps_start_ns);
	if (mps_rule_take(server->node, RULE_MPS_START, &party, &rule)) {
		node_work(rule.delay_ns);
		if (rule.action == RULE_FAIL)
			return start_failed("unknown error");
	}
	if (!server->n_devices)
		return start_failed("no CUDA-capable device is detected");
	return create_contexts(server);
}

/* ---- faults ---- */

static const struct mps_client *culprit_of(const struct server *server, const struct rule *rule)
{
	const struct mps_client *client;

	list_for_each (client, &server->clients, item) {
		const struct device *at = &server->devices[client->device].at;

		if (client->is_failed || (rule->client && client->pid != rule->client) ||
			(rule->gpu != NODE_ANY_GPU && (unsigned)rule->gpu != at->gpu))
			continue;
		return client;
	}
	return NULL;
}

static void fault_strike(struct server *server, const struct rule *rule)
{
	const struct mps_client *culprit = culprit_of(server, rule);
	struct mps_client *client;
	char text[64];
	unsigned gpu;

	if (!culprit)
		return;
	gpu = server->devices[culprit->device].at.gpu;
	journal("Server", "Server is handling a fatal GPU error.");
	if (!rule->is_unnamed)
		journal("Server", "Client process %d encountered a fatal GPU error.",
			(int)culprit->pid);
	list_for_each (client, &server->clients, item) {
		if (server->devices[client->device].at.gpu != gpu)
			continue;
		journal("Server", "Status of client %s is INACTIVE",
			client_text(server, client, text));
		client_fail(client, CUDA_LAUNCH_FAILED);
		client->is_affected = true;
	}
	server->is_fault = true;

	wire_send(server->control, "FAULT", -1);
}

static void fault_look(struct server *server)
{
	int32_t pids[CLIENTS_FROM_VOLTA];
	struct mps_party party = {
		.gpus = 0, .server = getpid(), .control = server->control_pid, .clients = pids
	};
	const struct mps_client *client;
	struct rule rule;

	list_for_each (client, &server->clients, item) {
		if (client->is_failed || party.n_clients == ARRAY_SIZE(pids))
			continue;
		pids[party.n_clients++] = client->pid;
		party.gpus |= 1ull << server->devices[client->device].at.gpu;
	}
	if (party.n_clients && mps_rule_take(server->node, RULE_MPS_FAULT, &party, &rule))
		fault_strike(server, &rule);
}

/* The last one that was affected has left. */
static void fault_heal(struct server *server)
{
	const struct mps_client *client;

	list_for_each (client, &server->clients, item)
		if (client->is_affected)
			return;
	if (!server->is_fault)
		return;
	server->is_fault = false;
	for (unsigned i = 0; i < server->n_devices; i++)
		journal("Server", "Destroy server context on device %u", i);
	for (unsigned i = 0; i < server->n_devices; i++)
		journal_context(server, i);
	wire_send(server->control, "ACTIVE", -1);
}

/* ---- life ---- */

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
	struct pollfd polled[1 + CLIENTS_FROM_VOLTA * LIMITS_DEVICES];
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
