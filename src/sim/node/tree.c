/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the tree that stay as they are while the node lives. */
#include "sim/node/tree.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where files are put: errors are kept, so that the tree is written as one list. */
struct writer {
	const struct node *node;
	int result;
	char failed[TREE_PATH_MAX];
};

static void writer_note(struct writer *w, int r, const char *path)
{
	if (r < 0 && w->result == 0) {
		w->result = r;
		text_copy(w->failed, sizeof(w->failed), path);
	}
}

static const char *path_of(const struct writer *w, const char *path, char ret_path[TREE_PATH_MAX])
{
	snprintf(ret_path, TREE_PATH_MAX, "%s/root/%s", w->node->dir, path);
	return ret_path;
}

static void put_dir(struct writer *w, const char *path, unsigned mode)
{
	char full[TREE_PATH_MAX], part[160];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		writer_note(w, tree_put_dir(path_of(w, part, full), 0755), full);
	}
	writer_note(w, tree_put_dir(path_of(w, path, full), mode), full);
}

__attribute__((format(printf, 4, 5))) static void put(
	struct writer *w, unsigned mode, const char *path, const char *format, ...)
{
	char full[TREE_PATH_MAX], text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	writer_note(w, tree_put(path_of(w, path, full), mode, text), full);
}

static void put_node(
	struct writer *w, const char *path, unsigned mode, uint32_t major, uint32_t minor)
{
	char full[TREE_PATH_MAX];

	writer_note(w, tree_put_node(w->node, path_of(w, path, full), mode, major, minor), full);
}

static void put_link(struct writer *w, const char *target, const char *path)
{
	char full[TREE_PATH_MAX];

	writer_note(w, symlink(target, path_of(w, path, full)) < 0 ? -errno : 0, full);
}

/* Directories whose entries come and go with instances. */
static unsigned changing_mode(const struct node *node)
{
	return node->settings.anyone_may_change ? 0777 : 0755;
}

static void put_minors(struct writer *w)
{
	char full[TREE_PATH_MAX];
	AUTO_BUF text = { 0 };

	buf_addf(&text, "config %d\nmonitor %d\n", CAP_MINOR_CONFIG, CAP_MINOR_MONITOR);
	for (unsigned gpu = 0; gpu < CAP_GPUS; gpu++) {
		for (unsigned gi = 0; gi < CAP_INSTANCES; gi++) {
			buf_addf(&text, "gpu%u/gi%u/access %u\n", gpu, gi,
				identity_instance_minor(gpu, gi));
			for (unsigned ci = 0; ci < CAP_COMPUTES; ci++)
				buf_addf(&text, "gpu%u/gi%u/ci%u/access %u\n", gpu, gi, ci,
					identity_compute_minor(gpu, gi, ci));
		}
	}
	writer_note(w,
		tree_put(path_of(w, "proc/driver/nvidia-caps/mig-minors", full), 0444,
			buf_text(&text)),
		full);
}

static void put_driver(struct writer *w)
{
	const struct node_settings *settings = &w->node->settings;

	put_dir(w, "proc/driver/nvidia/gpus", 0755);
	put_dir(w, "proc/driver/nvidia/capabilities/mig", 0755);
	put_dir(w, "proc/driver/nvidia-caps", 0755);
	put_dir(w, "sys/module/nvidia", 0755);
	put(w, 0444, "proc/driver/nvidia/version",
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  %s  Release Build  "
		"(carve-sim)\nGCC version:  gcc version 12.2.0\n",
		settings->driver_version);
	put(w, 0444, "sys/module/nvidia/version", "%s\n", settings->driver_version);
	put(w, 0444, "proc/devices",
		"Character devices:\n  1 mem\n  5 /dev/tty\n%3u nvidia\n%3u nvidia-frontend\n"
		"%3u nvidiactl\n%3u drm\n%3u nvidia-uvm\n%3u nvidia-caps\n\nBlock devices:\n",
		settings->major_nvidia, settings->major_nvidia, settings->major_nvidia,
		settings->major_drm, settings->major_uvm, settings->major_caps);
	put(w, 0400, "proc/driver/nvidia/capabilities/mig/config",
		"DeviceFileMinor: %d\nDeviceFileMode: %u\nDeviceFileModify: 1\n", CAP_MINOR_CONFIG,
		0400);
	put(w, 0444, "proc/driver/nvidia/capabilities/mig/monitor",
		"DeviceFileMinor: %d\nDeviceFileMode: %u\nDeviceFileModify: 1\n", CAP_MINOR_MONITOR,
		0444);
	put_minors(w);

	put_dir(w, "dev/dri", 0755);
	put_dir(w, "dev/nvidia-caps", changing_mode(w->node));
	put_node(w, "dev/nvidiactl", 0666, settings->major_nvidia, 255);
	put_node(w, "dev/nvidia-uvm", 0666, settings->major_uvm, 0);
	put_node(w, "dev/nvidia-uvm-tools", 0666, settings->major_uvm, 1);
	put_node(w, "dev/nvidia-caps/nvidia-cap1", 0400, settings->major_caps, CAP_MINOR_CONFIG);
	put_node(w, "dev/nvidia-caps/nvidia-cap2", 0444, settings->major_caps, CAP_MINOR_MONITOR);
}

