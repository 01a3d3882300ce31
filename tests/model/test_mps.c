/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/mps_room.h"
#include "test.h"

#include <errno.h>

TEST(the_number_of_clients_goes_by_generation)
{
	static const struct {
		uint32_t major, minor;
		unsigned clients;
	} cases[] = { { 0, 0, 0 }, { 3, 0, 0 }, { 3, 5, 16 }, { 6, 1, 16 }, { 7, 0, 48 },
		{ 8, 9, 48 }, { 9, 0, 48 }, { 12, 0, 48 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

		gpu->facts.cc_major = cases[i].major;
		gpu->facts.cc_minor = cases[i].minor;
		CHECK_EQ(mps_clients_max(gpu, &MPS_WHOLE_GPU), cases[i].clients);
		CHECK_EQ(mps_is_possible(gpu), cases[i].clients > 0);
	}
}

TEST(a_compute_instance_serves_its_slices_part_of_the_clients)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	const struct mig_instance *i = fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0), *cis;
	struct mps_place place = mps_place_of(gpu, i, &i->ci[0]), gone = { 9, 0, 3 };

	CHECK_EQ(mps_clients_max(gpu, &place), 20); /* 48 * 3 / 7 */
	CHECK_EQ(mps_place_memory(gpu, &place), 40448ULL << 20);
	CHECK(mps_device_percent(gpu, &place, 30) == 70);
	CHECK(mps_device_percent(gpu, &place, 60) == 100);
	CHECK(mps_device_percent(gpu, &MPS_WHOLE_GPU, 30) == 30);
	cis = fixture_add_cis(gpu, "3g.40gb", 0, SHARE_PINNED, (unsigned[]){ 1, 2, 0 });
	place = mps_place_of(gpu, cis, &cis->ci[1]);
	CHECK_EQ(place.ci, 1);
	CHECK_EQ(mps_clients_max(gpu, &place), 13);
	CHECK_EQ(mps_place_memory(gpu, &place), (40448ULL << 20) * 2 / 3);
	CHECK_EQ(mps_place_memory(gpu, &gone), 0);
	CHECK_EQ(mps_clients_max(gpu, &gone), 0);
	/* Before Volta a seventh would be two; of a few clients at least one is served. */
	gpu->facts.cc_major = 3;
	gpu->facts.cc_minor = 7;
	place = mps_place_of(gpu, cis, &cis->ci[0]);
	CHECK_EQ(mps_clients_max(gpu, &place), 2);
	gpu->facts.geometry.n_slices = 40;
	CHECK_EQ(mps_clients_max(gpu, &place), 1);
}

TEST(the_least_compute_is_an_sm_or_a_chunk_of_them)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	CHECK_EQ(mps_least_percent(gpu), 1);
	gpu->mps_is_static = true;
	CHECK_EQ(mps_least_percent(gpu), 7);
	gpu->facts.cc_major = 7;
	CHECK_EQ(mps_least_percent(gpu), 1); /* no partitions there */
	gpu->facts.cc_major = 8;
	CHECK_EQ(mps_least_percent(gpu), 2);
	gpu->mps_is_static = false;
	gpu->facts.sm = 40;
	CHECK_EQ(mps_least_percent(gpu), 3);
}

TEST(a_static_partition_is_no_smaller_than_what_was_asked_for)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	CHECK_EQ(mps_chunks(gpu, 1), 1);
	CHECK_EQ(mps_chunks(gpu, 30), 5); /* 39.6 SMs: 40 */
	CHECK_EQ(mps_chunks(gpu, 97), 16);
	CHECK_EQ(mps_chunks(gpu, 100), 16); /* four SMs are in no chunk */
	gpu->facts.cc_major = 8;
	CHECK_EQ(mps_chunks(gpu, 30), 20);
}

