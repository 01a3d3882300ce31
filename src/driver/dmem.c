/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the dmem controller have a line for each region of device memory:
 *
 *	nvidia/0000:65:00.0/vidmem 85899345920
 *
 * The root's dmem.capacity tells which there are and how they are called. A limit is such a line,
 * written. The kernel keeps whole pages of it.
 */
#include "driver/dmem.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, REGION_MAX = 128, PAGE_MAX = 64 << 10 };

static int read_lines(const char *tree, const char *cgroup, const char *file, char **ret_text)
{
	AUTO_FREE char *path =
		must_asprintf("%s%s/%s", tree, text_eq(cgroup, "/") ? "" : cgroup, file);

	return read_file_at(AT_FDCWD, path, FILE_MAX, ret_text, NULL);
}

static int write_line(const char *tree, const char *cgroup, const char *file, const char *line)
{
	AUTO_FREE char *path =
		must_asprintf("%s%s/%s", tree, text_eq(cgroup, "/") ? "" : cgroup, file);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : write_all(fd, line, strlen(line));
}

/* Finds the GPU's line: the region's name and what stands behind it ("max": no limit). */
static int find_region(
	char *text, const char *pci, char ret_region[REGION_MAX], uint64_t *ret_bytes)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *blank = strchr(line, ' ');

		if (!blank || !text_starts(line, "nvidia/") || !strcasestr(line, pci))
			continue;
		*blank = '\0';
		if (text_eq(blank + 1, "max"))
			*ret_bytes = DMEM_NO_LIMIT;
		else if (parse_u64(blank + 1, ret_bytes) < 0)
			continue;
		return text_copy(ret_region, REGION_MAX, line) == 0 ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

static int find_capacity(const char *tree, const char *pci, char ret_region[REGION_MAX],
	uint64_t *ret_bytes, struct error *err)
{
	AUTO_FREE char *text = NULL;
	int r = read_lines(tree, "/", "dmem.capacity", &text);

	if (r < 0)
		return error_set(err, -ENOTSUP,
			"this kernel holds no device memory limits: it takes Linux 6.14 or later "
			"with "
			"the cgroup controller dmem (CONFIG_CGROUP_DMEM)");
	r = find_region(text, pci, ret_region, ret_bytes);
	if (r < 0)
		return error_set(err, -ENOTSUP,
			"the driver does not account for the memory of GPU %s in cgroups: it takes "
			"NVIDIA's of CUDA 13.4 or later, and no MIG mode",
			pci);
	return 0;
}

int dmem_capacity(const char *tree, const char *pci, uint64_t *ret_bytes, struct error *err)
{
	char region[REGION_MAX];

	return find_capacity(tree, pci, region, ret_bytes, err);
}

int dmem_enable(const char *tree, const char *cgroup, struct error *err)
{
	AUTO_FREE char *path = must_strdup(cgroup);

	/* "/", "/user.slice", ...: each lets its children have it */
	for (char *end = path; end; end = strchr(end + 1, '/')) {
		char kept = *end;
		int r;

		*end = '\0';
		r = write_line(tree, path[0] ? path : "/", "cgroup.subtree_control", "+dmem");
		if (r < 0) {
			errno = -r;
			return error_set(err, r, "cannot turn dmem on below the cgroup %s: %m",
				path[0] ? path : "/");
		}
		*end = kept;
	}
	return 0;
}

int dmem_set_max(
	const char *tree, const char *cgroup, const char *pci, uint64_t bytes, struct error *err)
{
	char region[REGION_MAX], again[REGION_MAX];
	AUTO_FREE char *line = NULL;
	AUTO_FREE char *text = NULL;
	uint64_t capacity, got = 0;
	int r = find_capacity(tree, pci, region, &capacity, err);

	if (r < 0)
		return r;
	line = bytes == DMEM_NO_LIMIT ? must_asprintf("%s max", region)
				      : must_asprintf("%s %" PRIu64, region, bytes);
	r = write_line(tree, cgroup, "dmem.max", line);
	if (r == 0)
		r = read_lines(tree, cgroup, "dmem.max", &text);
	if (r < 0) {
		errno = -r;
		return error_set(
			err, r, "cannot limit the device memory of the cgroup %s: %m", cgroup);
	}
	r = find_region(text, pci, again, &got);
	if (r < 0 || got > bytes || bytes - got >= PAGE_MAX)
		return error_set(err, -EIO,
			"the kernel did not take %" PRIu64 " bytes as limit of the cgroup %s",
			bytes, cgroup);
	return 0;
}

int dmem_used(const char *tree, const char *cgroup, const char *pci, uint64_t *ret_bytes,
	struct error *err)
{
	AUTO_FREE char *text = NULL;
	char region[REGION_MAX];
	uint64_t bytes = 0;
	int r = read_lines(tree, cgroup, "dmem.current", &text);

	if (r == 0)
		r = find_region(text, pci, region, &bytes);
	if (r < 0) {
		errno = -r;
		return error_set(err, r,
			"cannot read the device memory in use of the cgroup %s: %m", cgroup);
	}
	*ret_bytes = bytes;
	return 0;
}
