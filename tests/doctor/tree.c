/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "/sys/devices/pci0000:40/" ROOT_PORT
#define BUS	"/sys/bus/pci/devices/"
#define FIRST	UINT64_C(0x380000000000) /* where the root port's window begins */

static char root[PATH_MAX];

const char *tree_root(void)
{
	return root;
}

static char *place(const char *path)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root, path);
	AUTO_FREE char *dir = must_strdup(whole);

	*strrchr(dir, '/') = '\0';
	make_dirs(dir, 0755, NULL);
	return TAKE_PTR(whole);
}

static void put_bytes(const char *path, const void *bytes, size_t length)
{
	AUTO_FREE char *whole = place(path);

	if (write_file_atomic(whole, bytes, length, 0644, NULL) < 0)
		perror(whole);
}

void tree_put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

void tree_link(const char *path, const char *target)
{
	AUTO_FREE char *whole = place(path);

	unlink(whole);
	if (symlink(target, whole) < 0)
		perror(whole);
}

static void put_in(const char *dir, const char *name, const char *format, unsigned long long value)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", dir, name);
	AUTO_BUF text = { 0 };

	if (strchr(format, 'd'))
		buf_addf(&text, "%d\n", (int)value);
	else
		buf_addf(&text, "%s%llx\n", text_eq(format, "0x") ? "0x" : "", value);
	tree_put(path, buf_text(&text));
}

static void program(const char *name)
{
	AUTO_FREE char *path = must_asprintf("/bin/%s", name);
	AUTO_FREE char *whole = NULL;

	tree_put(path, "#!/bin/sh\n");
	whole = must_asprintf("%s%s", root, path);
	chmod(whole, 0755);
}

/* ---- configuration space ---- */

struct space {
	unsigned char byte[4096];
};

static void set(struct space *space, unsigned at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		space->byte[at + i] = (unsigned char)(value >> 8 * i);
}

/* The head of an extended capability. */
static void head(struct space *space, unsigned at, uint16_t id, unsigned next)
{
	set(space, at, 4, id | 1u << 16 | next << 20);
}

/* PCI Express, of that kind of port. */
static void express(struct space *space, unsigned port)
{
	set(space, 0x06, 2, 0x10);
	set(space, 0x34, 1, 0x60);
	set(space, 0x60, 2, 0x10);
	set(space, 0x62, 2, port << 4 | 2);
}

static void put_gpu_space(const struct tree *tree, const char *path)
{
	struct space space = { 0 };

	set(&space, 0, 2, tree->vendor);
	set(&space, 2, 2, tree->device);
	express(&space, 0);
	/* advanced error reporting stands before it on real boards */
	head(&space, 0x100, 0x01, tree->has_capability ? 0x160 : 0);
	if (tree->has_capability) {
		head(&space, 0x160, 0x10, 0);
		set(&space, 0x160 + 0x0c, 2, tree->hardware);
		set(&space, 0x160 + 0x0e, 2, tree->hardware);
		set(&space, 0x160 + 0x10, 2, tree->vfs);
		set(&space, 0x160 + 0x14, 2, tree->offset);
		set(&space, 0x160 + 0x16, 2, 1);
		set(&space, 0x160 + 0x1a, 2, tree->device);
		/* one BAR, 64 bits wide, prefetchable */
		set(&space, 0x160 + 0x24, 4, 0xc);
	}
	put_bytes(path, &space, sizeof(space));
}

static void put_port_space(const struct tree *tree, const char *path)
{
	struct space space = { 0 };

	set(&space, 0, 4, 0x203f8086);
	express(&space, 4);
	head(&space, 0x100, 0x01, tree->has_acs ? 0x148 : 0);
	if (tree->has_acs) {
		head(&space, 0x148, 0x0d, 0);
		set(&space, 0x148 + 4, 2, 0x1f);
		set(&space, 0x148 + 6, 2, 0x1d);
	}
	put_bytes(path, &space, sizeof(space));
}

/* ---- devices ---- */

static void group(const char *device_dir, const char *pci, unsigned number)
{
	AUTO_FREE char *link = must_asprintf("%s/iommu_group", device_dir);
	AUTO_FREE char *target = must_asprintf("/sys/kernel/iommu_groups/%u", number);
	AUTO_FREE char *member = must_asprintf("%s/devices/%s", target, pci);
	AUTO_FREE char *device = must_asprintf("%s%s", root, device_dir);

	tree_link(link, target);
	tree_link(member, device);
}

/* Without access control all that is behind the port is in its group. */
static void enter_group(const struct tree *tree, const char *dir, const char *pci, unsigned own)
{
	if (tree->has_iommu)
		group(dir, pci, tree->has_acs ? own : 1);
}

static void bind(const char *dir, const char *driver)
{
	AUTO_FREE char *link = must_asprintf("%s/driver", dir);
	AUTO_FREE char *target = must_asprintf("/sys/bus/pci/drivers/%s", driver);

	tree_link(link, target);
}

static void on_bus(const char *pci, const char *dir)
{
	AUTO_FREE char *link = must_asprintf(BUS "%s", pci);
	AUTO_FREE char *target = must_asprintf("%s%s", root, dir);

	tree_link(link, target);
}

