/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command stays in our process group, so a terminal's own signals (Ctrl-C, Ctrl-Z, a hang-up)
 * reach it without us; those are the ones that the kernel sent. What a process sent was meant for
 * us alone and is passed on. When the command stops, so do we, by the same signal, and the shell
 * sees one job that has stopped; when we are continued, it is.
 *
 * The lease is watched only for commands that run for a while: a short one should not pay for it.
 */
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/job.h"
#include "client/client.h"
#include "client/http.h"
#include "client/json.h"
#include "client/lease.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WATCH_AFTER_MS 200
#define WATCH_AGAIN_MS 1000
#define WATCH_WAIT_S   300
/* carved may see that the last process has left a cgroup before we see that it was our command. */
#define ENDING_MS 1000

/* One long question: has the lease ceased to be active? */
struct watch {
	const struct job *job;
	struct connection connection;
	bool is_over, is_told;
	char why[400];
	uint64_t next_ns; /* when to ask, or to tell that it is over, while no question is out */
};

static void watch_ask(struct watch *watch)
{
	uint64_t now = now_ns();
	char path[128];

	watch->next_ns = now + WATCH_AGAIN_MS * 1000000ULL;
	snprintf(path, sizeof(path), "/v1/leases/%s?wait=%d&not=active",
		json_text(watch->job->lease, "id"), WATCH_WAIT_S);
	if (connection_open(&watch->connection, watch->job->socket, now, NULL) == 0)
		(void)connection_ask(&watch->connection, "GET", path, NULL, 0, now, NULL);
}

static void watch_receive(struct watch *watch)
{
	AUTO_JSON *json = NULL;
	const json_t *lease;
	struct answer answer;

	if (connection_receive(&watch->connection, 0, &answer, NULL) < 0)
		return; /* not whole yet; or carved was restarted: it is asked again */
	watch->next_ns = now_ns();
	if (client_read_answer(&answer, &json, NULL) == 0) {
		lease = json_object_get(json, "lease");
		watch->is_over = lease_json_is_over(lease);
		text_copy(watch->why, sizeof(watch->why), json_text(lease, "reason"));
		if (watch->is_over && !watch->why[0])
			watch->next_ns += ENDING_MS * 1000000ULL;
	}
	connection_close(&watch->connection);
}

static void watch_tell(struct watch *watch)
{
	fprintf(stderr, "carve: lease %s is over while its command runs: %s\n",
		json_text(watch->job->lease, "id"),
		watch->why[0] ? watch->why : "no process is in its cgroup any more");
	watch->is_told = true;
}

/* The time until something is to be done without being told: for poll(2). */
static int watch_timeout(const struct watch *watch)
{
	uint64_t now;

	if (watch->is_told || watch->connection.is_asking)
		return -1;
	now = now_ns();
	return now < watch->next_ns ? (int)((watch->next_ns - now) / 1000000 + 1) : 0;
}

/* True if it was continued since it was last seen to stop. */
static bool has_continued(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WCONTINUED | WNOHANG) == 0 && info.si_pid == pid;
}

/* Stops as the command did: the shell then says the same of us. Both go on together. */
static void stop_like(const struct job *job, int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	/*
	 * Blocked it only waits, and is gone once somebody continues us. Who did so before it
	 * waited has continued the command with us: nobody would do it again.
	 */
	if (has_continued(job->pid)) {
		sigtimedwait(&set, NULL, &(struct timespec){ 0 });
		return;
	}
	/* Let through it stops us here, until somebody continues us. */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(job->pid, SIGCONT);
}

/* Passes on what came from a process; what the kernel sent has reached the command as well. */
static void pass_on(const struct job *job, const struct signalfd_siginfo *info)
{
	bool is_from_process = info->ssi_code <= 0;

	if (info->ssi_signo == SIGCHLD || info->ssi_pid == (uint32_t)getpid())
		return;
	if (is_from_process || info->ssi_signo == SIGCONT)
		kill(job->pid, (int)info->ssi_signo);
}

void job_keep_up(const struct job *job)
{
	struct signalfd_siginfo info;
	siginfo_t stop = { 0 };

	while (read(job->signal_fd, &info, sizeof(info)) == sizeof(info))
		pass_on(job, &info);
	while (waitid(P_PID, (id_t)job->pid, &stop, WSTOPPED | WNOHANG) == 0 &&
		stop.si_pid == job->pid) {
		stop_like(job, stop.si_status);
		stop.si_pid = 0;
	}
}

/* Signals are ours again; those that came in too late to be passed on are forgotten. */
static void release_signals(struct job *job)
{
	struct signalfd_siginfo info;

	if (job->signal_fd < 0)
		return;
	while (read(job->signal_fd, &info, sizeof(info)) == sizeof(info))
		;
	close(job->signal_fd);
	job->signal_fd = -1;
	sigprocmask(SIG_SETMASK, &job->old_mask, NULL);
}

void job_abandon(struct job *job)
{
	if (job->pid > 0)
		while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR)
			;
	release_signals(job);
}

int job_wait(struct job *job)
{
	struct watch watch = {
		.job = job,
		.connection = CONNECTION_NONE,
		.next_ns = now_ns() + WATCH_AFTER_MS * 1000000ULL,
	};
	int status;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = job->signal_fd, .events = POLLIN },
			{ .fd = watch.connection.fd, .events = POLLIN },
		};
		int n;

		job_keep_up(job);
		if (waitpid(job->pid, &status, WNOHANG) == job->pid)
			break;
		n = poll(fds, 2, watch_timeout(&watch));
		if (n > 0 && fds[1].revents)
			watch_receive(&watch);
		else if (watch.is_told || watch.connection.is_asking || now_ns() < watch.next_ns)
			continue;
		else if (watch.is_over)
			watch_tell(&watch);
		else
			watch_ask(&watch);
	}
	connection_done(&watch.connection);
	release_signals(job);
	job->was_told = watch.is_told;
	return status;
}
