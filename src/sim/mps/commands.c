/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command language of v2: a table, and what each command does. Answers are NVIDIA's, word for
 * word, also where they are odd; arguments are read as scanf() reads them, so that what is no
 * number or is missing is 0, and what follows does not count.
 */
#include "sim/mps/commands.h"

#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/v3.h"
#include "sim/mps/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum from { FROM_ANY, FROM_STATUS, FROM_PARTITIONS };

struct command {
	const char *name;
	enum from from; /* what the dialect must have */
	void (*run)(struct control *control, struct visitor *visitor, const char *rest);
};

void answer(struct visitor *visitor, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	journal("Control", "%s", line);
	buf_addf(&visitor->answer, "%s\n", line);
}

bool command_is_privileged(struct visitor *visitor, uid_t owner, const char *what)
{
	if (visitor->uid == 0 || visitor->uid == owner)
		return true;
	answer(visitor, "Insufficient privileges for UID %u. %s", (unsigned)visitor->uid, what);
	return false;
}

bool command_may_set(struct visitor *visitor)
{
	/* Spelt as NVIDIA has it. */
	return command_is_privileged(visitor, geteuid(),
		"Control dea"
		"mon settings can only be modified by the user started it or by the "
		"root user.");
}

struct mps_server *command_find_server(struct control *control, struct visitor *visitor, int pid)
{
	struct mps_server *server = server_find(control, pid);

	if (!server)
		answer(visitor, "Server %d not found", pid);
	return server;
}

void ask(struct visitor *visitor, struct mps_server *server, const char *format, ...)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "ASK %u ", visitor->number);
	va_list args;

	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	/* Also where its queue is full, for it is hung: who asks waits. */
	wire_send(server->fd, text, -1);
	visitor_await(visitor, server->pid);
}

int command_number(const char *rest)
{
	int number = 0;

	return sscanf(rest, "%d", &number) == 1 ? number : 0;
}

static void get_server_list(struct control *control, struct visitor *visitor, const char *rest)
{
	const struct mps_server *server;

	list_for_each (server, &control->servers, item)
		answer(visitor, "%d", (int)server->pid);
}

static void get_server_status(struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server;
	int pid;

	if (sscanf(rest, "%d", &pid) != 1) {
		answer(visitor, "A server PID is required");
		return;
	}
	server = command_find_server(control, visitor, pid);
	if (server && !server->is_ready)
		answer(visitor, "INITIALIZING");
	else if (server)
		ask(visitor, server, "status");
}

static void start_server(struct control *control, struct visitor *visitor, const char *rest)
{
	char option[16];
	int uid;

	if (sscanf(rest, "%15s %d", option, &uid) != 2 || !text_eq(option, "-uid"))
		answer(visitor, "A user id (UID) is required to start a new server");
	else if (control->is_ending)
		answer(visitor, "The MPS control daemon is shutting down");
	else if (command_is_privileged(visitor, (uid_t)uid,
			 "Only the root user may start server for another user.") &&
		 !server_of(control, (uid_t)uid))
		server_start(control, (uid_t)uid);
}

static void shutdown_server(struct control *control, struct visitor *visitor, const char *rest)
{
	char option[16] = "";
	int pid = 0;
	struct mps_server *server;

	sscanf(rest, "%d %15s", &pid, option);
	server = command_find_server(control, visitor, pid);
	if (server && command_is_privileged(visitor, server->uid,
			      "Only the root user may shutdown another user's server."))
		server_shut_down(control, server, text_eq(option, "-f"));
}

static void get_client_list(struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server = command_find_server(control, visitor, command_number(rest));

	if (server)
		ask(visitor, server, "clients");
}

static void get_device_client_list(
	struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server;
	int pid = command_number(rest);

	if (pid) {
		server = command_find_server(control, visitor, pid);
		if (server)
			ask(visitor, server, "devices");
		return;
	}
	list_for_each (server, &control->servers, item)
		ask(visitor, server, "devices");
}

static void ps_header(const struct control *control, struct visitor *visitor)
{
	if (control->dialect.has_status)
		answer(visitor, "%-10s%-10s%-15s%-15s%-*s%-15s%-15s%-15s", "PID", "ID", "SERVER",
			"STATUS", 45, "DEVICE", "NAMESPACE", "COMMAND", "ATTRIBUTES");
	else
		answer(visitor, "%-10s%-10s%-15s%-*s%-15s%-15s%-15s", "PID", "ID", "SERVER", 45,
			"DEVICE", "NAMESPACE", "COMMAND", "ATTRIBUTES");
}

