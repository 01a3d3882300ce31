/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GPUs for tests: the geometries as drivers were seen to tell them, and GPUs of these products in
 * the state that a test needs.
 */

#include "model/gpu.h"

enum fixture {
	FIXTURE_A100_40,
	FIXTURE_H100_80,
	FIXTURE_H200,
	FIXTURE_A30,
	FIXTURE_RTX_PRO_6000,
	FIXTURE_L40S, /* no MIG */
	FIXTURE_N,
};

/* The finished geometry of a product; n_profiles is 0 for the L40S. */
void fixture_geometry(enum fixture product, struct mig_geometry *ret_geometry);

/* The profiles of a geometry by name only, in a comma-separated list: for the classic five. */
void fixture_keep_profiles(struct mig_geometry *geometry, uint64_t total_bytes, const char *names);

uint64_t fixture_memory(enum fixture product);

/*
 * An empty GPU of the product: managed, healthy, in MIG mode where it can (whole_allowed where it
 * cannot). uuid "GPU-0000000I-...", PCI address "0000:(10+I):00.0" in hex digits.
 */
void fixture_gpu(struct gpu *gpu, unsigned index, enum fixture product);
/* Several, all of one product; free() them. */
struct gpu *fixture_gpus(unsigned n, enum fixture product);
/* Turns MIG mode off: an empty GPU that may be leased whole. */
void fixture_mig_off(struct gpu *gpu);

/*
 * Adds an instance of the profile with one compute instance that fills it, held by `lease` (0:
 * idle). Ends the test program if the GPU has no such profile. The pointer is good until the GPU's
 * instances change.
 */
struct mig_instance *fixture_add(struct gpu *gpu, const char *profile, unsigned start,
	enum share_origin origin, uint64_t lease);
/* The same with compute instances of so many slices each: { 1, 1, 1, 0 } fills a 3g. */
struct mig_instance *fixture_add_cis(struct gpu *gpu, const char *profile, unsigned start,
	enum share_origin origin, const unsigned *slices);
/*
 * Adds an MPS share on the first compute instance of the instance (NULL: on the GPU): pinned where
 * `lease` is 0, else a dynamic one of user 1000's. And a server.
 */
struct mps_share *fixture_add_mps(struct gpu *gpu, const struct mig_instance *instance,
	uint64_t gigabytes, uint32_t percent, uint64_t lease);
struct mps_server *fixture_add_server(
	struct gpu *gpu, const struct mig_instance *instance, uint32_t uid, enum mps_state state);
/*
 * Gives the GPU virtual functions, `on` of `total` of them on (foreign), all free, each alone in
 * its IOMMU group. With VF_KIND_NVIDIA they are vGPUs of the types that an H200 has.
 */
void fixture_vfs(struct gpu *gpu, enum vf_kind kind, unsigned total, unsigned on);
/* Turns so many on. */
void fixture_vfs_on(struct gpu *gpu, unsigned on, enum share_origin origin);
/* Sets VF `number` to the type (NULL: ready for virtual machines), held by `lease` (0: idle). */
struct vf *fixture_vf(struct gpu *gpu, unsigned number, const char *type, enum share_origin origin,
	uint64_t lease);
/* Takes instance i away. */
void fixture_remove(struct gpu *gpu, unsigned i);

/* A seeded generator (splitmix64), and a number below n. */
uint64_t fixture_random(uint64_t *seed);
unsigned fixture_below(uint64_t *seed, unsigned n);
