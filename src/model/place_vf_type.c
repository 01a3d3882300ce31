/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request for a virtual machine means on one GPU: the type that it names, or the smallest
 * that has the memory and whose series serves the workload; of several of one size the one whose
 * series serves it best. A number that is in a type's
 * name means that size. In MIG mode these are types backed by MIG, else the time-sliced ones. Where
 * there are no types it is a quota, in whole MiB, or any VF.
 */
#include "base/text.h"
#include "model/place_vf.h"

/* The number before the series' letter: 35 of "NVIDIA H200X-35C"; 0 where there is none. */
static unsigned label_of(const struct vf_type *type)
{
	const char *size = strrchr(type->name, '-');

	return size && vf_type_series(type) ? (unsigned)strtoul(size + 1, NULL, 10) : 0;
}

/* The memory that is asked for, as the types that the GPU can make now have it. */
static uint64_t memory_wanted(const struct wish *wish, const struct gpu *gpu)
{
	const struct request *request = wish->request;
	const struct vf_facts *facts = &gpu->facts.vf;

	for (uint32_t t = 0; t < facts->n_types && request->memory_label; t++)
		if (label_of(&facts->type[t]) == request->memory_label &&
			vf_type_is_mig(&facts->type[t]) == gpu->seen.mig_on)
			return facts->type[t].memory_bytes;
	return request->memory_bytes;
}

/* Types without a series come last. */
static size_t rank_of(const struct wish *wish, const struct vf_type *type)
{
	return request_series_rank(wish->request, vf_type_series(type));
}

bool vf_type_serves(const struct wish *wish, const struct vf_type *type)
{
	return !vf_type_series(type) || rank_of(wish, type) != SIZE_MAX;
}

/* Others' faults stay away: parts of the hardware are its own. */
static bool is_isolated(const struct vf_facts *facts, int t)
{
	if (t >= 0)
		return vf_type_is_mig(&facts->type[t]);
	return facts->kind == VF_KIND_GENERIC || facts->kind == VF_KIND_GIM;
}

static bool is_isolated_enough(const struct wish *wish, const struct vf_facts *facts, int t)
{
	return wish->request->isolation < ISOLATION_FAULT || is_isolated(facts, t);
}

static enum vf_bar choose_named(const struct wish *wish, const struct gpu *gpu, int *ret_type)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	int t = vf_type_find(facts, wish->request->profile);

	*ret_type = t;
	if (t < 0)
		return VF_BAR_TYPE;
	if (!is_isolated_enough(wish, facts, t))
		return VF_BAR_ISOLATION;
	return vf_type_is_mig(&facts->type[t]) != gpu->seen.mig_on ? VF_BAR_MODE : VF_BAR_NONE;
}

static bool is_smaller(const struct wish *wish, const struct vf_type *a, const struct vf_type *b)
{
	return a->memory_bytes != b->memory_bytes ? a->memory_bytes < b->memory_bytes
						  : rank_of(wish, a) < rank_of(wish, b);
}

static enum vf_bar choose_by_memory(const struct wish *wish, const struct gpu *gpu, int *ret_type)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	uint64_t memory = memory_wanted(wish, gpu);
	enum vf_bar nearest = VF_BAR_MEMORY;

	for (uint32_t t = 0; t < facts->n_types; t++) {
		const struct vf_type *type = &facts->type[t];
		enum vf_bar bar = VF_BAR_NONE;

		if (type->memory_bytes < memory || !vf_type_serves(wish, type))
			continue;
		if (!is_isolated_enough(wish, facts, (int)t))
			bar = VF_BAR_ISOLATION;
		else if (vf_type_is_mig(type) != gpu->seen.mig_on)
			bar = VF_BAR_MODE;
		if (bar < nearest || (bar == nearest && *ret_type >= 0 &&
					     is_smaller(wish, type, &facts->type[*ret_type])))
			*ret_type = (int)t;
		nearest = bar < nearest ? bar : nearest;
	}
	return nearest;
}

static enum vf_bar choose_quota(const struct wish *wish, const struct gpu *gpu, uint64_t *ret_bytes)
{
	uint64_t bytes = (wish->request->memory_bytes + (1 << 20) - 1) >> 20 << 20;

	*ret_bytes = bytes;
	return bytes > gpu->facts.memory_bytes ? VF_BAR_MEMORY : VF_BAR_NONE;
}

enum vf_bar vf_choose(const struct wish *wish, const struct gpu *gpu, struct vf_offer *offer)
{
	const struct request *request = wish->request;
	const struct vf_facts *facts = &gpu->facts.vf;
	enum vf_bar bar = VF_BAR_NONE;

	offer->type = -1;
	offer->setup = (struct vf_setup){ .is_for_vm = true };
	if (vf_types_are_unknown(facts))
		return VF_BAR_UNKNOWN;
	if (facts->n_types && !request->profile[0] && !request->memory_bytes)
		return VF_BAR_WHICH;
	if (request->profile[0] && facts->n_types)
		bar = choose_named(wish, gpu, &offer->type);
	else if (request->memory_bytes && facts->n_types)
		bar = choose_by_memory(wish, gpu, &offer->type);
	else if (request->profile[0])
		bar = VF_BAR_NO_SIZES;
	else if (request->memory_bytes)
		bar = facts->has_quota ? choose_quota(wish, gpu, &offer->setup.memory_bytes)
				       : VF_BAR_NO_SIZES;
	if (offer->type >= 0)
		offer->setup.type = facts->type[offer->type].id;
	else if (bar == VF_BAR_NONE && !is_isolated_enough(wish, facts, -1))
		bar = VF_BAR_ISOLATION;
	return bar;
}
