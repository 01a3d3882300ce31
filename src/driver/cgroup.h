/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control groups, version 2 tree only: the pure hierarchy or the v2 side of a hybrid one. A lease's
 * cgroup is a child of its caller's, made here; an existing one (container, VM) is watched and
 * never moved.
 *
 * Paths are those of /proc/PID/cgroup ("/user.slice/..."), below the mount point that cgroup_open
 * found.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* Finds the v2 mount. -ENOENT with the sentence and the way out where there is none. */
int cgroup_open(struct error *err);
const char *cgroup_mount(void); /* "/sys/fs/cgroup" or "/sys/fs/cgroup/unified" */

/* The v2 cgroup path of a process; the caller frees. */
int cgroup_of(pid_t pid, char **ret_path, struct error *err);

/* Makes `parent`/`name`; returns its directory descriptor, and the path in *ret_path (caller
 * frees). */
int cgroup_make(const char *parent, const char *name, char **ret_path, struct error *err);
/* Opens an existing one. */
int cgroup_find(const char *path, struct error *err);
/* Its kernel id (file handle), as bpf_get_current_ancestor_cgroup_id tells it. */
int cgroup_id(int dir_fd, uint64_t *ret_id);
/* The owner of its directory: who may ask for a lease on it. */
int cgroup_owner(int dir_fd, uid_t *ret_uid);

/* Opens cgroup.events: poll it for POLLPRI, and after each call cgroup_watch_read, without which it
 * stays ready for ever. */
int cgroup_watch(int dir_fd);
void cgroup_watch_read(int watch_fd);
/* 1 if a process lives in it or below, 0 if none, negative errno (-ENODEV: it is gone). */
int cgroup_populated(int dir_fd);

/* Moves one process in. */
int cgroup_enter(int dir_fd, pid_t pid);
/* Sends a signal to every process in it and below; SIGKILL by cgroup.kill where the kernel has it.
 */
int cgroup_signal(int dir_fd, int signal);
/* The pids in it and below: returns how many (at most max). */
int cgroup_pids(const char *path, pid_t *ret_pids, unsigned max);
/* True if the process lives in `path` or below it. */
bool cgroup_contains(const char *path, pid_t pid);
/* Removes it and the (empty) ones below it. -EBUSY while processes live in it. */
int cgroup_remove(const char *path);
