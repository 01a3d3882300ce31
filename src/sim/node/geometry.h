/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which MIG instances fit where: spans in a GPU's placement slots, and in a GPU instance's compute
 * slices. Pure: reads one GPU's product and state.
 */

#include "sim/node/node.h"

/* A GPU instance's id is its place: the node of the binary tree whose span it fills. */
uint32_t geometry_instance_id(const struct product *product, uint32_t start, uint32_t size);

/*
 * Why a profile may not be made at a start: NVML_SUCCESS, INVALID_ARGUMENT (this profile never
 * stands there) or INSUFFICIENT_RESOURCES (something else is in the way).
 */
int geometry_check(const struct product *product, const struct gpu_state *state, unsigned profile,
	uint32_t start);

/*
 * Where the driver puts an instance when it is given no place: where the fewest of the (profile,
 * start) pairs that are still free are lost, the lowest start of those. Reproduces the sequences
 * that were seen on hardware, but those with 1g of double memory. -1: nowhere.
 */
int geometry_default_start(
	const struct product *product, const struct gpu_state *state, unsigned profile);

/* How many more instances of a profile could be made now. */
unsigned geometry_capacity(
	const struct product *product, const struct gpu_state *state, unsigned profile);

/* The same for compute instances in a GPU instance; `kind` is NVML_COMPUTE_INSTANCE_PROFILE_*. */
struct compute_shape {
	uint32_t slices;
	uint32_t starts; /* bit s: may start at compute slice s */
	uint32_t most;
};

/* What a kind is in a GPU instance of this profile; false: that profile has no such kind. */
bool compute_shape_of(
	const struct profile *profile, uint32_t kind, struct compute_shape *ret_shape);
int compute_check(const struct profile *profile, const struct gpu_instance *instance, uint32_t kind,
	uint32_t start);
int compute_default_start(
	const struct profile *profile, const struct gpu_instance *instance, uint32_t kind);
unsigned compute_capacity(
	const struct profile *profile, const struct gpu_instance *instance, uint32_t kind);
/* SMs of a compute instance. */
uint32_t compute_sm(const struct product *product, const struct profile *profile, uint32_t kind);
