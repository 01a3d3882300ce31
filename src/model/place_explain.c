/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request goes where it goes, for --explain: by which way, then to which GPU. The reasons are
 * those of view_offer.c. */
#include "base/error.h"
#include "base/text.h"
#include "model/choice.h"
#include "model/place_mps.h"
#include "model/place_vf.h"
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
	case PLACE_MPS: /* mps_say_offer() */
	case PLACE_VF:	/* place_vf_explain() */
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

/* ": costs 1.5 requests to come, most by 1 of 3 places for 3g.40gb": see worth.h. */
static void say_cost(const struct view *view, const struct candidate *candidate, struct buf *text)
{
	const struct placement *placement = &candidate->placement;
	const struct mig_geometry *geometry = view->need->geometry;
	unsigned removed = (unsigned)__builtin_popcount(placement->evict);
	unsigned made = placement->how == PLACE_CREATE;
	uint64_t tenths = candidate_loss(candidate) * 10 / WORTH_ONE;
	uint32_t places, profile, left;

	profile = worth_most_lost(view->worth, geometry, view->hard.taken,
		mig_slots(&geometry->profile[placement->profile], placement->start), &places);
	if (tenths == 0) {
		buf_add(text, ": costs no request to come");
		return;
	}
	buf_addf(
		text, ": costs %" PRIu64 ".%" PRIu64 " requests to come", tenths / 10, tenths % 10);
	buf_add(text, ", most by ");
	left = view->worth->left[profile];
	if (places * view->worth->price[profile] < worth_steps(made + removed))
		buf_add(text, removed ? "making and removing instances" : "making an instance");
	else if (places == left && left == 1)
		buf_addf(text, "the last place for %s", geometry->profile[profile].name);
	else if (places == left)
		buf_addf(text, "the last %u places for %s", left, geometry->profile[profile].name);
	else
		buf_addf(text, "%u of %u places for %s", places, left,
			geometry->profile[profile].name);
}

/* What decides against it before the loss does: view_offer.c has the order. */
static void say_rank(const struct view *view, const struct candidate *candidate,
	const struct candidate *best, struct buf *text)
{
	const struct placement *placement = &candidate->placement;

	if (candidate_rank(candidate) == candidate_rank(best))
		say_cost(view, candidate, text);
	else if (placement->how == PLACE_CACHED && (view->larger >> placement->instance & 1))
		buf_add(text, ", but larger than was asked for");
	else if (candidate_rank(candidate) >> 3 != candidate_rank(best) >> 3)
		buf_add(text, ", but more memory than serves");
	else
		buf_add(text, ", but not the profile that is preferred");
}

static void say_hopeless(struct wish *wish, unsigned g, enum mechanism mechanism, struct buf *text)
{
	static const char *const why[HOPE_N] = {
		[HOPE_MODE_OFF] = "not in MIG mode",
		[HOPE_MODE_ON] = "in MIG mode",
		[HOPE_VFS] = "its virtual functions are on",
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

static void explain_mps(struct wish *wish, const struct placement *chosen, struct buf *text)
{
	struct mps_offer offers[GPUS_MAX];

	for (unsigned g = 0; g < wish->n_gpus; g++)
		mps_offer(wish, g, &offers[g]);
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		buf_addf(text, "%sGPU %u: ", g ? "\n" : "", g);
		if (offers[g].bar != MPS_BAR_NONE)
			mps_say_bar(wish, 1u << g, offers, text);
		else
			mps_say_offer(wish, &offers[g], chosen ? &offers[chosen->gpu] : NULL, text);
		if (chosen && chosen->gpu == g)
			buf_add(text, "  <- chosen");
	}
}

char *place_explain(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid)
{
	struct candidate best = CANDIDATE_NONE;
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
	if (request->mechanism == REQUEST_ANY_MECHANISM && !request->profile[0])
		choice_explain(gpus, n_gpus, request, r == 0 ? &chosen[0] : NULL, &text);
	if (wish.may_vf) {
		place_vf_explain(&wish, r == 0 ? &chosen[0] : NULL, &text);
		if (r != 0)
			buf_addf(&text, "\n%s", err.text);
		return buf_take(&text);
	}
	mechanism = r == 0 ? chosen[0].mechanism : wish_mechanism(&wish);
	if (mechanism == MECHANISM_MPS) {
		explain_mps(&wish, r == 0 ? &chosen[0] : NULL, &text);
		if (r != 0)
			buf_addf(&text, "\n%s", err.text);
		return buf_take(&text);
	}
	wish_look(&wish, mechanism, views);
	for (unsigned g = 0; g < n_gpus; g++)
		view_offer(&views[g], &best);
	for (unsigned g = 0; g < n_gpus; g++) {
		struct candidate mine = CANDIDATE_NONE;
		unsigned times = 0;

		view_offer(&views[g], &mine);
		buf_addf(&text, "%sGPU %u: ", g ? "\n" : "", g);
		if (mine.cost != UINT64_MAX)
			say_offer(&gpus[g], &mine.placement, &text);
		else
			say_hopeless(&wish, g, mechanism, &text);
		if (mine.cost != UINT64_MAX && mechanism == MECHANISM_MIG)
			say_rank(&views[g], &mine, &best, &text);
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
