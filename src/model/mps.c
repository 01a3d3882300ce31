/* SPDX-License-Identifier: Apache-2.0 */
/* What the hardware can do by MPS, and how large the places are where it does. */
#include "model/mps.h"

#include "model/mps_room.h"

#include <stddef.h>

/*
 * By rising compute capability, each row from its own on. NVIDIA's "Multi-Process Service" guide:
 * MPS takes 3.5; one GPU serves 16 clients, from Volta on 48; static partitions give SMs in chunks,
 * from Ampere on 2 and from Hopper on 8 of them.
 */
static const struct generation {
	uint32_t cc_major, cc_minor;
	unsigned clients;
	unsigned chunk; /* SMs; 0: no static partitions */
} generations[] = {
	{ 3, 5, 16, 0 },
	{ 7, 0, 48, 0 },
	{ 8, 0, 48, 2 },
	{ 9, 0, 48, 8 },
};

static const struct generation *generation_of(const struct gpu *gpu)
{
	const struct generation *found = NULL;

	for (unsigned i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
		const struct generation *row = &generations[i];

		if (gpu->facts.cc_major > row->cc_major ||
			(gpu->facts.cc_major == row->cc_major &&
				gpu->facts.cc_minor >= row->cc_minor))
			found = row;
	}
	return found;
}

bool mps_is_possible(const struct gpu *gpu)
{
	return generation_of(gpu) != NULL;
}

struct mps_place mps_place_of(
	const struct gpu *gpu, const struct mig_instance *instance, const struct mig_ci *ci)
{
	return (struct mps_place){
		gpu->facts.geometry.profile[instance->profile].id,
		instance->start,
		ci->id,
	};
}

bool mps_place_is_in(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mps_place *place, unsigned *ret_ci)
{
	for (unsigned c = 0; c < instance->n_ci && instance->start == place->start; c++) {
		struct mps_place there = mps_place_of(gpu, instance, &instance->ci[c]);

		if (!mps_place_is(&there, place))
			continue;
		if (ret_ci)
			*ret_ci = c;
		return true;
	}
	return false;
}

unsigned mps_extent_clients(const struct gpu *gpu, const struct mps_extent *extent)
{
	const struct generation *generation = generation_of(gpu);
	unsigned clients;

	if (!generation || extent->n_slices == 0)
		return 0;
	clients = generation->clients * extent->slices / extent->n_slices;
	return clients ? clients : 1;
}

unsigned mps_clients_max(const struct gpu *gpu, const struct mps_place *place)
{
	struct mps_extent extent = mps_extent_of(gpu, place);

	return mps_extent_clients(gpu, &extent);
}

unsigned mps_step_sm(const struct gpu *gpu, bool is_static)
{
	const struct generation *generation = generation_of(gpu);

	return is_static && generation && generation->chunk ? generation->chunk : 1;
}

uint32_t mps_chunks(const struct gpu *gpu, uint32_t percent)
{
	unsigned step = mps_step_sm(gpu, true);
	unsigned all = gpu->facts.sm / step, chunks;

	/* All of the GPU is all chunks, though some SMs are in none. */
	chunks = (percent * gpu->facts.sm + 100 * step - 1) / (100 * step);
	return chunks < all ? chunks : all;
}

uint32_t mps_least_percent(const struct gpu *gpu)
{
	unsigned step = mps_step_sm(gpu, gpu->mps_is_static), sm = gpu->facts.sm;

	return sm ? (100 * step + sm - 1) / sm : 1;
}

double mps_device_percent(const struct gpu *gpu, const struct mps_place *place, uint32_t percent)
{
	struct mps_extent extent = mps_extent_of(gpu, place);
	double of_place = extent.slices ? (double)percent * extent.n_slices / extent.slices : 0;

	return of_place < 100 ? of_place : 100;
}

uint64_t mps_place_memory(const struct gpu *gpu, const struct mps_place *place)
{
	return mps_extent_of(gpu, place).memory_bytes;
}

const struct mig_instance *mps_place_instance(
	const struct gpu *gpu, const struct mps_place *place, unsigned *ret_ci)
{
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		if (mps_place_is_in(gpu, &gpu->seen.instance[i], place, ret_ci))
			return &gpu->seen.instance[i];
	}
	return NULL;
}

struct mps_extent mps_extent_of_gpu(const struct gpu *gpu)
{
	return (struct mps_extent){ gpu->facts.memory_bytes, 1, 1 };
}

struct mps_extent mps_extent_of_profile(const struct gpu *gpu, uint32_t profile, uint32_t ci_slices)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	const struct mig_profile *p = &geometry->profile[profile];
	uint32_t slices = ci_slices ? ci_slices : p->slices;

	return (struct mps_extent){
		.memory_bytes = p->memory_bytes * slices / p->slices,
		.slices = slices,
		.n_slices = geometry->n_slices,
	};
}

struct mps_extent mps_extent_of(const struct gpu *gpu, const struct mps_place *place)
{
	const struct mig_instance *instance;
	const struct mig_profile *p;
	unsigned c = 0;

	if (mps_place_is_gpu(place))
		return mps_extent_of_gpu(gpu);
	instance = mps_place_instance(gpu, place, &c);
	if (!instance)
		return (struct mps_extent){ 0 };
	p = &gpu->facts.geometry.profile[instance->profile];
	return mps_extent_of_profile(gpu, instance->profile,
		instance->ci[c].ci < p->n_ci ? p->ci[instance->ci[c].ci].slices : 0);
}
