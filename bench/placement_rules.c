/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	first	the first GPU with room, there the first start: InstaSlice's rule
 *	driver	the first GPU with room, there the driver's own default: what leaves most places
 *		legal, ties to the lowest start
 *	mincap	over all GPUs, what leaves most places legal: the strongest simple rule known
 *	carve	place()
 *
 * The first three remove an instance as soon as its lease ends; Carve keeps it as a cache.
 */
#include "placement_rules.h"

#include "base/text.h"
#include "fixtures.h"
#include "model/worth.h"

static uint32_t taken_of(const struct gpu *gpu)
{
	uint32_t taken = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		taken |=
			mig_slots(&gpu->facts.geometry.profile[instance->profile], instance->start);
	}
	return taken;
}

/* The place with the least loss of places: on the first GPU that has room, or on any. */
static bool choose_least(const struct node *node, uint32_t p, bool is_first_gpu,
	bool is_first_start, struct placement *ret_placement)
{
	uint32_t least = UINT32_MAX;

	for (unsigned g = 0; g < node->n_gpus; g++) {
		const struct mig_geometry *geometry = &node->gpus[g].facts.geometry;
		uint32_t taken = taken_of(&node->gpus[g]), slots, loss;

		for (uint32_t s = 0; s < geometry->n_slots; s++) {
			slots = mig_slots(&geometry->profile[p], s);
			if (!(geometry->profile[p].starts >> s & 1) || (slots & taken))
				continue;
			loss = is_first_start ? s
					      : worth_of(geometry, taken) -
							worth_of(geometry, taken | slots);
			if (loss >= least)
				continue;
			least = loss;
			*ret_placement = (struct placement){
				.how = PLACE_CREATE, .gpu = g, .profile = p, .start = s
			};
		}
		if (is_first_gpu && least != UINT32_MAX)
			return true;
	}
	return least != UINT32_MAX;
}

static bool choose_first(const struct node *node, uint32_t p, struct placement *ret_placement)
{
	return choose_least(node, p, true, true, ret_placement);
}

static bool choose_driver(const struct node *node, uint32_t p, struct placement *ret_placement)
{
	return choose_least(node, p, true, false, ret_placement);
}

static bool choose_mincap(const struct node *node, uint32_t p, struct placement *ret_placement)
{
	return choose_least(node, p, false, false, ret_placement);
}

static bool choose_carve(const struct node *node, uint32_t p, struct placement *ret_placement)
{
	struct request request;

	request_init(&request);
	text_copy(request.profile, sizeof(request.profile),
		node->gpus->facts.geometry.profile[p].name);
	return place(node->gpus, node->n_gpus, &request, node->kept, ret_placement, NULL) == 0;
}

const struct rule rules[RULE_N] = {
	[RULE_FIRST] = { "first", false, choose_first },
	[RULE_DRIVER] = { "driver", false, choose_driver },
	[RULE_MINCAP] = { "mincap", false, choose_mincap },
	[RULE_CARVE] = { "carve", true, choose_carve },
};

bool node_lease(struct node *node, const struct rule *rule, uint32_t profile, uint64_t lease,
	struct placement *ret_placement)
{
	struct placement placement;
	struct mig_instance *instance;
	struct gpu *gpu;

	if (!rule->choose(node, profile, &placement))
		return false;
	gpu = &node->gpus[placement.gpu];
	if (placement.how == PLACE_CACHED) {
		instance = &gpu->seen.instance[placement.instance];
	} else {
		for (unsigned i = gpu->seen.n_instances; i-- > 0;) {
			if (placement.evict >> i & 1) {
				fixture_remove(gpu, i);
				node->removed++;
			}
		}
		instance = &gpu->seen.instance[gpu->seen.n_instances++];
		*instance = (struct mig_instance){
			.profile = placement.profile,
			.start = placement.start,
			.origin = SHARE_DYNAMIC,
			.n_ci = 1,
			.ci[0].ci = gpu->facts.geometry.profile[placement.profile].n_ci - 1,
		};
		node->made++;
	}
	instance->ci[0].lease = lease;
	*ret_placement = placement;
	return true;
}

void node_end(struct node *node, const struct rule *rule, const struct placement *placement)
{
	struct gpu *gpu = &node->gpus[placement->gpu];
	unsigned i = 0;

	while (gpu->seen.instance[i].start != placement->start)
		i++;
	gpu->seen.instance[i].ci[0].lease = 0;
	if (rule->keeps_idle)
		return;
	fixture_remove(gpu, i);
	node->removed++;
}

void node_clear(struct node *node)
{
	for (unsigned g = 0; g < node->n_gpus; g++)
		node->gpus[g].seen.n_instances = 0;
	node->made = node->removed = node->kept = 0;
}
