/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Geometry against what NVIDIA's tools print, and legality against an enumerator of this file's
 * own: it keeps a plain list of instances and compares each pair, so that it shares no code and no
 * bit trick with the model.
 */
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "test.h"

#include <errno.h>

TEST(profiles_are_named_as_nvidia_names_them)
{
	static const struct {
		enum fixture product;
		const char *names;
	} cases[] = {
		{ FIXTURE_A100_40,
			"1g.5gb, 1g.5gb+me, 1g.10gb, 2g.10gb, 3g.20gb, 4g.20gb, 7g.40gb" },
		{ FIXTURE_H100_80,
			"1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb" },
		{ FIXTURE_H200,
			"1g.18gb, 1g.18gb+me, 1g.35gb, 2g.35gb, 3g.71gb, 4g.71gb, 7g.141gb" },
		{ FIXTURE_A30, "1g.6gb, 1g.6gb+me, 2g.12gb, 2g.12gb+me, 4g.24gb" },
		{ FIXTURE_RTX_PRO_6000,
			"1g.24gb, 1g.24gb+me, 1g.24gb+gfx, 1g.24gb-me, 1g.24gb+me.all, 2g.48gb, "
			"2g.48gb+gfx, 2g.48gb-me, 2g.48gb+me.all, 4g.96gb, 4g.96gb+gfx" },
	};
	static struct mig_geometry geometry;
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fixture_geometry(cases[i].product, &geometry);
		CHECK_TEXT(mig_profile_names(&geometry, text, sizeof(text)), cases[i].names);
		for (unsigned p = 0; p < geometry.n_profiles; p++) {
			CHECK_EQ(mig_profile_find(&geometry, geometry.profile[p].name), p);
			CHECK_EQ(mig_profile_find_id(&geometry, geometry.profile[p].id), p);
		}
	}
	CHECK_EQ(mig_profile_find(&geometry, "1g.5gb"), -1);
	CHECK_EQ(mig_profile_find_id(&geometry, 99), -1);
}

TEST(names_are_cut_where_they_do_not_fit)
{
	static struct mig_geometry geometry;
	char text[64];

	fixture_geometry(FIXTURE_H100_80, &geometry);
	CHECK_TEXT(mig_profile_names(&geometry, text, 30), "1g.10gb, 1g.10gb+me, ...");
	CHECK_TEXT(mig_profile_names(&geometry, text, 9), "...");
	CHECK_TEXT(mig_profile_names(&geometry, text, 1), "");
}

TEST(slots_and_slices_follow_from_the_answers)
{
	static const struct {
		enum fixture product;
		unsigned slots, slices, unit;
	} cases[] = { { FIXTURE_H100_80, 8, 7, 1 }, { FIXTURE_A30, 4, 4, 1 },
		{ FIXTURE_RTX_PRO_6000, 12, 4, 3 } };
	static struct mig_geometry geometry;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fixture_geometry(cases[i].product, &geometry);
		CHECK_EQ(geometry.n_slots, cases[i].slots);
		CHECK_EQ(geometry.n_slices, cases[i].slices);
		CHECK_EQ(geometry.unit, cases[i].unit);
	}
}

TEST(one_geometry_has_one_digest)
{
	static struct mig_geometry a, b;

	fixture_geometry(FIXTURE_H100_80, &a);
	fixture_geometry(FIXTURE_H200, &b);
	CHECK(a.digest != b.digest);
	b = a;
	for (unsigned p = 0; p < a.n_profiles; p++)
		b.profile[p] = a.profile[a.n_profiles - 1 - p];
	CHECK_EQ(mig_geometry_finish(&b, fixture_memory(FIXTURE_H100_80), NULL), 0);
	CHECK(a.digest == b.digest);
	b.profile[0].max--;
	CHECK_EQ(mig_geometry_finish(&b, fixture_memory(FIXTURE_H100_80), NULL), 0);
	CHECK(a.digest != b.digest);
}

/* Seen on H100, H100 NVL, A100 and RTX PRO 6000: the id is the node of the tree. */
TEST(a_place_has_the_drivers_id)
{
	static const struct {
		enum fixture product;
		const char *profile;
		unsigned start, id;
	} cases[] = {
		{ FIXTURE_H100_80, "7g.80gb", 0, 0 },
		{ FIXTURE_H100_80, "4g.40gb", 0, 1 },
		{ FIXTURE_H100_80, "3g.40gb", 4, 2 },
		{ FIXTURE_H100_80, "2g.20gb", 4, 5 },
		{ FIXTURE_H100_80, "1g.20gb", 6, 6 },
		{ FIXTURE_H100_80, "1g.10gb", 0, 7 },
		{ FIXTURE_H100_80, "1g.10gb+me", 6, 13 },
		{ FIXTURE_A30, "2g.12gb", 2, 2 },
		{ FIXTURE_RTX_PRO_6000, "1g.24gb", 9, 6 },
		{ FIXTURE_RTX_PRO_6000, "2g.48gb", 6, 2 },
	};
	static struct mig_geometry geometry;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fixture_geometry(cases[i].product, &geometry);
		CHECK_EQ(mig_place_id(&geometry,
				 (uint32_t)mig_profile_find(&geometry, cases[i].profile),
				 cases[i].start),
			cases[i].id);
	}
}

