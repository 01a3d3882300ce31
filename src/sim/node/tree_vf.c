/* SPDX-License-Identifier: Apache-2.0 */
/* The files of SR-IOV: of a GPU that has VFs, and of each VF. Writes as pci_sysfs.c and iov.c. */
#include "sim/node/tree_table.h"

#include "abi/nvml.h"
#include "base/text.h"
#include "sim/node/gpu.h"
#include "sim/node/vf.h"

#include <errno.h>
#include <stdio.h>

#define GPU (&node->gpus[entry->gpu])

/* ---- of the GPU ---- */

TREE_TEXT(text_total_vfs)
{
	buf_addf(text, "%u\n", GPU->product.total_vfs);
}

int ready_num_vfs(struct node *node, const struct tree_entry *entry)
{
	vf_count(node, entry->gpu);
	return 0;
}

TREE_TEXT(text_num_vfs)
{
	buf_addf(text, "%u\n", gpu_now(GPU)->n_vfs);
}

TREE_TEXT(text_vf_offset)
{
	(void)node;
	(void)entry;
	buf_addf(text, "%u\n", VF_OFFSET);
}

TREE_TEXT(text_vf_stride)
{
	(void)node;
	(void)entry;
	buf_addf(text, "%u\n", VF_STRIDE);
}

TREE_TEXT(text_vf_device)
{
	buf_addf(text, "%x\n", GPU->product.device_id);
}

TREE_TEXT(text_autoprobe)
{
	buf_addf(text, "%d\n", !gpu_now(GPU)->vf_autoprobe_is_off);
}

TREE_TEXT(text_unbind_lock)
{
	buf_addf(text, "%u\n", gpu_now(GPU)->unbind_lock);
}

TREE_TEXT(link_vf_fn)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "../%s", vf_pci_text(GPU, entry->vf, pci));
}

/* ---- of a VF ---- */

TREE_TEXT(text_vf_override)
{
	const struct vf *vf;

	node_lock(node);
	vf = &gpu_now(GPU)->vfs[entry->vf];
	buf_addf(text, "%s\n", vf->driver_override[0] ? vf->driver_override : "(null)");
	node_unlock(node);
}

TREE_TEXT(text_vf_uevent)
{
	char pci[PCI_TEXT_MAX];

	if (gpu_now(GPU)->vfs[entry->vf].is_bound)
		buf_add(text, "DRIVER=nvidia\n");
	buf_addf(text,
		"PCI_CLASS=30200\nPCI_ID=10DE:%04X\nPCI_SUBSYS_ID=10DE:%04X\nPCI_SLOT_NAME=%s\n",
		GPU->product.device_id, GPU->product.subsystem_id,
		vf_pci_text(GPU, entry->vf, pci));
}

TREE_TEXT(link_vf_pf)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "../%s", identity_pci_text(GPU, pci));
}

TREE_TEXT(link_vf_group)
{
	(void)node;
	buf_addf(text, "../../../kernel/iommu_groups/%u", vf_group(entry->gpu, entry->vf));
}

TREE_TEXT(link_vf_of_group)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "../../../../devices/pci0000:00/%s", vf_pci_text(GPU, entry->vf, pci));
}

/* From bus/pci/devices, and one deeper from bus/pci/drivers/nvidia. */
TREE_TEXT(link_vf_from_bus)
{
	char pci[PCI_TEXT_MAX];

	buf_addf(text, "%s../../../devices/pci0000:00/%s",
		strstr(entry->row->path, "/drivers/") ? "../" : "",
		vf_pci_text(GPU, entry->vf, pci));
}

/* ---- writes ---- */

void store_word(const char *text, char *ret_word, size_t size)
{
	snprintf(ret_word, size, "%.*s", (int)strcspn(text, "\n"), text);
}

int store_number(const char *text, uint32_t most, uint32_t *ret_value)
{
	char word[16];

	store_word(text, word, sizeof(word));
	return parse_u32(word, ret_value) < 0 || *ret_value > most ? -EINVAL : 0;
}

int store_reset(struct node *node, const struct tree_entry *entry, const char *text)
{
	uint32_t value;

	if (store_number(text, 1, &value) < 0 || value != 1)
		return -EINVAL;
	switch (gpu_reset(node, entry->gpu)) {
	case NVML_SUCCESS:
		return 0;
	case NVML_ERROR_IN_USE:
		return -EBUSY;
	default:
		return -ENOTTY;
	}
}

int store_num_vfs(struct node *node, const struct tree_entry *entry, const char *text)
{
	uint32_t value;
	int r = store_number(text, UINT16_MAX, &value);

	return r < 0 ? r : vf_set_count(node, entry->gpu, value);
}

int store_autoprobe(struct node *node, const struct tree_entry *entry, const char *text)
{
	uint32_t value;

	if (store_number(text, 1, &value) < 0)
		return -EINVAL;
	node_lock(node);
	gpu_draft(GPU)->vf_autoprobe_is_off = !value;
	gpu_commit(GPU);
	node_unlock(node);
	return 0;
}

/* As with the driver's own file, whether it was obtained is known from reading it. */
int store_unbind_lock(struct node *node, const struct tree_entry *entry, const char *text)
{
	uint32_t value;

	if (store_number(text, 1, &value) < 0)
		return -EINVAL;
	vf_set_unbind_lock(node, entry->gpu, value);
	return 0;
}

int store_vf_override(struct node *node, const struct tree_entry *entry, const char *text)
{
	struct vf *vf;

	if (strcspn(text, "\n") >= sizeof(vf->driver_override))
		return -EINVAL;
	node_lock(node);
	vf = &gpu_draft(GPU)->vfs[entry->vf];
	store_word(text, vf->driver_override, sizeof(vf->driver_override));
	gpu_commit(GPU);
	node_unlock(node);
	return 0;
}

/*
 * A VF without a driver is offered to the one that it is meant for. vfio-pci does not take VFs of
 * this driver, and a probe that fails is no error of the write.
 */
static bool probe(struct node *node, unsigned gpu, const char *address)
{
	char pci[PCI_TEXT_MAX];

	for (unsigned n = 0; n < gpu_now(&node->gpus[gpu])->n_vfs; n++) {
		struct vf *vf;

		if (!text_eq(vf_pci_text(&node->gpus[gpu], n, pci), address))
			continue;
		vf = &gpu_draft(&node->gpus[gpu])->vfs[n];
		vf->is_bound |= !vf->driver_override[0] || text_eq(vf->driver_override, "nvidia");
		gpu_commit(&node->gpus[gpu]);
		return true;
	}
	return text_eq(identity_pci_text(&node->gpus[gpu], pci), address);
}

int store_drivers_probe(struct node *node, const struct tree_entry *entry, const char *text)
{
	char address[PCI_TEXT_MAX];
	bool found = false;

	(void)entry;
	store_word(text, address, sizeof(address));
	node_lock(node);
	for (unsigned gpu = 0; gpu < node->n_gpus && !found; gpu++)
		found = probe(node, gpu, address);
	node_unlock(node);
	return found ? 0 : -ENODEV;
}
