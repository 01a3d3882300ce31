/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SR-IOV virtual functions (VFs): parts of a GPU that are PCI devices of their own, for virtual
 * machines.
 *
 * A GPU's VFs come and go all together: their count is a state of the GPU, and to change it kills
 * every one of them. Each VF that is there has a setup of its own: which type of vGPU it is, how
 * much memory it has, by which driver it is handed to a virtual machine. A VF without a setup is
 * free. VFs are numbered from 0, as the kernel's virtfnN are.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	VFS_MAX = 64,	   /* of one GPU: NVIDIA's boards have up to 48, Intel's up to 63 */
	VF_TYPES_MAX = 96, /* types of vGPU that one GPU knows */
	VF_NAME_MAX = 48,  /* of a type: "NVIDIA RTX Pro 6000 Blackwell DC-48Q" */
};

/* Who makes VFs and gives them their parts: driver/vf.h has one file for each. */
enum vf_kind {
	VF_KIND_NONE,	     /* the GPU has no VFs, or none can be made: the capability says why */
	VF_KIND_GENERIC,     /* sriov_numvfs and vfio-pci: VFs have no parts to be set */
	VF_KIND_NVIDIA,	     /* vGPUs by vendor-specific VFIO: nvidia/current_vgpu_type */
	VF_KIND_NVIDIA_MDEV, /* vGPUs by mediated devices on the VFs */
	VF_KIND_XE,	     /* Intel's xe: sriov_admin, or debugfs before it */
	VF_KIND_I915,	     /* Intel's i915 with SR-IOV: parts are the driver's own affair */
	VF_KIND_GIM,	     /* AMD's GIM: VFs are a module parameter; read and explained only */
	VF_KIND_N,
};
extern const char *const vf_kind_names[VF_KIND_N]; /* "none", "generic", "nvidia", "nvidia-mdev",
						      "xe", "i915", "gim" */

/* A type of vGPU. */
struct vf_type {
	uint32_t id;		   /* the driver's, decimal in sysfs; never 0 */
	char name[VF_NAME_MAX];	   /* "NVIDIA H200X-35C" */
	uint64_t memory_bytes;	   /* frame buffer */
	uint32_t max_per_gpu;	   /* when all are of one size; 0 unknown */
	uint32_t max_per_instance; /* in one GPU instance; 0: not backed by MIG */
	uint32_t profile_id; /* the driver's id of the MIG profile that it lies in; UINT32_MAX:
				time-sliced */
};
/* How many VFs are on is settled when the GPU's driver is loaded. */
static inline bool vf_count_is_fixed(enum vf_kind kind)
{
	return kind == VF_KIND_GIM || kind == VF_KIND_NONE;
}
static inline bool vf_type_is_mig(const struct vf_type *type)
{
	return type->profile_id != UINT32_MAX;
}

/* What does not change while the driver stays. */
struct vf_facts {
	enum vf_kind kind;
	uint32_t total;		 /* sriov_totalvfs: as many as can be on now */
	uint32_t hardware_total; /* TotalVFs in its PCI configuration space; 0 unknown */
	bool all_or_none;	 /* NVIDIA's sriov-manage enables all that there are */
	bool may_mix;		 /* vGPUs of several sizes at once, once it is set to that */
	bool has_quota;		 /* memory can be given to each VF (xe on boards with memory) */
	bool has_schedule;	 /* execution quantum and preemption timeout too */
	char pf_driver[24];	 /* the driver of the GPU itself; "" none */
	bool types_from_vfs;	 /* no library tells the types: VFs do, while they are on, and only
				    those that can be made then */
	char driver_version[32]; /* of pf_driver, whose types they are; "" unknown */
	uint32_t n_types;
	struct vf_type type[VF_TYPES_MAX]; /* by rising memory, then by id; the last member: see
					      gpu_facts_copy() */
};

/* What a VF is set to. All zero: free. */
struct vf_setup {
	bool is_for_vm; /* handed to its driver for virtual machines: vfio-pci, or the GPU's own
			   driver where that is the one */
	uint32_t type;	/* id of its type of vGPU; 0 none */
	uint32_t start; /* of the GPU instance that it lies in, where its type is backed by MIG
			   (which profile, the type says); else 0 */
	uint64_t memory_bytes; /* its quota (has_quota); 0: as the driver provisions it by itself */
	uint32_t quantum_ms;   /* has_schedule; 0: no limit */
	uint32_t preempt_us;   /* has_schedule; 0: no limit */
};
bool vf_setup_is(const struct vf_setup *a, const struct vf_setup *b);
bool vf_setup_is_free(const struct vf_setup *setup);
json_t *vf_setup_to_json(const struct vf_setup *setup);
/* -EINVAL. */
int vf_setup_from_json(const json_t *json, struct vf_setup *ret_setup);

/* A VF as the last look saw it, with what Carve decided about it. */
struct vf {
	uint32_t number;
	char pci[16];	 /* "0000:41:00.4" */
	char driver[24]; /* "" none */
	struct vf_setup setup;
	int32_t group;	    /* IOMMU group of this boot; -1: no IOMMU translates for it */
	bool is_viable;	    /* nothing else in the group keeps VFIO from it */
	uint32_t placement; /* the vGPU's; UINT32_MAX unknown */
	uint32_t gi;	    /* GPU instance that it lies in; UINT32_MAX none */
	int32_t user;	    /* a process that has it open (the VMM); 0 none */
	char vm[48];	    /* name of that process's virtual machine; "" unknown */
	char owner[64]; /* another tool that says it is its own ("libvirt domain web1"); "" none */
	/* Not seen but decided: */
	uint8_t origin; /* enum share_origin; means nothing while it is free */
	uint64_t lease; /* number of the lease that holds it; 0 none */
};

