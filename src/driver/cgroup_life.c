/* SPDX-License-Identifier: Apache-2.0 */
/* Who lives in a cgroup, and its end. */
#include "driver/cgroup.h"

#include "base/cleanup.h"
#include "base/list.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Descending is bounded by cgroup.max.depth; paths end at PATH_MAX before that. */
typedef VEC(pid_t) pid_vec;

int cgroup_watch(int dir_fd)
{
	int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	cgroup_watch_read(fd);
	return fd;
}

/* What was read is what the next change is a change of. */
void cgroup_watch_read(int watch_fd)
{
	char text[256];

	if (pread(watch_fd, text, sizeof(text), 0) < 0)
		return; /* it is gone: that was the last change */
}

int cgroup_populated(int dir_fd)
{
	AUTO_CLOSE int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	const char *at;
	struct stat st;
	ssize_t n;

	if (fd < 0) {
		/* the root has no such file, and is never empty; a removed one has no files at all
		 */
		if (errno == ENOENT && fstatat(dir_fd, "cgroup.procs", &st, 0) == 0)
			return 1;
		return errno == ENOENT ? -ENODEV : -errno;
	}
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	at = strstr(text, "populated ");
	return at ? at[strlen("populated ")] == '1' : -EIO;
}

int cgroup_enter(int dir_fd, pid_t pid)
{
	AUTO_CLOSE int fd = openat(dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	char text[16];
	int length;

	if (fd < 0)
		return -errno;
	length = snprintf(text, sizeof(text), "%d", (int)pid);
	return write(fd, text, (size_t)length) == length ? 0 : -errno;
}

/* Calls itself for the cgroups below; those that vanish meanwhile are passed over. */
static void add_pids(const char *directory, pid_vec *pids)
{
	AUTO_FREE char *procs = must_asprintf("%s/cgroup.procs", directory);
	FILE *file = fopen(procs, "re");
	DIR *dir = opendir(directory);
	int pid;

	while (file && fscanf(file, "%d", &pid) == 1)
		*vec_add(pids) = pid;
	if (file)
		fclose(file);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		AUTO_FREE char *below = must_asprintf("%s/%s", directory, entry->d_name);
		add_pids(below, pids);
	}
	if (dir)
		closedir(dir);
}

int cgroup_pids(const char *path, pid_t *ret_pids, unsigned max)
{
	AUTO_FREE char *directory = must_asprintf("%s%s", cgroup_mount(), path);
	pid_vec pids = { 0 };
	unsigned n;

	if (access(directory, F_OK) < 0)
		return -errno;
	add_pids(directory, &pids);
	n = pids.n < max ? (unsigned)pids.n : max;
	if (n > 0)
		memcpy(ret_pids, pids.at, n * sizeof(*ret_pids));
	vec_done(&pids);
	return (int)n;
}

bool cgroup_contains(const char *path, pid_t pid)
{
	AUTO_FREE char *where = NULL;
	size_t length = strlen(path);

	if (cgroup_of(pid, &where, NULL) < 0)
		return false;
	if (text_eq(path, "/"))
		return true;
	return text_starts(where, path) && (where[length] == '\0' || where[length] == '/');
}

/* The path of an open cgroup, below the mount: NULL if it is gone. */
static char *path_of(int dir_fd)
{
	AUTO_FREE char *link = must_asprintf("/proc/self/fd/%d", dir_fd);
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (!text_starts(target, cgroup_mount()) || stat(target, &st) < 0)
		return NULL;
	return must_strdup(target[strlen(cgroup_mount())] ? target + strlen(cgroup_mount()) : "/");
}

/* One round over all processes; how many were there. A pid may be used anew between the reading
 * and the signal: the pidfd holds it, and only then its cgroup is looked at. */
static unsigned signal_once(const char *path, int signal)
{
	AUTO_FREE char *directory = must_asprintf("%s%s", cgroup_mount(), path);
	pid_vec pids = { 0 };
	unsigned n = 0;
	pid_t *pid;

	add_pids(directory, &pids);
	vec_for_each (pid, &pids) {
		AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);

		if (pidfd < 0 || !cgroup_contains(path, *pid))
			continue;
		syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
		n++;
	}
	vec_done(&pids);
	return n;
}

int cgroup_signal(int dir_fd, int signal)
{
	enum { ROUNDS_MAX = 64 };
	AUTO_FREE char *path = NULL;

	if (signal == SIGKILL) {
		AUTO_CLOSE int fd = openat(dir_fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);

		if (fd >= 0)
			return write(fd, "1", 1) == 1 ? 0 : -errno;
	}
	path = path_of(dir_fd);
	if (!path)
		return -ENODEV;
	if (signal != SIGKILL) {
		signal_once(path, signal);
		return 0;
	}
	/* without cgroup.kill (Linux < 5.14): again, until none is left that forked meanwhile */
	for (unsigned i = 0; i < ROUNDS_MAX && signal_once(path, signal) > 0; i++)
		;
	return 0;
}

static int remove_tree(const char *directory)
{
	DIR *dir = opendir(directory);
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		AUTO_FREE char *below = must_asprintf("%s/%s", directory, entry->d_name);
		r = remove_tree(below);
	}
	closedir(dir);
	if (r == 0 && rmdir(directory) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int cgroup_remove(const char *path)
{
	AUTO_FREE char *directory = must_asprintf("%s%s", cgroup_mount(), path);
	AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (text_eq(path, "/"))
		return -EBUSY;
	/* all or nothing: the children of a cgroup that is in use stay too */
	if (cgroup_populated(fd) == 1)
		return -EBUSY;
	return remove_tree(directory);
}
