/* SPDX-License-Identifier: Apache-2.0 */
/* Placement held against every state that a GPU can be in. */
#include "base/cleanup.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/place.h"
#include "test.h"

/* What a state may hold, and what is asked for. */
struct product {
	enum fixture fixture;
	const char *profiles; /* of the geometry, those that are kept; NULL: all */
};

static const struct product plain[] = {
	{ FIXTURE_A30, "1g.6gb,2g.12gb,4g.24gb" },
	{ FIXTURE_H100_80, "1g.10gb,2g.20gb,3g.40gb,4g.40gb,7g.80gb" },
	{ FIXTURE_RTX_PRO_6000, "1g.24gb,2g.48gb,4g.96gb" },
};
static const struct product all[] = { { FIXTURE_A30, NULL }, { FIXTURE_H100_80, NULL } };

/* Each state once (starts only rise), on gpus[g]; then `visit`. */
struct walk {
	struct gpu *gpus;
	unsigned n_gpus;
	uint64_t seed;
	void (*visit)(struct walk *walk);
};

static struct mig_room room_of(const struct gpu *gpu, uint32_t without)
{
	struct mig_room room = { 0 };

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (!(without >> i & 1))
			mig_room_add(
				&room, &gpu->facts.geometry, instance->profile, instance->start);
	}
	return room;
}

static void walk_states(struct walk *walk, unsigned g, unsigned from)
{
	struct gpu *gpu = &walk->gpus[g];
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	struct mig_room room = room_of(gpu, 0);

	if (g + 1 < walk->n_gpus)
		walk_states(walk, g + 1, 0);
	else
		walk->visit(walk);
	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		uint32_t starts = mig_room_starts(&room, geometry, p) & ~0u << from;

		for (; starts; starts &= starts - 1) {
			unsigned start = (unsigned)__builtin_ctz(starts);

			fixture_add(gpu, geometry->profile[p].name, start, SHARE_DYNAMIC, 1);
			walk_states(walk, g, start + 1);
			gpu->seen.n_instances--;
		}
	}
}

static void walk_product(
	const struct product *product, unsigned n_gpus, void (*visit)(struct walk *walk))
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(n_gpus, product->fixture);
	struct walk walk = { gpus, n_gpus, 1, visit };

	for (unsigned g = 0; g < n_gpus && product->profiles; g++)
		fixture_keep_profiles(&gpus[g].facts.geometry, fixture_memory(product->fixture),
			product->profiles);
	walk_states(&walk, 0, 0);
}

static bool is_idle_dynamic(const struct mig_instance *instance)
{
	return instance->origin == SHARE_DYNAMIC && instance->ci[0].lease == 0;
}

static uint32_t idle_dynamic(const struct gpu *gpu)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++)
		mask |= (uint32_t)is_idle_dynamic(&gpu->seen.instance[i]) << i;
	return mask;
}

static int place_profile(const struct walk *walk, unsigned p, struct placement *ret_placement)
{
	struct request request;

	request_init(&request);
	text_copy(request.profile, sizeof(request.profile),
		walk->gpus->facts.geometry.profile[p].name);
	return place(walk->gpus, walk->n_gpus, &request, 0, ret_placement, NULL);
}

/* Every instance leased, idle, pinned and idle, or foreign, by chance. */
static void mark_by_chance(struct walk *walk)
{
	for (unsigned g = 0; g < walk->n_gpus; g++) {
		for (unsigned i = 0; i < walk->gpus[g].seen.n_instances; i++) {
			struct mig_instance *instance = &walk->gpus[g].seen.instance[i];
			unsigned kind = fixture_below(&walk->seed, 6);

			instance->origin = kind == 4   ? SHARE_PINNED
					   : kind == 5 ? SHARE_FOREIGN
						       : SHARE_DYNAMIC;
			instance->ci[0].lease = kind < 2;
		}
	}
}

static void check_legal(const struct walk *walk, unsigned p)
{
	const struct gpu *gpu = walk->gpus;
	struct mig_room room = room_of(gpu, idle_dynamic(gpu));
	struct placement placement;
	bool is_pinned_idle = false;
	int r = place_profile(walk, p, &placement);

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		is_pinned_idle |= instance->profile == p && instance->origin == SHARE_PINNED &&
				  instance->ci[0].lease == 0;
	}
	/* Refused exactly where nothing serves and what stays leaves no place. */
	CHECK_EQ(r == 0, is_pinned_idle || mig_room_starts(&room, &gpu->facts.geometry, p));
	if (r != 0)
		return;
	if (placement.how == PLACE_CACHED) {
		const struct mig_instance *instance = &gpu->seen.instance[placement.instance];

		CHECK_EQ(instance->profile, p);
		CHECK_EQ(instance->ci[placement.ci].lease, 0);
		CHECK(instance->origin != SHARE_FOREIGN);
		CHECK_EQ(placement.evict, 0);
		return;
	}
	CHECK_EQ(placement.how, PLACE_CREATE);
	CHECK_EQ(placement.evict & ~idle_dynamic(gpu), 0);
	room = room_of(gpu, placement.evict);
	CHECK(mig_room_starts(&room, &gpu->facts.geometry, p) >> placement.start & 1);
	/* None of those evicted could have stayed. */
	for (uint32_t rest = placement.evict; rest; rest &= rest - 1) {
		room = room_of(gpu, placement.evict & ~(rest & -rest));
		CHECK(!(mig_room_starts(&room, &gpu->facts.geometry, p) >> placement.start & 1));
	}
}

