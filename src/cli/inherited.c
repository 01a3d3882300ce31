/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inherited.h"

#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Fixed for all time in the kernel's list of devices. */
enum { MAJOR_NVIDIA = 195, MAJOR_DRM = 226 };

/* Below a directory /dev: what belongs to a GPU. */
static bool is_gpu_name(const char *name)
{
	return text_starts(name, "nvidia") || text_starts(name, "dri/");
}

static bool is_gpu_path(const char *path)
{
	const char *root = getenv("CARVE_SYSTEM_ROOT");
	char real[PATH_MAX];

	if (text_starts(path, "/dev/") && is_gpu_name(path + 5))
		return true;
	if (!root || !*root || !realpath(root, real) || !text_starts(path, real))
		return false;
	path += strlen(real);
	return text_starts(path, "/dev/") && is_gpu_name(path + 5);
}

/* A node that was renamed or made elsewhere still has its number. */
static bool is_gpu_number(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode))
		return false;
	return major(st.st_rdev) == MAJOR_NVIDIA || major(st.st_rdev) == MAJOR_DRM;
}

void close_inherited_gpus(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		uint32_t fd;
		ssize_t n;

		if (parse_u32(entry->d_name, &fd) < 0 || (int)fd == dirfd(dir))
			continue;
		n = readlinkat(dirfd(dir), entry->d_name, path, sizeof(path) - 1);
		if (n < 0)
			continue;
		path[n] = '\0';
		if (is_gpu_path(path) || is_gpu_number((int)fd))
			close((int)fd);
	}
	closedir(dir);
}
