/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/root.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { ROOT_FILE_MAX = 1 << 20, LOCK_LOOK_US = 5000 };

/* A daemon that was killed may have had a child on its way to exec: it has the lock till then. */
#define LOCK_WAIT_NS 5000000000ULL

static char root[PATH_MAX];

int root_open(struct error *err)
{
	const char *wanted = getenv("CARVE_SYSTEM_ROOT");
	size_t length;
	struct stat st;

	if (!wanted || !*wanted)
		wanted = "/";
	length = strlen(wanted);
	if (wanted[0] != '/' || length >= sizeof(root))
		return error_set(err, -EINVAL,
			"CARVE_SYSTEM_ROOT must be an absolute path, not '%s'", wanted);
	if (stat(wanted, &st) < 0)
		return error_set(err, -errno, "cannot use the system root %s: %m", wanted);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "the system root %s is not a directory", wanted);
	while (length > 0 && wanted[length - 1] == '/')
		length--;
	memcpy(root, wanted, length);
	root[length] = '\0';
	return 0;
}

const char *root_path(void)
{
	return root;
}

int root_openat(const char *path, int flags)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root, path);
	int fd = open(whole, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int root_read(const char *path, char **ret_text)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root, path);

	return read_file_at(AT_FDCWD, whole, ROOT_FILE_MAX, ret_text, NULL);
}

/* True if a daemon that is known to live has the lock. */
static bool is_held_by_another(pid_t *ret_pid)
{
	*ret_pid = 0;
	return root_lock_holder(ret_pid) > 0 && (kill(*ret_pid, 0) == 0 || errno != ESRCH);
}

int root_lock(struct error *err)
{
	AUTO_CLOSE int fd = root_openat("/dev", O_RDONLY | O_DIRECTORY);
	uint64_t until = now_ns() + LOCK_WAIT_NS;
	pid_t holder;

	if (fd < 0) {
		errno = -fd;
		return error_set(err, fd, "cannot open %s/dev: %m", root);
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_set(err, -errno, "cannot lock %s/dev: %m", root);
		if (!is_held_by_another(&holder) && now_ns() < until) {
			usleep(LOCK_LOOK_US);
			continue;
		}
		if (holder > 0)
			return error_set(err, -EWOULDBLOCK,
				"another carved has this node's GPUs: process %d", (int)holder);
		return error_set(err, -EWOULDBLOCK,
			"another carved has this node's GPUs (lock on %s/dev)", root);
	}
	return TAKE_FD(fd);
}

int root_lock_holder(pid_t *ret_pid)
{
	AUTO_FREE char *directory = must_asprintf("%s/dev", root);
	AUTO_FCLOSE FILE *locks = NULL;
	struct stat st;
	char line[256];

	if (stat(directory, &st) < 0)
		return -errno;
	locks = fopen("/proc/locks", "re");
	if (!locks)
		return -errno;
	while (fgets(line, sizeof(line), locks)) {
		unsigned major_hex, minor_hex;
		unsigned long long inode;
		int pid;

		/* "1: FLOCK  ADVISORY  WRITE 4711 00:05:1 0 EOF"; blocked waiters have "->" */
		if (sscanf(line, "%*d: FLOCK %*s WRITE %d %x:%x:%llu", &pid, &major_hex, &minor_hex,
			    &inode) != 4)
			continue;
		if (inode != st.st_ino || makedev(major_hex, minor_hex) != st.st_dev)
			continue;
		*ret_pid = pid;
		return 1;
	}
	return 0;
}