static void visit_legal(struct walk *walk)
{
	for (unsigned p = 0; p < walk->gpus->facts.geometry.n_profiles; p++) {
		mark_by_chance(walk);
		check_legal(walk, p);
	}
}

TEST(in_every_state_a_place_is_legal_and_nothing_in_use_is_touched)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		walk_product(&all[i], 1, visit_legal);
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		walk_product(&plain[i], 1, visit_legal);
}

/* Places that a node has left, by profile, when the one on gpus[g] at `start` is taken too. */
struct left {
	unsigned places[MIG_PROFILES_MAX];
};

static struct left left_after(const struct walk *walk, unsigned g, unsigned p, unsigned start)
{
	struct left left = { 0 };

	for (unsigned h = 0; h < walk->n_gpus; h++) {
		const struct mig_geometry *geometry = &walk->gpus[h].facts.geometry;
		struct mig_room room = room_of(&walk->gpus[h], idle_dynamic(&walk->gpus[h]));

		if (h == g)
			mig_room_add(&room, geometry, p, start);
		for (unsigned q = 0; q < geometry->n_profiles; q++)
			left.places[q] +=
				(unsigned)__builtin_popcount(mig_room_starts(&room, geometry, q));
	}
	return left;
}

/* Instances to be made and removed for it. */
static unsigned steps_of(const struct gpu *gpu, unsigned p, unsigned start)
{
	uint32_t slots = mig_slots(&gpu->facts.geometry.profile[p], start);
	unsigned steps = 1;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (!is_idle_dynamic(instance))
			continue;
		if (instance->profile == p && instance->start == start)
			return 0;
		steps += (mig_slots(&gpu->facts.geometry.profile[instance->profile],
				  instance->start) &
				 slots) != 0;
	}
	return steps;
}

/* No worse in any respect, and better in one. */
static bool is_dominated(
	const struct left *a, unsigned a_steps, const struct left *b, unsigned b_steps)
{
	bool is_better = b_steps < a_steps;

	for (unsigned q = 0; q < MIG_PROFILES_MAX; q++) {
		if (b->places[q] < a->places[q])
			return false;
		is_better |= b->places[q] > a->places[q];
	}
	return b_steps <= a_steps && is_better;
}

static void check_undominated(const struct walk *walk, unsigned p)
{
	struct placement chosen;
	struct left left;
	unsigned steps;

	if (place_profile(walk, p, &chosen) != 0)
		return;
	left = left_after(walk, chosen.gpu, p, chosen.start);
	steps = steps_of(&walk->gpus[chosen.gpu], p, chosen.start);
	CHECK_EQ(steps, (chosen.how == PLACE_CREATE) + __builtin_popcount(chosen.evict));
	for (unsigned g = 0; g < walk->n_gpus; g++) {
		const struct gpu *gpu = &walk->gpus[g];
		struct mig_room room = room_of(gpu, idle_dynamic(gpu));
		uint32_t starts = mig_room_starts(&room, &gpu->facts.geometry, p);

		for (; starts; starts &= starts - 1) {
			unsigned start = (unsigned)__builtin_ctz(starts);
			struct left other = left_after(walk, g, p, start);

			CHECK(!is_dominated(&left, steps, &other, steps_of(gpu, p, start)));
		}
	}
}

static void visit_undominated(struct walk *walk)
{
	for (unsigned p = 0; p < walk->gpus->facts.geometry.n_profiles; p++) {
		for (unsigned g = 0; g < walk->n_gpus; g++)
			for (unsigned i = 0; i < walk->gpus[g].seen.n_instances; i++)
				walk->gpus[g].seen.instance[i].ci[0].lease =
					fixture_below(&walk->seed, 3) > 0;
		check_undominated(walk, p);
	}
}

TEST(no_other_place_would_leave_more_of_everything)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		walk_product(&plain[i], 1, visit_undominated);
	walk_product(&plain[0], 2, visit_undominated); /* every pair of states */
	walk_product(&plain[2], 2, visit_undominated);
}

TEST_MAIN()
