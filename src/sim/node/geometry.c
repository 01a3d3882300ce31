/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPU instances are spans of placement slots. A span of size s at start p has the id
 * slots/s - 1 + p/s where slots is rounded up to the power of two that the tree is built over: on 8
 * slots 0 is the whole, 1-2 the halves, 3-6 the quarters, 7-14 the eighths; on 12 slots (three to a
 * leaf) and on 4 the quarters are the leaves. Two instances collide exactly when their spans do.
 */
#include "sim/node/geometry.h"

#include "abi/nvml.h"
#include "base/text.h"

static uint32_t span(uint32_t start, uint32_t size)
{
	return ((1u << size) - 1) << start;
}

uint32_t geometry_instance_id(const struct product *product, uint32_t start, uint32_t size)
{
	return product->slots / size - 1 + start / size;
}

static uint32_t taken_slots(const struct product *product, const struct gpu_state *state)
{
	uint32_t taken = 0;

	for (unsigned id = 0; id < GPU_INSTANCES; id++) {
		const struct gpu_instance *instance = &state->instances[id];

		if (instance->serial)
			taken |= span(instance->start, product->profiles[instance->profile].size);
	}
	return taken;
}

/* What the media engines and the profile's own limit leave, as a number of instances. */
static unsigned left_of_profile(
	const struct product *product, const struct gpu_state *state, unsigned profile)
{
	const struct profile *wanted = &product->profiles[profile];
	unsigned same = 0;

	for (unsigned id = 0; id < GPU_INSTANCES; id++) {
		const struct gpu_instance *instance = &state->instances[id];
		const struct profile *other = &product->profiles[instance->profile];

		if (!instance->serial)
			continue;
		if (wanted->media == MEDIA_EXTRA && other->media == MEDIA_EXTRA)
			return 0;
		if (wanted->media == MEDIA_ALL && other->media != MEDIA_NONE)
			return 0;
		if (other->media == MEDIA_ALL && wanted->media != MEDIA_NONE)
			return 0;
		same += other == wanted;
	}
	return same < wanted->most ? wanted->most - same : 0;
}

int geometry_check(const struct product *product, const struct gpu_state *state, unsigned profile,
	uint32_t start)
{
	const struct profile *wanted = &product->profiles[profile];

	if (start >= product->slots || !(wanted->starts & 1u << start))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (left_of_profile(product, state, profile) == 0 ||
		taken_slots(product, state) & span(start, wanted->size))
		return NVML_ERROR_INSUFFICIENT_RESOURCES;
	return NVML_SUCCESS;
}

/* How many (profile, start) pairs that fit in the free slots would no longer fit. */
static unsigned pairs_lost(const struct product *product, uint32_t taken, uint32_t wanted)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < product->n_profiles; i++) {
		const struct profile *profile = &product->profiles[i];

		for (uint32_t s = 0; s < product->slots; s++) {
			uint32_t other = span(s, profile->size);

			if (profile->starts & 1u << s && !(other & taken))
				lost += (other & wanted) != 0;
		}
	}
	return lost;
}

int geometry_default_start(
	const struct product *product, const struct gpu_state *state, unsigned profile)
{
	const struct profile *wanted = &product->profiles[profile];
	uint32_t taken = taken_slots(product, state);
	unsigned best_lost = 0;
	int best = -1;

	for (uint32_t s = 0; s < product->slots; s++) {
		unsigned lost;

		if (geometry_check(product, state, profile, s) != NVML_SUCCESS)
			continue;
		lost = pairs_lost(product, taken, span(s, wanted->size));
		if (best < 0 || lost < best_lost) {
			best = (int)s;
			best_lost = lost;
		}
	}
	return best;
}

unsigned geometry_capacity(
	const struct product *product, const struct gpu_state *state, unsigned profile)
{
	unsigned left = left_of_profile(product, state, profile), free_starts = 0;

	/* Starts of one profile never overlap each other, so the free ones can be counted. */
	for (uint32_t s = 0; s < product->slots; s++)
		free_starts += geometry_check(product, state, profile, s) == NVML_SUCCESS;
	return free_starts < left ? free_starts : left;
}

