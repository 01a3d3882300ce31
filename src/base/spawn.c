/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads until the program has ended, whose children may keep the pipe open; false when the deadline
 * passed first. */
static bool drain_until(int pidfd, int fd, uint64_t until_ns, struct buf *output)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	char chunk[1024];

	for (;;) {
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= until_ns)
			return false;
		if (poll(p, ARRAY_SIZE(p), (int)((until_ns - now) / 1000000) + 1) <= 0)
			continue;
		if (!p[0].revents)
			return true;
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			p[0].fd = -1;
		else if (output)
			buf_add_n(output, chunk, (size_t)n);
	}
}

/* A file without a name that holds the text: what reads it never waits. */
static int input_open(const char *text, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (!text) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? error_set(err, -errno, "cannot open /dev/null: %m") : TAKE_FD(fd);
	}
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot keep a program's input: %m");
	r = write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot keep a program's input: %m");
	}
	return TAKE_FD(fd);
}

static int start(const struct spawn *spawn, int input, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t set;
	int r;

	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	if (spawn->is_daemon) {
		sigemptyset(&set);
		posix_spawnattr_setsigmask(&attributes, &set);
		sigfillset(&set);
		posix_spawnattr_setsigdefault(&attributes, &set);
		posix_spawnattr_setflags(&attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
		posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	}
	r = posix_spawnp(ret_pid, spawn->argv[0], &actions, &attributes, (char *const *)spawn->argv,
		spawn->environment ? (char *const *)spawn->environment : environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

int spawn_run(
	const struct spawn *spawn, uint64_t deadline_ns, struct buf *output, struct error *err)
{
	AUTO_CLOSE int input = input_open(spawn->input, err);
	AUTO_CLOSE int reading = -1;
	AUTO_CLOSE int writing = -1;
	AUTO_CLOSE int pidfd = -1;
	uint64_t until_ns = now_ns() + deadline_ns;
	int pipe_fds[2], status, r;
	pid_t pid;

	if (input < 0)
		return input;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	reading = pipe_fds[0];
	writing = pipe_fds[1];
	r = start(spawn, input, writing, &pid);
	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot run %s: %m", spawn->argv[0]);
	}
	close(TAKE_FD(writing));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (!drain_until(pidfd, reading, until_ns, output)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return error_set(err, -ETIMEDOUT, "%s did not end in time", spawn->argv[0]);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status_of(status);
}

int spawn_wait(const char *const *argv, uint64_t deadline_ns, struct buf *output, struct error *err)
{
	return spawn_run(&(struct spawn){ .argv = argv }, deadline_ns, output, err);
}