TEST(answers_that_contradict_each_other_are_refused)
{
	static struct mig_geometry good, bad;
	uint64_t total = fixture_memory(FIXTURE_H100_80);
	struct error err = ERROR_NONE;

	fixture_geometry(FIXTURE_H100_80, &good);
	bad = good;
	bad.n_profiles = 0;
	CHECK_EQ(mig_geometry_finish(&bad, total, &err), -EINVAL);
	bad.n_profiles = MIG_PROFILES_MAX + 1;
	CHECK_EQ(mig_geometry_finish(&bad, total, &err), -EINVAL);
#define CHECK_BAD(change)                                                                          \
	bad = good;                                                                                \
	bad.profile[1].change;                                                                     \
	CHECK_EQ(mig_geometry_finish(&bad, total, &err), -EINVAL);                                 \
	CHECK(err.text[0])
	CHECK_BAD(starts = 0);
	CHECK_BAD(size = 0);
	CHECK_BAD(size = 30);
	CHECK_BAD(starts = 1u << 16);
	CHECK_BAD(slices = 0);
	CHECK_BAD(max = 0);
	CHECK_BAD(memory_bytes = 0);
	CHECK_BAD(memory_bytes = total + 1);
	CHECK_BAD(n_ci = MIG_CI_PROFILES_MAX + 1);
	CHECK_EQ(mig_geometry_finish(&good, 0, &err), -EINVAL);
}

/* The slow enumerator. */
struct placed {
	unsigned profile, start;
};

struct state {
	unsigned n;
	struct placed at[MIG_INSTANCES_MAX];
};

static bool slow_may_join(
	const struct mig_geometry *geometry, const struct state *state, struct placed newcomer)
{
	const struct mig_profile *a = &geometry->profile[newcomer.profile], *b;
	unsigned same = 0, me = 0;

	for (unsigned i = 0; i < state->n; i++) {
		b = &geometry->profile[state->at[i].profile];
		if (newcomer.start < state->at[i].start + b->size &&
			state->at[i].start < newcomer.start + a->size)
			return false;
		same += state->at[i].profile == newcomer.profile;
		me += b->media == MIG_MEDIA_ME;
		if ((a->media == MIG_MEDIA_ALL && b->media != MIG_MEDIA_NONE) ||
			(b->media == MIG_MEDIA_ALL && a->media != MIG_MEDIA_NONE))
			return false;
	}
	return same < a->max && !(a->media == MIG_MEDIA_ME && me >= a->max);
}

/* What was counted, over every reachable set of instances (each seen once: starts only rise). */
struct census {
	const struct mig_geometry *geometry;
	unsigned states, maximal, wrong, n_masks, n_multisets;
	bool mask[1 << MIG_SLOTS_MAX];
	struct {
		uint8_t count[MIG_PROFILES_MAX];
		bool is_extended; /* some state of it takes one more */
	} multiset[512];
};

static struct mig_room room_of(const struct mig_geometry *geometry, const struct state *state)
{
	struct mig_room room = { 0 };

	for (unsigned i = 0; i < state->n; i++)
		mig_room_add(&room, geometry, state->at[i].profile, state->at[i].start);
	return room;
}

/* Compares the model's legal starts of every profile with the enumerator's; true if there are any.
 */
static bool legal_starts_agree(struct census *census, const struct state *state)
{
	struct mig_room room = room_of(census->geometry, state);
	bool any = false;

	for (unsigned p = 0; p < census->geometry->n_profiles; p++) {
		uint32_t starts = 0;

		for (unsigned s = 0; s < census->geometry->n_slots; s++) {
			if ((census->geometry->profile[p].starts >> s & 1) &&
				slow_may_join(census->geometry, state, (struct placed){ p, s }))
				starts |= 1u << s;
		}
		census->wrong += starts != mig_room_starts(&room, census->geometry, p);
		any |= starts != 0;
	}
	return any;
}

static void count_multiset(struct census *census, const struct state *state)
{
	uint8_t count[MIG_PROFILES_MAX] = { 0 };
	unsigned m;

	for (unsigned i = 0; i < state->n; i++)
		count[state->at[i].profile]++;
	for (m = 0; m < census->n_multisets; m++) {
		if (memcmp(census->multiset[m].count, count, sizeof(count)) == 0)
			return;
	}
	memcpy(census->multiset[census->n_multisets++].count, count, sizeof(count));
}

