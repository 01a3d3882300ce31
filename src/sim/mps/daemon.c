/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control daemon's life: it makes its files in the pipe directory, and then waits for front
 * ends, clients and servers in one loop. It looks from time to time whether its node is still
 * there, and whether it is to hang.
 */
#include "sim/mps/daemon.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/v3.h"
#include "sim/mps/wire.h"
#include "sim/node/mps_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS	  25
#define PID_FILE  "nvidia-cuda-mps-control.pid"
#define DIRECTORY 0777

static const char *in_pipe_dir(const struct control *control, const char *name, char ret_path[160])
{
	snprintf(ret_path, 160, "%s/%s", control->pipe_dir, name);
	return ret_path;
}

/* One instance a directory; the lock is a POSIX one, as that of NVIDIA's, and goes with the
 * process. */
static int lock_directory(struct control *control)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[160];

	control->lock = open(
		in_pipe_dir(control, "control_lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (control->lock < 0) {
		printf("Cannot access CUDA_MPS_PIPE_DIRECTORY=%s\n", control->pipe_dir);
		return -errno;
	}
	if (fcntl(control->lock, F_SETLK, &lock) < 0) {
		printf("An instance of this daemon is already running\n");
		return -EEXIST;
	}
	return 0;
}

static void write_pid(const struct control *control)
{
	char path[160], text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)getpid());
	AUTO_CLOSE int fd = open(in_pipe_dir(control, PID_FILE, path),
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0 || write_all(fd, text, (size_t)n) < 0)
		printf("Failed to create control pid file %s/%s\n", control->pipe_dir, PID_FILE);
}

static void defaults_from_environment(struct control *control)
{
	const char *percentage = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
	const char *priority = getenv("CUDA_MPS_CLIENT_PRIORITY");

	control->defaults = LIMITS_NONE;
	if (percentage && !limits_percentage_parse(percentage, &control->defaults.percentage))
		journal("Control",
			"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE should be between (0.0, 100.0]");
	if (priority && !text_eq(priority, "0") && !text_eq(priority, "1"))
		journal("Control", "CUDA_MPS_CLIENT_PRIORITY should be between [0,1]");
	else if (priority)
		control->defaults.priority = text_eq(priority, "1");
}

int control_open(struct control *control)
{
	char path[160];
	int r;

	umask(0);
	mkdir(control->pipe_dir, DIRECTORY);
	r = lock_directory(control);
	if (r < 0)
		return r;
	control->listeners[0] = wire_listen(in_pipe_dir(control, "control", path), 0666);
	control->listeners[1] = wire_listen(in_pipe_dir(control, "control_privileged", path), 0755);
	if (control->listeners[0] < 0 || control->listeners[1] < 0) {
		printf("Cannot access CUDA_MPS_PIPE_DIRECTORY=%s\n", control->pipe_dir);
		return -EACCES;
	}
	unlink(in_pipe_dir(control, "log", path));
	mkfifo(path, 0777);
	if (control->dialect.has_status)
		write_pid(control);
	umask(022);
	journal("Control", "Starting control daemon using socket %s/control", control->pipe_dir);
	journal("Control",
		"To connect CUDA applications to this daemon, set env CUDA_MPS_PIPE_DIRECTORY=%s",
		control->pipe_dir);
	if (control->dialect.has_binary_version)
		journal("Control", "CUDA MPS Control binary version: %d",
			(int)control->node->settings.cuda_version);
	defaults_from_environment(control);
	list_init(&control->servers);
	list_init(&control->visitors);
	list_init(&control->named);
	return 0;
}

struct visitor *visitor_free(struct visitor *visitor)
{
	list_remove(&visitor->item);
	close(visitor->fd);
	free(visitor->request);
	buf_done(&visitor->answer);
	free(visitor);
	return NULL;
}

void visitor_await(struct visitor *visitor, pid_t server)
{
	if (visitor->n_awaited < VISITOR_AWAITS)
		visitor->awaited[visitor->n_awaited++] = server;
}

bool visitor_awaits_no_more(struct visitor *visitor, pid_t server)
{
	for (unsigned i = 0; i < visitor->n_awaited; i++)
		if (visitor->awaited[i] == server) {
			visitor->awaited[i] = visitor->awaited[--visitor->n_awaited];
			return true;
		}
	return false;
}

void visitor_answer(struct visitor *visitor)
{
	AUTO_BUF text = { 0 };

	if (visitor->n_awaited)
		return;
	v3_shape(visitor);
	buf_addf(&text, "%s%s", visitor->has_failed ? "E" : ".", buf_text(&visitor->answer));
	wire_send(visitor->fd, buf_text(&text), -1);
	buf_clear(&visitor->answer);
}

static void visitor_accept(
	struct control *control, int listener, struct named *named, struct space *space)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct visitor *visitor;

	if (fd < 0)
		return;
	visitor = must_alloc(1, sizeof(*visitor));
	*visitor = (struct visitor){
		.number = ++control->next_number, .fd = fd, .named = named, .space = space
	};
	list_add_tail(&control->visitors, &visitor->item);
	journal("Control", "Accepting connection...");
	if (!wire_peer(fd, &visitor->pid, &visitor->uid)) {
		journal("Control", "User did not send valid credentials");
		visitor_free(visitor);
	}
}

