/* SPDX-License-Identifier: Apache-2.0 */
/* Why wants cannot be together on one GPU, and the nearest that can. */
#include "base/error.h"
#include "base/text.h"
#include "model/fit.h"

#include <errno.h>

enum { NODES_MAX = 200000 };

static void drop_want(struct wants *wants, unsigned w)
{
	memmove(&wants->want[w], &wants->want[w + 1], (wants->n - w - 1) * sizeof(wants->want[0]));
	wants->n--;
}

/* A part of the wants that cannot be together, though it could without any one of them. */
static struct wants least_conflict(const struct wants *wants)
{
	struct wants least = *wants;

	/* From the end: what has a start is what its author was surest of. */
	for (unsigned w = least.n; w-- > 0 && least.n > 1;) {
		struct wants without = least;

		drop_want(&without, w);
		if (!fit_is_possible(&without))
			least = without;
	}
	return least;
}

static bool is_said_alike(const struct want *a, const struct want *b)
{
	return want_is_same(a, b) && a->line == b->line;
}

static void say_wants(const struct wants *wants, struct buf *text)
{
	for (unsigned w = 0; w < wants->n; w++) {
		unsigned same = 1;

		while (w + same < wants->n &&
			is_said_alike(&wants->want[w], &wants->want[w + same]))
			same++;
		if (w > 0)
			buf_add(text, w + same == wants->n ? " and " : ", ");
		if (same > 1)
			buf_addf(text, "%u times ", same);
		want_say(wants, w, text);
		w += same - 1;
	}
}

static void say_slots(uint32_t slots, struct buf *text)
{
	unsigned first = (unsigned)__builtin_ctz(slots);
	unsigned last = 31 - (unsigned)__builtin_clz(slots);

	if (first == last)
		buf_addf(text, "slot %u", first);
	else
		buf_addf(text, "slots %u to %u", first, last);
}

static void say_why(const struct wants *conflict, struct buf *text)
{
	const struct mig_geometry *geometry = conflict->geometry;
	const struct want *a = &conflict->want[0], *b = &conflict->want[1];
	const struct mig_profile *p = &geometry->profile[a->profile];
	struct mig_room room = { 0 };
	uint32_t both = 0;
	bool equal = true;

	for (unsigned w = 1; w < conflict->n; w++)
		equal &= conflict->want[w].profile == a->profile;
	if (conflict->n == 1) {
		buf_addf(text, ": %s cannot start there", p->name);
		return;
	}
	if (conflict->n == 2 && a->start >= 0 && b->start >= 0)
		both = mig_slots(p, (uint32_t)a->start) &
		       mig_slots(&geometry->profile[b->profile], (uint32_t)b->start);
	mig_room_add(&room, geometry, a->profile, 0);
	if (both) {
		buf_add(text, ": both take ");
		say_slots(both, text);
	} else if (equal && conflict->n > p->max) {
		buf_addf(text, ": a GPU holds %u of it", p->max);
	} else if (conflict->n == 2 && !mig_room_allows(&room, geometry, b->profile)) {
		buf_add(text, ": they take the same media engines");
	}
}

/* The search for the nearest: each want as it is, or smaller, or not at all. */
struct nearest {
	const struct wants *wants;
	unsigned nodes;
	uint32_t profile[MIG_INSTANCES_MAX]; /* n_profiles: left out */
	uint32_t best[MIG_INSTANCES_MAX];
	unsigned best_cost;
};

static unsigned weight_of(const struct mig_geometry *geometry, uint32_t profile)
{
	return geometry->profile[profile].size + geometry->profile[profile].slices;
}

/* What it costs to give `instead` for the want; UINT32_MAX: no such thing is given. */
static unsigned cost_of(const struct mig_geometry *geometry, uint32_t want, uint32_t instead)
{
	const struct mig_profile *p = &geometry->profile[want], *q;

	if (instead == want)
		return 0;
	if (instead == geometry->n_profiles)
		return 2 * weight_of(geometry, want) + 1;
	q = &geometry->profile[instead];
	if (q->media != p->media || q->size > p->size || q->slices > p->slices)
		return UINT32_MAX;
	return 2 * (weight_of(geometry, want) - weight_of(geometry, instead)) + 1;
}

static void nearest_from(
	struct nearest *nearest, unsigned w, struct mig_room room, unsigned cost, uint32_t before)
{
	const struct wants *wants = nearest->wants;
	const struct mig_geometry *geometry = wants->geometry;
	const struct want *want = &wants->want[w];

	if (cost >= nearest->best_cost || nearest->nodes++ > NODES_MAX)
		return;
	if (w == wants->n) {
		nearest->best_cost = cost;
		memcpy(nearest->best, nearest->profile, sizeof(nearest->best));
		return;
	}
	/* Backwards from leaving it out, so that what is left out is tried last. */
	for (uint32_t k = 0; k <= geometry->n_profiles + 1; k++) {
		uint32_t profile = k == 0 ? want->profile : geometry->n_profiles + 1 - k, starts;
		unsigned more;

		if (k > 0 && profile == want->profile)
			continue;
		profile = k == geometry->n_profiles + 1 ? geometry->n_profiles : profile;
		more = cost_of(geometry, want->profile, profile);
		if (more == UINT32_MAX)
			continue;
		nearest->profile[w] = profile;
		if (profile == geometry->n_profiles) {
			nearest_from(nearest, w + 1, room, cost + more, 0);
			continue;
		}
		starts = mig_room_starts(&room, geometry, profile);
		if (want->start >= 0)
			starts &= 1u << want->start;
		else if (w > 0 && nearest->profile[w - 1] == profile && want[-1].start < 0)
			starts &= ~0u << before;
		for (; starts; starts &= starts - 1) {
			uint32_t start = (uint32_t)__builtin_ctz(starts);
			struct mig_room with = room;

			mig_room_add(&with, geometry, profile, start);
			nearest_from(nearest, w + 1, with, cost + more, start);
		}
	}
}

static void say_nearest(const struct wants *wants, struct buf *text)
{
	struct nearest nearest = { .wants = wants, .best_cost = UINT32_MAX };
	struct wants fits = { .geometry = wants->geometry };

	nearest_from(&nearest, 0, (struct mig_room){ 0 }, 0, 0);
	if (nearest.best_cost == UINT32_MAX)
		return;
	for (unsigned w = 0; w < wants->n; w++) {
		struct want *want = &fits.want[fits.n];

		if (nearest.best[w] == wants->geometry->n_profiles)
			continue;
		*want = wants->want[w];
		want->line = want->column = 0;
		want->has_cis &= nearest.best[w] == want->profile;
		want->profile = nearest.best[w];
		fits.n++;
	}
	buf_add(text, "; the nearest that fits: ");
	if (fits.n)
		say_wants(&fits, text);
	else
		buf_add(text, "nothing");
}

int fit_refuse(const struct gpu *gpu, const struct wants *wants, struct error *err)
{
	struct wants conflict = least_conflict(wants);
	AUTO_BUF text = { 0 };

	say_wants(&conflict, &text);
	buf_addf(&text, " cannot %s on GPU %u", conflict.n > 1 ? "be together" : "be", gpu->index);
	say_why(&conflict, &text);
	say_nearest(wants, &text);
	return error_set(err, -EINVAL, "%s", buf_text(&text));
}
