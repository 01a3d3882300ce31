/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers of a control daemon. There is one a user, and one user at a time: a client of another
 * one waits, the server that is there is asked to end when its clients are gone, and then the
 * client's own is started.
 */
#include "sim/mps/daemon.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/v3.h"
#include "sim/mps/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SERVER_PROGRAM	      "nvidia-cuda-mps-server"
#define SERVER_FD	      3 /* to the control daemon */
#define SERVER_LOG_FD	      4
#define MPS_CONNECTION_FAILED "ERROR 805"
#define MPS_SERVER_NOT_READY  "ERROR 807"

struct mps_server *server_find(struct control *control, pid_t pid)
{
	struct mps_server *server;

	list_for_each (server, &control->servers, item)
		if (server->pid == pid)
			return server;
	return NULL;
}

struct mps_server *server_of(struct control *control, uid_t uid)
{
	struct mps_server *server;

	list_for_each (server, &control->servers, item)
		if (server->uid == uid)
			return server;
	return NULL;
}

/* The server's program lies beside this one. */
static void server_path(char ret_path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
	char *slash;

	ret_path[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret_path, '/');
	snprintf(slash ? slash + 1 : ret_path,
		PATH_MAX - (size_t)(slash ? slash + 1 - ret_path : 0), SERVER_PROGRAM);
}