/* Compute slices of each kind; REV1 is the whole of a 1g with double memory. */
static const uint8_t kind_slices[NVML_COMPUTE_INSTANCE_PROFILE_COUNT] = {
	[NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE] = 1,
	[NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE] = 2,
	[NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE] = 3,
	[NVML_COMPUTE_INSTANCE_PROFILE_4_SLICE] = 4,
	[NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE] = 7,
	[NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1] = 1,
};

bool compute_shape_of(const struct profile *profile, uint32_t kind, struct compute_shape *ret_shape)
{
	bool is_double = profile->kind == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2;
	struct compute_shape shape = { 0 };

	if (kind >= ARRAY_SIZE(kind_slices) || !kind_slices[kind])
		return false;
	if ((kind == NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1) != is_double)
		return false;
	shape.slices = kind_slices[kind];
	if (shape.slices > profile->slices)
		return false;
	/* Three of four slices is not offered; three of seven stand where halves do. */
	if (shape.slices == 3 && profile->slices == 4)
		return false;
	for (uint32_t s = 0; s + shape.slices <= profile->slices; s++) {
		uint32_t stride = shape.slices == 3 ? 4 : shape.slices;

		if (s % stride == 0) {
			shape.starts |= 1u << s;
			shape.most++;
		}
	}
	*ret_shape = shape;
	return true;
}

static uint32_t taken_slices(const struct gpu_instance *instance)
{
	uint32_t taken = 0;

	for (unsigned id = 0; id < PRODUCT_COMPUTE; id++)
		if (instance->compute[id].serial)
			taken |= span(instance->compute[id].start, instance->compute[id].size);
	return taken;
}

int compute_check(const struct profile *profile, const struct gpu_instance *instance, uint32_t kind,
	uint32_t start)
{
	struct compute_shape shape;

	if (!compute_shape_of(profile, kind, &shape))
		return NVML_ERROR_NOT_SUPPORTED;
	if (start >= profile->slices || !(shape.starts & 1u << start))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (taken_slices(instance) & span(start, shape.slices))
		return NVML_ERROR_INSUFFICIENT_RESOURCES;
	return NVML_SUCCESS;
}

static unsigned compute_pairs_lost(const struct profile *profile, uint32_t taken, uint32_t wanted)
{
	unsigned lost = 0;

	for (uint32_t kind = 0; kind < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; kind++) {
		struct compute_shape shape;

		if (!compute_shape_of(profile, kind, &shape))
			continue;
		for (uint32_t s = 0; s < profile->slices; s++) {
			uint32_t other = span(s, shape.slices);

			if (shape.starts & 1u << s && !(other & taken))
				lost += (other & wanted) != 0;
		}
	}
	return lost;
}

int compute_default_start(
	const struct profile *profile, const struct gpu_instance *instance, uint32_t kind)
{
	uint32_t taken = taken_slices(instance);
	struct compute_shape shape;
	unsigned best_lost = 0;
	int best = -1;

	if (!compute_shape_of(profile, kind, &shape))
		return -1;
	for (uint32_t s = 0; s < profile->slices; s++) {
		unsigned lost;

		if (compute_check(profile, instance, kind, s) != NVML_SUCCESS)
			continue;
		lost = compute_pairs_lost(profile, taken, span(s, shape.slices));
		if (best < 0 || lost < best_lost) {
			best = (int)s;
			best_lost = lost;
		}
	}
	return best;
}

unsigned compute_capacity(
	const struct profile *profile, const struct gpu_instance *instance, uint32_t kind)
{
	unsigned capacity = 0;

	for (uint32_t s = 0; s < profile->slices; s++)
		capacity += compute_check(profile, instance, kind, s) == NVML_SUCCESS;
	return capacity;
}

uint32_t compute_sm(const struct product *product, const struct profile *profile, uint32_t kind)
{
	int single = product_profile_by_kind(product, NVML_GPU_INSTANCE_PROFILE_1_SLICE);
	struct compute_shape shape;

	if (!compute_shape_of(profile, kind, &shape))
		return 0;
	if (shape.slices == profile->slices)
		return profile->sm;
	/* Parts are made of whole slices; a large instance's spare SMs go to its whole only. */
	return single < 0 ? 0 : shape.slices * product->profiles[single].sm;
}
