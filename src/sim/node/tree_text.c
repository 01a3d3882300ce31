/* SPDX-License-Identifier: Apache-2.0 */
/* What the files hold, as the driver and the kernel write it. */
#include "sim/node/tree_table.h"

#include "abi/nvml.h"
#include "base/text.h"
#include "sim/node/identity.h"

#include <sys/stat.h>

#define TEXT(name) void name(struct node *node, const struct tree_entry *entry, struct buf *text)
#define GPU	   (&node->gpus[entry->gpu])

TEXT(text_version)
{
	(void)entry;
	buf_addf(text,
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  %s  Release Build  "
		"(carve-sim)\nGCC version:  gcc version 12.2.0\n",
		node->settings.driver_version);
}

TEXT(text_params)
{
	(void)node;
	(void)entry;
	buf_add(text, "ModifyDeviceFiles: 1\nDeviceFileUID: 0\nDeviceFileGID: 0\n"
		      "DeviceFileMode: 438\n");
}

TEXT(text_devices)
{
	const struct node_settings *settings = &node->settings;

	(void)entry;
	buf_addf(text,
		"Character devices:\n  1 mem\n  5 /dev/tty\n%3u nvidia\n%3u nvidia-frontend\n"
		"%3u nvidiactl\n%3u drm\n%3u nvidia-uvm\n%3u nvidia-caps\n\nBlock devices:\n",
		settings->major_nvidia, settings->major_nvidia, settings->major_nvidia,
		settings->major_drm, settings->major_uvm, settings->major_caps);
}

TEXT(text_information)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text,
		"Model: \t\t %s\nIRQ:   \t\t %u\nGPU UUID: \t %s\nVideo BIOS: \t ??.??.??.??.??\n"
		"Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n"
		"Bus Location: \t %s\nDevice Minor: \t %u\nGPU Firmware: \t %s\nGPU Excluded:\t "
		"No\n",
		GPU->product.name, 100 + entry->gpu, GPU->uuid, identity_pci_text(GPU, pci),
		entry->gpu, node->settings.driver_version);
}

/* The mode is decimal, as the driver prints it. */
TEXT(text_access)
{
	(void)node;
	buf_addf(text, "DeviceFileMinor: %u\nDeviceFileMode: %u\nDeviceFileModify: %d\n",
		entry->minor_no, entry->minor_no == CAP_MINOR_CONFIG ? 0400u : 0444u,
		entry->modify);
}

TEXT(text_mig_minors)
{
	(void)node;
	(void)entry;
	buf_addf(text, "config %d\nmonitor %d\n", CAP_MINOR_CONFIG, CAP_MINOR_MONITOR);
	for (unsigned gpu = 0; gpu < CAP_GPUS; gpu++) {
		for (unsigned gi = 0; gi < CAP_INSTANCES; gi++) {
			buf_addf(text, "gpu%u/gi%u/access %u\n", gpu, gi,
				identity_instance_minor(gpu, gi));
			for (unsigned ci = 0; ci < CAP_COMPUTES; ci++)
				buf_addf(text, "gpu%u/gi%u/ci%u/access %u\n", gpu, gi, ci,
					identity_compute_minor(gpu, gi, ci));
		}
	}
}

TEXT(text_nvlink_minors)
{
	(void)node;
	(void)entry;
	buf_add(text, "fabric-mgmt 0\n");
}

/* ---- /sys ---- */

TEXT(text_module_version)
{
	(void)entry;
	buf_addf(text, "%s\n", node->settings.driver_version);
}

TEXT(text_module_state)
{
	(void)node;
	(void)entry;
	buf_add(text, "live\n");
}

TEXT(text_vendor)
{
	(void)node;
	(void)entry;
	buf_add(text, "0x10de\n");
}

TEXT(text_device)
{
	buf_addf(text, "0x%04x\n", GPU->product.device_id);
}

TEXT(text_subsystem_device)
{
	buf_addf(text, "0x%04x\n", GPU->product.subsystem_id);
}

TEXT(text_class)
{
	(void)node;
	(void)entry;
	buf_add(text, "0x030200\n");
}

TEXT(text_revision)
{
	(void)node;
	(void)entry;
	buf_add(text, "0xa1\n");
}

