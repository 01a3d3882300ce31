/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static partitions of a server's SMs (-S). They are cut in chunks; what is left over is nobody's.
 * A partition's id says nothing; NVIDIA's looks so too.
 */
#include "sim/mps/server.h"

#include <stdio.h>
#include <stdlib.h>

#define WHOLE_NAME 128

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void whole_name(
	const struct server *server, const struct partition *partition, char ret_name[WHOLE_NAME])
{
	snprintf(ret_name, WHOLE_NAME, "%s/%s", server->devices[partition->device].uuid,
		partition->id);
}

const struct partition *partition_find(const struct server *server, const char *name)
{
	const struct partition *partition;
	char whole[WHOLE_NAME];

	list_for_each (partition, &server->partitions, item) {
		whole_name(server, partition, whole);
		if (text_eq(whole, name))
			return partition;
	}
	return NULL;
}

unsigned partition_clients(const struct server *server, const struct partition *partition)
{
	const struct mps_client *client;
	unsigned n = 0;

	list_for_each (client, &server->clients, item)
		n += client->partition == partition;
	return n;
}

static unsigned chunks_used(const struct server *server, unsigned device)
{
	const struct partition *partition;
	unsigned n = 0;

	list_for_each (partition, &server->partitions, item)
		if (partition->device == device)
			n += partition->chunks;
	return n;
}

static unsigned chunks_free(const struct server *server, unsigned device)
{
	return server->devices[device].sm / server->devices[device].chunk -
	       chunks_used(server, device);
}

/* By the beginning of its UUID, if it is the only one. */
static int device_of(const struct server *server, const char *uuid)
{
	int found = -1;

	for (unsigned i = 0; i < server->n_devices; i++) {
		if (!text_starts(server->devices[i].uuid, uuid))
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

static void partition_add(
	struct server *server, unsigned device, unsigned chunks, struct buf *answer)
{
	struct partition *partition;
	char name[WHOLE_NAME];
	unsigned n;

	if (!chunks || chunks > chunks_free(server, device)) {
		buf_addf(answer,
			"Failed to fulfill the requested SM partition of %u chunks, error "
			"CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION\n",
			chunks);
		return;
	}
	partition = must_alloc(1, sizeof(*partition));
	*partition = (struct partition){ .device = device, .chunks = chunks };
	n = ++server->next_partition;
	snprintf(partition->id, sizeof(partition->id), "%cx%c%c%s", letters[device % 64],
		letters[n / 64 % 64], letters[n % 64], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	list_add_tail(&server->partitions, &partition->item);
	whole_name(server, partition, name);
	buf_addf(answer, "Partition %s created\n", name);
}

static void partition_remove(
	struct server *server, unsigned device, const char *id, struct buf *answer)
{
	struct partition *partition, *after;
	const char *slash = strchr(id, '/');
	char name[WHOLE_NAME];

	/* Its whole name will do. */
	if (text_starts(id, "GPU-") && slash)
		id = slash + 1;
	list_for_each_safe (partition, after, &server->partitions, item) {
		if (partition->device != device || !text_eq(partition->id, id))
			continue;
		whole_name(server, partition, name);
		if (partition_clients(server, partition)) {
			buf_addf(answer, "Failed to remove the SM partition %s: it is in use\n",
				name);
			return;
		}
		list_remove(&partition->item);
		free(partition);
		buf_addf(answer, "Partition %s removed\n", name);
		return;
	}
	buf_addf(answer, "Failed to find the SM partition %s\n", id);
}

void partition_run(struct server *server, const char *words, struct buf *answer)
{
	char verb[8] = "", uuid[UUID_TEXT_MAX] = "", what[WHOLE_NAME] = "";
	uint32_t chunks = 0;
	int device;

	_Static_assert(UUID_TEXT_MAX >= 45 && WHOLE_NAME == 128, "the widths below");
	if (sscanf(words, "%7s %44s %127s", verb, uuid, what) != 3 ||
		(!text_eq(verb, "add") && !text_eq(verb, "rm"))) {
		buf_add(answer, "Usage: sm_partition add <device UUID> <number of chunks> | rm "
				"<device UUID> <partition>\n");
		return;
	}
	device = device_of(server, uuid);
	if (device < 0) {
		buf_addf(answer, "Failed to find the device %s\n", uuid);
	} else if (text_eq(verb, "rm")) {
		partition_remove(server, (unsigned)device, what, answer);
	} else {
		parse_u32(what, &chunks);
		partition_add(server, (unsigned)device, chunks, answer);
	}
}

void partition_list(const struct server *server, struct buf *answer)
{
	const struct partition *partition;

	buf_addf(answer, "%-14s%-37s%-7s%-7s%-7s%-7s%s\n", "GPU", "Partition", "free", "used",
		"free", "used", "clients");
	buf_addf(answer, "%-14s%-37s%-7s%-7s%-7s%-7s\n", "", "", "chunk", "chunk", "SM", "SM");
	for (unsigned i = 0; i < server->n_devices; i++) {
		const struct mps_device *device = &server->devices[i];
		unsigned used = chunks_used(server, i), sm = used * device->chunk;

		buf_addf(answer, "%-14.12s%-37s%-7u%-7u%-7u%-7u-\n", device->uuid, "-",
			chunks_free(server, i), used, device->sm - sm, sm);
		list_for_each (partition, &server->partitions, item)
			if (partition->device == i)
				buf_addf(answer, "%-14.12s%-37s%-7s%-7u%-7s%-7u%s\n", device->uuid,
					partition->id, "-", partition->chunks, "-",
					partition->chunks * device->chunk,
					partition_clients(server, partition) ? "Yes" : "No");
	}
}
