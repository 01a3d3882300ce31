/* SPDX-License-Identifier: Apache-2.0 */
/* What a server has of the node, and how it gets it when it starts. */
#include "sim/mps/server.h"

#include "abi/nvml.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/node/inject.h"
#include "sim/node/mps_rule.h"
#include "sim/node/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERVER_BYTES (30ull << 20)
#define LOOK_NS	     25000000ull

#define CLIENTS_BEFORE_VOLTA 16
#define VOLTA_MAJOR	     7

#define CHUNK_FROM_HOPPER   8
#define CHUNK_BEFORE_HOPPER 4
#define HOPPER_MAJOR	    9

/* A MIG device has the hardware for so many clients as its part of the GPU is. */
static void measure(const struct node *node, struct mps_device *device)
{
	const struct gpu *gpu = &node->gpus[device->at.gpu];
	unsigned most = gpu->product.compute_major >= VOLTA_MAJOR ? SERVER_CLIENTS_MAX
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

static unsigned find_devices(struct server *server)
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

static int start_failed(const char *why)
{
	journal("Server", "Failed to start : %s", why);
	return -1;
}

void server_journal_context(const struct server *server, unsigned device)
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

		server_journal_context(server, i);
		r = process_add(server->node, device->at.gpu, &process);
		if (r == NVML_ERROR_IN_USE)
			return start_failed("CUDA-capable device(s) is/are busy or unavailable");
		if (r != NVML_SUCCESS)
			return start_failed(inject_code_name(r) ?: "unknown error");
	}
	if (server->dialect.has_binary_version) {
		journal("Server", "CUDA MPS Server for Linux/Unix. Binary version: %d",
			(int)server->node->settings.cuda_version);
		journal("Server", "Display Driver version: %.*s",
			(int)strcspn(server->dialect.version, "."), server->dialect.version);
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

/* As long as there is a node to start on. */
static void wait_for(const struct server *server, uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (now_ns() < end && node_is_there(server->node)) {
		uint64_t left = end - now_ns();

		node_work(left < LOOK_NS ? left : LOOK_NS);
	}
}

int server_start(struct server *server)
{
	struct mps_party party;
	struct rule rule;

	if (!text_eq(server->dialect.version, server->node->settings.driver_version))
		return start_failed("system has unsupported display driver / cuda driver "
				    "combination");
	find_devices(server);
	party = (struct mps_party){
		.gpus = server_gpus(server), .server = getpid(), .control = server->control_pid
	};
	wait_for(server, server->node->settings.mps_start_ns);
	if (mps_rule_take(server->node, RULE_MPS_START, &party, &rule)) {
		wait_for(server, rule.delay_ns);
		if (rule.action == RULE_FAIL)
			return start_failed("unknown error");
	}
	if (!server->n_devices)
		return start_failed("no CUDA-capable device is detected");
	return create_contexts(server);
}
