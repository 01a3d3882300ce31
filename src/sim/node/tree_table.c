/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry that a node can have, in one list. */
#include "sim/node/tree_table.h"

#include "base/text.h"
#include "sim/node/identity.h"

static bool has_mig(const struct node *node, unsigned gpu, uint32_t vf)
{
	(void)vf;
	return node->gpus[gpu].product.slots > 0;
}

static bool has_vfs(const struct node *node, unsigned gpu, uint32_t vf)
{
	(void)vf;
	return node->gpus[gpu].product.total_vfs > 0;
}

static bool is_vgpu_host(const struct node *node, unsigned gpu, uint32_t vf)
{
	return node->settings.vgpu_host && has_vfs(node, gpu, vf);
}

static bool has_driver(const struct node *node, unsigned gpu, uint32_t vf)
{
	return gpu_now(&node->gpus[gpu])->vfs[vf].is_bound;
}

#define CAPABILITIES "proc/driver/nvidia/capabilities"
#define PCI	     "sys/devices/pci0000:00/{pci}"
#define VF	     "sys/devices/pci0000:00/{vf}"

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
#define STORE(at, bits, what, act, ...)                                                            \
	{                                                                                          \
		.path = at, .type = TREE_FILE, .mode = bits, .text = what, .writes = TREE_STORE,   \
		.store = act, __VA_ARGS__                                                          \
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
	STORE("proc/driver/nvidia/gpus/{pci}/unbindLock", 0644, text_unbind_lock, store_unbind_lock,
		.has = is_vgpu_host),
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
	STORE(PCI "/reset", 0200, NULL, store_reset),
	{ .path = PCI "/sriov_totalvfs",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_total_vfs,
		.has = has_vfs },
	{ .path = PCI "/sriov_offset",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vf_offset,
		.has = has_vfs },
	{ .path = PCI "/sriov_stride",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vf_stride,
		.has = has_vfs },
	{ .path = PCI "/sriov_vf_device",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vf_device,
		.has = has_vfs },
	STORE(PCI "/sriov_numvfs", 0644, text_num_vfs, store_num_vfs, .has = has_vfs,
		.ready = ready_num_vfs),
	STORE(PCI "/sriov_drivers_autoprobe", 0644, text_autoprobe, store_autoprobe,
		.has = has_vfs),
	LINK(PCI "/virtfn{fn}", link_vf_fn),
	LINK(PCI "/driver", link_driver),
	LINK(PCI "/subsystem", link_subsystem_pci),
	FILE_(PCI "/drm/card{gpu}/dev", text_drm_dev),
	FILE_(PCI "/drm/card{gpu}/uevent", text_drm_uevent),
	LINK(PCI "/drm/card{gpu}/device", link_drm_device),
	FILE_(PCI "/drm/renderD{render}/dev", text_drm_dev),
	FILE_(PCI "/drm/renderD{render}/uevent", text_drm_uevent),
	LINK(PCI "/drm/renderD{render}/device", link_drm_device),
	FILE_(VF "/vendor", text_vendor),
	FILE_(VF "/device", text_device),
	FILE_(VF "/subsystem_vendor", text_vendor),
	FILE_(VF "/subsystem_device", text_subsystem_device),
	FILE_(VF "/class", text_class),
	FILE_(VF "/revision", text_revision),
	FILE_(VF "/numa_node", text_numa_node),
	FILE_(VF "/uevent", text_vf_uevent),
	STORE(VF "/driver_override", 0644, text_vf_override, store_vf_override),
	{ .path = VF "/driver",
		.type = TREE_LINK,
		.mode = 0777,
		.text = link_driver,
		.has = has_driver },
	{ .path = VF "/nvidia/creatable_vgpu_types",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vgpu_creatable,
		.has = has_driver },
	STORE(VF "/nvidia/current_vgpu_type", 0644, text_vgpu_type, store_vgpu_type,
		.has = has_driver),
	STORE(VF "/nvidia/vgpu_params", 0644, text_vgpu_params, store_vgpu_params,
		.has = has_driver),
	{ .path = VF "/nvidia/gpu_instance_id",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vgpu_instance,
		.has = has_driver,
		.ready = ready_vgpu },
	{ .path = VF "/nvidia/placement_id",
		.type = TREE_FILE,
		.mode = 0444,
		.text = text_vgpu_placement,
		.has = has_driver,
		.ready = ready_vgpu },
	LINK(VF "/iommu_group", link_vf_group),
	LINK(VF "/physfn", link_vf_pf),
	LINK(VF "/subsystem", link_subsystem_pci),
	LINK("sys/kernel/iommu_groups/{group}/devices/{vf}", link_vf_of_group),
	LINK(PCI "/iommu_group", link_pci_group),
	LINK("sys/kernel/iommu_groups/{gpu}/devices/{pci}", link_pci_of_group),
	LINK("sys/bus/pci/devices/{vf}", link_vf_from_bus),
	{ .path = "sys/bus/pci/drivers/nvidia/{vf}",
		.type = TREE_LINK,
		.mode = 0777,
		.text = link_vf_from_bus,
		.has = has_driver },
	STORE("sys/bus/pci/drivers_probe", 0200, NULL, store_drivers_probe),
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
