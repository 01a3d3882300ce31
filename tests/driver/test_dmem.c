/* SPDX-License-Identifier: Apache-2.0 */
/* Device memory limits, on a directory that plays the cgroup tree. */
#include "test.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/dmem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree[] = "/tmp/carve-dmem-XXXXXX";
static const char pci[] = "0000:65:00.0";

static void put(const char *file, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s%s", tree, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
}

static const char *get(const char *file)
{
	static char *text;
	char path[200];

	free(text);
	text = NULL;
	snprintf(path, sizeof(path), "%s%s", tree, file);
	return read_file_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0 ? NULL : text;
}

static void make(void)
{
	static const char *const directories[] = { "/user.slice", "/user.slice/carve-1" };
	char path[200];

	if (!mkdtemp(tree))
		exit(1);
	put("/cgroup.subtree_control", "");
	for (unsigned i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(path, sizeof(path), "%s%s", tree, directories[i]);
		if (mkdir(path, 0755) < 0)
			exit(1);
	}
	put("/user.slice/cgroup.subtree_control", "");
	put("/user.slice/carve-1/cgroup.subtree_control", "");
}

__attribute__((destructor)) static void unmake(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf '%s'", tree);
	if (system(command) != 0)
		fprintf(stderr, "%s is left\n", tree);
}

TEST(kernel_or_driver_without_it_is_told)
{
	struct error err = ERROR_NONE;
	uint64_t bytes = 1;

	make();
	CHECK_EQ(dmem_capacity(tree, pci, &bytes, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "6.14"), "%s", err.text);
	put("/dmem.capacity", "drm/0000:65:00.0/vram0 1000\nnvidia/0000:66:00.0/vidmem 2000\n");
	CHECK_EQ(dmem_capacity(tree, pci, &bytes, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "CUDA 13.4"), "%s", err.text);
	CHECK_EQ(dmem_set_max(tree, "/user.slice/carve-1", pci, 4096, &err), -ENOTSUP);
	CHECK_EQ(bytes, 1);
	put("/dmem.capacity",
		"nvidia/0000:66:00.0/vidmem 2000\nnvidia/0000:65:00.0/vidmem 85899345920\n");
	CHECK_EQ(dmem_capacity(tree, pci, &bytes, &err), 0);
	CHECK_EQ(bytes, 85899345920);
}

TEST(it_is_turned_on_above_a_cgroup_and_not_in_it)
{
	struct error err = ERROR_NONE;

	CHECK_EQ(dmem_enable(tree, "/user.slice/carve-1", &err), 0);
	CHECK_TEXT(get("/cgroup.subtree_control"), "+dmem");
	CHECK_TEXT(get("/user.slice/cgroup.subtree_control"), "+dmem");
	CHECK_TEXT(get("/user.slice/carve-1/cgroup.subtree_control"), "");
	CHECK_EQ(dmem_enable(tree, "/gone/carve-1", &err), -ENOENT);
	CHECK_SAY(strstr(err.text, "/gone"), "%s", err.text);
}

TEST(limit_is_written_and_read_back)
{
	struct error err = ERROR_NONE;
	uint64_t bytes = 0;

	put("/user.slice/carve-1/dmem.max", "");
	CHECK_EQ(dmem_set_max(tree, "/user.slice/carve-1", pci, 8589934592, &err), 0);
	CHECK_TEXT(get("/user.slice/carve-1/dmem.max"), "nvidia/0000:65:00.0/vidmem 8589934592");
	put("/user.slice/carve-1/dmem.max", "");
	CHECK_EQ(dmem_set_max(tree, "/user.slice/carve-1", pci, DMEM_NO_LIMIT, &err), 0);
	CHECK_TEXT(get("/user.slice/carve-1/dmem.max"), "nvidia/0000:65:00.0/vidmem max");
	/* what is there when it is read back is not what was written */
	put("/user.slice/carve-1/dmem.max",
		"nvidia/0000:66:00.0/vidmem 1\nnvidia/0000:65:00.0/vidmem 4096 and what is behind "
		"it\n");
	CHECK_EQ(dmem_set_max(tree, "/user.slice/carve-1", pci, 8192, &err), -EIO);
	CHECK_SAY(strstr(err.text, "did not take 8192"), "%s", err.text);
	CHECK_EQ(dmem_set_max(tree, "/gone", pci, 8192, &err), -ENOENT);
	put("/user.slice/carve-1/dmem.current", "nvidia/0000:65:00.0/vidmem 777\n");
	CHECK_EQ(dmem_used(tree, "/user.slice/carve-1", pci, &bytes, &err), 0);
	CHECK_EQ(bytes, 777);
	CHECK_EQ(dmem_used(tree, "/user.slice", pci, &bytes, &err), -ENOENT);
}

TEST_MAIN()
