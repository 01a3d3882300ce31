/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The system root: the directory below which /sys (but not cgroups), /proc/driver, /proc/devices,
 * /proc/cmdline, /dev and /etc of others are opened. "/" on a real machine; another tree for a
 * simulated or recorded one.
 */

#include <sys/types.h>

struct error;

/* Sets it once at the start, from CARVE_SYSTEM_ROOT or "/" where that is not set. */
int root_open(struct error *err);
/* Its path without a trailing slash: "" for "/". */
const char *root_path(void);
/* Opens a path ("/dev", with a leading slash) below it; flags as open(2). Descriptor or negative
 * errno. */
int root_openat(const char *path, int flags);
/* The whole of a file below it (read_file_at). */
int root_read(const char *path, char **ret_text);
/*
 * Takes the lock by which two daemons exclude each other on one node's GPUs: flock(2) on /dev below
 * the root, which every user can open and which a simulated node has for itself. The descriptor, to
 * be kept open as long as the lock is wanted; -EWOULDBLOCK if another daemon has it. What is left
 * of one that was killed is waited for.
 */
int root_lock(struct error *err);
/* 1 and its process if somebody has that lock, 0 if nobody, negative errno: a look that takes no
 * lock itself. */
int root_lock_holder(pid_t *ret_pid);
