/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry that a node can have, in one list. */
#include "sim/node/tree_table.h"

#include "base/text.h"
#include "sim/node/identity.h"

static bool has_mig(const struct gpu *gpu)
{
	return gpu->product.slots > 0;
}

static bool has_vfs(const struct gpu *gpu)
{
	return gpu->product.total_vfs > 0;
}

#define CAPABILITIES "proc/driver/nvidia/capabilities"
#define PCI	     "sys/devices/pci0000:00/{pci}"

#define DIR(at)                                                                                    \
	{                                                                                          \
		.path = at, .type = TREE_DIR, .mode = 0755                                         \
	}
#define FILE_(at, what)                                                                            \
	{                                                                                          \
		.path = at, .type = TREE_FILE, .mode = 0444, .text = what                          \
	}
#define LINK(at, what)                                                                             \
	{                                                                                          \
		.path = at, .type = TREE_LINK, .mode = 0777, .text = what                          \
	}
#define DEVICE(at, bits, no)                                                                       \
	{                                                                                          \
		.path = at, .type = TREE_DEVICE, .mode = bits, .minor_no = no                      \
	}
#define CAPABILITY(at, ...)                                                                        \
	{                                                                                          \
		.path = CAPABILITIES at, .type = TREE_FILE, .mode = 0444, .text = text_access,     \
		.writes = TREE_CAPABILITY, __VA_ARGS__                                             \
	}

const struct tree_row tree_rows[] = {
	FILE_("proc/devices", text_devices),
	FILE_("proc/driver/nvidia/version", text_version),
	FILE_("proc/driver/nvidia/params", text_params),
	FILE_("proc/driver/nvidia/gpus/{pci}/information", text_information),
	FILE_("proc/driver/nvidia-caps/mig-minors", text_mig_minors),
	FILE_("proc/driver/nvidia-caps/nvlink-minors", text_nvlink_minors),
	CAPABILITY("/mig/config", .minor_no = CAP_MINOR_CONFIG),
	CAPABILITY("/mig/monitor", .minor_no = CAP_MINOR_MONITOR),
	{ .path = CAPABILITIES "/gpu{gpu}/mig", .type = TREE_DIR, .mode = 0755, .has = has_mig },
	CAPABILITY("/gpu{gpu}/mig/gi{gi}/access"),
	CAPABILITY("/gpu{gpu}/mig/gi{gi}/ci{ci}/access"),

	FILE_("sys/module/nvidia/version", text_module_version),
	FILE_("sys/module/nvidia/initstate", text_module_state),
	FILE_("sys/module/nvidia_uvm/initstate", text_module_state),

	FILE_(PCI "/vendor", text_vendor),
	FILE_(PCI "/device", text_device),
	FILE_(PCI "/subsystem_vendor", text_vendor),
	FILE_(PCI "/subsystem_device", text_subsystem_device),
	FILE_(PCI "/class", text_class),
	FILE_(PCI "/revision", text_revision),
	FILE_(PCI "/config", text_config),
	FILE_(PCI "/irq", text_irq),
	FILE_(PCI "/numa_node", text_numa_node),
	FILE_(PCI "/current_link_speed", text_link_speed),
	FILE_(PCI "/current_link_width", text_link_width),
	FILE_(PCI "/max_link_speed", text_link_speed),
	FILE_(PCI "/max_link_width", text_link_width),
	FILE_(PCI "/uevent", text_uevent),
	{ .path = PCI "/reset", .type = TREE_FILE, .mode = 0200, .writes = TREE_STORE },
	{ .path = PCI "/sriov_totalvfs",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_total_vfs,
		.has = has_vfs },
	{ .path = PCI "/sriov_numvfs",
		.type = TREE_FILE,
		.mode = 0644,
		.text = text_zero,
		.has = has_vfs,
		.writes = TREE_STORE },
	{ .path = PCI "/sriov_drivers_autoprobe",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_one,
		.has = has_vfs },
	LINK(PCI "/driver", link_driver),
	LINK(PCI "/subsystem", link_subsystem_pci),
	FILE_(PCI "/drm/card{gpu}/dev", text_drm_dev),
	FILE_(PCI "/drm/card{gpu}/uevent", text_drm_uevent),
	LINK(PCI "/drm/card{gpu}/device", link_drm_device),
	FILE_(PCI "/drm/renderD{render}/dev", text_drm_dev),
	FILE_(PCI "/drm/renderD{render}/uevent", text_drm_uevent),
	LINK(PCI "/drm/renderD{render}/device", link_drm_device),
	LINK("sys/bus/pci/devices/{pci}", link_pci_device),
	LINK("sys/bus/pci/drivers/nvidia/{pci}", link_pci_device),
	LINK("sys/class/drm/card{gpu}", link_drm_card),
	LINK("sys/class/drm/renderD{render}", link_drm_render),

	/* What a mount namespace brings back from the machine's own /sys (program/place.h). */
	DIR("sys/class/dmi"),
	DIR("sys/class/mem"),
	DIR("sys/class/misc"),
	DIR("sys/class/net"),
	DIR("sys/class/tty"),
	DIR("sys/devices/system"),
	DIR("sys/devices/virtual"),
	DIR("sys/firmware"),
	DIR("sys/fs"),
	DIR("sys/kernel"),

	DEVICE("dev/nvidiactl", 0666, 255),
	DEVICE("dev/nvidia{gpu}", 0666, 0),
	DEVICE("dev/nvidia-uvm", 0666, 0),
	DEVICE("dev/nvidia-uvm-tools", 0666, 1),
	DEVICE("dev/nvidia-caps/nvidia-cap1", 0400, CAP_MINOR_CONFIG),
	DEVICE("dev/nvidia-caps/nvidia-cap2", 0444, CAP_MINOR_MONITOR),
	DEVICE("dev/dri/card{gpu}", 0660, 0),
	DEVICE("dev/dri/renderD{render}", 0666, 128),
};
const unsigned tree_n_rows = ARRAY_SIZE(tree_rows);
