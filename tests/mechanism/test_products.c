/* SPDX-License-Identifier: Apache-2.0 */
/* A product with another geometry: 12 slots, graphics and media variants. */
#include "test.h"

#include "mechanism/node.h"

TEST(twelve_slots_and_their_variants_are_understood)
{
	struct bench *bench = bench_open(0);
	struct step step[3];

	CHECK_EQ(bench->facts.geometry.n_slots, 12);
	CHECK_EQ(bench->facts.geometry.n_slices, 4);
	CHECK(mig_profile_find(&bench->facts.geometry, "1g.24gb+gfx") >= 0);
	CHECK(mig_profile_find(&bench->facts.geometry, "2g.48gb-me") >= 0);
	CHECK(mig_profile_find(&bench->facts.geometry, "1g.24gb+me.all") >= 0);
	bench_empty(bench);
	step[0] = step_create(bench, "1g.24gb", 9, 0);
	step[1] = step_create(bench, "2g.48gb", 0, 1);
	step[2] = step_create(bench, "1g.24gb-me", 6, 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_DONE(bench, &step[i]);
	CHECK_HOLDS(bench, "2g.48gb@0(1,1) 1g.24gb-me@6(1) 1g.24gb@9(1)");
	bench_empty(bench);
	CHECK_HOLDS(bench, "");
	bench_close(bench);
}

TEST_MAIN()