static void ps(struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server;
	char option[16] = "";
	int pid = 0;

	if (sscanf(rest, "%15s %d", option, &pid) >= 1 && text_eq(option, "-p")) {
		server = command_find_server(control, visitor, pid);
		if (!server) {
			/* Said twice, the second time with a line too many. */
			answer(visitor, "Server %d not found", pid);
			buf_add(&visitor->answer, "\n");
			return;
		}
		ps_header(control, visitor);
		ask(visitor, server, "ps");
		return;
	}
	if (list_is_empty(&control->servers)) {
		answer(visitor, "Server not found");
		return;
	}
	ps_header(control, visitor);
	list_for_each (server, &control->servers, item)
		ask(visitor, server, "ps");
}

static void terminate_client(struct control *control, struct visitor *visitor, const char *rest)
{
	int server_pid = 0, client = 0;
	struct mps_server *server;

	sscanf(rest, "%d %d", &server_pid, &client);
	server = command_find_server(control, visitor, server_pid);
	if (!server) {
		answer(visitor, "Server %d not found!", server_pid);
		answer(visitor, "1");
	} else if (command_is_privileged(visitor, server->uid,
			   "Only the root user may terminate clients on another user's server.")) {
		ask(visitor, server, "terminate %d", client);
	}
}

/* ---- static partitions ---- */

/* They are the server's. */
static void ask_first(
	struct control *control, struct visitor *visitor, const char *question, const char *rest)
{
	struct mps_server *server;

	if (list_is_empty(&control->servers)) {
		answer(visitor, "Server not found");
		return;
	}
	server = container_of(control->servers.next, struct mps_server, item);
	ask(visitor, server, "%s%s", question, rest);
}

static void sm_partition(struct control *control, struct visitor *visitor, const char *rest)
{
	if (command_may_set(visitor))
		ask_first(control, visitor, "partition", rest);
}

static void lspart(struct control *control, struct visitor *visitor, const char *rest)
{
	ask_first(control, visitor, "partitions", "");
}

/* ---- the end ---- */

void command_quit(struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server;
	unsigned timeout;

	if (visitor->uid != 0 && visitor->uid != geteuid()) {
		answer(visitor, "Not enough privilege to execute quit command");
		return;
	}
	control->is_ending = true;
	if (sscanf(rest, " -t %u", &timeout) == 1) {
		journal("Control", "quit command issued with timeout of %u", timeout);
		control->force_at_ns = now_ns() + timeout * 1000000000ull;
	}
	list_for_each (server, &control->servers, item)
		server_shut_down(control, server, false);
	/* The answer is the exit status, when all is over. */
	visitor_await(visitor, 0);
}

static const struct command commands[] = {
	{ "get_server_list", FROM_ANY, get_server_list },
	{ "get_server_status", FROM_STATUS, get_server_status },
	{ "start_server", FROM_ANY, start_server },
	{ "shutdown_server", FROM_ANY, shutdown_server },
	{ "get_client_list", FROM_ANY, get_client_list },
	{ "get_device_client_list", FROM_ANY, get_device_client_list },
	{ "ps", FROM_ANY, ps },
	{ "terminate_client", FROM_ANY, terminate_client },
	{ "get_default_active_thread_percentage", FROM_ANY, command_get_default_percentage },
	{ "set_default_active_thread_percentage", FROM_ANY, command_set_default_percentage },
	{ "get_active_thread_percentage", FROM_ANY, command_get_percentage },
	{ "set_active_thread_percentage", FROM_ANY, command_set_percentage },
	{ "get_default_device_pinned_mem_limit", FROM_ANY, command_get_default_memory },
	{ "set_default_device_pinned_mem_limit", FROM_ANY, command_set_default_memory },
	{ "get_device_pinned_mem_limit", FROM_ANY, command_get_memory },
	{ "set_device_pinned_mem_limit", FROM_ANY, command_set_memory },
	{ "get_default_client_priority", FROM_ANY, command_get_priority },
	{ "set_default_client_priority", FROM_ANY, command_set_priority },
	{ "sm_partition", FROM_PARTITIONS, sm_partition },
	{ "lspart", FROM_PARTITIONS, lspart },
	{ "quit", FROM_ANY, command_quit },
};

static bool is_known(const struct control *control, const struct command *command)
{
	switch (command->from) {
	case FROM_STATUS:
		return control->dialect.has_status;
	case FROM_PARTITIONS:
		return control->is_partitioning;
	default:
		return true;
	}
}

void command_run(struct control *control, struct visitor *visitor, const char *line)
{
	char name[64] = "";
	int end = 0;

	journal("Control", "Cmd:%s", line);
	if (control->is_v3) {
		v3_run(control, visitor, line, " ");
		return;
	}
	sscanf(line, "%63s%n", name, &end);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (text_eq(commands[i].name, name) && is_known(control, &commands[i])) {
			commands[i].run(control, visitor, line + end);
			return;
		}
	answer(visitor, "Unknown command \"%s\"", name);
}
