/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command of `carve run`: started in its lease, accompanied to its end. */

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;

struct job {
	char **command;
	const json_t *lease;
	const char *socket; /* of carved */
	bool was_told;	    /* that its lease was over before it */
	pid_t pid;
	sigset_t old_mask;	       /* of signals, as we were given it */
	struct sigaction old_on_child; /* of SIGCHLD, likewise */
	int signal_fd;
};

/*
 * Looks for the command as execvp(3) would. 0, EXIT_NO_COMMAND or EXIT_CANNOT_RUN with the
 * sentence.
 */
int job_find_command(const char *name, struct error *err);

/*
 * Starts the command: in the lease's cgroup, with its environment, without descriptors of GPU
 * nodes. From here on signals are not delivered but kept for job_wait(). 0, or the exit status with
 * the sentence.
 */
int job_start(struct job *job, struct error *err);

/*
 * Does what signals ask for that have come until now: passes them on, and stops with the command
 * until somebody continues both.
 */
void job_keep_up(const struct job *job);

/*
 * Accompanies it: signals that are sent to us are passed on, it stops and goes on together with us,
 * and what becomes of the lease meanwhile is said on standard error. Its wait status. Signals are
 * delivered again.
 */
int job_wait(struct job *job);

/* Says so if the command starts containers, which no lease of `carve run` holds. */
void warn_of_container_client(char **command);

/* After job_start() failed: waits for the child that may be there, and lets signals through. */
void job_abandon(struct job *job);
