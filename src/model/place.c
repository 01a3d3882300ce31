/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that names a size or a profile gets a MIG instance; one that trusts its neighbours an
 * MPS share where there is none (place_mps.c); a whole GPU serves it only where no GPU in MIG mode
 * ever could. A bare request gets a whole GPU, or the full profile of one in MIG
 * mode. Within one mechanism, every GPU offers its best place and the cheapest is taken (view.c).
 */
#include "model/place.h"

#include "base/error.h"
#include "base/text.h"
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

int place(const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid,
	struct placement *ret_placement, struct error *err)
{
	struct wish wish;
	int r = wish_make(&wish, gpus, n_gpus, request, avoid, err);

	if (r != 0)
		return r;
	if (wish.may_vf)
		return vf_place(&wish, ret_placement, err);
	if (wish.is_bare && wish.may_whole && place_by(&wish, MECHANISM_WHOLE, ret_placement))
		return 0;
	if (wish.may_mig && place_by(&wish, MECHANISM_MIG, ret_placement))
		return 0;
	if (wish.may_mps && mps_place_best(&wish, ret_placement) == 0)
		return 0;
	if (!wish.is_bare && wish.may_whole && wish_mechanism(&wish) != MECHANISM_MIG &&
		place_by(&wish, MECHANISM_WHOLE, ret_placement))
		return 0;
	return wish_refuse(&wish, err);
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
