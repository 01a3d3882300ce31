/* SPDX-License-Identifier: Apache-2.0 */
/* The files of PCI devices, as far as all kinds of VFs read and write them. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/sysfs_write.h"
#include "driver/vf_kind.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static char *path_of(const char *pci, const char *file)
{
	return must_asprintf("/sys/bus/pci/devices/%s/%s", pci, file);
}

/*
 * One look reads hundreds of files of a hundred devices, each of which is a link to follow. The
 * directory of all of them stays open; within a look those of the devices, too.
 */
static struct {
	pid_t of; /* a child has had our descriptors closed */
	char root[PATH_MAX];
	int all;
	bool keeps;
	unsigned n;
	struct {
		char pci[PCI_ADDRESS_MAX];
		int fd;
	} device[VFS_MAX + 1];
} dirs = { .all = -1 };

static int all_devices(void)
{
	if (dirs.of != getpid()) {
		dirs.of = getpid();
		dirs.all = -1;
		dirs.n = 0;
	}
	if (dirs.all >= 0 && text_eq(dirs.root, root_path()))
		return dirs.all;
	if (dirs.all >= 0)
		close(dirs.all);
	text_copy(dirs.root, sizeof(dirs.root), root_path());
	dirs.all = root_openat("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	return dirs.all;
}

void vf_dirs_keep(void)
{
	dirs.keeps = true;
}

void vf_dirs_let_go(void)
{
	all_devices();
	while (dirs.n > 0)
		close(dirs.device[--dirs.n].fd);
	dirs.keeps = false;
}

enum { NAME_MAX_HERE = 160 };

/* Keeps one open, if it is one: by its path below another. */
static int keep_dir(const char *pci, int at, const char *path)
{
	int fd;

	if (!dirs.keeps || dirs.n == ARRAY_SIZE(dirs.device))
		return -1;
	fd = openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	text_copy(dirs.device[dirs.n].pci, PCI_ADDRESS_MAX, pci);
	dirs.device[dirs.n++].fd = fd;
	return fd;
}

/* The device's own, or that of all devices: the path of its file is below what is returned. */
static int dir_of(const char *pci, const char *name, char ret_path[NAME_MAX_HERE])
{
	int all = all_devices(), fd = -1;

	for (unsigned i = 0; i < dirs.n && fd < 0; i++)
		if (text_eq(dirs.device[i].pci, pci))
			fd = dirs.device[i].fd;
	if (fd < 0)
		fd = keep_dir(pci, all, pci);
	snprintf(ret_path, NAME_MAX_HERE, "%s%s%s", fd < 0 ? pci : "", fd < 0 ? "/" : "", name);
	return fd < 0 ? all : fd;
}

/* What a link points to, as it stands there. */
static int read_link(const char *pci, const char *name, char ret_target[PATH_MAX])
{
	char path[NAME_MAX_HERE];
	int dir = dir_of(pci, name, path);
	ssize_t n = readlinkat(dir, path, ret_target, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	ret_target[n] = '\0';
	return 0;
}

static int take_last(const char *target, char *ret_text, size_t size)
{
	const char *last = strrchr(target, '/');

	return text_copy(ret_text, size, last ? last + 1 : target);
}

int vf_link(const char *pci, const char *name, char *ret_text, size_t size)
{
	char target[PATH_MAX];
	int r = read_link(pci, name, target);

	return r < 0 ? r : take_last(target, ret_text, size);
}

int vf_read(const char *pci, const char *file, char *ret_text, size_t size)
{
	enum { ATTRIBUTE_MAX = 4096 };
	char path[NAME_MAX_HERE], text[ATTRIBUTE_MAX + 1];
	int dir = dir_of(pci, file, path);
	AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	/* the kernel gives an attribute in one piece */
	ssize_t n = fd < 0 ? -1 : read(fd, text, ATTRIBUTE_MAX);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	n = (ssize_t)strcspn(text, "\n");
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	return text_copy(ret_text, size, text);
}

int vf_read_number(const char *pci, const char *file, uint64_t *ret_value)
{
	char text[32];
	int r = vf_read(pci, file, text, sizeof(text));

	return r < 0 ? r : parse_u64(text, ret_value);
}

bool vf_has(const char *pci, const char *file)
{
	char path[NAME_MAX_HERE];
	int dir = dir_of(pci, file, path);
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void vf_driver(const char *pci, char *ret_name, size_t size)
{
	if (vf_link(pci, "driver", ret_name, size) < 0)
		ret_name[0] = '\0';
}

int vf_write(const char *pf, const char *pci, const char *file, const char *text, struct error *err)
{
	AUTO_FREE char *path = path_of(pci, file);
	char below[NAME_MAX_HERE];
	int dir;

	if (!sysfs_is_child())
		return sysfs_write(pf, path, text, VF_DEADLINE_NS, err);
	dir = dir_of(pci, file, below);
	return sysfs_write_below(dir, below, path, text, err);
}

int vf_address(const char *pci, uint32_t number, char ret_pci[PCI_ADDRESS_MAX])
{
	char name[24], target[PATH_MAX], unused[NAME_MAX_HERE];
	int r;

	snprintf(name, sizeof(name), "virtfn%u", number);
	r = read_link(pci, name, target);
	if (r == 0)
		r = take_last(target, ret_pci, PCI_ADDRESS_MAX);
	/* where it is kept, this way is the shortest to it */
	if (r == 0 && dirs.keeps)
		keep_dir(ret_pci, dir_of(pci, "", unused), target);
	return r;
}

uint32_t vf_count(const char *pci)
{
	AUTO_FREE char *path = must_asprintf("%s/sys/bus/pci/devices/%s", root_path(), pci);
	DIR *dir = opendir(path);
	uint32_t n = 0;

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		n += text_starts(entry->d_name, "virtfn");
	if (dir)
		closedir(dir);
	return n;
}
