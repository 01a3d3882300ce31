/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a GPU's VFs can still be set to, beside those that are set: for vGPUs by the rules of
 * NVIDIA's driver, for VFs with a memory quota by what memory is left.
 *
 *	one size	all on a GPU have the same amount of memory; as many as the type says
 *	mixed sizes	each takes a power-of-two part of the GPU
 *	MIG		in GPU instances of the type's profile, one size in each
 */

#include "model/gpu.h"

enum { VF_PARTS = 64 }; /* of a GPU with vGPUs of mixed sizes */

struct vf_room {
	const struct gpu *gpu;
	bool is_mixed, mig_on;
	uint32_t n_free;       /* VFs that can be set */
	uint64_t memory_bytes; /* quotas that were given */
	uint32_t parts;	       /* of VF_PARTS, taken by time-sliced vGPUs */
	uint64_t size;	       /* of the last time-sliced vGPU; 0 none */
	uint32_t n_sized;      /* time-sliced vGPUs */
	unsigned n_instances;
	struct vf_room_instance {
		uint32_t profile_id, start;
		uint64_t size; /* of the vGPUs in it; 0 none */
		uint32_t n;
	} instance[MIG_INSTANCES_MAX];
};

/* As the GPU is: what is set, and what is free. */
void vf_room_of(struct vf_room *room, const struct gpu *gpu);
/* The same were there no leases, nor idle VFs that they leave behind. */
void vf_room_without_leases(struct vf_room *room, const struct gpu *gpu);
/* With so many VFs, all free, and no instances. */
void vf_room_empty(
	struct vf_room *room, const struct gpu *gpu, uint32_t count, bool is_mixed, bool mig_on);
void vf_room_add_instance(struct vf_room *room, uint32_t profile_id, uint32_t start);
/* One more VF has that setup; with a type in an instance that the room knows. */
void vf_room_add(struct vf_room *room, const struct vf_setup *setup);

/* How many more of facts.vf.type[t], and of any type or none. */
uint32_t vf_room_for(const struct vf_room *room, unsigned t);
/* The instance that the next of a type backed by MIG lies in; NULL: there is no room in any. */
struct vf_room_instance *vf_room_instance(struct vf_room *room, unsigned t);
/* What is left to be given as quotas. */
uint64_t vf_room_memory(const struct vf_room *room);
/* As many as there can be of the type where nothing else is (in one instance, if it is MIG's). */
uint32_t vf_room_most(const struct gpu *gpu, unsigned t, bool is_mixed);