/* What one look at the GPU saw of its VFs. */
struct vfs_seen {
	uint32_t count;	    /* sriov_numvfs */
	bool is_mixed;	    /* vGPUs of several sizes may be together */
	bool has_creatable; /* the driver says what can be made now */
	uint32_t n_creatable;
	uint32_t creatable[VF_TYPES_MAX]; /* ids of types */
	uint64_t claimed; /* while they are off: bit i: another tool says that the VF that i will be
			     is its own */
	/* Not seen but decided: */
	uint8_t origin;	       /* enum share_origin: who turned the VFs on; while count is not 0 */
	uint32_t n;	       /* == count, unless they are just coming or going */
	struct vf vf[VFS_MAX]; /* by number */
};
/* A type by its id. */
bool vfs_may_create(const struct vfs_seen *vfs, uint32_t type);
void vfs_add_creatable(struct vfs_seen *vfs, uint32_t type);

/*
 * What a GPU's VFs are to be, for ever: kept durable, and made again after a reboot before anything
 * else happens to the GPU. Only what is Carve's own is in it.
 */
struct vf_intent {
	char pci[16];	 /* of the GPU, and */
	char serial[32]; /* its serial number, "" unknown: another board in the slot is not it */
	uint32_t count;
	uint8_t origin; /* enum share_origin of the count */
	bool is_mixed;
	uint32_t n;
	struct {
		uint32_t number;
		uint8_t origin;
		char type[VF_NAME_MAX]; /* by name: ids change with the driver; "" none */
		uint32_t profile_id;	/* of the MIG instance that it lies in; UINT32_MAX none */
		struct vf_setup setup;
	} vf[VFS_MAX];
};
json_t *vf_intent_to_json(const struct vf_intent *intent);
int vf_intent_from_json(const json_t *json, struct vf_intent *ret_intent);

struct gpu;
struct error;

/* "0:vf3". */
const char *vf_share_name(const struct gpu *gpu, const struct vf *vf, char *ret_text);
/* The VF with that number, or NULL. */
const struct vf *vf_find(const struct gpu *gpu, uint32_t number);
/* Nobody has set it up, holds it, or says that it is his. */
bool vf_is_free(const struct vf *vf);
/* The GPU's VFs are on, or just coming or going: it is shared in no other way then. */
bool vf_any_on(const struct gpu *gpu);
/* The VF is a vGPU in that MIG instance of the GPU. */
struct mig_instance;
bool vf_is_in(const struct gpu *gpu, const struct vf *vf, const struct mig_instance *instance);
/* "0:vf3 (NVIDIA H200X-35C)", and ": virtual machine web1 (pid 123) has it" or whose else it is. */
struct buf;
void vf_say(const struct gpu *gpu, const struct vf *vf, struct buf *text);
void vf_say_user(const struct vf *vf, struct buf *text);
/* The index into facts.vf.type[] of a name (with or without "NVIDIA " or "GRID "; any case) or id,
 * or -1. */
int vf_type_find(const struct vf_facts *facts, const char *name);
int vf_type_find_id(const struct vf_facts *facts, uint32_t id);
/* Adds it at its place, where there is room and its id is not there yet. */
void vf_type_add(struct vf_facts *facts, const struct vf_type *type);
/* Adds the types that were known before and are not told now, if it was of the same driver. */
void vf_types_keep(struct vf_facts *facts, const struct vf_facts *before);
/* Types that VFs told, with the driver whose they are. */
json_t *vf_types_to_json(const struct vf_facts *facts);
/* Fills the types and driver_version alone. -EINVAL. */
int vf_types_from_json(const json_t *json, struct vf_facts *ret_facts);
/* Types are told only by VFs that are on, and none has told them yet. */
static inline bool vf_types_are_unknown(const struct vf_facts *facts)
{
	return facts->types_from_vfs && facts->n_types == 0;
}
/* That, and how they get known: one sentence without its end. */
void vf_say_unknown_types(const struct gpu *gpu, struct buf *text);
/* The name of the type that was probably meant, or NULL if none is near. */
const char *vf_type_nearest(const struct vf_facts *facts, const char *name);
/* The letter behind the size in a type's name: 'A', 'B', 'C' or 'Q'; '\0' if it has none. */
char vf_type_series(const struct vf_type *type);
/* Which licence of NVIDIA a guest needs for a vGPU of that series, and what happens without: one
 * sentence each; "" where none is needed. */
const char *vf_licence(char series);
const char *vf_unlicensed(char series);
/* What a VF with that setup has of memory: its type's, or its quota; 0 unknown. */
uint64_t vf_memory(const struct gpu *gpu, const struct vf_setup *setup);
/* How many more VFs can be set to facts.vf.type[t] beside what there is: by size, count, memory,
 * GPU instances and VFs that are free; where VFs are off, as if they were on. */
uint32_t vf_type_room(const struct gpu *gpu, unsigned t);
/* What the GPU's own VFs are now, as an intent. */
void vf_intent_of(const struct gpu *gpu, struct vf_intent *ret_intent);
