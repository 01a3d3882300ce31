/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's geometry and the model's, which nobody copied from each other, in every state that a
 * GPU can come into and for every request that it can get there: each profile at each slot is asked
 * of the driver, and taken or refused as the model says.
 */
#include "test.h"

#include "base/list.h"
#include "mechanism/node.h"

struct walk {
	struct bench *bench;
	struct mig_room room;
	uint64_t state; /* a number for what is there, in whatever order it was made */
	VEC(uint64_t) seen;
	unsigned n_asked;
};

static uint64_t number_of(uint32_t profile, uint32_t start)
{
	uint64_t x = (uint64_t)(profile * 32 + start + 1) * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9;
	return x ^ x >> 32;
}

static bool is_new(struct walk *walk)
{
	uint64_t *state;

	vec_for_each (state, &walk->seen) {
		if (*state == walk->state)
			return false;
	}
	*vec_add(&walk->seen) = walk->state;
	return true;
}

/* True if the driver and the model were of one mind in this state and in all that follow. */
static bool walk_from(struct walk *walk)
{
	const struct mig_geometry *geometry = &walk->bench->facts.geometry;

	for (uint32_t p = 0; p < geometry->n_profiles; p++) {
		const struct mig_profile *profile = &geometry->profile[p];
		uint32_t starts = mig_room_starts(&walk->room, geometry, p);

		for (uint32_t start = 0; start < geometry->n_slots; start++) {
			struct error err = ERROR_NONE;
			bool is_fine = true;
			uint32_t gi;
			int r = nvml_mig_create(
				walk->bench->nvml, profile->id, start, profile->size, &gi, &err);

			walk->n_asked++;
			if ((r == 0) != (starts >> start & 1)) {
				fprintf(stderr,
					"%s@%u, slots %#x taken: driver %d (%s), model %s\n",
					profile->name, start, walk->room.taken, r, err.text,
					starts >> start & 1 ? "yes" : "no");
				return false;
			}
			if (r != 0)
				continue;
			mig_room_add(&walk->room, geometry, p, start);
			walk->state += number_of(p, start);
			if (is_new(walk))
				is_fine = walk_from(walk);
			walk->state -= number_of(p, start);
			mig_room_remove(&walk->room, geometry, p, start);
			if (nvml_mig_destroy(walk->bench->nvml, gi, &err) < 0 || !is_fine)
				return false;
		}
	}
	return true;
}

TEST(driver_and_model_agree_in_every_state_about_every_request)
{
	struct walk walk = { .bench = bench_open(0) };
	struct step reset = step_mode(STEP_RESET);

	bench_empty(walk.bench);
	if (!walk.bench->seen.mig_on) /* Ampere */
		CHECK_DONE(walk.bench, &reset);
	CHECK_HOLDS(walk.bench, "");
	CHECK(walk_from(&walk));
	CHECK(walk.seen.n > 10 && walk.n_asked > 100);
	printf("%zu states, %u requests\n", walk.seen.n + 1, walk.n_asked);
	vec_done(&walk.seen);
	bench_close(walk.bench);
}

TEST_MAIN()
