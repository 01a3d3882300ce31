/* SPDX-License-Identifier: Apache-2.0 */
#include "model/view.h"

#include <string.h>

static bool is_idle(const struct mig_instance *instance)
{
	for (unsigned c = 0; c < instance->n_ci; c++) {
		if (instance->ci[c].lease || instance->ci[c].has_users)
			return false;
	}
	return true;
}

int view_idle_ci(const struct view *view, unsigned i, unsigned slices)
{
	const struct mig_instance *instance = &view->gpu->seen.instance[i];
	const struct mig_profile *profile = &view->need->geometry->profile[instance->profile];

	for (unsigned c = 0; c < instance->n_ci; c++) {
		const struct mig_ci *ci = &instance->ci[c];

		if (view->has_mps && mps_is_on_ci(view->gpu, instance, ci, false))
			continue;
		if (ci->lease == 0 && !ci->has_users && ci->ci < profile->n_ci &&
			profile->ci[ci->ci].slices == slices && !(view->taken_ci[i] >> c & 1))
			return (int)c;
	}
	return -1;
}

/* An instance of ours that serves as it is. */
static void see_serving(struct view *view, unsigned i, bool idle)
{
	const struct mig_instance *instance = &view->gpu->seen.instance[i];
	const struct need *need = view->need;
	const struct mig_profile *profile = &need->geometry->profile[instance->profile];
	bool is_exact = need->exact >> instance->profile & 1;

	if (need->ci_slices) {
		if (is_exact && view_idle_ci(view, i, need->ci_slices) >= 0)
			view->ready |= 1u << i;
		return;
	}
	if (!idle || instance->n_ci != 1 ||
		profile->ci[instance->ci[0].ci].slices != profile->slices)
		return;
	if (is_exact)
		view->ready |= 1u << i;
	else if (instance->origin == SHARE_PINNED)
		view->larger |= 1u << i;
}

void view_make(
	struct view *view, const struct gpu *gpu, const struct need *need, enum mechanism mechanism)
{
	const struct mig_geometry *geometry = need->geometry;
	const struct gpu_seen *seen = &gpu->seen;

	/* Field by field: what is counted up below would wait for one great clearing to end. */
	view->gpu = gpu;
	view->need = need;
	view->worth = NULL;
	view->left = 0;
	view->mechanism = mechanism;
	view->room = view->hard = (struct mig_room){ 0 };
	view->evictable = view->evictable_starts = view->ready = view->larger = 0;
	memset(view->taken_ci, 0, sizeof(view->taken_ci));
	view->is_out = view->is_whole_free = false;
	view->has_mps = gpu->n_mps || gpu->n_mps_servers;
	if (vf_any_on(gpu)) {
		view->is_out = true;
		return;
	}
	if (mechanism == MECHANISM_WHOLE) {
		view->is_whole_free = gpu->whole_allowed && !seen->mig_on && !seen->mig_pending &&
				      gpu->whole_lease == 0 && !gpu->whole_in_use &&
				      !view->has_mps &&
				      need->whole_memory <= gpu->facts.memory_bytes;
		return;
	}
	view->is_out = !seen->mig_on || need->lack != LACK_NOTHING;
	if (view->is_out)
		return;
	for (unsigned i = 0; i < seen->n_instances; i++) {
		const struct mig_instance *instance = &seen->instance[i];
		bool idle =
			is_idle(instance) && !(view->has_mps && mps_is_on(gpu, instance, false));

		mig_room_add(&view->room, geometry, instance->profile, instance->start);
		if (idle && instance->origin == SHARE_DYNAMIC) {
			view->evictable |= 1u << i;
			view->evictable_starts |= 1u << instance->start;
		} else {
			mig_room_add(&view->hard, geometry, instance->profile, instance->start);
		}
		if (instance->origin != SHARE_FOREIGN && (need->serves >> instance->profile & 1))
			see_serving(view, i, idle);
	}
}

void view_evict(struct view *view, uint32_t instances)
{
	for (uint32_t rest = instances; rest; rest &= rest - 1) {
		const struct mig_instance *instance =
			&view->gpu->seen.instance[__builtin_ctz(rest)];

		mig_room_remove(
			&view->room, view->need->geometry, instance->profile, instance->start);
		view->evictable_starts &= ~(1u << instance->start);
	}
	view->evictable &= ~instances;
	view->ready &= ~instances;
	view->larger &= ~instances;
}

void view_take(struct view *view, const struct placement *placement)
{
	const struct mig_geometry *geometry = view->need->geometry;
	uint32_t bit = 1u << placement->instance;

	switch (placement->how) {
	case PLACE_WHOLE:
		view->is_whole_free = false;
		return;
	case PLACE_MPS:
	case PLACE_VF:
		return;
	case PLACE_CREATE:
		view_evict(view, placement->evict);
		mig_room_add(&view->room, geometry, placement->profile, placement->start);
		mig_room_add(&view->hard, geometry, placement->profile, placement->start);
		return;
	case PLACE_CACHED:
		view->taken_ci[placement->instance] |= (uint8_t)(1u << placement->ci);
		if (!view->need->ci_slices ||
			view_idle_ci(view, placement->instance, view->need->ci_slices) < 0)
			view->ready &= ~bit;
		view->larger &= ~bit;
		if (!(view->evictable & bit))
			return;
		view->evictable &= ~bit;
		view->evictable_starts &= ~(1u << placement->start);
		mig_room_add(&view->hard, geometry, placement->profile, placement->start);
		return;
	}
}
