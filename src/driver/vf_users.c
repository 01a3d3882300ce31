/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has VFs open: whoever has their group (/dev/vfio/7) or device (/dev/vfio/devices/vfio3) as a
 * descriptor, for as long as it has it. One pass over all processes answers for all VFs of a GPU.
 * To open one's own to see whether that fails would make others fail.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_kind.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { WORDS_MAX = 1 << 20 };

static const char vfio[] = "/dev/vfio/";

/* A file by which a VF is held. */
struct node {
	struct stat st;
	uint32_t vf; /* index */
};

struct nodes {
	unsigned n;
	struct node at[2 * VFS_MAX];
};

static void add_node(struct nodes *nodes, const char *name, uint32_t vf)
{
	AUTO_FREE char *path = must_asprintf("%s%s%s", root_path(), vfio, name);
	struct node *node = &nodes->at[nodes->n];

	if (stat(path, &node->st) < 0)
		return;
	node->vf = vf;
	nodes->n++;
}

bool vf_has_cdevs(void)
{
	AUTO_FREE char *path = must_asprintf("%s%sdevices", root_path(), vfio);

	return access(path, F_OK) == 0;
}

bool vf_cdev(const char *pci, char *ret_name, size_t size)
{
	AUTO_FREE char *path =
		must_asprintf("%s/sys/bus/pci/devices/%s/vfio-dev", root_path(), pci);
	DIR *dir = opendir(path);
	bool found = false;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
		found = text_starts(entry->d_name, "vfio") &&
			text_copy(ret_name, size, entry->d_name) == 0;
	if (dir)
		closedir(dir);
	return found;
}

static void collect(const struct vfs_seen *vfs, struct nodes *nodes)
{
	bool has_cdevs = vf_has_cdevs();

	for (uint32_t i = 0; i < vfs->n; i++) {
		const struct vf *vf = &vfs->vf[i];
		char name[48], cdev[32];

		if (vf->group >= 0) {
			snprintf(name, sizeof(name), "%d", vf->group);
			add_node(nodes, name, i);
		}
		if (has_cdevs && vf_cdev(vf->pci, cdev, sizeof(cdev))) {
			snprintf(name, sizeof(name), "devices/%s", cdev);
			add_node(nodes, name, i);
		}
	}
}

/* Virtual machines may see the node under another file system: then it is the device that counts.
 */
static bool is_same(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode))
		return S_ISCHR(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The name behind a word of a virtual machine monitor's command line. */
static void take_name(const char *word, const char *value, char *ret_name, size_t size)
{
	const char *guest = strstr(value, "guest=");

	if (text_eq(word, "-name") || text_eq(word, "--name")) {
		if (guest)
			value = guest + strlen("guest=");
	} else if (text_eq(word, "--api-socket") && !ret_name[0]) {
		/* cloud-hypervisor has no names: its socket mostly does */
		value = strrchr(value, '/') ? strrchr(value, '/') + 1 : value;
	} else {
		return;
	}
	snprintf(ret_name, size, "%.*s", (int)strcspn(value, ",\n"), value);
	text_clean(ret_name);
}

static void find_vm(int32_t pid, char *ret_name, size_t size)
{
	AUTO_FREE char *path = must_asprintf("/proc/%d/cmdline", (int)pid);
	AUTO_FREE char *words = NULL;
	size_t length = 0;

	if (read_file_at(AT_FDCWD, path, WORDS_MAX, &words, &length) < 0)
		return;
	for (size_t at = 0; at < length;) {
		size_t next = at + strlen(words + at) + 1;

		if (next < length)
			take_name(words + at, words + next, ret_name, size);
		at = next;
	}
}

static void mark(
	struct vfs_seen *vfs, const struct nodes *nodes, int dir, const char *fd, int32_t pid)
{
	struct stat st;

	if (fstatat(dir, fd, &st, 0) < 0)
		return;
	for (unsigned i = 0; i < nodes->n; i++) {
		struct vf *vf = &vfs->vf[nodes->at[i].vf];

		if (vf->user || !is_same(&nodes->at[i].st, &st))
			continue;
		vf->user = pid;
		find_vm(pid, vf->vm, sizeof(vf->vm));
	}
}

static void look_process(struct vfs_seen *vfs, const struct nodes *nodes, uint32_t pid)
{
	AUTO_FREE char *path = must_asprintf("/proc/%u/fd", pid);
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char target[PATH_MAX];
		ssize_t n;

		if (entry->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		/* no stat of what cannot be it: it might be on a network that does not answer */
		if (strstr(target, vfio))
			mark(vfs, nodes, dirfd(dir), entry->d_name, (int32_t)pid);
	}
	if (dir)
		closedir(dir);
}

void vf_find_users(struct vfs_seen *vfs)
{
	struct nodes *nodes = must_alloc(1, sizeof(*nodes));
	DIR *proc = NULL;

	collect(vfs, nodes);
	if (nodes->n)
		proc = opendir("/proc");
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		uint32_t pid;

		if (parse_u32(entry->d_name, &pid) == 0)
			look_process(vfs, nodes, pid);
	}
	if (proc)
		closedir(proc);
	free(nodes);
}
