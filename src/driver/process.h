/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who a process is, for naming what stands in the way: from /proc. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_info {
	pid_t pid;
	uid_t uid;
	char user[33];
	char command[128]; /* the command line, cut; the name in brackets for kernel threads */
	char service[128]; /* its systemd unit ("dcgm-exporter.service", "session-3.scope"); "" none
			    */
	char container[72];   /* container id where its cgroup names one; "" none */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: with the pid it names the process for
				 ever */
};

/* -ESRCH if it is gone. */
int process_look(pid_t pid, struct process_info *ret_info);
/* Only when it started (field 22): all that it takes to know it again. -ESRCH if it is gone. */
int process_started(pid_t pid, uint64_t *ret_start_ticks);
/* "4711 (alice) python train.py [jupyter.service]" */
const char *process_text(const struct process_info *info, char *ret_text, unsigned size);
/* A pidfd; negative errno. */
int process_open(pid_t pid);
/* The processes that hold a file of this path (below the system root) open; returns how many, at
 * most max. */
int process_find_users(const char *device_path, pid_t *ret_pids, unsigned max);
