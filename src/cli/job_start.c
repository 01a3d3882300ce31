/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child begins where it belongs: as root it is cloned straight into the lease's cgroup; else it
 * asks carved over a connection of its own to be moved, and nothing runs before the answer. What
 * goes wrong in the child before the command comes back through a pipe that exec closes.
 *
 * What a terminal sent before the child was there has reached only us. The child keeps its signals
 * blocked until we have passed that on: so one that came to both meanwhile is still one.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/inherited.h"
#include "cli/job.h"
#include "cli/verb.h"
#include "client/json.h"
#include "client/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* As the kernel has it since 5.7; the C library's header may be older. */
struct clone_request {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

/* What the child could not do. */
struct child_report {
	int status; /* the exit status that follows from it */
	char text[400];
};

int job_find_command(const char *name, struct error *err)
{
	const char *path = getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin";
	bool is_there = false;

	if (strchr(name, '/'))
		return 0; /* exec itself says it best */
	for (;;) {
		size_t n = strcspn(path, ":");
		char file[PATH_MAX];
		struct stat st;
		int length = snprintf(
			file, sizeof(file), "%.*s%s%s", (int)n, path, n ? "/" : "./", name);

		if (length > 0 && (size_t)length < sizeof(file) && stat(file, &st) == 0 &&
			S_ISREG(st.st_mode)) {
			if (access(file, X_OK) == 0)
				return 0;
			is_there = true;
		}
		if (!path[n])
			break;
		path += n + 1;
	}
	if (is_there) {
		error_set(err, -EACCES, "cannot run '%s': %s", name, strerror(EACCES));
		return EXIT_CANNOT_RUN;
	}
	error_set(err, -ENOENT, "cannot run '%s': there is no such command", name);
	return EXIT_NO_COMMAND;
}

/* Keeps every signal for job_wait() that may be blocked and that does not tell of a fault. */
static int hold_signals(struct job *job, struct error *err)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT };
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	/* Who started us may ignore SIGCHLD: then nobody could be waited for. */
	sigaction(SIGCHLD, &by_default, &job->old_on_child);
	sigprocmask(SIG_BLOCK, &all, &job->old_mask);
	job->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (job->signal_fd < 0)
		return error_set(err, -errno, "cannot receive signals: %s", strerror(errno));
	return 0;
}

static const char *cgroup_dir(const json_t *lease)
{
	return json_text(json_object_get(lease, "holder"), "cgroup_dir");
}

/* fork(), into the lease's cgroup where that is allowed: *ret_is_inside. */
static pid_t fork_into(const char *dir, bool *ret_is_inside)
{
	AUTO_CLOSE int fd = *dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct clone_request request = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
	};
	pid_t pid = -1;

	*ret_is_inside = true;
	if (fd >= 0)
		pid = (pid_t)syscall(SYS_clone3, &request, sizeof(request));
	if (pid >= 0)
		return pid;
	*ret_is_inside = false;
	return fork();
}

/* The child asks carved to put it into the lease's cgroup. */
static int enter(const struct job *job, struct error *err)
{
	struct client client;
	int r = client_init(&client, job->socket, err);

	if (r < 0)
		return r;
	client.has_met = true; /* carved was there a moment ago: it is worth waiting for */
	r = lease_post(&client, json_text(job->lease, "id"), "enter", NULL, NULL, err);
	client_done(&client);
	return r;
}

static int set_environment(const json_t *lease)
{
	const json_t *env = json_object_get(json_object_get(lease, "binding"), "env"), *value;
	const char *name;

	json_object_foreach((json_t *)env, name,
		value) if (setenv(name, json_string_value(value) ?: "", 1) < 0) return -errno;
	return setenv("CARVE_LEASE", json_text(lease, "id"), 1) < 0 ? -errno : 0;
}

/* Gives the child what we have received so far, whoever sent it. */
static void pass_on_early(const struct job *job)
{
	struct signalfd_siginfo info;

	while (read(job->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		bool is_terminals = info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT ||
				    info.ssi_signo == SIGTSTP || info.ssi_signo == SIGHUP;

		if (is_terminals || (info.ssi_code <= 0 && info.ssi_signo != SIGCHLD))
			kill(job->pid, (int)info.ssi_signo);
	}
}

/* Waits until the other end is closed. */
static void wait_for_go(const int ends[2])
{
	char c;

	close(ends[1]);
	while (read(ends[0], &c, 1) < 0 && errno == EINTR)
		;
	close(ends[0]);
}

static void run_child(
	const struct job *job, bool is_inside, const int go[2], struct child_report *report)
{
	struct error err = ERROR_NONE;

	report->status = EXIT_CARVE;
	if (!is_inside && *cgroup_dir(job->lease) && enter(job, &err) != 0) {
		snprintf(report->text, sizeof(report->text), "cannot enter lease %s: %.300s",
			json_text(job->lease, "id"), err.text);
		return;
	}
	close_inherited_gpus();
	if (set_environment(job->lease) < 0) {
		snprintf(report->text, sizeof(report->text), "no memory for the environment");
		return;
	}
	sigaction(SIGCHLD, &job->old_on_child, NULL);
	wait_for_go(go);
	sigprocmask(SIG_SETMASK, &job->old_mask, NULL);
	execvp(job->command[0], job->command);
	report->status = errno == ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_RUN;
	snprintf(report->text, sizeof(report->text), "cannot run '%.300s': %s", job->command[0],
		strerror(errno));
}

/* What the child reports, or nothing once its command runs. It may be stopped before that. */
static int read_report(const struct job *job, int fd, struct error *err)
{
	struct child_report report = { 0 };
	size_t n = 0;

	while (n < sizeof(report)) {
		struct pollfd fds[] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = job->signal_fd, .events = POLLIN },
		};
		ssize_t got;

		job_keep_up(job);
		if (poll(fds, 2, -1) < 0 || !fds[0].revents)
			continue;
		got = read(fd, (char *)&report + n, sizeof(report) - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0; /* exec has closed it, or a signal has ended the child */
		n += (size_t)got;
	}
	report.text[sizeof(report.text) - 1] = '\0';
	error_set(err, -ECANCELED, "%s", report.text);
	return report.status;
}

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

int job_start(struct job *job, struct error *err)
{
	int ends[2], go[2];
	bool is_inside;
	int status;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		error_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
		return EXIT_CARVE;
	}
	if (pipe2(go, O_CLOEXEC) < 0) {
		error_set(err, -errno, "cannot make a pipe: %s", strerror(errno));
		close_both(ends);
		return EXIT_CARVE;
	}
	if (hold_signals(job, err) < 0) {
		close_both(ends);
		close_both(go);
		return EXIT_CARVE;
	}
	job->pid = fork_into(cgroup_dir(job->lease), &is_inside);
	if (job->pid == 0) {
		struct child_report report = { 0 };

		run_child(job, is_inside, go, &report);
		(void)write_all(ends[1], &report, sizeof(report));
		_exit(report.status);
	}
	if (job->pid < 0)
		error_set(err, -errno, "cannot start a process: %s", strerror(errno));
	else
		pass_on_early(job);
	close(ends[1]);
	close_both(go);
	status = job->pid < 0 ? EXIT_CARVE : read_report(job, ends[0], err);
	close(ends[0]);
	return status;
}