static void take_census(struct census *census, struct state *state, unsigned from)
{
	const struct mig_geometry *geometry = census->geometry;
	uint32_t mask = 0;

	for (unsigned i = 0; i < state->n; i++)
		mask |= mig_slots(&geometry->profile[state->at[i].profile], state->at[i].start);
	census->states++;
	census->n_masks += !census->mask[mask];
	census->mask[mask] = true;
	census->maximal += !legal_starts_agree(census, state);
	count_multiset(census, state);
	for (unsigned s = from; s < geometry->n_slots; s++) {
		for (unsigned p = 0; p < geometry->n_profiles; p++) {
			struct placed newcomer = { p, s };

			if (!(geometry->profile[p].starts >> s & 1) ||
				!slow_may_join(geometry, state, newcomer))
				continue;
			state->at[state->n++] = newcomer;
			take_census(census, state, s + 1);
			state->n--;
		}
	}
}

/* Multisets that no other feasible one contains. */
static unsigned count_maximal_multisets(const struct census *census)
{
	unsigned n = 0;

	for (unsigned a = 0; a < census->n_multisets; a++) {
		bool contained = false;

		for (unsigned b = 0; b < census->n_multisets && !contained; b++) {
			contained = a != b;
			for (unsigned p = 0; p < MIG_PROFILES_MAX; p++)
				contained &= census->multiset[a].count[p] <=
					     census->multiset[b].count[p];
		}
		n += !contained;
	}
	return n;
}

TEST(legality_and_its_counts_are_those_of_an_independent_enumeration)
{
	static const struct {
		enum fixture product;
		const char *profiles;
		unsigned states, masks, multisets, maximal, maximal_multisets;
	} cases[] = {
		{ FIXTURE_A100_40, "1g.5gb,2g.10gb,3g.20gb,4g.20gb,7g.40gb", 298, 144, 38, 19, 12 },
		{ FIXTURE_H100_80, "1g.10gb,1g.20gb,2g.20gb,3g.40gb,4g.40gb,7g.80gb", 723, 192, 78,
			78, 28 },
		{ FIXTURE_H200, "1g.18gb,1g.18gb+me,1g.35gb,2g.35gb,3g.71gb,4g.71gb,7g.141gb", 2319,
			192, 128, 239, 44 },
		{ FIXTURE_A30, "1g.6gb,2g.12gb,4g.24gb", 26, 16, 10, 5, 4 },
		{ FIXTURE_RTX_PRO_6000, "1g.24gb,2g.48gb,4g.96gb", 26, 16, 10, 5, 4 },
	};
	static struct mig_geometry geometry;
	static struct census census;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct state state = { 0 };

		fixture_geometry(cases[i].product, &geometry);
		fixture_keep_profiles(
			&geometry, fixture_memory(cases[i].product), cases[i].profiles);
		census = (struct census){ .geometry = &geometry };
		take_census(&census, &state, 0);
		CHECK_EQ(census.wrong, 0);
		CHECK_EQ(census.states, cases[i].states);
		CHECK_EQ(census.n_masks, cases[i].masks);
		CHECK_EQ(census.n_multisets, cases[i].multisets);
		CHECK_EQ(census.maximal, cases[i].maximal);
		CHECK_EQ(count_maximal_multisets(&census), cases[i].maximal_multisets);
	}
}

TEST(legality_holds_with_all_media_profiles_too)
{
	static struct mig_geometry geometry;
	static struct census census;

	for (enum fixture f = 0; f < FIXTURE_N; f++) {
		struct state state = { 0 };

		fixture_geometry(f, &geometry);
		census = (struct census){ .geometry = &geometry };
		if (geometry.n_profiles)
			take_census(&census, &state, 0);
		CHECK_EQ(census.wrong, 0);
	}
}

/* The closed form for one 7-slice GPU (4g needs the left half, 3g a half, and so on). */
TEST(packing_one_gpu_follows_the_closed_form)
{
	static struct mig_geometry geometry;
	static struct census census;
	struct state state = { 0 };
	unsigned feasible = 0;

	fixture_geometry(FIXTURE_A100_40, &geometry);
	fixture_keep_profiles(&geometry, fixture_memory(FIXTURE_A100_40),
		"1g.5gb,2g.10gb,3g.20gb,4g.20gb,7g.40gb");
	census = (struct census){ .geometry = &geometry };
	take_census(&census, &state, 0);
	for (int c7 = 0; c7 <= 1; c7++)
		for (int c4 = 0; c4 <= 1; c4++)
			for (int c3 = 0; c3 <= 2; c3++)
				for (int c2 = 0; c2 <= 3; c2++)
					for (int c1 = 0; c1 <= 7; c1++) {
						int left = 1 - c7 - c4, right = 1 - c7,
						    r3 = c3 < right ? c3 : right, r2, rest;

						right -= r3;
						left -= c3 - r3;
						r2 = c2 < right ? c2 : right;
						rest = c2 - r2;
						feasible += left >= 0 && right >= 0 &&
							    1 - c7 - c4 >= 0 && rest <= 2 * left &&
							    c1 <= 3 * (right - r2) + r2 + 4 * left -
									    2 * rest;
					}
	CHECK_EQ(feasible, census.n_multisets);
}

TEST_MAIN()
