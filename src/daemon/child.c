/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/child.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

extern char **environ;

struct child {
	pid_t pid;
	int status;
	child_done_fn done;
	void *context;
	sd_event_source *end, *deadline;
};

static void finish(struct child *child)
{
	child_done_fn done = child->done;
	void *context = child->context;
	int status = child->status;

	sd_event_source_disable_unref(child->end);
	sd_event_source_disable_unref(child->deadline);
	free(child);
	done(context, status);
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *context)
{
	struct child *child = context;

	if (child->status != -ETIMEDOUT)
		child->status =
			info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
	finish(child);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	struct child *child = context;

	child->status = -ETIMEDOUT;
	kill(child->pid, SIGKILL);
	return 0;
}

static int on_not_started(sd_event_source *source, void *context)
{
	finish(context);
	return 0;
}

void child_run(sd_event *loop, const char *const *argv, uint64_t deadline_ns, child_done_fn done,
	void *context)
{
	struct child *child = must_alloc(1, sizeof(*child));
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r;

	child->done = done;
	child->context = context;
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	r = posix_spawnp(&child->pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (r == 0) {
		sd_event_add_child(loop, &child->end, child->pid, WEXITED, on_end, child);
		sd_event_add_time_relative(loop, &child->deadline, CLOCK_MONOTONIC,
			deadline_ns / 1000, 0, on_deadline, child);
		return;
	}
	child->status = -r;
	sd_event_add_defer(loop, &child->end, on_not_started, child);
}
