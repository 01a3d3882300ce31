/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of cgroups and fences share: a cgroup of their own, and children that live in one
 * and do as told. */

#include "base/error.h"
#include "base/text.h"
#include "driver/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* NULL if cgroups can be made here, else why not. */
static inline const char *no_cgroups(void)
{
	static struct error err;

	if (geteuid() != 0)
		return "not root";
	return cgroup_open(&err) < 0 ? err.text : NULL;
}

/* A new cgroup at the top of the tree. */
static inline int new_cgroup(char **ret_path)
{
	static unsigned counter;
	char name[64];

	snprintf(name, sizeof(name), "carve-test-%d-%u", (int)getpid(), ++counter);
	return cgroup_make("/", name, ret_path, NULL);
}

/* A child that lives in the cgroup until it is killed. */
static inline pid_t sleeper_in(int cgroup_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	if (cgroup_enter(cgroup_fd, pid) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -1;
	}
	return pid;
}

static inline void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The errno (0: it opened) of opening `path` in a process that lives in the cgroup. */
static inline int open_in(int cgroup_fd, const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (cgroup_enter(cgroup_fd, getpid()) < 0)
			_exit(255);
		_exit(open(path, O_RDWR | O_CLOEXEC) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same for making a node. */
static inline int mknod_in(
	int cgroup_fd, const char *path, unsigned major_number, unsigned minor_number)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (cgroup_enter(cgroup_fd, getpid()) < 0)
			_exit(255);
		_exit(mknod(path, S_IFCHR | 0600, makedev(major_number, minor_number)) < 0 ? errno
											   : 0);
	}
	waitpid(pid, &status, 0);
	unlink(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
