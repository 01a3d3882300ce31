/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients of a server: who is let in, with how much. A client's environment can only tighten
 * what the server gives.
 */
#include "sim/mps/server.h"

#include "sim/mps/journal.h"
#include "sim/mps/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SM_STEP 2 /* SMs come in pairs */

const char *client_text(
	const struct server *server, const struct mps_client *client, char ret_text[64])
{
	snprintf(ret_text, 64,
		server->dialect.has_binary_version ? "{PID: %d, Context ID: %u}" : "{%d, %u}",
		(int)client->pid, client->id);
	return ret_text;
}

/* Its device among the server's: by index, UUID, or the first one. -1: none. */
static int choose_device(const struct server *server, const char *request)
{
	char name[512];
	uint32_t index;

	if (!wire_value(request, "visible", name, sizeof(name)))
		return server->n_devices ? 0 : -1;
	name[strcspn(name, ",")] = '\0';
	if (parse_u32(name, &index) == 0)
		return index < server->n_devices ? (int)index : -1;
	for (unsigned i = 0; i < server->n_devices; i++)
		if (text_eq(server->devices[i].uuid, name) ||
			(text_starts(name, "GPU-") && text_starts(server->devices[i].uuid, name)))
			return (int)i;
	return -1;
}

static unsigned clients_on(const struct server *server, unsigned device)
{
	const struct mps_client *client;
	unsigned n = 0;

	list_for_each (client, &server->clients, item)
		n += client->device == device;
	return n;
}

static uint64_t tighter(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static const struct partition *partition_of(const struct server *server, const char *request)
{
	char name[128];

	if (!server->is_partitioning || !wire_value(request, "partition", name, sizeof(name)))
		return NULL;
	return partition_find(server, name);
}

static void set_limits(const struct server *server, const char *request, struct mps_client *client)
{
	const struct mps_device *device = &server->devices[client->device];
	char text[512];
	double own;

	client->memory = server->limits.memory[client->device];
	client->percentage = server->limits.percentage;
	if (wire_value(request, "space_memory", text, sizeof(text)))
		client->memory = strtoull(text, NULL, 10);
	if (wire_value(request, "memory", text, sizeof(text)))
		client->memory = tighter(client->memory, limits_memory_of(text, device->uuid));
	if (wire_value(request, "percentage", text, sizeof(text)) &&
		limits_percentage_parse(text, &own) && own < client->percentage)
		client->percentage = own;
	/* A namespace's percentage is in the place of the client's own. */
	if (wire_value(request, "space_percentage", text, sizeof(text)) &&
		limits_percentage_parse(text, &own))
		client->percentage = own;
	wire_value(request, "space", client->space, sizeof(client->space));
	client->sm = (unsigned)(device->sm * client->percentage / 100);
	client->sm += client->sm % SM_STEP;
	client->sm = client->sm < SM_STEP ? SM_STEP : client->sm;
	/* Percentages do not count beside static partitions. */
	client->partition = partition_of(server, request);
	if (client->partition) {
		client->sm = client->partition->chunks * device->chunk;
		client->percentage = 100.0 * client->sm / device->sm;
	}
}

static int refusal(const struct server *server, int device, const char *request)
{
	const struct partition *partition = partition_of(server, request);
	if (server->is_fault)
		return CUDA_MPS_SERVER_NOT_READY;
	if (device < 0)
		return CUDA_NO_DEVICE;
	if (server->is_partitioning && (!partition || partition->device != (unsigned)device))
		return CUDA_INVALID_RESOURCE_CONFIGURATION;
	if (clients_on(server, (unsigned)device) >= server->devices[device].most_clients) {
		journal("Server",
			"Failed to accept new client. Maximum number of clients (%u) reached.",
			server->devices[device].most_clients);
		return CUDA_MPS_MAX_CLIENTS_REACHED;
	}
	return 0;
}

static void refuse(int fd, int code)
{
	char text[32];

	snprintf(text, sizeof(text), "ERROR %d", code);
	wire_send(fd, text, -1);
	close(fd);
}

static void welcome(const struct server *server, const struct mps_client *client)
{
	const struct mps_device *device = &server->devices[client->device];
	char text[512];

	snprintf(text, sizeof(text),
		"OK\nserver=%d\ndevice=%s\nmemory=%llu\npercentage=%.1f\nsm=%u\nid=%u\n",
		(int)getpid(), device->uuid, (unsigned long long)client->memory, client->percentage,
		client->sm, client->id);
	wire_send(client->fd, text, -1);
}

void client_join(struct server *server, int fd, const char *request)
{
	int device = choose_device(server, request), code = refusal(server, device, request);
	struct mps_client *client;
	char text[64];
	pid_t pid;
	uid_t uid;

	if (!wire_peer(fd, &pid, &uid)) {
		close(fd);
		return;
	}
	if (code) {
		refuse(fd, code);
		return;
	}
	client = must_alloc(1, sizeof(*client));
	*client = (struct mps_client){
		.fd = fd, .pid = pid, .id = server->next_id++, .device = (unsigned)device
	};
	set_limits(server, request, client);
	list_add_tail(&server->clients, &client->item);
	client_text(server, client, text);
	journal("Server", "Received new client request");
	if (server->dialect.has_binary_version)
		journal("Server", "Client %s connected", text);
	journal("Server", "Creating worker thread");
	journal("Server", "Device %s (uuid %s) is associated",
		server->node->gpus[server->devices[device].at.gpu].product.name,
		server->devices[device].uuid);
	journal("Server", "Status of client %s is ACTIVE", text);
	welcome(server, client);
	clients_count(server, client->space);
}

void clients_count(const struct server *server, const char *space)
{
	const struct mps_client *client;
	char text[96];
	unsigned n = 0;

	if (!space[0] || server->control < 0)
		return;
	list_for_each (client, &server->clients, item)
		n += text_eq(client->space, space);
	snprintf(text, sizeof(text), "COUNT %u %s", n, space);
	wire_send(server->control, text, -1);
}

void client_fail(struct mps_client *client, int code)
{
	char text[32];

	snprintf(text, sizeof(text), "ERROR %d", code);
	wire_send(client->fd, text, -1);
	client->is_failed = true;
}

void client_leave(struct server *server, struct mps_client *client)
{
	char text[64];

	journal("Server", "Receive command failed, assuming client exit");
	journal("Server", "Client %s exit", client_text(server, client, text));
	journal("Server", "Client process disconnected");
	list_remove(&client->item);
	clients_count(server, client->space);
	close(client->fd);
	free(client);
}