static void put_gpu(struct writer *w, unsigned index)
{
	const struct node_settings *settings = &w->node->settings;
	const struct gpu *gpu = &w->node->gpus[index];
	char path[128], pci[PCI_TEXT_MAX];

	identity_pci_text(gpu, pci);
	snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s", pci);
	put_dir(w, path, 0755);
	snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information", pci);
	put(w, 0444, path,
		"Model: \t\t %s\nIRQ:   \t\t %u\nGPU UUID: \t %s\nVideo BIOS: \t ??.??.??.??.??\n"
		"Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n"
		"Bus Location: \t %s\nDevice Minor: \t %u\nGPU Firmware: \t %s\nGPU Excluded:\t "
		"No\n",
		gpu->product.name, 100 + index, gpu->uuid, pci, index, settings->driver_version);
	snprintf(path, sizeof(path), "proc/driver/nvidia/capabilities/gpu%u/mig", index);
	if (gpu->product.slots)
		put_dir(w, path, changing_mode(w->node));

	snprintf(path, sizeof(path), "dev/nvidia%u", index);
	put_node(w, path, 0666, settings->major_nvidia, index);
	snprintf(path, sizeof(path), "dev/dri/card%u", index);
	put_node(w, path, 0660, settings->major_drm, index);
	snprintf(path, sizeof(path), "dev/dri/renderD%u", 128 + index);
	put_node(w, path, 0666, settings->major_drm, 128 + index);
}

static void put_pci(struct writer *w, unsigned index)
{
	const struct gpu *gpu = &w->node->gpus[index];
	char path[160], target[160], pci[PCI_TEXT_MAX];
	int n;

	n = snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", identity_pci_text(gpu, pci));
#define PCI_FILE(name, ...)                                                                        \
	do {                                                                                       \
		snprintf(path + n, sizeof(path) - (size_t)n, "/" name);                            \
		put(w, 0444, path, __VA_ARGS__);                                                   \
	} while (0)
	put_dir(w, path, 0755);
	PCI_FILE("vendor", "0x10de\n");
	PCI_FILE("device", "0x%04x\n", gpu->product.device_id);
	PCI_FILE("subsystem_vendor", "0x10de\n");
	PCI_FILE("subsystem_device", "0x%04x\n", gpu->product.subsystem_id);
	PCI_FILE("class", "0x030200\n");
	PCI_FILE("revision", "0xa1\n");
	PCI_FILE("numa_node", "%d\n", gpu->numa_node);
	PCI_FILE("uevent", "DRIVER=nvidia\nPCI_CLASS=30200\nPCI_ID=10DE:%04X\nPCI_SLOT_NAME=%s\n",
		gpu->product.device_id, pci);
	if (gpu->product.total_vfs) {
		PCI_FILE("sriov_totalvfs", "%u\n", gpu->product.total_vfs);
		PCI_FILE("sriov_numvfs", "0\n");
		PCI_FILE("sriov_drivers_autoprobe", "1\n");
	}
#undef PCI_FILE
	snprintf(path + n, sizeof(path) - (size_t)n, "/driver");
	put_link(w, "../../drivers/nvidia", path);
	snprintf(path + n, sizeof(path) - (size_t)n, "/drm/card%u", index);
	put_dir(w, path, 0755);
	snprintf(path + n, sizeof(path) - (size_t)n, "/drm/card%u/device", index);
	put_link(w, "../..", path);
	snprintf(path + n, sizeof(path) - (size_t)n, "/drm/renderD%u", 128 + index);
	put_dir(w, path, 0755);
	snprintf(path + n, sizeof(path) - (size_t)n, "/drm/renderD%u/device", 128 + index);
	put_link(w, "../..", path);
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/nvidia/%s", pci);
	snprintf(target, sizeof(target), "../../devices/%s", pci);
	put_link(w, target, path);
	snprintf(path, sizeof(path), "sys/class/drm/card%u", index);
	snprintf(target, sizeof(target), "../../bus/pci/devices/%s/drm/card%u", pci, index);
	put_link(w, target, path);
	snprintf(path, sizeof(path), "sys/class/drm/renderD%u", 128 + index);
	snprintf(
		target, sizeof(target), "../../bus/pci/devices/%s/drm/renderD%u", pci, 128 + index);
	put_link(w, target, path);
}

int tree_make(struct node *node, struct error *err)
{
	struct writer w = { .node = node };

	writer_note(&w, tree_put_dir(path_of(&w, "", w.failed), 0755), w.failed);
	put_driver(&w);
	put_dir(&w, "sys/bus/pci/drivers/nvidia", 0755);
	put_dir(&w, "sys/class/drm", 0755);
	for (unsigned i = 0; i < node->n_gpus; i++) {
		put_gpu(&w, i);
		put_pci(&w, i);
	}
	if (w.result < 0)
		return error_set(
			err, w.result, "cannot make %s: %s", w.failed, strerror(-w.result));
	return 0;
}