TEST(shares_have_names_and_are_found_by_them)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	const struct mig_instance *i = fixture_add(&gpus[1], "3g.40gb", 4, SHARE_PINNED, 0);
	struct error err = ERROR_NONE;
	char text[SHARE_NAME_MAX];
	unsigned g, s, instance;
	int ci;

	fixture_mig_off(&gpus[0]);
	fixture_add_mps(&gpus[0], NULL, 8, 30, 0);
	fixture_add_mps(&gpus[0], NULL, 8, 30, 4);
	fixture_add_mps(&gpus[1], i, 8, 20, 0);
	CHECK_TEXT(mps_share_name(&gpus[0], &gpus[0].mps[1], text), "0:mps2");
	CHECK_TEXT(mps_share_name(&gpus[1], &gpus[1].mps[0], text), "1:3g.40gb@4:mps1");
	CHECK(share_is_mps_name("0:mps2") && !share_is_mps_name("0:3g.40gb@4"));
	CHECK(!share_is_mps_name("0:mps") && !share_is_mps_name("mps2"));
	CHECK_EQ(share_find_mps(gpus, 2, "1:3g.40gb@4:MPS1", &g, &s, &err), 0);
	CHECK(g == 1 && s == 0);
	CHECK_EQ(share_find_mps(gpus, 2, "0:mps2", &g, &s, &err), 0);
	CHECK(g == 0 && s == 1);
	CHECK_EQ(share_find_mps(gpus, 2, "0:mps7", &g, &s, &err), -ENODEV);
	CHECK_TEXT(err.text, "no share '0:mps7': GPU 0 has 0:mps1, 0:mps2");
	CHECK_EQ(share_find(gpus, 2, "1:1g.10gb@0", &g, &instance, &ci, &err), -ENODEV);
	CHECK_TEXT(err.text, "no share '1:1g.10gb@0': GPU 1 has 1:3g.40gb@4, 1:3g.40gb@4:mps1");
	CHECK_EQ(mps_number_free(&gpus[0]), 3);
	gpus[0].mps[0].number = 9;
	CHECK_EQ(mps_number_free(&gpus[0]), 1);
	CHECK(mps_share_find(&gpus[0], 9) == &gpus[0].mps[0] && !mps_share_find(&gpus[0], 1));
}

TEST(the_limit_of_a_server_is_the_largest_of_its_tenants_shares)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	uint64_t memory;
	uint32_t percent;

	mps_limits_of(gpu, &MPS_WHOLE_GPU, 1000, &memory, &percent);
	CHECK(memory == 0 && percent == 0);
	fixture_add_mps(gpu, NULL, 20, 60, 0);
	fixture_add_mps(gpu, NULL, 8, 10, 1);
	fixture_add_mps(gpu, NULL, 6, 20, 2);
	fixture_add_mps(gpu, NULL, 9, 30, 3)->uid = 1001;
	mps_limits_of(gpu, &MPS_WHOLE_GPU, 1000, &memory, &percent);
	CHECK(memory == 8000000000 && percent == 20);
}

TEST(a_limit_is_held_only_where_the_server_holds_just_it_and_nobody_gets_past_it)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct mps_share *small, *large;
	struct mps_server *server;

	small = fixture_add_mps(gpu, NULL, 8, 20, 1);
	CHECK(mps_memory_is_held(gpu, small) && mps_compute_is_held(gpu, small));
	large = fixture_add_mps(gpu, NULL, 9, 20, 2);
	/* Before it is started: what it would be given. */
	CHECK(!mps_memory_is_held(gpu, small) && mps_memory_is_held(gpu, large));
	CHECK(mps_compute_is_held(gpu, small) && mps_compute_is_held(gpu, large));
	server = fixture_add_server(gpu, NULL, 1000, MPS_READY);
	CHECK(!mps_memory_is_held(gpu, large) && !mps_compute_is_held(gpu, large));
	server->memory_bytes = large->memory_bytes;
	CHECK(mps_memory_is_held(gpu, large) && !mps_compute_is_held(gpu, large));
	server->holds_memory = server->holds_compute = true;
	CHECK(mps_memory_is_held(gpu, small) && mps_compute_is_held(gpu, small));
	/* Another tenant's server says nothing of it. */
	server->uid = 1001;
	CHECK(!mps_memory_is_held(gpu, small));
	server->uid = 1000;
	gpu->may_time_slice = true;
	CHECK(!mps_memory_is_held(gpu, small) && !mps_compute_is_held(gpu, small));
}

