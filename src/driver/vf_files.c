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

/* The directory of all devices, kept open: one look reads hundreds of files below it. */
static int devices(void)
{
	static char of[PATH_MAX];
	static int fd = -1;

	if (fd >= 0 && text_eq(of, root_path()))
		return fd;
	if (fd >= 0)
		close(fd);
	text_copy(of, sizeof(of), root_path());
	fd = root_openat("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	return fd;
}

int vf_link(const char *pci, const char *name, char *ret_text, size_t size)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", pci, name);
	char target[PATH_MAX];
	ssize_t n = readlinkat(devices(), path, target, sizeof(target) - 1);
	const char *last;

	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	return text_copy(ret_text, size, last ? last + 1 : target);
}

int vf_read(const char *pci, const char *file, char *ret_text, size_t size)
{
	enum { FILE_MAX = 1 << 16 };
	AUTO_FREE char *path = must_asprintf("%s/%s", pci, file);
	AUTO_FREE char *text = NULL;
	int r = read_file_at(devices(), path, FILE_MAX, &text, NULL);
	size_t length;

	if (r < 0)
		return r;
	length = strcspn(text, "\n");
	while (length > 0 && text[length - 1] == ' ')
		length--;
	text[length] = '\0';
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
	AUTO_FREE char *path = must_asprintf("%s/%s", pci, file);
	struct stat st;

	return fstatat(devices(), path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

void vf_driver(const char *pci, char *ret_name, size_t size)
{
	if (vf_link(pci, "driver", ret_name, size) < 0)
		ret_name[0] = '\0';
}

int vf_write(const char *pf, const char *pci, const char *file, const char *text, struct error *err)
{
	AUTO_FREE char *path = path_of(pci, file);

	return sysfs_write(pf, path, text, VF_DEADLINE_NS, err);
}

int vf_address(const char *pci, uint32_t number, char ret_pci[PCI_ADDRESS_MAX])
{
	char name[24];

	snprintf(name, sizeof(name), "virtfn%u", number);
	return vf_link(pci, name, ret_pci, PCI_ADDRESS_MAX);
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
