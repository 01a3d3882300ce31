/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOMMU groups: devices that the hardware cannot keep apart. VFIO gives none of a group's devices
 * to anybody as long as another member has a driver that is not VFIO's own; bridges do not count.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_kind.h"

#include <dirent.h>
#include <stdio.h>

enum { CLASS_BRIDGE = 0x06 };

static bool is_harmless(const char *pci)
{
	int64_t class = 0;
	char driver[32];

	pci_driver(pci, driver, sizeof(driver));
	/* "vfio-dev": a driver that hands it out itself, as NVIDIA's does */
	return !driver[0] || strstr(driver, "vfio") || text_eq(driver, "pcieport") ||
	       text_eq(driver, "pci-stub") || vf_has(pci, "vfio-dev") ||
	       (pci_number(pci, "class", &class) == 0 && class >> 16 == CLASS_BRIDGE);
}

/* No other member keeps VFIO from it. */
static bool is_viable(const struct vf *vf)
{
	AUTO_FREE char *path =
		must_asprintf("%s/sys/kernel/iommu_groups/%d/devices", root_path(), vf->group);
	DIR *dir = opendir(path);
	bool viable = true;

	for (struct dirent *entry; dir && viable && (entry = readdir(dir));)
		viable = entry->d_name[0] == '.' || text_eq(entry->d_name, vf->pci) ||
			 is_harmless(entry->d_name);
	if (dir)
		closedir(dir);
	return viable;
}

void vf_find_groups(struct vfs_seen *vfs)
{
	for (uint32_t i = 0; i < vfs->n; i++) {
		struct vf *vf = &vfs->vf[i];
		char text[16];
		uint32_t group;

		if (vf_link(vf->pci, "iommu_group", text, sizeof(text)) < 0 ||
			parse_u32(text, &group) < 0 || group > INT32_MAX)
			continue;
		vf->group = (int32_t)group;
		vf->is_viable = is_viable(vf);
	}
}
