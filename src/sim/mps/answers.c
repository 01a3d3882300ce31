/* SPDX-License-Identifier: Apache-2.0 */
/* What the control daemon asks its server for a front end: the server alone knows its clients. */
#include "sim/mps/server.h"

#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE_WIDTH 45

static void tell_clients(struct server *server, struct buf *answer)
{
	const struct mps_client *client;

	list_for_each (client, &server->clients, item)
		buf_addf(answer, "%d\n", (int)client->pid);
}

static void tell_devices(struct server *server, struct buf *answer)
{
	const struct mps_client *client;

	for (unsigned i = 0; i < server->n_devices; i++) {
		buf_addf(answer, "%s\n", server->devices[i].uuid);
		list_for_each (client, &server->clients, item)
			if (client->device == i)
				buf_addf(answer, "%d\n", (int)client->pid);
	}
}

/* The number of a process' pid name space. */
static unsigned long long namespace_of(pid_t pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return stat(path, &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

static void command_of(pid_t pid, char ret_command[64])
{
	char path[64];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	*ret_command = '\0';
	if (read_file_at(AT_FDCWD, path, 65536, &text, NULL) == 0)
		text_copy(ret_command, 64, text);
	free(text);
}

static void tell_ps(struct server *server, struct buf *answer)
{
	const struct mps_client *client;
	char command[64], number[32], status[20] = "";

	list_for_each (client, &server->clients, item) {
		command_of(client->pid, command);
		snprintf(number, sizeof(number), "%llu", namespace_of(client->pid));
		if (server->dialect.has_status)
			snprintf(status, sizeof(status), "%-15s",
				client->is_failed ? "FAULT" : "ACTIVE");
		buf_addf(answer, "%-10d%-10u%-15d%s%-*s%-15s%-15s%-15s\n", (int)client->pid,
			client->id, (int)getpid(), status, DEVICE_WIDTH,
			server->devices[client->device].uuid, number, command, "");
	}
}

/* ---- v3 ---- */

/* Ready-made columns of this server, with its status at the star, and its clients' contexts. */
static void tell_row(struct server *server, const char *row, struct buf *answer)
{
	const char *star = strchr(row, '*') ?: row;
	const struct mps_client *client;
	bool is_first = true;

	buf_add_n(answer, row, (size_t)(star - row));
	buf_addf(answer, "%s%s,", server->is_fault ? "Fault" : "Ready", star + 1);
	list_for_each (client, &server->clients, item) {
		buf_addf(answer, "%s%u", is_first ? "" : ";", client->id);
		is_first = false;
	}
	buf_add(answer, is_first ? "-\n" : "\n");
}

static void tell_rows(struct server *server, const char *name, struct buf *answer)
{
	const struct mps_client *client;
	char command[64];

	list_for_each (client, &server->clients, item) {
		command_of(client->pid, command);
		buf_addf(answer, "%d,%s,%u,%s,%s\n", (int)client->pid, name, client->device,
			client->space, command);
	}
}

static bool terminate_all(struct server *server, pid_t pid)
{
	struct mps_client *client;
	bool found = false;
	char text[64];

	list_for_each (client, &server->clients, item) {
		if (client->pid != pid || client->is_failed)
			continue;
		found = true;
		journal("Server", "Status of client %s is INACTIVE",
			client_text(server, client, text));
		client_fail(client, CUDA_MPS_CLIENT_TERMINATED);
	}
	return found;
}

static void terminate(struct server *server, pid_t pid, struct buf *answer)
{
	bool found = terminate_all(server, pid);

	if (!found)
		buf_addf(answer, "Invalid process %d!\n", (int)pid);
	buf_addf(answer, "%d\n", !found);
}

void server_answer(struct server *server, unsigned number, const char *question)
{
	AUTO_BUF answer = { 0 };
	int pid;

	buf_addf(&answer, "ANSWER %u ", number);
	if (text_eq(question, "status"))
		buf_addf(&answer, "%s\n", server->is_fault ? "FAULT" : "ACTIVE");
	else if (text_eq(question, "clients"))
		tell_clients(server, &answer);
	else if (text_eq(question, "devices"))
		tell_devices(server, &answer);
	else if (text_eq(question, "ps"))
		tell_ps(server, &answer);
	else if (text_eq(question, "partitions"))
		partition_list(server, &answer);
	else if (text_starts(question, "partition "))
		partition_run(server, question + strlen("partition "), &answer);
	else if (text_starts(question, "row "))
		tell_row(server, question + strlen("row "), &answer);
	else if (text_starts(question, "rows "))
		tell_rows(server, question + strlen("rows "), &answer);
	else if (sscanf(question, "end %d", &pid) == 1)
		terminate_all(server, pid);
	else if (sscanf(question, "terminate %d", &pid) == 1)
		terminate(server, pid, &answer);
	wire_send(server->control, buf_text(&answer), -1);
}