static void visitor_speaks(struct control *control, struct visitor *visitor)
{
	char text[WIRE_TEXT_MAX];
	ssize_t n = wire_receive_now(visitor->fd, text);

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		if (visitor->is_front_end)
			journal("Control", "UI closed");
		visitor_free(visitor);
	} else if (visitor->is_front_end) {
		/* A first letter, so that an empty line is a packet too: C, or M in v3's form. */
		if (control->is_v3 && text[0] == 'M')
			v3_run(control, visitor, text + 1, V3_SEPARATOR);
		else
			command_run(control, visitor, text + 1);
		visitor_answer(visitor);
	} else if (text_eq(text, "UI")) {
		journal("Control", "NEW UI");
		visitor->is_front_end = true;
	} else if (text_starts(text, "CLIENT\n") && !visitor->request) {
		visitor->request = must_strdup(text);
		client_place(control, visitor);
	} else {
		journal("Control", "Unknown type of connection");
		visitor_free(visitor);
	}
}

static void reap_servers(struct control *control)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct mps_server *server = server_find(control, pid);

		if (server)
			server_ended(control, server,
				WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	}
}

static void hear_server(struct control *control, struct mps_server *server)
{
	char text[WIRE_TEXT_MAX];

	if (wire_receive_now(server->fd, text) > 0)
		server_said(control, server, text);
}

/* Descriptors to wait for: servers and visitors first, then those that bring new ones. */
struct watch {
	struct pollfd at[512];
	unsigned n;
};

static void watch_add(struct watch *watch, int fd)
{
	if (fd >= 0 && watch->n < ARRAY_SIZE(watch->at))
		watch->at[watch->n++] = (struct pollfd){ fd, POLLIN, 0 };
}

static void watch_all(const struct control *control, struct watch *watch)
{
	const struct mps_server *server;
	const struct visitor *visitor;
	const struct named *named;
	const struct space *space;

	list_for_each (server, &control->servers, item)
		watch_add(watch, server->fd);
	list_for_each (visitor, &control->visitors, item)
		watch_add(watch, visitor->fd);
	list_for_each (named, &control->named, item)
		list_for_each (space, &named->spaces, item) {
			watch_add(watch, space->listeners[0]);
			watch_add(watch, space->listeners[1]);
		}
	watch_add(watch, control->listeners[0]);
	watch_add(watch, control->listeners[1]);
}

/* Whose descriptor it is now; one that was closed meanwhile is nobody's. */
static void watch_serve(struct control *control, int fd)
{
	struct mps_server *server;
	struct visitor *visitor;
	struct named *named;
	struct space *space;

	list_for_each (server, &control->servers, item)
		if (server->fd == fd) {
			hear_server(control, server);
			return;
		}
	list_for_each (visitor, &control->visitors, item)
		if (visitor->fd == fd) {
			visitor_speaks(control, visitor);
			return;
		}
	list_for_each (named, &control->named, item)
		list_for_each (space, &named->spaces, item)
			if (space->listeners[0] == fd || space->listeners[1] == fd) {
				visitor_accept(control, fd, named, space);
				return;
			}
	if (control->listeners[0] == fd || control->listeners[1] == fd)
		visitor_accept(control, fd, NULL, NULL);
}

/* Waits for whoever has something to say, and a little while at most. */
static void control_turn(struct control *control)
{
	struct watch watch;

	watch.n = 0;
	watch_all(control, &watch);
	if (poll(watch.at, watch.n, LOOK_MS) > 0)
		for (unsigned i = 0; i < watch.n; i++)
			if (watch.at[i].revents)
				watch_serve(control, watch.at[i].fd);
	reap_servers(control);
	servers_tick(control);
}

/* Does nothing for as long as somebody wants that. */
static void control_hang(const struct control *control)
{
	const struct mps_party party = { .gpus = UINT64_MAX, .control = getpid() };
	struct rule rule;

	if (!mps_rule_take(control->node, RULE_MPS_HANG, &party, &rule))
		return;
	while (mps_rule_lasts(control->node, rule.id) && node_is_there(control->node))
		node_work(LOOK_MS * 1000000ull);
}

/* Those that asked for the end learn with which status it came. */
static void say_goodbye(struct control *control)
{
	struct named *named, *after;
	struct visitor *visitor;
	char text[8], path[160];

	journal("Control", "Exit with status %d", control->status);
	if (control->dialect.has_status)
		unlink(in_pipe_dir(control, PID_FILE, path));
	unlink(in_pipe_dir(control, "log", path));
	list_for_each_safe (named, after, &control->named, item)
		named_free(control, named);
	/* Whoever has the answer may start the next one. */
	close(control->listeners[0]);
	close(control->listeners[1]);
	close(control->lock);
	snprintf(text, sizeof(text), "Q%d", control->status);
	list_for_each (visitor, &control->visitors, item)
		if (visitor->is_front_end)
			wire_send(visitor->fd, text, -1);
}

int control_serve(struct control *control)
{
	signal(SIGPIPE, SIG_IGN);
	while (!control->is_ending || !list_is_empty(&control->servers)) {
		if (!node_is_there(control->node))
			return EXIT_SUCCESS;
		control_hang(control);
		control_turn(control);
	}
	say_goodbye(control);
	return control->status;
}
