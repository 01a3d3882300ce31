/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of a control daemon.
 *
 *	DIR        ours, 0755
 *	DIR/log    ours, 0755: the daemon alone opens the logs; servers write to its pipe "log"
 *	DIR/pipe   the tenant's processes come here, and nobody else's
 *
 * A tenant may make what he likes in DIR/pipe, but must not replace the daemon's sockets: they are
 * ours, and the directory is sticky, with an access control list for the tenant's uid. Where the
 * file system has none, the directory is the tenant's own. As a tenant can put anything there, it
 * is opened without following links, and taken away entry by entry from open directories.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "driver/mps_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum {
	DEPTH_MAX = 64, /* of a tenant's own tree */
	SOCKET_PATH_MAX = 107,
	DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
};

/* Makes it where it is missing; what is there must be a directory of ours or of the tenant's. */
static int open_or_make(const char *path, uid_t tenant, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make the directory %s: %m", path);
	fd = open(path, DIRECTORY_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot use the directory %s: %m", path);
	if (st.st_uid != geteuid() && st.st_uid != tenant)
		return error_set(err, -EPERM,
			"cannot use the directory %s: it belongs to user %u; remove it", path,
			(unsigned)st.st_uid);
	return TAKE_FD(fd);
}

static int make_plain(const char *path, struct error *err)
{
	AUTO_CLOSE int fd = open_or_make(path, geteuid(), err);

	if (fd < 0)
		return fd;
	if (fchmod(fd, 0755) < 0)
		return error_set(err, -errno, "cannot use the directory %s: %m", path);
	return 0;
}

/* Lets the user in beside us; mode 1770 shows it, the group's bits being the list's mask. */
static int let_in(int fd, uid_t uid)
{
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entry[5];
	} list = {
		.header = { POSIX_ACL_XATTR_VERSION },
		.entry = {
			{ ACL_USER_OBJ, ACL_READ | ACL_WRITE | ACL_EXECUTE, (uint32_t)ACL_UNDEFINED_ID },
			{ ACL_USER, ACL_READ | ACL_WRITE | ACL_EXECUTE, uid },
			{ ACL_GROUP_OBJ, 0, (uint32_t)ACL_UNDEFINED_ID },
			{ ACL_MASK, ACL_READ | ACL_WRITE | ACL_EXECUTE, (uint32_t)ACL_UNDEFINED_ID },
			{ ACL_OTHER, 0, (uint32_t)ACL_UNDEFINED_ID },
		},
	};

	if (fsetxattr(fd, "system.posix_acl_access", &list, sizeof(list), 0) < 0)
		return -errno;
	return fchmod(fd, 01770) < 0 ? -errno : 0;
}

static int make_pipe(const struct mps_control *control, struct error *err)
{
	uid_t tenant = control->spec->uid;
	AUTO_CLOSE int fd = open_or_make(control->pipe, tenant, err);
	int r;

	if (fd < 0)
		return fd;
	if (fchmod(fd, 0700) < 0)
		return error_set(err, -errno, "cannot use the directory %s: %m", control->pipe);
	if (tenant == geteuid())
		return 0;
	r = let_in(fd, tenant);
	if (r == -EOPNOTSUPP && fchown(fd, tenant, (gid_t)-1) == 0)
		return 0;
	if (r < 0) {
		errno = -r;
		return error_set(
			err, r, "cannot let user %u into %s: %m", (unsigned)tenant, control->pipe);
	}
	return 0;
}

int mps_dir_make(const struct mps_control *control, struct error *err)
{
	const char *dir = control->spec->dir;
	/* the longest socket in it: v3 has one for each namespace of each server */
	int length = control->dialect == &mps_dialect_v3
			     ? snprintf(NULL, 0, "%s/carve/%*s/control", control->pipe,
				       MPS_NAME_MAX - 1, "")
			     : snprintf(NULL, 0, "%s/control_privileged", control->pipe);
	AUTO_FREE char *parent = must_strdup(dir);
	int r;

	if (dir[0] != '/' || length > SOCKET_PATH_MAX)
		return error_set(err, -ENAMETOOLONG,
			"the directory %s is no place for MPS's sockets: a path of more than %d "
			"characters is none; give carved a shorter run directory",
			dir, SOCKET_PATH_MAX);
	*strrchr(parent, '/') = '\0';
	r = parent[0] ? make_dirs(parent, 0755, err) : 0;
	if (r == 0)
		r = make_plain(dir, err);
	if (r == 0)
		r = make_plain(control->log, err);
	return r < 0 ? r : make_pipe(control, err);
}

/* Removes what is in an open directory; takes over the descriptor. */
static int empty(int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = -errno;
		close(fd);
		return r;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		int below;

		if (text_eq(entry->d_name, ".") || text_eq(entry->d_name, "..") ||
			unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			continue;
		}
		below = depth < DEPTH_MAX
				? openat(dirfd(dir), entry->d_name, DIRECTORY_FLAGS | O_NONBLOCK)
				: -1;
		if (below < 0 || empty(below, depth + 1) < 0 ||
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
			r = -ENOTEMPTY;
	}
	closedir(dir);
	return r;
}

int mps_dir_remove(const char *path, struct error *err)
{
	int r = 0, fd = open(path, DIRECTORY_FLAGS);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, -errno, "cannot remove the directory %s: %m", path);
	r = empty(fd, 0);
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return error_set(err, r < 0 ? r : -errno, "cannot remove the directory %s: %m", path);
}
