/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each way that the request allows is tried on the GPUs that are set up for it; of those that have
 * room the best is taken (choice.c). A whole GPU that would mostly idle serves only where nothing
 * smaller ever could: there a request rather waits. Within one way, every GPU offers its best place
 * and the cheapest is taken (view.c).
 */
#include "model/place.h"

#include "base/error.h"
#include "base/text.h"
#include "model/choice.h"
#include "model/place_mps.h"
#include "model/place_vf.h"

#include <string.h>

/* Takes request->n_gpus places from the views; false if there are not so many. */
static bool take_places(struct wish *wish, struct view *views, struct placement *ret_places)
{
	for (unsigned k = 0; k < wish->request->n_gpus; k++) {
		struct candidate best = CANDIDATE_NONE;

		for (unsigned g = 0; g < wish->n_gpus; g++)
			view_offer(&views[g], &best);
		if (best.cost == UINT64_MAX)
			return false;
		ret_places[k] = best.placement;
		if (k + 1 == wish->request->n_gpus)
			break;
		view_take(&views[best.placement.gpu], &best.placement);
		if (wish->is_bare)
			views[best.placement.gpu].is_out = true;
		if (best.placement.mechanism == MECHANISM_MIG)
			wish_price(wish, views);
	}
	return true;
}

/* All places by one mechanism, or none. */
static bool place_by(struct wish *wish, enum mechanism mechanism, struct placement *ret_placement)
{
	struct placement places[GPUS_MAX];
	struct view views[GPUS_MAX];

	wish_look(wish, mechanism, views);
	if (!take_places(wish, views, places))
		return false;
	memcpy(ret_placement, places, wish->request->n_gpus * sizeof(places[0]));
	return true;
}

/* The GPUs, as a mask, that are not set up for the way: by their MIG mode. */
static uint32_t unfit_gpus(const struct wish *wish, enum advice_option way)
{
	bool takes_mig = way == ADVICE_MIG || way == ADVICE_MPS_IN_MIG || way == ADVICE_VF_ON_MIG;
	uint32_t mask = 0;

	for (unsigned g = 0; g < wish->n_gpus; g++)
		mask |= (uint32_t)(wish->gpus[g].seen.mig_on != takes_mig) << g;
	return mask;
}

static bool may_by(const struct wish *wish, enum advice_option way)
{
	switch (way) {
	case ADVICE_MIG:
		return wish->may_mig;
	case ADVICE_MPS:
	case ADVICE_MPS_IN_MIG:
		return wish->may_mps;
	case ADVICE_VF:
	case ADVICE_VF_ON_MIG:
		return wish->may_vf;
	case ADVICE_WHOLE:
		return wish->may_whole;
	default:
		return false;
	}
}

/* It would leave more than half of each GPU idle, while there are ways that do not. */
static bool is_waste(struct wish *wish)
{
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		if (wish_is_open(wish, g) && !wish->gpus[g].seen.mig_on &&
			!request_is_small(wish->request, &wish->gpus[g]))
			return false;
	}
	return wish_mechanism(wish) != MECHANISM_WHOLE;
}

static bool by_mechanism(
	struct wish *wish, enum mechanism mechanism, struct placement *ret_placement)
{
	if (mechanism == MECHANISM_VF)
		return vf_place_best(wish, ret_placement) == 0;
	if (mechanism == MECHANISM_MPS)
		return mps_place_best(wish, ret_placement) == 0;
	return place_by(wish, mechanism, ret_placement);
}

/* On the GPUs that are set up for the way. */
static bool by_way(struct wish *wish, enum advice_option way, struct placement *ret_placement)
{
	uint32_t all = wish->n_gpus < 32 ? (1u << wish->n_gpus) - 1 : UINT32_MAX;
	uint32_t avoid = wish->avoid;
	bool has;

	wish->avoid |= unfit_gpus(wish, way);
	has = (wish->avoid & all) != all &&
	      by_mechanism(wish, advice_mechanism(way), ret_placement);
	wish->avoid = avoid;
	return has;
}

/* By the best of the ways that have room; *ret_wastes if there is one that would be a waste. */
static bool by_choice(struct wish *wish, struct placement *ret_placement, bool *ret_wastes)
{
	struct placement places[ADVICE_OPTIONS_N][GPUS_MAX];
	unsigned n = wish->request->n_gpus;
	enum advice_option way;
	uint32_t ways = 0;

	for (way = 0; way < ADVICE_OPTIONS_N; way++)
		if (may_by(wish, way) && by_way(wish, way, places[way]))
			ways |= 1u << way;
	*ret_wastes = ways == 1u << ADVICE_WHOLE && wish->may_mig && is_waste(wish);
	if (ways == 0 || *ret_wastes)
		return false;
	way = ways & (ways - 1) ? choice_best(wish->gpus, wish->n_gpus, wish->request, ways)
				: (enum advice_option)__builtin_ctz(ways);
	/* Which server an MPS share goes to is a matter of cost, in MIG mode or not. */
	if (advice_mechanism(way) == MECHANISM_MPS)
		by_mechanism(wish, MECHANISM_MPS, places[way]);
	memcpy(ret_placement, places[way], n * sizeof(*ret_placement));
	for (unsigned k = 0; k < n; k++) {
		ret_placement[k].way = way;
		ret_placement[k].ways = ways;
	}
	return true;
}

int place(const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid,
	struct placement *ret_placement, struct error *err)
{
	struct error why = ERROR_NONE;
	bool wastes = false;
	struct wish wish;
	int r = wish_make(&wish, gpus, n_gpus, request, avoid, err);

	if (r != 0)
		return r;
	if (request->mechanism == REQUEST_ANY_MECHANISM
			? by_choice(&wish, ret_placement, &wastes)
			: by_mechanism(&wish, (enum mechanism)request->mechanism, ret_placement))
		return 0;
	if (!wastes)
		return wish_refuse(&wish, err);
	r = wish_refuse(&wish, &why);
	return error_set(err, r,
		"%.480s; a whole GPU is free, of which most would idle (mechanism whole takes it)",
		why.text);
}

/* As gpu_find() would find it, but knowing this GPU only. */
static bool is_named(const struct gpu *gpu, const char *name)
{
	uint32_t index;
	unsigned g;

	if (parse_u32(name, &index) == 0)
		return index == gpu->index;
	return gpu_find(gpu, 1, name, &g, NULL) == 0;
}

bool place_could_use(const struct gpu *gpu, const struct request *request)
{
	struct request any = *request;
	struct wish wish;

	if (request->gpu[0] && !is_named(gpu, request->gpu))
		return false;
	any.gpu[0] = '\0';
	if (wish_make(&wish, gpu, 1, &any, 0, NULL) != 0)
		return false;
	if (wish.may_vf)
		return vf_could_place(&wish, 0);
	return wish_distance(&wish, 0, MECHANISM_MIG) != WISH_TOO_FAR ||
	       wish_distance(&wish, 0, MECHANISM_MPS) != WISH_TOO_FAR ||
	       wish_distance(&wish, 0, MECHANISM_WHOLE) != WISH_TOO_FAR;
}