/* The first 64 bytes of the configuration space; of a GPU that is off the bus, all ones. */
TEXT(text_config)
{
	unsigned char config[64] = { 0xde, 0x10, [4] = 0x06, [6] = 0x10, [8] = 0xa1, [10] = 0x02,
		[11] = 0x03, [44] = 0xde, [45] = 0x10, [52] = 0x60 };

	config[2] = (unsigned char)GPU->product.device_id;
	config[3] = (unsigned char)(GPU->product.device_id >> 8);
	config[46] = (unsigned char)GPU->product.subsystem_id;
	config[47] = (unsigned char)(GPU->product.subsystem_id >> 8);
	node_lock(node);
	if (gpu_now(GPU)->lost)
		memset(config, 0xff, sizeof(config));
	node_unlock(node);
	buf_add_n(text, (const char *)config, sizeof(config));
}

TEXT(text_irq)
{
	(void)node;
	buf_addf(text, "%u\n", 100 + entry->gpu);
}

TEXT(text_numa_node)
{
	buf_addf(text, "%d\n", GPU->numa_node);
}

TEXT(text_link_speed)
{
	static const char *const speeds[] = { "2.5", "2.5", "5.0", "8.0", "16.0", "32.0", "64.0" };
	uint32_t generation = GPU->product.pcie_generation;

	buf_addf(text, "%s GT/s PCIe\n",
		speeds[generation < ARRAY_SIZE(speeds) ? generation : ARRAY_SIZE(speeds) - 1]);
}

TEXT(text_link_width)
{
	(void)node;
	(void)entry;
	buf_add(text, "16\n");
}

TEXT(text_uevent)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text,
		"DRIVER=nvidia\nPCI_CLASS=30200\nPCI_ID=10DE:%04X\nPCI_SUBSYS_ID=10DE:%04X\n"
		"PCI_SLOT_NAME=%s\n",
		GPU->product.device_id, GPU->product.subsystem_id, identity_pci_text(GPU, pci));
}

static bool is_render(const struct tree_entry *entry)
{
	return strstr(entry->row->path, "{render}") != NULL;
}

TEXT(text_drm_dev)
{
	buf_addf(text, "%u:%u\n", node->settings.major_drm,
		(is_render(entry) ? 128 : 0) + entry->gpu);
}

TEXT(text_drm_uevent)
{
	unsigned minor_no = (is_render(entry) ? 128 : 0) + entry->gpu;

	buf_addf(text, "MAJOR=%u\nMINOR=%u\nDEVNAME=dri/%s%u\nDEVTYPE=drm_minor\n",
		node->settings.major_drm, minor_no, is_render(entry) ? "renderD" : "card",
		minor_no);
}

/* ---- links ---- */

TEXT(link_driver)
{
	(void)node;
	(void)entry;
	buf_add(text, "../../../bus/pci/drivers/nvidia");
}

TEXT(link_subsystem_pci)
{
	(void)node;
	(void)entry;
	buf_add(text, "../../../bus/pci");
}

/* From bus/pci/devices, and one deeper from bus/pci/drivers/nvidia. */
TEXT(link_pci_device)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "%s../../../devices/pci0000:00/%s",
		strstr(entry->row->path, "/drivers/") ? "../" : "", identity_pci_text(GPU, pci));
}

/* Each GPU is in an IOMMU group of its own, which has its index for a number; VFs' come after
 * them. */
TEXT(link_pci_group)
{
	(void)node;
	buf_addf(text, "../../../kernel/iommu_groups/%u", entry->gpu);
}

TEXT(link_pci_of_group)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "../../../../devices/pci0000:00/%s", identity_pci_text(GPU, pci));
}

TEXT(link_drm_device)
{
	(void)node;
	(void)entry;
	buf_add(text, "../..");
}

static void link_drm(const struct gpu *gpu, const char *kind, unsigned n, struct buf *text)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(
		text, "../../devices/pci0000:00/%s/drm/%s%u", identity_pci_text(gpu, pci), kind, n);
}

TEXT(link_drm_card)
{
	link_drm(GPU, "card", entry->gpu, text);
}

TEXT(link_drm_render)
{
	link_drm(GPU, "renderD", 128 + entry->gpu, text);
}
