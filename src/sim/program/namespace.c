/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over /proc only what the driver has there. /sys is the node's as a whole, so that none of the
 * machine's own devices is seen, with the machine's cgroups and what else is no device bound back.
 * /dev is a new directory with all that the machine's has except nodes of GPUs, and the node's own.
 */
#include "sim/program/namespace.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH 600

/* Parts of the machine's /sys that stay: they have places in the node's (node/tree_table.c). */
static const char *const kept[] = { "class/dmi", "class/mem", "class/misc", "class/net",
	"class/tty", "devices/system", "devices/virtual", "firmware", "fs", "kernel" };

static int bind_to(const char *from, const char *to, struct error *err)
{
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0)
		return 0;
	return error_set(err, -errno, "cannot bind %s to %s: %m", from, to);
}

static int bind_root(const struct node *node, const char *what, struct error *err)
{
	char from[PATH];

	snprintf(from, sizeof(from), "%s/root%s", node->dir, what);
	return bind_to(from, what, err);
}

static int compose_sys(const struct node *node, struct error *err)
{
	int own[ARRAY_SIZE(kept)], r;
	char from[PATH], to[PATH];

	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		snprintf(from, sizeof(from), "/sys/%s", kept[i]);
		own[i] = open(from, O_PATH | O_CLOEXEC);
	}
	r = bind_root(node, "/sys", err);
	for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", own[i]);
		snprintf(to, sizeof(to), "/sys/%s", kept[i]);
		if (r == 0 && own[i] >= 0)
			r = bind_to(from, to, err);
		if (own[i] >= 0)
			close(own[i]);
	}
	return r;
}

static bool is_gpu_node(const char *name)
{
	return text_starts(name, "nvidia") || text_eq(name, "dri") || text_eq(name, "vfio");
}

/* Puts one entry of the directory `from` (as seen by `at`) into /dev. */
static int put_device(int at, const char *from, const char *name, struct error *err)
{
	char source[PATH], to[PATH], target[PATH];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(source, sizeof(source), "%s/%s", from, name);
	snprintf(to, sizeof(to), "/dev/%s", name);
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return mkdir(to, 0755) < 0 ? error_set(err, -errno, "cannot make %s: %m", to)
					   : bind_to(source, to, err);
	case S_IFLNK:
		n = readlinkat(at, name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		return symlink(target, to) < 0 ? error_set(err, -errno, "cannot make %s: %m", to)
					       : 0;
	case S_IFCHR:
	case S_IFBLK:
		if (mknod(to, st.st_mode, st.st_rdev) == 0 && chmod(to, st.st_mode) == 0 &&
			chown(to, st.st_uid, st.st_gid) == 0)
			return 0;
		return error_set(err, -errno, "cannot make the device node %s: %m", to);
	default:
		fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
		return bind_to(source, to, err);
	}
}

static int put_devices(int at, const char *from, bool of_gpus, struct error *err)
{
	DIR *dir = fdopendir(at);
	struct dirent *entry;
	int r = 0;

	while (r == 0 && dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_gpu_node(entry->d_name) == of_gpus)
			r = put_device(at, from, entry->d_name, err);
	if (dir)
		closedir(dir);
	else
		close(at);
	return r;
}

static int compose_dev(const struct node *node, struct error *err)
{
	char own[PATH], from[PATH];
	int machine = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC), at, r;

	if (machine < 0)
		return error_set(err, -errno, "cannot open /dev: %m");
	if (mount("carve-sim", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755") < 0) {
		r = error_set(err, -errno, "cannot mount a /dev: %m");
		close(machine);
		return r;
	}
	snprintf(from, sizeof(from), "/proc/self/fd/%d", machine);
	r = put_devices(machine, from, false, err);
	snprintf(own, sizeof(own), "%s/root/dev", node->dir);
	at = r == 0 ? open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (r == 0 && at < 0)
		return error_set(err, -errno, "cannot open %s: %m", own);
	return r < 0 ? r : put_devices(at, own, true, err);
}

int namespace_enter(const struct node *node, struct error *err)
{
	AUTO_CLOSE int before = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0)
		return error_set(err, -errno, "cannot make a mount namespace: %m");
	/* What the machine mounts later is seen here too, and nothing from here there. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		r = error_set(err, -errno, "cannot part from the machine's mounts: %m");
	/* The node's own directory is looked up before anything covers it. */
	if (r == 0)
		r = bind_root(node, "/proc/devices", err);
	if (r == 0)
		r = bind_root(node, "/proc/driver", err);
	if (r == 0)
		r = compose_sys(node, err);
	if (r == 0)
		r = compose_dev(node, err);
	if (r < 0 && before >= 0)
		setns(before, CLONE_NEWNS);
	return r;
}
