/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A server: the devices that it has, and its clients. */

#include "base/list.h"
#include "sim/mps/codes.h"
#include "sim/mps/dialect.h"
#include "sim/mps/limits.h"
#include "sim/node/identity.h"
#include "sim/program/devices.h"

#include <sys/types.h>

#define SERVER_CLIENTS_MAX 48 /* on a GPU, from Volta on */

struct mps_device {
	struct device at;
	char uuid[UUID_TEXT_MAX];
	unsigned sm;
	unsigned most_clients;
	unsigned chunk; /* SMs of the smallest static partition */
};

/* A static partition: a part of the SMs that only its own clients use. */
struct partition {
	struct list item;
	char id[64]; /* behind the device's UUID and a slash */
	unsigned device, chunks;
};

struct mps_client {
	struct list item;
	int fd;
	pid_t pid;
	unsigned id; /* of its context */
	unsigned device;
	bool is_failed;	  /* it cannot go on; it stays until its process lets go */
	bool is_affected; /* by a fatal fault: the server waits for it to leave */
	uint64_t memory;  /* bytes at most; 0: no limit */
	double percentage;
	unsigned sm;
	const struct partition *partition;
	char space[65]; /* v3: its namespace */
};

struct server {
	struct node *node;
	struct dialect dialect;
	int control; /* the daemon; -1 once it is gone */
	pid_t control_pid;
	struct mps_device devices[LIMITS_DEVICES];
	unsigned n_devices;
	struct limits limits;
	struct list clients;
	unsigned next_id;
	bool is_partitioning;
	struct list partitions;
	unsigned next_partition;
	bool is_fault, is_leaving;
};

/* server_start.c: takes its GPUs; -1, and the log says why, if it cannot. */
int server_start(struct server *server);
void server_journal_context(const struct server *server, unsigned device);
/* A bit for each GPU that it uses. */
uint64_t server_gpus(const struct server *server);

/* fault.c: strikes when a fault is on order; ends it when all that it affected have left. */
void fault_look(struct server *server);
void fault_heal(struct server *server);

/* clients.c: a client comes, with its socket and its wishes (client.h); it is answered. */
void client_join(struct server *server, int fd, const char *request);
/* It cannot go on. */
void client_fail(struct mps_client *client, int code);
void client_leave(struct server *server, struct mps_client *client);
/* Tells the control daemon how many clients a namespace has. */
void clients_count(const struct server *server, const char *space);
/* "{PID: 4267, Context ID: 0}", as this driver's log has it. */
const char *client_text(
	const struct server *server, const struct mps_client *client, char ret_text[64]);

/* partitions.c: the partition with this whole name ("GPU-.../Dx4..."), or NULL. */
const struct partition *partition_find(const struct server *server, const char *name);
unsigned partition_clients(const struct server *server, const struct partition *partition);
/* "add UUID CHUNKS", "rm UUID ID"; and the table of all. */
void partition_run(struct server *server, const char *words, struct buf *answer);
void partition_list(const struct server *server, struct buf *answer);

/* answers.c: a question of the control daemon: "status", "clients", "devices", "ps", "terminate
 * PID", "partition ...", "partitions"; of v3 "row CSV" (a * stands for the
 * status), "rows SERVER", "end PID". */
void server_answer(struct server *server, unsigned number, const char *question);
