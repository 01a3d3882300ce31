/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What may never come back from the kernel: a write of 0 to sriov_numvfs, or taking a driver off a
 * virtual function, sleeps without a way to be woken for as long as somebody has a VF open, and so
 * does whoever as much as reads that file. It is done by a child that is waited for only so long,
 * and left behind then.
 *
 * There is one such child for a device at a time, whoever started it: it has flock(2) on the
 * device's directory in /sys.
 */

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct error;

/*
 * Runs `work` in a child that has none of our descriptors: what it returns, its sentence where that
 * is negative, and in `output` (may be NULL) what it added to its own. It may write as often as it
 * likes (sysfs_write), all before the one deadline, and read back what it wrote. `pci` is the
 * device that it is about, `what` says it for people ("the number of VFs of 0000:41:00.0 is
 * changed"). -ETIMEDOUT where it has not come back in time, with the write that it is in: that one
 * goes on, the child begins no other. -EALREADY where an earlier child does
 * not come back within seconds.
 */
typedef int (*sysfs_work)(const void *context, struct buf *output, struct error *err);
int sysfs_run(const char *pci, const char *what, sysfs_work work, const void *context,
	uint64_t deadline_ns, struct buf *output, struct error *err);

/*
 * Writes the text to a file below the system root: by itself within such a child, else in one of
 * its own with the deadline. 0, or exactly the errno with which it could not be opened or written,
 * and -ETIMEDOUT and -EALREADY as above.
 */
int sysfs_write(const char *pci, const char *path, const char *text, uint64_t deadline_ns,
	struct error *err);

/* Whether this is such a child; and the same write there, by the way from an open directory, which
 * is shorter than `path` and is not in its sentences. */
bool sysfs_is_child(void);
int sysfs_write_below(
	int dir, const char *below, const char *path, const char *text, struct error *err);

/* 1 and the process where one is under way for this device, 0 where none is. */
int sysfs_pending(const char *pci, int32_t *ret_pid);