static void put_port(const struct tree *tree)
{
	AUTO_BUF ranges = { 0 };

	put_in(DEVICES, "vendor", "0x", 0x8086);
	put_in(DEVICES, "device", "0x", 0x203f);
	put_in(DEVICES, "class", "0x", 0x060400);
	put_in(DEVICES, "subordinate_bus_number", "d", tree->last_bus);
	for (unsigned i = 0; i < 15; i++)
		buf_add(&ranges, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	buf_addf(&ranges, "0x%016" PRIx64 " 0x%016" PRIx64 " 0x000000000014220c\n", FIRST,
		FIRST + tree->window_bytes - 1);
	tree_put(DEVICES "/resource", buf_text(&ranges));
	put_port_space(tree, DEVICES "/config");
	bind(DEVICES, "pcieport");
	on_bus(ROOT_PORT, DEVICES);
	enter_group(tree, DEVICES, ROOT_PORT, 1);
}

static void put_ranges(const struct tree *tree, const char *dir)
{
	AUTO_FREE char *path = must_asprintf("%s/resource", dir);
	uint64_t vfs = tree->bar_bytes * tree->hardware;
	AUTO_BUF ranges = { 0 };

	for (unsigned i = 0; i < 7; i++)
		buf_add(&ranges, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	if (vfs == 0)
		buf_add(&ranges, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	else if (tree->bars_have_no_place)
		buf_addf(&ranges, "0x%016x 0x%016" PRIx64 " 0x000000002014220c\n", 0, vfs - 1);
	else
		buf_addf(&ranges, "0x%016" PRIx64 " 0x%016" PRIx64 " 0x000000000014220c\n", FIRST,
			FIRST + vfs - 1);
	buf_add(&ranges, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	if (tree->other_bar_bytes)
		buf_addf(&ranges, "0x%016x 0x%016" PRIx64 " 0x0000000000040200\n", 0x9fe00000,
			0x9fe00000 + tree->other_bar_bytes * tree->hardware - 1);
	for (unsigned i = tree->other_bar_bytes ? 10 : 9; i < 13; i++)
		buf_add(&ranges, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	tree_put(path, buf_text(&ranges));
}

static void put_device(const struct tree *tree, const char *dir, const char *pci, unsigned own)
{
	put_in(dir, "vendor", "0x", tree->vendor);
	put_in(dir, "device", "0x", tree->device);
	put_in(dir, "class", "0x", tree->class);
	put_in(dir, "numa_node", "d", (unsigned long long)tree->numa);
	on_bus(pci, dir);
	enter_group(tree, dir, pci, own);
}

static void put_gpu(const struct tree *tree)
{
	static const char dir[] = DEVICES "/" GPU;

	put_device(tree, dir, GPU, 2);
	if (tree->total >= 0)
		put_in(dir, "sriov_totalvfs", "d", (unsigned)tree->total);
	put_ranges(tree, dir);
	put_gpu_space(tree, DEVICES "/" GPU "/config");
	if (tree->driver)
		bind(dir, tree->driver);
}

static void put_vf(const struct tree *tree, unsigned number)
{
	unsigned at = tree->offset + number;
	AUTO_FREE char *pci =
		must_asprintf("0000:%02x:%02x.%x", 0x41 + at / 256, at % 256 / 8, at % 8);
	AUTO_FREE char *dir = must_asprintf(DEVICES "/%s", pci);
	AUTO_FREE char *link = must_asprintf(DEVICES "/" GPU "/virtfn%u", number);
	AUTO_FREE char *target = must_asprintf("../%s", pci);
	AUTO_FREE char *back = must_asprintf("%s/physfn", dir);

	put_device(tree, dir, pci, 10 + number);
	tree_link(link, target);
	tree_link(back, "../" GPU);
	if (tree->driver)
		bind(dir, tree->driver);
}

struct tree tree_well(void)
{
	return (struct tree){
		.vendor = 0x10de,
		.device = 0x26b9,
		.class = 0x030200,
		.driver = "nvidia",
		.has_capability = true,
		.total = 32,
		.hardware = 32,
		.offset = 4,
		.vfs = 4,
		.bar_bytes = UINT64_C(256) << 20,
		.window_bytes = UINT64_C(16) << 30,
		.last_bus = 0x41,
		.has_iommu = true,
		.has_table = true,
		.has_acs = true,
		.command_line = "root=/dev/sda1 intel_iommu=on iommu=pt quiet\n",
		.has_manager = true,
		.has_monitor = true,
	};
}

void tree_write(const struct tree *tree)
{
	AUTO_FREE char *path = NULL;

	snprintf(root, sizeof(root), "%s/carve-doctor-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!mkdtemp(root))
		perror(root);
	put_port(tree);
	put_gpu(tree);
	for (unsigned i = 0; i < tree->vfs; i++)
		put_vf(tree, i);
	tree_put("/proc/cmdline", tree->command_line);
	tree_put("/proc/driver/nvidia/gpus/" GPU "/information",
		"Model: \t X\nDevice Minor: \t 0\n");
	tree_put("/dev/nvidia0", "");
	tree_put("/dev/vfio/vfio", "");
	tree_put("/sys/bus/pci/drivers/vfio-pci/new_id", "");
	tree_put("/sys/devices/system/node/node0/cpulist", "0\n");
	tree_put("/sys/devices/system/node/node1/cpulist", "1\n");
	if (tree->has_table)
		tree_put("/sys/firmware/acpi/tables/DMAR", "DMAR");
	tree_put("/bin/.keep", "");
	if (tree->has_manager)
		program("sriov-manage");
	if (tree->has_monitor)
		program("qemu-system-x86_64");
	path = must_asprintf("%s/bin", root);
	setenv("CARVE_SYSTEM_ROOT", root, 1);
	setenv("PATH", path, 1);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(path);
}

void tree_remove(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
