/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU can hold by MIG. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_calls.h"
#include "driver/nvml_mig.h"

#include <errno.h>
#include <stdlib.h>

#define MIB (1024ull * 1024)

static enum mig_media media_of(uint32_t kind)
{
	switch (kind) {
	case NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1:
	case NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1:
		return MIG_MEDIA_ME;
	case NVML_GPU_INSTANCE_PROFILE_1_SLICE_GFX:
	case NVML_GPU_INSTANCE_PROFILE_2_SLICE_GFX:
	case NVML_GPU_INSTANCE_PROFILE_3_SLICE_GFX:
	case NVML_GPU_INSTANCE_PROFILE_4_SLICE_GFX:
		return MIG_MEDIA_GFX;
	case NVML_GPU_INSTANCE_PROFILE_1_SLICE_NO_ME:
	case NVML_GPU_INSTANCE_PROFILE_2_SLICE_NO_ME:
		return MIG_MEDIA_NONE;
	case NVML_GPU_INSTANCE_PROFILE_1_SLICE_ALL_ME:
	case NVML_GPU_INSTANCE_PROFILE_2_SLICE_ALL_ME:
		return MIG_MEDIA_ALL;
	default:
		return MIG_MEDIA_PLAIN;
	}
}

/* Legal starts as a mask, and the size that they all have. */
static nvmlReturn_t ask_places(struct nvml_gpu *gpu, struct mig_profile *profile)
{
	nvmlGpuInstancePlacement_t place[2 * MIG_SLOTS_MAX];
	unsigned n = ARRAY_SIZE(place);
	nvmlReturn_t code = nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(
		gpu->device, profile->id, place, &n);

	for (unsigned i = 0; i < n && code == NVML_SUCCESS; i++) {
		if (place[i].start >= MIG_SLOTS_MAX)
			return NVML_ERROR_INSUFFICIENT_SIZE;
		profile->starts |= 1u << place[i].start;
		profile->size = place[i].size;
	}
	return code;
}

static void add_ci(
	struct mig_profile *profile, uint32_t kind, uint32_t id, uint32_t slices, uint32_t max)
{
	if (profile->n_ci < MIG_CI_PROFILES_MAX)
		profile->ci[profile->n_ci++] = (struct mig_ci_profile){
			.id = id, .enum_id = kind, .slices = slices, .max = max
		};
}

/*
 * The rule of all products known: a compute instance's id is its kind; as many fit as their slices
 * do, but thirds of seven take a half each, and three of four are not offered. 1g with twice the
 * memory has a kind of its own.
 */
static void suppose_ci_profiles(struct mig_profile *profile)
{
	static const struct {
		uint32_t kind, slices;
	} known[] = {
		{ NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE, 1 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE, 2 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE, 3 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_4_SLICE, 4 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_6_SLICE, 6 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE, 7 },
		{ NVML_COMPUTE_INSTANCE_PROFILE_8_SLICE, 8 },
	};

	if (profile->enum_id == NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2) {
		add_ci(profile, NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1,
			NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1, 1, 1);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		uint32_t slices = known[i].slices;

		if (slices > profile->slices || (slices == 3 && profile->slices == 4) ||
			(slices > 4 && slices != profile->slices))
			continue;
		add_ci(profile, known[i].kind, known[i].kind, slices, profile->slices / slices);
	}
}

/* What the driver says of an instance that exists; false where there is none to ask. */
static bool ask_ci_profiles(struct nvml_gpu *gpu, struct mig_profile *profile)
{
	nvmlGpuInstance_t instance[MIG_INSTANCES_MAX];
	unsigned n = MIG_INSTANCES_MAX;

	if (nvml.nvmlDeviceGetGpuInstances(gpu->device, profile->id, instance, &n) !=
			NVML_SUCCESS ||
		n == 0)
		return false;
	for (unsigned kind = 0; kind < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; kind++) {
		nvmlComputeInstanceProfileInfo_t info;

		if (nvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(instance[0], kind,
			    NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, &info) == NVML_SUCCESS)
			add_ci(profile, kind, info.id, info.sliceCount, info.instanceCount);
	}
	return profile->n_ci > 0;
}

/* One kind of GPU instance; NOT_SUPPORTED where this GPU has it not. */
static nvmlReturn_t ask_profile(struct nvml_gpu *gpu, uint32_t kind, struct mig_profile *profile)
{
	nvmlGpuInstanceProfileInfo_t info = { 0 };
	nvmlReturn_t code = nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu->device, kind, &info);

	if (code != NVML_SUCCESS)
		return code == NVML_ERROR_INVALID_ARGUMENT ? NVML_ERROR_NOT_SUPPORTED : code;
	*profile = (struct mig_profile){
		.id = info.id,
		.enum_id = kind,
		.slices = info.sliceCount,
		.max = info.instanceCount,
		.memory_bytes = info.memorySizeMB * MIB,
		.sm = info.multiprocessorCount,
		.copy_engines = info.copyEngineCount,
		.decoders = info.decoderCount,
		.encoders = info.encoderCount,
		.media = media_of(kind),
	};
	return ask_places(gpu, profile);
}

int nvml_mig_geometry(struct nvml_gpu *gpu, uint64_t total_bytes, struct mig_geometry *ret_geometry,
	struct error *err)
{
	AUTO_FREE struct mig_geometry *geometry = must_alloc(1, sizeof(*geometry));
	nvmlReturn_t last = NVML_ERROR_NOT_SUPPORTED;
	int r;

	for (uint32_t kind = 0; kind < NVML_GPU_INSTANCE_PROFILE_COUNT; kind++) {
		struct mig_profile *profile = &geometry->profile[geometry->n_profiles];
		nvmlReturn_t code = ask_profile(gpu, kind, profile);

		if (code == NVML_ERROR_NOT_SUPPORTED)
			continue;
		if (code != NVML_SUCCESS)
			return nvml_fail(
				code, err, "GPU %s does not tell its MIG profiles", gpu->pci);
		/* a kind of which none fits this board */
		if (!profile->starts || !profile->max)
			continue;
		if (!ask_ci_profiles(gpu, profile))
			suppose_ci_profiles(profile);
		geometry->n_profiles++;
		last = NVML_SUCCESS;
	}
	if (last != NVML_SUCCESS)
		return nvml_fail(last, err, "GPU %s does not tell its MIG profiles", gpu->pci);
	r = mig_geometry_finish(geometry, total_bytes, err);
	if (r < 0)
		return error_prefix(err, r, "GPU %s", gpu->pci);
	*ret_geometry = *geometry;
	return 0;
}