/* Where the server's lines go: v3 has a file for each. */
static int server_log(const struct control *control, const struct named *named)
{
	char path[400];

	if (!named)
		return control->server_log;
	snprintf(path, sizeof(path), "%s/%s", control->log_dir, named->name);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/server.log", control->log_dir, named->name);
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

static void server_exec(const struct control *control, uid_t uid, const struct named *named, int fd)
	__attribute__((noreturn));

static void server_exec(const struct control *control, uid_t uid, const struct named *named, int fd)
{
	char path[PATH_MAX], number[16];
	int null = open("/dev/null", O_RDWR), log = server_log(control, named);
	sigset_t none;

	journal("Control", "Starting new server %d for user %d", (int)getpid(), (int)uid);
	if (uid != geteuid() && setuid(uid) < 0) {
		journal("Control", "Failed to start server using uid %d. %s", (int)uid,
			strerror(errno));
		_exit(EXIT_FAILURE);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	server_path(path);
	snprintf(number, sizeof(number), "%d", (int)getppid());
	setenv("CARVE_SIM_NODE", control->node->dir, 1);
	if (named && named->allowed[0])
		setenv("CUDA_VISIBLE_DEVICES", named->allowed, 1);
	/* Away from the places that are about to be filled. */
	fd = fcntl(fd, F_DUPFD, SERVER_LOG_FD + 1);
	null = fcntl(null, F_DUPFD, SERVER_LOG_FD + 1);
	log = log >= 0 ? fcntl(log, F_DUPFD, SERVER_LOG_FD + 1) : null;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(log, SERVER_LOG_FD);
	dup2(fd, SERVER_FD);
	close_from(SERVER_LOG_FD + 1);
	execl(path, SERVER_PROGRAM, "--control", number, "--pipe", control->pipe_dir,
		control->is_partitioning ? "--static-partitioning" : NULL, NULL);
	_exit(EXIT_FAILURE);
}

void server_launch(struct control *control, uid_t uid, struct named *named)
{
	struct mps_server *server;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	pid = fork();
	if (pid == 0)
		server_exec(control, uid, named, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		journal("Control", "Failed to start server using uid %d. %s", (int)uid,
			strerror(errno));
		close(pair[0]);
		return;
	}
	server = must_alloc(1, sizeof(*server));
	*server = (struct mps_server){ .pid = pid,
		.uid = uid,
		.fd = pair[0],
		.named = named,
		.limits = named ? LIMITS_NONE : control->defaults };
	if (named)
		named->process = server;
	list_add_tail(&control->servers, &server->item);
	server_tell_limits(server);
}

bool server_is_for(const struct mps_server *server, const struct visitor *visitor)
{
	if (!visitor->request)
		return false;
	return visitor->named ? visitor->named == server->named : visitor->uid == server->uid;
}

void server_start(struct control *control, uid_t uid)
{
	struct mps_server *other;

	if (list_is_empty(&control->servers)) {
		server_launch(control, uid, NULL);
		return;
	}
	control->is_wanted = true;
	control->wanted_uid = uid;
	list_for_each (other, &control->servers, item)
		if (!other->is_leaving)
			server_shut_down(control, other, false);
}

void server_tell_limits(struct mps_server *server)
{
	AUTO_BUF text = { 0 };

	buf_addf(&text, "LIMITS percentage=%f\npriority=%u\n", server->limits.percentage,
		server->limits.priority);
	for (unsigned i = 0; i < LIMITS_DEVICES; i++)
		buf_addf(&text, "memory%u=%llu\n", i, (unsigned long long)server->limits.memory[i]);
	wire_send(server->fd, buf_text(&text), -1);
}

void server_shut_down(struct control *control, struct mps_server *server, bool by_force)
{
	if (by_force) {
		journal("Control", "Force shutting down server %d", (int)server->pid);
		server->is_forced = true;
		kill(server->pid, SIGKILL);
		return;
	}
	server->is_leaving = true;
	wire_send(server->fd, "LEAVE", -1);
}

void servers_tick(struct control *control)
{
	uint64_t now = now_ns();
	struct mps_server *server;

	list_for_each (server, &control->servers, item) {
		bool is_late = (control->force_at_ns && now >= control->force_at_ns) ||
			       (server->force_at_ns && now >= server->force_at_ns);

		if (!is_late || server->is_forced)
			continue;
		control->status = 1;
		server_shut_down(control, server, true);
	}
}

/* Front ends that waited for it learn that there is no such server any more. */
static void forget_asked(struct control *control, const struct mps_server *server)
{
	struct visitor *visitor;

	list_for_each (visitor, &control->visitors, item) {
		if (!visitor_awaits_no_more(visitor, server->pid))
			continue;
		if (!control->is_v3)
			buf_addf(&visitor->answer, "Server %d not found\n", (int)server->pid);
		visitor_answer(visitor);
	}
}

/* Clients that wait for a server that did not come up. */
static void refuse_waiting(struct control *control, const struct mps_server *server)
{
	struct visitor *visitor, *after;

	list_for_each_safe (visitor, after, &control->visitors, item) {
		if (!server_is_for(server, visitor))
			continue;
		wire_send(visitor->fd, MPS_CONNECTION_FAILED, -1);
		visitor_free(visitor);
	}
}

static void start_next(struct control *control)
{
	struct visitor *visitor;

	if (control->is_ending || control->is_v3 || !list_is_empty(&control->servers))
		return;
	if (control->is_wanted) {
		control->is_wanted = false;
		server_launch(control, control->wanted_uid, NULL);
		return;
	}
	list_for_each (visitor, &control->visitors, item)
		if (visitor->request) {
			server_launch(control, visitor->uid, NULL);
			return;
		}
}

void server_ended(struct control *control, struct mps_server *server, int status)
{
	journal("Control", "Server %d exited with status %d", (int)server->pid, status);
	control->status |= status != 0;
	list_remove(&server->item);
	forget_asked(control, server);
	if (!server->is_ready)
		refuse_waiting(control, server);
	if (server->named) {
		struct space *space;

		server->named->process = NULL;
		list_for_each (space, &server->named->spaces, item)
			space->n_clients = 0;
	}
	close(server->fd);
	free(server);
	start_next(control);
}

static void give_waiting(struct control *control, const struct mps_server *server)
{
	struct visitor *visitor, *after;

	list_for_each_safe (visitor, after, &control->visitors, item)
		if (server_is_for(server, visitor))
			client_place(control, visitor);
}

/* "COUNT n space": so many clients are in it. */
static void count_clients(struct mps_server *server, const char *text)
{
	struct space *space;
	unsigned n;
	int at = 0;

	if (sscanf(text, "COUNT %u %n", &n, &at) != 1 || !server->named)
		return;
	space = space_find(server->named, text + at);
	if (space)
		space->n_clients = n;
}

/* "ANSWER N text" */
static void pass_answer(struct control *control, const struct mps_server *server, const char *text)
{
	struct visitor *visitor;
	unsigned number;
	int at = 0;

	if (sscanf(text, "ANSWER %u %n", &number, &at) != 1)
		return;
	list_for_each (visitor, &control->visitors, item) {
		if (visitor->number != number || !visitor_awaits_no_more(visitor, server->pid))
			continue;
		buf_add(&visitor->answer, text + at);
		visitor_answer(visitor);
	}
}

void server_said(struct control *control, struct mps_server *server, const char *text)
{
	if (text_starts(text, "ANSWER ")) {
		pass_answer(control, server, text);
	} else if (text_eq(text, "READY")) {
		server->is_ready = true;
		journal("Control", "NEW SERVER %d: Ready", (int)server->pid);
		give_waiting(control, server);
	} else if (text_starts(text, "COUNT ")) {
		count_clients(server, text);
	} else if (text_eq(text, "ACTIVE")) {
		server->is_fault = false;
	} else if (text_eq(text, "FAULT")) {
		server->is_fault = true;
		journal("Control", "Server encountered a fatal exception. Shutting down");
	} else if (text_starts(text, "BUSY ")) {
		journal("Control",
			"Server %d has %s active worker threads. Server will not shutdown.",
			(int)server->pid, text + strlen("BUSY "));
	}
}

static void client_refuse(struct visitor *visitor, const char *error)
{
	wire_send(visitor->fd, error, -1);
	visitor_free(visitor);
}

/* What the client asks for, and what its namespace lets it have. */
static void client_pass(struct mps_server *server, struct visitor *visitor)
{
	const struct space *space = visitor->space;
	AUTO_BUF text = { 0 };

	journal("Control", "NEW CLIENT %d from user %d: Server already exists", (int)visitor->pid,
		(int)visitor->uid);
	buf_add(&text, visitor->request);
	if (space)
		buf_addf(&text, "space=%s\nspace_memory=%llu\nspace_percentage=%f\n", space->name,
			(unsigned long long)space->memory, space->percentage);
	wire_send(server->fd, buf_text(&text), visitor->fd);
	visitor_free(visitor);
}

void client_place(struct control *control, struct visitor *visitor)
{
	struct mps_server *server;

	if (control->is_ending) {
		client_refuse(visitor, MPS_CONNECTION_FAILED);
		return;
	}
	if (control->is_v3 && !visitor->named) {
		visitor->named = named_of(control, visitor->uid);
		visitor->space = visitor->named ? space_find(visitor->named, V3_DEFAULT) : NULL;
	}
	if (control->is_v3 && (!visitor->space || visitor->named->uid != visitor->uid)) {
		client_refuse(visitor, MPS_SERVER_NOT_READY);
		return;
	}
	server = visitor->named ? visitor->named->process : server_of(control, visitor->uid);
	if (server && server->is_ready) {
		client_pass(server, visitor);
		return;
	}
	journal("Control",
		"NEW CLIENT %d from user %d: Server is not ready, push client to pending list",
		(int)visitor->pid, (int)visitor->uid);
	if (!server && visitor->named)
		server_launch(control, visitor->named->uid, visitor->named);
	else if (!server)
		server_start(control, visitor->uid);
}
