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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads until the writer has closed; false when the deadline passed first. */
static bool drain_until(int fd, uint64_t until_ns, struct buf *output)
{
	char chunk[1024];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= until_ns)
			return false;
		if (poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return true;
		if (output)
			buf_add_n(output, chunk, (size_t)n);
	}
}

int spawn_wait(const char *const *argv, uint64_t deadline_ns, struct buf *output, struct error *err)
{
	AUTO_CLOSE int reading = -1;
	AUTO_CLOSE int writing = -1;
	AUTO_CLOSE int pidfd = -1;
	posix_spawn_file_actions_t actions;
	uint64_t until_ns = now_ns() + deadline_ns;
	struct pollfd ended;
	int pipe_fds[2], status, r;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	reading = pipe_fds[0];
	writing = pipe_fds[1];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, writing, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, writing, STDERR_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0) {
		errno = r;
		return error_set(err, -r, "cannot run %s: %m", argv[0]);
	}
	close(TAKE_FD(writing));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	/* its children may keep the pipe open: the end of the program itself is what counts */
	if (!drain_until(reading, until_ns, output) ||
		poll(&ended, 1, (int)((until_ns - now_ns()) / 1000000) + 1) == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return error_set(err, -ETIMEDOUT, "%s did not end in time", argv[0]);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status_of(status);
}
