/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a cgroup is.
 *
 * On a pure hierarchy the v2 tree is mounted at /sys/fs/cgroup; on a hybrid one beside the v1
 * controllers, at /sys/fs/cgroup/unified. The kernel tells a process's place in it by the line
 * "0::/path" of /proc/PID/cgroup in both cases. A mount that shows only a part of the tree (a bind
 * mount into a container) is passed over: paths would not fit it.
 */
#include "driver/cgroup.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MOUNTS_MAX = 16 << 20 };

static char mount_point[PATH_MAX];

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		unsigned code;

		if (p[0] == '\\' && sscanf(p + 1, "%3o", &code) == 1) {
			*to = (char)code;
			p += 4;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
}

int cgroup_open(struct error *err)
{
	AUTO_FREE char *mounts = NULL;
	char *rest, *line;
	int r = read_file_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX, &mounts, NULL);

	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot read /proc/self/mountinfo: %m");
	}
	rest = mounts;
	while ((line = strsep(&rest, "\n"))) {
		const char *type = strstr(line, " - ");
		char at[PATH_MAX], shown[PATH_MAX];

		if (!type || !text_starts(type, " - cgroup2 "))
			continue;
		if (sscanf(line, "%*d %*d %*s %4095s %4095s", shown, at) != 2 ||
			!text_eq(shown, "/"))
			continue;
		unescape(at);
		memcpy(mount_point, at, strlen(at) + 1);
		return 0;
	}
	return error_set(err, -ENOENT,
		"the cgroup v2 tree is not mounted; mount it with 'mount -t cgroup2 none "
		"/sys/fs/cgroup/unified', or boot with systemd.unified_cgroup_hierarchy=1");
}

const char *cgroup_mount(void)
{
	return mount_point;
}

int cgroup_of(pid_t pid, char **ret_path, struct error *err)
{
	AUTO_FREE char *file = pid == 0 ? must_strdup("/proc/self/cgroup")
					: must_asprintf("/proc/%d/cgroup", (int)pid);
	AUTO_FREE char *text = NULL;
	char *at, *end;
	int r = read_file_at(AT_FDCWD, file, 1 << 20, &text, NULL);

	if (r == -ENOENT || r == -ESRCH)
		return error_set(err, -ESRCH, "there is no process %d", (int)pid);
	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot read %s: %m", file);
	}
	at = text_starts(text, "0::") ? text : strstr(text, "\n0::");
	if (!at)
		return error_set(
			err, -ENOENT, "process %d is in no cgroup of the v2 tree", (int)pid);
	at = strchr(at, '/');
	if (!at)
		return error_set(
			err, -ENOENT, "process %d is in no cgroup of the v2 tree", (int)pid);
	end = strchr(at, '\n');
	if (end)
		*end = '\0';
	/* a process that has ended stays in its cgroup until it is waited for, also after that is
	 * gone */
	end = strstr(at, " (deleted)");
	if (end && end[strlen(" (deleted)")] == '\0')
		return error_set(err, -ESRCH, "process %d has ended", (int)pid);
	*ret_path = must_strdup(at);
	return 0;
}

int cgroup_make(const char *parent, const char *name, char **ret_path, struct error *err)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", text_eq(parent, "/") ? "" : parent, name);
	AUTO_FREE char *directory = must_asprintf("%s%s", mount_point, path);
	int fd;

	if (mkdir(directory, 0755) < 0)
		return error_set(err, -errno, "cannot make the cgroup %s: %m", path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int r = error_set(err, -errno, "cannot open the cgroup %s: %m", path);

		rmdir(directory);
		return r;
	}
	*ret_path = TAKE_PTR(path);
	return fd;
}

int cgroup_find(const char *path, struct error *err)
{
	AUTO_FREE char *directory = must_asprintf("%s%s", mount_point, path);
	struct stat st;
	int fd;

	/* "/../.." would leave the tree */
	if (path[0] != '/' || strstr(path, "/../") ||
		(strlen(path) >= 3 && text_eq(path + strlen(path) - 3, "/..")))
		return error_set(err, -EINVAL, "'%s' is not the path of a cgroup", path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "cannot open the cgroup %s: %m", path);
	if (fstatat(fd, "cgroup.procs", &st, 0) < 0) {
		close(fd);
		return error_set(err, -ENOENT, "%s is not a cgroup of the v2 tree", path);
	}
	return fd;
}

int cgroup_id(int dir_fd, uint64_t *ret_id)
{
	struct {
		struct file_handle handle;
		uint64_t id;
	} at = { .handle.handle_bytes = sizeof(at.id) };
	struct stat st;
	int mount_id;

	if (name_to_handle_at(dir_fd, "", &at.handle, &mount_id, AT_EMPTY_PATH) == 0 &&
		at.handle.handle_bytes == sizeof(at.id)) {
		memcpy(ret_id, at.handle.f_handle, sizeof(*ret_id));
		return 0;
	}
	/* where handles are forbidden: the same number is the inode's on 64-bit kernels */
	if (fstat(dir_fd, &st) < 0)
		return -errno;
	*ret_id = st.st_ino;
	return 0;
}

int cgroup_owner(int dir_fd, uid_t *ret_uid)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return -errno;
	*ret_uid = st.st_uid;
	return 0;
}
