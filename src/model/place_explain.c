/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request goes where it goes: for --explain. */
#include "base/error.h"
#include "base/text.h"
#include "model/wish.h"
#include "model/wish_say.h"

#include <inttypes.h>

static void say_offer(const struct gpu *gpu, const struct placement *placement, struct buf *text)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	const char *comma = " after removing ";
	char name[SHARE_NAME_MAX];

	switch (placement->how) {
	case PLACE_WHOLE:
		buf_add(text, "free as a whole");
		return;
	case PLACE_CACHED:
		buf_addf(text, "%s is there, idle",
			share_name(gpu, &gpu->seen.instance[placement->instance],
				&gpu->seen.instance[placement->instance].ci[placement->ci], name));
		return;
	case PLACE_CREATE:
		buf_addf(text, "%s can be made at slot %u",
			geometry->profile[placement->profile].name, placement->start);
		for (uint32_t rest = placement->evict; rest; rest &= rest - 1) {
			buf_addf(text, "%s%s", comma,
				share_name(
					gpu, &gpu->seen.instance[__builtin_ctz(rest)], NULL, name));
			comma = ", ";
		}
		buf_add(text, placement->evict ? " (idle)" : "");
		return;
	}
}

static void say_hopeless(struct wish *wish, unsigned g, enum mechanism mechanism, struct buf *text)
{
	static const char *const why[HOPE_N] = {
		[HOPE_MODE_OFF] = "not in MIG mode",
		[HOPE_MODE_ON] = "in MIG mode",
		[HOPE_PINNED] = "pinned instances leave no place for it",
		[HOPE_UNMANAGED] = "not managed",
		[HOPE_LACK] = "has no share that is large enough",
		[HOPE_NONE] = "cannot do what was asked",
	};
	enum hope hope = wish_hope(wish, g, mechanism);

	if (wish->only >= 0 && wish->only != (int)g)
		buf_add(text, "another GPU was asked for");
	else if (hope == HOPE_LACK && wish->request->profile[0] && mechanism == MECHANISM_MIG)
		buf_addf(text, "has no profile %s", wish->request->profile);
	else if (hope != HOPE_YES)
		buf_add(text, why[hope]);
	else
		wish_say_busy(wish, g, mechanism, text);
}

char *place_explain(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid)
{
	struct placement chosen[GPUS_MAX];
	struct error err = ERROR_NONE;
	struct view views[GPUS_MAX];
	enum mechanism mechanism;
	struct buf text = { 0 };
	struct wish wish;
	int r;

	r = place(gpus, n_gpus, request, avoid, chosen, &err);
	if (wish_make(&wish, gpus, n_gpus, request, avoid, NULL) != 0) {
		buf_add(&text, err.text);
		return buf_take(&text);
	}
	mechanism = r == 0 ? chosen[0].mechanism : wish_mechanism(&wish);
	wish_look(&wish, mechanism, views);
	for (unsigned g = 0; g < n_gpus; g++) {
		struct candidate best = CANDIDATE_NONE;
		unsigned times = 0;

		view_offer(&views[g], &best);
		buf_addf(&text, "%sGPU %u: ", g ? "\n" : "", g);
		if (best.cost != UINT64_MAX)
			say_offer(&gpus[g], &best.placement, &text);
		else
			say_hopeless(&wish, g, mechanism, &text);
		for (unsigned k = 0; k < request->n_gpus && r == 0; k++)
			times += chosen[k].gpu == g;
		if (times == 1)
			buf_add(&text, "  <- chosen");
		else if (times > 1)
			buf_addf(&text, "  <- chosen %u times", times);
	}
	if (r != 0)
		buf_addf(&text, "\n%s", err.text);
	return buf_take(&text);
}
