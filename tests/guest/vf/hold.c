// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a virtual function through VFIO as a virtual machine monitor does, and keeps it open until
 *it is killed, or with -once only looks. Its arguments are as qemu-system-x86_64's, by which name
 *it stands in for that one:
 *
 *	hold [-once] [-name NAME] -device vfio-pci,host=0000:01:00.4
 *
 * Prints one line: "holds 10de:2335 class 030200 group 5 reset yes", or why not.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY_BYTES = 2 << 20 };
static const uint64_t memory_at = 0x100000; /* in the device's address space */

static void fail(const char *what)
{
	printf("cannot %s: %s\n", what, strerror(errno));
	exit(1);
}

static int group_of(const char *pci)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *number;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", pci);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		fail("find its IOMMU group");
	target[n] = '\0';
	number = strrchr(target, '/');
	return number ? atoi(number + 1) : -1;
}

static int open_container(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (container < 0)
		fail("open /dev/vfio/vfio");
	if (ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
		!ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU))
		fail("use this kernel's VFIO");
	return container;
}

static int open_group(int container, int number)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int group;

	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		fail("open its group");
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
		fail("ask for the group's status");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		fail(status.flags & VFIO_GROUP_FLAGS_VIABLE ? "use the group"
							    : "use the group (not viable)");
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		fail("set the IOMMU");
	return group;
}

/* The guest's memory, which the device may then write to. */
static void map_memory(int container)
{
	void *memory = mmap(
		NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = memory_at,
		.size = MEMORY_BYTES,
	};

	if (memory == MAP_FAILED || ioctl(container, VFIO_IOMMU_MAP_DMA, &map) < 0)
		fail("map memory for it");
}

static void show_device(int device, int group)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t id[2];
	uint32_t class;

	if (ioctl(device, VFIO_DEVICE_GET_INFO, &info) < 0)
		fail("ask what it is");
	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		fail("find its configuration space");
	if (pread(device, id, sizeof(id), (off_t)config.offset) != sizeof(id) ||
		pread(device, &class, sizeof(class), (off_t)config.offset + 8) != sizeof(class))
		fail("read its configuration space");
	if (info.flags & VFIO_DEVICE_FLAGS_RESET && ioctl(device, VFIO_DEVICE_RESET) < 0)
		fail("reset it");
	printf("holds %04x:%04x class %06x group %d reset %s\n", id[0], id[1], class >> 8, group,
		info.flags & VFIO_DEVICE_FLAGS_RESET ? "yes" : "no");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *pci = NULL;
	int container, number, group, device;
	bool is_once = false;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "vfio-pci,host=", 14) == 0)
			pci = argv[i] + 14;
		is_once |= strcmp(argv[i], "-once") == 0;
	}
	if (!pci)
		return 64;
	container = open_container();
	number = group_of(pci);
	group = open_group(container, number);
	map_memory(container);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, pci);
	if (device < 0)
		fail("open it");
	show_device(device, number);
	if (!is_once)
		pause();
	return 0;
}
