/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What kind of GPU a simulated GPU is: plain data without pointers, copied into the node's shared
 * memory when the node is made, so that the library holds no table of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#define PRODUCT_PROFILES 12
#define PRODUCT_VGPUS	 20
/* Compute instances in one GPU instance, and the widest one in compute slices. */
#define PRODUCT_COMPUTE 8

/* How a profile takes part in the media engines, of which a GPU has few. */
enum media {
	MEDIA_SHARED, /* its part of the decoders, if any */
	MEDIA_EXTRA,  /* "+me": JPEG and OFA too; one such instance per GPU */
	MEDIA_ALL,    /* "+me.all": every engine; beside it only MEDIA_NONE */
	MEDIA_NONE    /* "-me" */
};

struct profile {
	char label[24];	 /* "1g.10gb+me" */
	uint32_t kind;	 /* NVML_GPU_INSTANCE_PROFILE_* */
	uint32_t id;	 /* what create takes: 19, 14, 9, ... */
	uint32_t slices; /* compute slices */
	uint32_t size;	 /* placement slots */
	uint32_t starts; /* bit s: may start at slot s */
	uint32_t most;	 /* per GPU */
	uint32_t memory_mib;
	uint32_t sm, copy, decoders, encoders, jpeg, ofa;
	enum media media;
};

/* What only monitoring tools ask for. */
struct board {
	uint32_t sm, cores_per_sm;
	uint32_t bus_bits;
	uint32_t bar1_mib;
	uint32_t power_least_w;
	uint32_t sm_idle_mhz;
	uint32_t nvlinks, nvlink_version;
	uint32_t encoders;
	char vbios[20];
	char part[24];
};

/* A type of vGPU: data/products/vgpu.def. */
struct vgpu_type {
	uint32_t id;
	char name[48];
	uint32_t memory_mib;
	uint32_t most, most_mixed; /* per GPU: all of one size, or of several */
	int32_t profile;	   /* of the GPU instance that it is made in; -1: time-sliced */
	uint32_t most_per_instance;
};

struct product {
	char key[24];  /* as machine files name it: "H100-80" */
	char name[64]; /* as NVML says it */
	uint32_t architecture;
	int32_t compute_major, compute_minor;
	uint32_t device_id, subsystem_id; /* PCI, without the vendor's half */
	uint32_t memory_mib, reserved_mib;
	uint32_t slots, slices; /* MIG placement slots and compute slices; 0: no MIG */
	uint32_t power_limit_w, power_idle_w;
	uint32_t sm_mhz, memory_mhz;
	uint32_t pcie_generation;
	uint32_t total_vfs;
	struct board board;
	uint32_t n_profiles;
	struct profile profiles[PRODUCT_PROFILES];
	uint32_t n_vgpus;
	struct vgpu_type vgpus[PRODUCT_VGPUS];
};

/* By key, in any case; NULL if there is none. And all of them, one by one: NULL past the end. */
const struct product *product_find(const char *key);
const struct product *product_at(unsigned index);

/* The profile of one product by its id or kind; -1 if it has none. */
int product_profile_by_id(const struct product *product, uint32_t id);
int product_profile_by_kind(const struct product *product, uint32_t kind);
/* By label ("3g.40gb"), in any case. */
int product_profile_by_label(const struct product *product, const char *label);
