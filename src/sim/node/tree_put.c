/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/tree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

int tree_put(const char *path, unsigned mode, const char *text, size_t length)
{
	char temporary[TREE_PATH_MAX + 4];
	AUTO_CLOSE int fd = -1;
	int r;

	snprintf(temporary, sizeof(temporary), "%s~", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode | 0200);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, length);
	/* Not the caller's umask: other users read the tree. */
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

int tree_put_dir(const char *path, unsigned mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

int tree_put_node(const struct node *node, const char *path, unsigned mode, uint32_t major_no,
	uint32_t minor_no)
{
	if (!node->settings.real_nodes)
		return tree_put(path, mode, "", 0);
	if (mknod(path, S_IFCHR | mode, makedev(major_no, minor_no)) < 0 && errno != EEXIST)
		return -errno;
	return chmod(path, mode) < 0 ? -errno : 0;
}

/* Is a character driver of this machine registered for the major? */
static bool major_is_taken(const char *devices, uint32_t major)
{
	char line[16];

	snprintf(line, sizeof(line), "\n%3u ", major);
	return strstr(devices, line) != NULL;
}

static uint32_t major_choose(const char *devices, uint32_t usual, uint32_t *next)
{
	if (usual && !major_is_taken(devices, usual))
		return usual;
	/* The kernel hands out 511 to 384 from the top when 254 to 234 are gone. */
	while (major_is_taken(devices, *next))
		(*next)--;
	return (*next)--;
}

/* Can a node be made here, and is it one that opens as far as a driver that is not there? */
static bool node_opens(const char *dir, uint32_t major)
{
	char path[TREE_PATH_MAX];
	struct statvfs fs;
	int fd, why;

	if (statvfs(dir, &fs) < 0 || fs.f_flag & ST_NODEV)
		return false;
	snprintf(path, sizeof(path), "%s/probe", dir);
	if (mknod(path, S_IFCHR | 0666, makedev(major, 255)) < 0)
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC);
	why = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	unlink(path);
	return why == ENXIO || why == ENODEV;
}

void tree_choose_nodes(const char *dir, struct node_settings *settings)
{
	AUTO_FREE char *devices = NULL;
	uint32_t next = 511;

	if (read_file_at(AT_FDCWD, "/proc/devices", 1 << 16, &devices, NULL) < 0)
		devices = must_strdup("");
	settings->major_caps = major_choose(devices, 0, &next);
	settings->major_uvm = major_choose(devices, 0, &next);
	settings->major_nvidia = major_choose(devices, 195, &next);
	settings->major_drm = major_choose(devices, 226, &next);
	settings->real_nodes = node_opens(dir, settings->major_nvidia);
}
