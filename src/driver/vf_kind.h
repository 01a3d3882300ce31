/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the vf_*.c files share: the table of kinds, and what is the same for all VFs. */

#include "driver/pci.h"
#include "driver/vf.h"
#include "model/gpu.h"

#include <errno.h>
#include <stddef.h>

enum {
	/* Less than a daemon waits for its worker, both directions of a step together */
	VF_DEADLINE_S = 25,
};
#define VF_DEADLINE_NS (VF_DEADLINE_S * 1000000000ull)

/* One GPU while its VFs are looked at or changed. */
struct vf_pf {
	const char *pci;
	struct nvml_gpu *nvml; /* NULL: there is none, or it was let go of */
	const struct gpu_facts *facts;
};

/* One kind of VFs. An op that is NULL is not needed, or cannot be done (count, mix, set). */
struct vf_kind_ops {
	/* Whether this GPU's are of the kind; facts->vf is filled but for the types. */
	bool (*is)(const struct vf_pf *pf);
	/* The types, and what else the kind can; the capability is YES before. */
	void (*facts)(
		const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability);
	/* The setups of the VFs, whose number, address, driver and group are filled: of some of
	 * them, but where it `looks_at_all`. */
	void (*look)(const struct vf_pf *pf, struct gpu_seen *seen);
	bool looks_at_all;
	/* What could be made now (vfs_add_creatable), after a look at all. */
	void (*offers)(const struct vf_pf *pf, struct vfs_seen *vfs);
	/* From none to n or from n to none; nothing is held. Reads nothing back: the caller does.
	 */
	int (*count)(const struct vf_pf *pf, uint32_t n, struct error *err);
	int (*mix)(const struct vf_pf *pf, bool is_mixed, struct error *err);
	/* One VF that nobody holds from what it is to what it is to be, read back: in a child
	 * (sysfs_run), where no library can be called. A failure leaves it as it was, or free
	 * (-ENOTRECOVERABLE: neither). */
	int (*set)(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
		struct error *err);
	/* That one which was set is what was meant in all that only a library tells; it is taken
	 * back otherwise. */
	int (*check)(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
		struct error *err);
};
extern const struct vf_kind_ops vf_generic, vf_nvidia, vf_nvidia_mdev, vf_xe, vf_i915, vf_gim;
const struct vf_kind_ops *vf_ops(enum vf_kind kind);

/* As vf_look(), of the VFs of a mask, and without what a step has no use for: groups (but of
 * mediated devices), other tools' claims, who has them open and what else could be made. */
void vf_look_some(const struct vf_pf *pf, uint64_t mask, struct gpu_seen *seen);

/* ---- files of PCI devices (vf_files.c) ---- */

/* From the one to the other the directories of the devices that are read stay open: for as long as
 * no VF comes or goes by us. */
void vf_dirs_keep(void);
void vf_dirs_let_go(void);
/* The last component of what a link in the device's directory points to; -ENOENT. */
int vf_link(const char *pci, const char *name, char *ret_text, size_t size);
/* The driver that it has; "" none. */
void vf_driver(const char *pci, char *ret_name, size_t size);
/* The first line of one of its files, trimmed; negative errno. */
int vf_read(const char *pci, const char *file, char *ret_text, size_t size);
int vf_read_number(const char *pci, const char *file, uint64_t *ret_value);
bool vf_has(const char *pci, const char *file);
/* Writes to one of its files (sysfs_write), with the deadline, on behalf of the GPU. */
int vf_write(
	const char *pf, const char *pci, const char *file, const char *text, struct error *err);
/* How many VFs are on: by their links, since reading sriov_numvfs waits for whoever changes it. */
uint32_t vf_count(const char *pci);
int vf_address(const char *pci, uint32_t number, char ret_pci[PCI_ADDRESS_MAX]);

/* The uuid of the mediated device on a VF; false if it has none. */
enum { VF_UUID_MAX = 37 };
bool vf_mdev(const char *pci, char ret_uuid[VF_UUID_MAX]);

/* "vfio3": the VFIO device of a VF, where its kernel has such. */
bool vf_cdev(const char *pci, char *ret_name, size_t size);
bool vf_has_cdevs(void); /* it has nodes for them in /dev/vfio/devices */

/* ---- handing a VF to vfio-pci, for all kinds (vf_bind.c) ---- */

int vf_bind_vfio(const struct vf_pf *pf, const struct vf *vf, struct error *err);
int vf_unbind_vfio(const struct vf_pf *pf, const struct vf *vf, struct error *err);

/* ---- who is on them (vf_users.c, vf_group.c, vf_owner.c) ---- */

/* Fills user and vm of all of them. */
void vf_find_users(struct vfs_seen *vfs);
/* Its IOMMU group; -1: none. */
int vf_group(const char *pci);
/* Fills is_viable, by those that share their groups. */
void vf_find_neighbours(struct vfs_seen *vfs);
/* Fills owner. */
void vf_find_owners(struct vfs_seen *vfs);

/* ---- what an errno means (vf_error.c) ---- */

/* What was tried. */
enum vf_deed {
	VF_TURN_ON,   /* a number written to sriov_numvfs */
	VF_TURN_OFF,  /* 0 written to it */
	VF_BIND,      /* a driver for virtual machines given to it */
	VF_UNBIND,    /* taken from it */
	VF_SET_TYPE,  /* an id written to current_vgpu_type, or an mdev created */
	VF_FREE_TYPE, /* 0 written to it, or an mdev removed */
	VF_SET_PART,  /* memory or time of Intel's */
};
/*
 * Sets the sentence for what the kernel answered: what that means, and the way out. Returns the
 * errno by which callers decide (vf.h), which is mostly another one. `what` is the VF or GPU,
 * `detail` is added in brackets; NULL nothing.
 */
int vf_say_why(
	enum vf_deed deed, int code, const char *what, const char *detail, struct error *err);
/* -EBUSY if one of the mask is held, by whom. */
int vf_check_held(const struct vfs_seen *vfs, uint64_t mask, const char *pci, struct error *err);
