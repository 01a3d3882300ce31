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
#include "sim/mps/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SERVER_PROGRAM	      "nvidia-cuda-mps-server"
#define SERVER_FD	      3 /* to the control daemon */
#define SERVER_LOG_FD	      4
#define MPS_CONNECTION_FAILED "ERROR 805"

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

static void server_exec(const struct control *control, uid_t uid, int fd) __attribute__((noreturn));

static void server_exec(const struct control *control, uid_t uid, int fd)
{
	char path[PATH_MAX], number[16];
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	journal("Control", "Starting new server %d for user %d", (int)getpid(), (int)uid);
	if (uid != geteuid() && (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0)) {
		journal("Control", "Failed to start server using uid %d. %s", (int)uid,
			strerror(errno));
		_exit(EXIT_FAILURE);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	server_path(path);
	snprintf(number, sizeof(number), "%d", (int)getppid());
	setenv("CARVE_SIM_NODE", control->node->dir, 1);
	/* Away from the places that are about to be filled. */
	fd = fcntl(fd, F_DUPFD, SERVER_LOG_FD + 1);
	null = fcntl(null, F_DUPFD, SERVER_LOG_FD + 1);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(control->server_log >= 0 ? control->server_log : null, SERVER_LOG_FD);
	dup2(fd, SERVER_FD);
	close_from(SERVER_LOG_FD + 1);
	execl(path, SERVER_PROGRAM, "--control", number, "--pipe", control->pipe_dir,
		control->is_partitioning ? "--static-partitioning" : NULL, NULL);
	_exit(EXIT_FAILURE);
}

static void server_launch(struct control *control, uid_t uid)
{
	struct mps_server *server;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	pid = fork();
	if (pid == 0)
		server_exec(control, uid, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		journal("Control", "Failed to start server using uid %d. %s", (int)uid,
			strerror(errno));
		close(pair[0]);
		return;
	}
	server = must_alloc(1, sizeof(*server));
	*server = (struct mps_server){
		.pid = pid, .uid = uid, .fd = pair[0], .limits = control->defaults
	};
	list_add_tail(&control->servers, &server->item);
	server_tell_limits(server);
}

void server_start(struct control *control, uid_t uid)
{
	struct mps_server *other;

	if (list_is_empty(&control->servers)) {
		server_launch(control, uid);
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

	if (!control->force_at_ns || now < control->force_at_ns)
		return;
	list_for_each (server, &control->servers, item)
		if (!server->is_forced) {
			control->status = 1;
			server_shut_down(control, server, true);
		}
}

/* Front ends that waited for it learn that there is no such server any more. */
static void forget_asked(struct control *control, const struct mps_server *server)
{
	struct visitor *visitor;

	list_for_each (visitor, &control->visitors, item) {
		if (!visitor->n_awaited || visitor->awaited != server->pid)
			continue;
		buf_addf(&visitor->answer, "Server %d not found\n", (int)server->pid);
		visitor->n_awaited--;
		visitor_answer(visitor);
	}
}

/* Clients that wait for this user's server, which did not come up. */
static void refuse_waiting(struct control *control, uid_t uid)
{
	struct visitor *visitor, *after;

	list_for_each_safe (visitor, after, &control->visitors, item) {
		if (!visitor->request || visitor->uid != uid)
			continue;
		wire_send(visitor->fd, MPS_CONNECTION_FAILED, -1);
		visitor_free(visitor);
	}
}

static void start_next(struct control *control)
{
	struct visitor *visitor;

	if (control->is_ending || !list_is_empty(&control->servers))
		return;
	if (control->is_wanted) {
		control->is_wanted = false;
		server_launch(control, control->wanted_uid);
		return;
	}
	list_for_each (visitor, &control->visitors, item)
		if (visitor->request) {
			server_launch(control, visitor->uid);
			return;
		}
}

void server_ended(struct control *control, struct mps_server *server, int status)
{
	bool is_ready = server->is_ready;
	uid_t uid = server->uid;

	journal("Control", "Server %d exited with status %d", (int)server->pid, status);
	control->status |= status != 0;
	list_remove(&server->item);
	forget_asked(control, server);
	close(server->fd);
	free(server);
	if (!is_ready)
		refuse_waiting(control, uid);
	start_next(control);
}

static void give_waiting(struct control *control, uid_t uid)
{
	struct visitor *visitor, *after;

	list_for_each_safe (visitor, after, &control->visitors, item)
		if (visitor->request && visitor->uid == uid)
			client_place(control, visitor);
}

/* "ANSWER N text" */
static void pass_answer(struct control *control, const char *text)
{
	struct visitor *visitor;
	unsigned number;
	int at = 0;

	if (sscanf(text, "ANSWER %u %n", &number, &at) != 1)
		return;
	list_for_each (visitor, &control->visitors, item) {
		if (visitor->number != number || !visitor->n_awaited)
			continue;
		buf_add(&visitor->answer, text + at);
		visitor->n_awaited--;
		visitor_answer(visitor);
	}
}

void server_said(struct control *control, struct mps_server *server, const char *text)
{
	if (text_starts(text, "ANSWER ")) {
		pass_answer(control, text);
	} else if (text_eq(text, "READY")) {
		server->is_ready = true;
		journal("Control", "NEW SERVER %d: Ready", (int)server->pid);
		give_waiting(control, server->uid);
	} else if (text_eq(text, "FAULT")) {
		journal("Control", "Server encountered a fatal exception. Shutting down");
	} else if (text_starts(text, "BUSY ")) {
		journal("Control",
			"Server %d has %s active worker threads. Server will not shutdown.",
			(int)server->pid, text + strlen("BUSY "));
	}
}

void client_place(struct control *control, struct visitor *visitor)
{
	struct mps_server *server = server_of(control, visitor->uid);

	if (control->is_ending) {
		wire_send(visitor->fd, MPS_CONNECTION_FAILED, -1);
		visitor_free(visitor);
		return;
	}
	if (server && server->is_ready) {
		AUTO_FREE char *text = must_asprintf("%s", visitor->request);

		journal("Control", "NEW CLIENT %d from user %d: Server already exists",
			(int)visitor->pid, (int)visitor->uid);
		wire_send(server->fd, text, visitor->fd);
		visitor_free(visitor);
		return;
	}
	journal("Control",
		"NEW CLIENT %d from user %d: Server is not ready, push client to pending list",
		(int)visitor->pid, (int)visitor->uid);
	if (!server)
		server_start(control, visitor->uid);
}
