/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's fatal fault: all clients on the same GPU fail with it, and until the last of them has
 * left the server takes no new ones, on whichever GPU.
 */
#include "sim/mps/server.h"

#include "sim/mps/journal.h"
#include "sim/mps/wire.h"
#include "sim/node/gpu.h"
#include "sim/node/mps_rule.h"

#include <unistd.h>

#define XID_MMU_FAULT 31

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
	gpu_xid(server->node, gpu, XID_MMU_FAULT, server->devices[culprit->device].at.gi,
		server->devices[culprit->device].at.ci);
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

void fault_look(struct server *server)
{
	int32_t pids[SERVER_CLIENTS_MAX];
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

void fault_heal(struct server *server)
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
		server_journal_context(server, i);
	wire_send(server->control, "ACTIVE", -1);
}
