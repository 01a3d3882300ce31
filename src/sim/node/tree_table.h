/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The table behind tree.h, and the functions that compute what its files hold. */

#include "sim/node/tree.h"

/*
 * A path whose parts in braces stand for what the node has: {gpu} an index, {pci} a PCI address,
 * {render} 128 and an index, {gi} and {ci} instances of the GPU, {vf} the PCI address of a virtual
 * function, {fn} its number, {group} its IOMMU group. Directories on the way are implied.
 */
struct tree_row {
	const char *path;
	enum tree_type type;
	unsigned mode;
	void (*text)(struct node *node, const struct tree_entry *entry, struct buf *text);
	bool (*has)(const struct node *node, unsigned gpu, uint32_t vf); /* NULL: all */
	enum tree_writes writes;
	uint32_t minor_no; /* of a device or capability without an instance */
	int (*ready)(struct node *node, const struct tree_entry *entry); /* NULL: always */
	int (*store)(struct node *node, const struct tree_entry *entry, const char *text);
};

extern const struct tree_row tree_rows[];
extern const unsigned tree_n_rows;

void text_access(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_devices(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_information(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_mig_minors(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_nvlink_minors(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_params(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_version(struct node *node, const struct tree_entry *entry, struct buf *text);

void text_module_version(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_module_state(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_class(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_config(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_device(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_drm_dev(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_drm_uevent(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_irq(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_link_speed(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_link_width(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_numa_node(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_revision(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_subsystem_device(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_uevent(struct node *node, const struct tree_entry *entry, struct buf *text);
void text_vendor(struct node *node, const struct tree_entry *entry, struct buf *text);

void link_driver(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_drm_card(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_drm_device(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_drm_render(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_pci_device(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_pci_group(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_pci_of_group(struct node *node, const struct tree_entry *entry, struct buf *text);
void link_subsystem_pci(struct node *node, const struct tree_entry *entry, struct buf *text);

/* Files of virtual functions: tree_vf.c. */
#define TREE_TEXT(name)                                                                            \
	void name(struct node *node, const struct tree_entry *entry, struct buf *text)
TREE_TEXT(text_autoprobe);
TREE_TEXT(text_num_vfs);
TREE_TEXT(text_total_vfs);
TREE_TEXT(text_unbind_lock);
TREE_TEXT(text_vf_device);
TREE_TEXT(text_vf_offset);
TREE_TEXT(text_vf_override);
TREE_TEXT(text_vf_stride);
TREE_TEXT(text_vf_uevent);
TREE_TEXT(text_vgpu_creatable);
TREE_TEXT(text_vgpu_instance);
TREE_TEXT(text_vgpu_params);
TREE_TEXT(text_vgpu_placement);
TREE_TEXT(text_vgpu_type);
TREE_TEXT(link_vf_fn);
TREE_TEXT(link_vf_from_bus);
TREE_TEXT(link_vf_group);
TREE_TEXT(link_vf_pf);
TREE_TEXT(link_vf_of_group);

/* When a file can be read, and what a write does. */
int ready_num_vfs(struct node *node, const struct tree_entry *entry);
int ready_vgpu(struct node *node, const struct tree_entry *entry);
int store_autoprobe(struct node *node, const struct tree_entry *entry, const char *text);
int store_drivers_probe(struct node *node, const struct tree_entry *entry, const char *text);
int store_num_vfs(struct node *node, const struct tree_entry *entry, const char *text);
int store_reset(struct node *node, const struct tree_entry *entry, const char *text);
int store_unbind_lock(struct node *node, const struct tree_entry *entry, const char *text);
int store_vf_override(struct node *node, const struct tree_entry *entry, const char *text);
int store_vgpu_params(struct node *node, const struct tree_entry *entry, const char *text);
int store_vgpu_type(struct node *node, const struct tree_entry *entry, const char *text);

/* What was written, without the end of its line; and as a number (-EINVAL). */
void store_word(const char *text, char *ret_word, size_t size);
int store_number(const char *text, uint32_t most, uint32_t *ret_value);