TEST(nothing_is_held_in_mig_mode)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	const struct mig_instance *i = fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0);
	const struct mps_share *share = fixture_add_mps(gpu, i, 8, 20, 1);

	fixture_add_server(gpu, i, 1000, MPS_READY)->holds_memory = true;
	CHECK(!mps_memory_is_held(gpu, share) && !mps_compute_is_held(gpu, share));
}

TEST(what_was_not_said_of_a_size_is_in_proportion_and_fits)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(FIXTURE_N, FIXTURE_H100_80);

	for (unsigned product = 0; product < FIXTURE_N; product++) {
		struct gpu *gpu = &gpus[product];
		struct mps_extent extent;

		fixture_gpu(gpu, product, (enum fixture)product);
		extent = mps_extent_of_gpu(gpu);
		for (unsigned n = 1; n <= 24; n++) {
			struct mps_room room = mps_room_empty(gpu, extent);
			struct mps_share share = { .memory_bytes = extent.memory_bytes / n };

			mps_size_complete(gpu, &extent, &share.memory_bytes, &share.percent);
			CHECK(share.percent >= mps_least_percent(gpu) && share.percent <= 100);
			for (unsigned k = 0; k < n; k++) {
				CHECK_EQ(mps_room_lacks(&room, gpu, share.memory_bytes,
						 share.percent, false),
					MPS_LACK_NOTHING);
				mps_room_add(&room, gpu, &share);
			}
		}
		for (uint32_t percent = 1; percent <= 100; percent++) {
			uint64_t memory = 0;

			mps_size_complete(gpu, &extent, &memory, &percent);
			CHECK(memory > 0 && memory * (100 / percent) <= extent.memory_bytes);
		}
	}
}

TEST(room_ends_with_memory_compute_or_clients)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct mps_room room;

	fixture_add_mps(gpu, NULL, 40, 70, 0);
	room = mps_room_of(gpu, &MPS_WHOLE_GPU);
	CHECK_EQ(mps_room_percent_left(&room, gpu), 30);
	CHECK_EQ(mps_room_memory_left(&room), gpu->facts.memory_bytes - 40000000000);
	CHECK_EQ(mps_room_lacks(&room, gpu, 8000000000, 30, false), MPS_LACK_NOTHING);
	CHECK_EQ(mps_room_lacks(&room, gpu, 9000000000, 30, false), MPS_LACK_MEMORY);
	CHECK_EQ(mps_room_lacks(&room, gpu, 8000000000, 31, false), MPS_LACK_COMPUTE);
	/* Only where all that are there say so may compute add up to more. */
	CHECK_EQ(mps_room_lacks(&room, gpu, 8000000000, 31, true), MPS_LACK_COMPUTE);
	gpu->mps[0].over_commit = true;
	room = mps_room_of(gpu, &MPS_WHOLE_GPU);
	CHECK_EQ(mps_room_lacks(&room, gpu, 8000000000, 31, true), MPS_LACK_NOTHING);
	for (unsigned k = 1; k < 48; k++)
		mps_room_add(&room, gpu, &(struct mps_share){ .memory_bytes = 1 });
	CHECK_EQ(mps_room_lacks(&room, gpu, 1, 0, false), MPS_LACK_CLIENTS);
}

TEST(static_partitions_are_counted_in_chunks)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct mps_room room;

	fixture_mig_off(gpu);
	gpu->mps_is_static = true;
	fixture_add_mps(gpu, NULL, 10, 33, 1); /* 44 SMs: 6 chunks of 8; there are 16 */
	fixture_add_mps(gpu, NULL, 10, 33, 2);
	room = mps_room_of(gpu, &MPS_WHOLE_GPU);
	CHECK_EQ(mps_room_lacks(&room, gpu, 1, 33, false), MPS_LACK_COMPUTE);
	CHECK_EQ(mps_room_percent_left(&room, gpu), 24); /* 32 of 132 SMs */
	gpu->mps_is_static = false;
	room = mps_room_of(gpu, &MPS_WHOLE_GPU);
	CHECK_EQ(mps_room_lacks(&room, gpu, 1, 33, false), MPS_LACK_NOTHING);
}

TEST_MAIN()
