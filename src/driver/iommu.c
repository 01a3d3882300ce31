/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/iommu.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/pci_config.h"
#include "driver/pci_space.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

enum {
	CLASS_BRIDGE = 0x06,
	CAPABILITY_EXPRESS = 0x10,
	EXPRESS_FLAGS = 2, /* from its beginning; bits 4 to 7: what kind of port */
	PORT_ROOT = 4,
	PORT_DOWNSTREAM = 6,
	EXTENDED_ACS = 0x0d,
	ACS_CONTROL = 6,
	/* source validation, request and completion redirect, upstream forwarding: what Linux asks
	 * for */
	ACS_WANTED = 0x1d,
	BRIDGES_MAX = 32,
};

static const char groups[] = "/sys/kernel/iommu_groups";

static bool is_there(const char *path)
{
	int fd = root_openat(path, O_PATH);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_entries(const char *path)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root_path(), path);
	DIR *dir = opendir(whole);
	bool found = false;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
		found = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

static void look_command_line(struct iommu *iommu)
{
	static const char *const about[] = { "intel_iommu=", "amd_iommu=", "iommu=" };
	AUTO_FREE char *text = NULL;
	char *rest, *word;

	if (root_read("/proc/cmdline", &text) < 0)
		return;
	rest = text;
	while ((word = strsep(&rest, " \n"))) {
		iommu->overrides_acs |= text_starts(word, "pcie_acs_override");
		for (unsigned i = 0; i < ARRAY_SIZE(about); i++) {
			if (text_starts(word, about[i]))
				text_copy(iommu->option, sizeof(iommu->option), word);
		}
	}
	text_clean(iommu->option);
}

void iommu_look(struct iommu *ret_iommu)
{
	struct iommu iommu = { .is_on = has_entries(groups) };

	if (is_there("/sys/firmware/acpi/tables/DMAR"))
		iommu.maker = IOMMU_INTEL;
	else if (is_there("/sys/firmware/acpi/tables/IVRS"))
		iommu.maker = IOMMU_AMD;
	else if (is_there("/sys/firmware/acpi/tables/IORT"))
		iommu.maker = IOMMU_ARM;
	look_command_line(&iommu);
	iommu.has_vfio = is_there("/dev/vfio/vfio");
	iommu.has_vfio_pci = is_there("/sys/bus/pci/drivers/vfio-pci");
	iommu.has_iommufd = is_there("/dev/iommu");
	*ret_iommu = iommu;
}

int iommu_group(const char *address)
{
	AUTO_FREE char *path =
		must_asprintf("%s/sys/bus/pci/devices/%s/iommu_group", root_path(), address);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *last;
	uint32_t group;

	if (n < 0)
		return -1;
	target[n] = '\0';
	last = strrchr(target, '/');
	return parse_u32(last ? last + 1 : target, &group) < 0 ? -1 : (int)group;
}

unsigned iommu_members(int group, char (*ret_address)[PCI_ADDRESS_MAX], unsigned max)
{
	AUTO_FREE char *path = must_asprintf("%s%s/%d/devices", root_path(), groups, group);
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (struct dirent *entry; dir && n < max && (entry = readdir(dir));) {
		if (entry->d_name[0] != '.' &&
			text_copy(ret_address[n], PCI_ADDRESS_MAX, entry->d_name) == 0)
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

bool iommu_member_is_in_the_way(const char *address)
{
	AUTO_FREE char *handed_over = must_asprintf("/sys/bus/pci/devices/%s/vfio-dev", address);
	int64_t class = 0;
	char driver[64];

	pci_driver(address, driver, sizeof(driver));
	/* "vfio-dev": a driver that hands it over itself, as NVIDIA's does VFs */
	if (!*driver || strstr(driver, "vfio") || text_eq(driver, "pci-stub") ||
		is_there(handed_over))
		return false;
	return pci_number(address, "class", &class) < 0 || class >> 16 != CLASS_BRIDGE;
}

/* Root ports and switches' downstream ports are those that must keep apart what is below them. */
static bool is_apart(const struct pci_config *config)
{
	unsigned express = pci_config_capability(config, CAPABILITY_EXPRESS);
	unsigned port = pci_config_u16(config, express + EXPRESS_FLAGS) >> 4 & 0xf;
	unsigned acs = pci_config_extended(config, EXTENDED_ACS);

	if (express && port != PORT_ROOT && port != PORT_DOWNSTREAM)
		return true;
	return acs && (pci_config_u16(config, acs + ACS_CONTROL) & ACS_WANTED) == ACS_WANTED;
}

int acs_is_on(const char *address, char ret_bridge[PCI_ADDRESS_MAX])
{
	char at[PCI_ADDRESS_MAX];

	text_copy(at, sizeof(at), address);
	for (unsigned i = 0; i < BRIDGES_MAX && pci_parent(at, at) == 0; i++) {
		struct pci_config config;
		int r = pci_config_read(at, &config);

		if (r < 0)
			return r;
		if (!pci_config_is_whole(&config))
			return -EACCES;
		if (!is_apart(&config)) {
			text_copy(ret_bridge, PCI_ADDRESS_MAX, at);
			return 0;
		}
	}
	return 1;
}
