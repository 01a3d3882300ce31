/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "fixtures.h"
#include "model/worth.h"
#include "test.h"

static unsigned count_places(const struct mig_geometry *geometry, uint32_t taken, unsigned p)
{
	struct mig_room room = { .taken = taken };

	return (unsigned)__builtin_popcount(mig_room_starts(&room, geometry, p));
}

/* A part that does not exist: 16 slots, which are more than the table has. */
static void wide_geometry(struct mig_geometry *geometry)
{
	*geometry = (struct mig_geometry){
		.n_profiles = 2,
		.profile = { { .id = 1,
				     .slices = 1,
				     .size = 1,
				     .starts = 0xffff,
				     .max = 16,
				     .memory_bytes = 1 << 20 },
			{ .id = 2,
				.slices = 16,
				.size = 16,
				.starts = 1,
				.max = 1,
				.memory_bytes = 16 << 20 } },
	};
	CHECK_EQ(mig_geometry_finish(geometry, 16 << 20, NULL), 0);
}

static void check_counts(const struct mig_geometry *geometry)
{
	for (uint32_t taken = 0; taken < 1u << geometry->n_slots; taken++) {
		struct mig_room room = { .taken = taken };
		struct worth worth = { 0 };
		unsigned n = 0;

		worth_add(&worth, geometry, &room, taken);
		for (unsigned p = 0; p < geometry->n_profiles; p++) {
			CHECK_EQ(worth.left[p], count_places(geometry, taken, p));
			n += worth.left[p];
		}
		CHECK_EQ(worth_of(geometry, taken), n);
	}
}

TEST(the_places_left_are_counted_right_for_every_mask)
{
	static struct mig_geometry geometry;

	for (enum fixture f = 0; f < FIXTURE_N; f++) {
		fixture_geometry(f, &geometry);
		if (geometry.n_profiles)
			check_counts(&geometry);
	}
	wide_geometry(&geometry);
	check_counts(&geometry);
}

TEST(a_place_is_worth_more_the_scarcer_it_is_and_the_more_it_is_asked_for)
{
	static struct mig_geometry geometry;
	struct mig_room room = { 0 };
	struct worth worth = { 0 }, busy;

	fixture_geometry(FIXTURE_A30, &geometry);
	fixture_keep_profiles(&geometry, fixture_memory(FIXTURE_A30), "1g.6gb,2g.12gb,4g.24gb");
	worth_add(&worth, &geometry, &room, 0);
	busy = worth;
	worth_price(&worth, &geometry);
	/* Nothing is there: four of each are expected, to 4, 2 and 1 places. */
	CHECK_EQ(worth.price[0], WORTH_ONE);
	CHECK_EQ(worth.price[1], 2 * WORTH_ONE);
	CHECK_EQ(worth.price[2], 4 * WORTH_ONE);
	CHECK_EQ(worth_left(&worth, &geometry, 0), 12 * WORTH_ONE);
	/* A 1g at the end takes one place of each. */
	CHECK_EQ(worth_left(&worth, &geometry, 0x8), 5 * WORTH_ONE);

	/* A second GPU is full of 1g: there are more of them now, and no more places. */
	for (unsigned s = 0; s < 4; s++)
		mig_room_add(&room, &geometry, 0, s);
	worth_add(&busy, &geometry, &room, room.taken);
	worth_price(&busy, &geometry);
	CHECK_EQ(busy.price[0], 2 * WORTH_ONE);
	CHECK_EQ(busy.price[1], 2 * WORTH_ONE);
	CHECK_EQ(worth_left(&busy, &geometry, 0xf), 0);
}

TEST_MAIN()
