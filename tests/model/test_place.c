/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/place.h"
#include "test.h"

static struct request sized(uint64_t gigabytes, unsigned percent)
{
	struct request request;

	request_init(&request);
	request.memory_bytes = gigabytes * 1000000000;
	request.memory_label = (unsigned)gigabytes;
	request.compute_percent = percent;
	return request;
}

static struct request profiled(const char *profile)
{
	struct request request;

	request_init(&request);
	text_copy(request.profile, sizeof(request.profile), profile);
	return request;
}

static struct request bare(unsigned n)
{
	struct request request;

	request_init(&request);
	request.n_gpus = n;
	return request;
}

/* "0:1g.10gb@6 cached", "0:1g.10gb@6", "0 whole", or the refusal's sentence. */
static char said[700];
static const char *placed(const struct gpu *gpus, unsigned n, struct request request)
{
	struct placement p[GPUS_MAX];
	struct error err = ERROR_NONE;
	size_t at = 0;
	int r = place(gpus, n, &request, 0, p, &err);

	if (r != 0) {
		snprintf(said, sizeof(said), "%s: %s", r == PLACE_E_NEVER ? "never" : "no room",
			err.text);
		return said;
	}
	for (unsigned k = 0; k < request.n_gpus; k++) {
		const struct mig_geometry *geometry = &gpus[p[k].gpu].facts.geometry;

		at += (size_t)snprintf(
			said + at, sizeof(said) - at, "%s%u", k ? ", " : "", p[k].gpu);
		if (p[k].how == PLACE_WHOLE)
			at += (size_t)snprintf(said + at, sizeof(said) - at, " whole");
		else
			at += (size_t)snprintf(said + at, sizeof(said) - at, ":%s@%u%s",
				geometry->profile[p[k].profile].name, p[k].start,
				p[k].how == PLACE_CACHED ? " cached" : "");
		for (uint32_t rest = p[k].evict; rest; rest &= rest - 1) {
			const struct mig_instance *i =
				&gpus[p[k].gpu].seen.instance[__builtin_ctz(rest)];

			at += (size_t)snprintf(said + at, sizeof(said) - at, " -%s@%u",
				geometry->profile[i->profile].name, i->start);
		}
	}
	return said;
}

TEST(a_size_gets_the_smallest_profile_that_is_enough)
{
	static const struct {
		enum fixture product;
		uint64_t gigabytes;
		unsigned percent;
		const char *profile;
	} cases[] = {
		{ FIXTURE_H100_80, 10, 0, "1g.10gb" },	/* its label, though it has 9.75 GiB */
		{ FIXTURE_H100_80, 11, 0, "1g.20gb" },	/* fewer slices than 2g.20gb */
		{ FIXTURE_H100_80, 10, 25, "2g.20gb" }, /* 2 of 7 */
		{ FIXTURE_H100_80, 0, 14, "1g.10gb" },
		{ FIXTURE_H100_80, 0, 15, "2g.20gb" },
		{ FIXTURE_H100_80, 40, 0, "3g.40gb" },
		{ FIXTURE_H100_80, 40, 50, "4g.40gb" },
		{ FIXTURE_H100_80, 40, 60, "7g.80gb" },
		{ FIXTURE_H100_80, 1, 100, "7g.80gb" },
		{ FIXTURE_H200, 18, 0, "1g.18gb" },
		{ FIXTURE_H200, 17, 0, "1g.18gb" }, /* 16 GiB are more than 17 GB */
		{ FIXTURE_H200, 19, 0, "1g.35gb" },
		{ FIXTURE_A30, 6, 25, "1g.6gb" },
		{ FIXTURE_A30, 6, 26, "2g.12gb" },
		{ FIXTURE_RTX_PRO_6000, 24, 0, "1g.24gb" },
		{ FIXTURE_RTX_PRO_6000, 1, 51, "4g.96gb" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE struct gpu *gpu = fixture_gpus(1, cases[i].product);
		struct request request = sized(cases[i].gigabytes, cases[i].percent);
		struct placement p = { 0 };

		CHECK_EQ(place(gpu, 1, &request, 0, &p, NULL), 0);
		CHECK_TEXT(gpu->facts.geometry.profile[p.profile].name, cases[i].profile);
		CHECK_EQ(p.how, PLACE_CREATE);
	}
}

TEST(a_cached_instance_of_exactly_the_profile_is_used)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	fixture_add(&gpus[1], "2g.20gb", 4, SHARE_DYNAMIC, 0);
	CHECK_TEXT(placed(gpus, 2, sized(10, 25)), "1:2g.20gb@4 cached");
	/* What a 1g needs is there in part of it, but a larger dynamic one is never given. */
	CHECK_TEXT(placed(gpus, 2, profiled("1g.10gb")), "0:1g.10gb@6");
	gpus[1].seen.instance[0].ci[0].has_users = true;
	CHECK(!strstr(placed(gpus, 2, profiled("2g.20gb")), "cached"));
	gpus[1].seen.instance[0].ci[0].has_users = false;
	gpus[1].seen.instance[0].origin = SHARE_FOREIGN;
	CHECK(!strstr(placed(gpus, 2, profiled("2g.20gb")), "cached"));
}

TEST(a_cached_instance_is_left_where_it_would_cost_more_room_than_it_saves)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	/* At slot 0 it would take the left half, where alone a 4g can be. */
	fixture_add(&gpus[1], "2g.20gb", 0, SHARE_DYNAMIC, 0);
	CHECK_TEXT(placed(gpus, 2, profiled("2g.20gb")), "0:2g.20gb@4");
	fixture_add(&gpus[1], "1g.10gb", 2, SHARE_DYNAMIC, 1);
	CHECK_TEXT(placed(gpus, 2, profiled("2g.20gb")), "1:2g.20gb@0 cached");
}

TEST(whole_gpus_are_kept_whole)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	CHECK_TEXT(placed(gpus, 2, profiled("3g.40gb")), "0:3g.40gb@4");
	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_DYNAMIC, 1);
	CHECK_TEXT(placed(gpus, 2, profiled("3g.40gb")), "0:3g.40gb@0");
	CHECK_TEXT(placed(gpus, 2, profiled("2g.20gb")), "0:2g.20gb@0");
	CHECK_TEXT(placed(gpus, 2, profiled("1g.10gb")), "0:1g.10gb@0");
}

TEST(what_the_node_is_used_for_decides_what_is_kept)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(6, FIXTURE_H100_80);

	/* Room for one more 7g, and on another GPU for one more 4g: which shall a 3g take? */
	fixture_add(&gpus[0], "2g.20gb", 4, SHARE_DYNAMIC, 1);
	for (unsigned g = 2; g < 6; g++)
		fixture_add(&gpus[g], "7g.80gb", 0, SHARE_DYNAMIC, g);
	CHECK_TEXT(placed(gpus, 6, profiled("3g.40gb")), "0:3g.40gb@0");
	for (unsigned g = 2; g < 6; g++) {
		gpus[g].seen.n_instances = 0;
		fixture_add(&gpus[g], "4g.40gb", 0, SHARE_DYNAMIC, g);
		fixture_add(&gpus[g], "3g.40gb", 4, SHARE_DYNAMIC, g);
	}
	CHECK_TEXT(placed(gpus, 6, profiled("3g.40gb")), "1:3g.40gb@4");
}

TEST(a_pinned_instance_is_used_before_a_dynamic_one)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpus, "1g.10gb", 6, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "1g.10gb", 0, SHARE_PINNED, 0);
	CHECK_TEXT(placed(gpus, 1, profiled("1g.10gb")), "0:1g.10gb@0 cached");
}

TEST(of_places_that_cost_the_same_room_a_free_one_is_taken)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_DYNAMIC, 0);
	CHECK_TEXT(placed(gpus, 2, profiled("2g.20gb")), "1:2g.20gb@4");
	fixture_add(&gpus[0], "3g.40gb", 0, SHARE_DYNAMIC, 4);
	CHECK_TEXT(placed(gpus, 1, profiled("1g.10gb")), "0:1g.10gb@6 -3g.40gb@4");
}

TEST(the_fewest_are_evicted)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpus, "1g.10gb", 0, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "1g.10gb", 1, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "2g.20gb", 2, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "2g.20gb", 4, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "1g.10gb", 6, SHARE_DYNAMIC, 9);
	CHECK_TEXT(placed(gpus, 1, profiled("3g.40gb")),
		"0:3g.40gb@0 -1g.10gb@0 -1g.10gb@1 -2g.20gb@2");
	fixture_remove(gpus, 4);
	CHECK_TEXT(placed(gpus, 1, profiled("3g.40gb")), "0:3g.40gb@4 -2g.20gb@4");
}

TEST(only_idle_dynamic_instances_are_evicted)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpus, "3g.40gb", 0, SHARE_DYNAMIC, 3);
	fixture_add(gpus, "3g.40gb", 4, SHARE_DYNAMIC, 7);
	CHECK_TEXT(placed(gpus, 1, profiled("3g.40gb")),
		"no room: all 2 places for 3g.40gb are held by leases L3, L7");
	gpus[0].seen.instance[0].ci[0].lease = 0;
	gpus[0].seen.instance[0].ci[0].has_users = true;
	CHECK_TEXT(placed(gpus, 1, profiled("7g.80gb")),
		"no room: no room now for 7g.80gb: lease L7 holds places on GPU 0; processes "
		"without a lease use 0:3g.40gb@0");
	gpus[0].seen.instance[0].origin = SHARE_FOREIGN;
	CHECK_TEXT(placed(gpus, 1, profiled("4g.40gb")),
		"no room: no room now for 4g.40gb: 0:3g.40gb@0 is not Carve's (`carve adopt "
		"0:3g.40gb@0`)");
}

TEST(rivals_for_media_engines_are_evicted_too)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_RTX_PRO_6000);

	fixture_add(gpus, "1g.24gb+me", 0, SHARE_DYNAMIC, 0);
	fixture_add(gpus, "1g.24gb-me", 3, SHARE_DYNAMIC, 5);
	CHECK_TEXT(placed(gpus, 1, profiled("1g.24gb+me.all")), "0:1g.24gb+me.all@0 -1g.24gb+me@0");
	CHECK_TEXT(placed(gpus, 1, profiled("2g.48gb+me.all")), "0:2g.48gb+me.all@6 -1g.24gb+me@0");
}

TEST(a_larger_pinned_instance_serves_only_where_nothing_else_can)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	fixture_add(&gpus[0], "7g.80gb", 0, SHARE_PINNED, 0);
	fixture_add(&gpus[1], "3g.40gb", 4, SHARE_PINNED, 0);
	CHECK(text_starts(placed(gpus, 2, sized(10, 0)), "1:1g.10gb@"));
	fixture_add(&gpus[1], "4g.40gb", 0, SHARE_DYNAMIC, 1);
	CHECK_TEXT(placed(gpus, 2, sized(10, 0)), "1:3g.40gb@4 cached");
	CHECK_TEXT(placed(gpus, 2, profiled("1g.10gb")),
		"no room: all 4 places for 1g.10gb are held by lease L1");
}

TEST(a_compute_instance_is_had_by_its_name)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H100_80);
	struct request two = profiled("1c.3g.40gb");

	two.n_gpus = 2;
	CHECK_TEXT(placed(gpus, 1, two),
		"never: 2 times 1c.3g.40gb: GPU 0 has no place beside its pinned instances: `carve "
		"apply` another layout, or one that is dynamic");
	fixture_add_cis(gpus, "3g.40gb", 4, SHARE_PINNED, (unsigned[]){ 1, 1, 1, 0 });
	CHECK_TEXT(placed(gpus, 1, two), "0:3g.40gb@4 cached, 0:3g.40gb@4 cached");
	CHECK_TEXT(placed(gpus, 1, profiled("3g.40gb")), "0:3g.40gb@0");
}

TEST(a_bare_request_means_a_whole_gpu)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H100_80);

	CHECK_TEXT(placed(gpus, 3, bare(1)), "0:7g.80gb@0");
	fixture_mig_off(&gpus[1]);
	CHECK_TEXT(placed(gpus, 3, bare(1)), "1 whole");
	CHECK_TEXT(placed(gpus, 3, bare(2)), "0:7g.80gb@0, 2:7g.80gb@0");
	fixture_mig_off(&gpus[2]);
	CHECK_TEXT(placed(gpus, 3, bare(2)), "1 whole, 2 whole");
	CHECK_TEXT(placed(gpus, 3, bare(3)),
		"never: 3 whole GPUs: this node could give 2 at most; GPU 0 is in MIG mode and "
		"cannot be leased whole: ask for a profile, or `carve apply` a layout that turns "
		"MIG off");
	gpus[1].whole_lease = 12;
	gpus[2].whole_in_use = true;
	CHECK_TEXT(placed(gpus, 3, bare(2)),
		"no room: no room now for 2 whole GPUs: lease L12 holds places on GPU 1; "
		"processes without a lease use GPU 2");
}

TEST(a_sized_request_is_whole_only_where_mig_never_serves_it)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct request request = sized(10, 0);

	fixture_gpu(&gpus[1], 1, FIXTURE_L40S);
	CHECK_TEXT(placed(gpus, 2, request), "0:1g.10gb@6");
	fixture_add(&gpus[0], "7g.80gb", 0, SHARE_DYNAMIC, 1);
	CHECK_TEXT(placed(gpus, 2, request), "no room: all 7 places for 10G (1g.10gb) are held by "
					     "lease L1; a whole GPU is free, of which most would "
					     "idle (mechanism whole takes it)");
	request.mechanism = MECHANISM_WHOLE;
	CHECK_TEXT(placed(gpus, 2, request), "1 whole");
	fixture_gpu(&gpus[0], 0, FIXTURE_L40S);
	request.mechanism = REQUEST_ANY_MECHANISM;
	CHECK_TEXT(placed(gpus, 2, request), "0 whole");
	request.mechanism = MECHANISM_MIG;
	CHECK_TEXT(placed(gpus, 2, request),
		"never: no GPU of this node can do MIG, which 10G takes: ask for a whole GPU");
}

TEST(what_no_gpu_has_is_refused_with_what_there_is)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H100_80);

	fixture_gpu(&gpus[2], 2, FIXTURE_A30);
	CHECK_TEXT(placed(gpus, 3, sized(200, 0)),
		"never: no GPU has 200G: the most is 7g.80gb with 79.25Gi (NVIDIA H100 80GB HBM3)");
	CHECK_TEXT(placed(gpus, 3, profiled("1g.12gb")),
		"never: no GPU has the profile 1g.12gb: GPUs 0, 1 (NVIDIA H100 80GB HBM3) have "
		"1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb; GPU 2 (NVIDIA "
		"A30) has 1g.6gb, 1g.6gb+me, 2g.12gb, 2g.12gb+me, 4g.24gb");
	CHECK_TEXT(placed(gpus, 0, bare(1)), "never: this node has no GPU");
}

TEST(what_would_have_to_change_is_said)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_A100_40);
	struct request request = profiled("1g.5gb");

	gpus[0].managed = false;
	fixture_mig_off(&gpus[1]);
	CHECK_TEXT(placed(gpus, 2, request),
		"never: 1g.5gb: GPU 1 is not in MIG mode, which it takes: `carve apply` a layout "
		"with mig for it (it must be idle for it; on GPU 1 the change takes a GPU reset: "
		"--reset); GPU 0 "
		"is not managed by Carve, which only looks at it: `carve manage 0`");
	fixture_mig_off(&gpus[0]);
	CHECK_TEXT(placed(gpus, 1, request), "never: 1g.5gb: GPU 0 is not managed by Carve, which "
					     "only looks at it: `carve manage "
					     "0`");
	request.mechanism = MECHANISM_TIME;
	CHECK_TEXT(placed(gpus, 2, request), "never: this version of Carve makes shares by mig, "
					     "mps and vf and leases whole GPUs, not by time: ask "
					     "for one of these, or leave the mechanism to Carve");
	request.mechanism = MECHANISM_WHOLE;
	CHECK_TEXT(placed(gpus, 2, request),
		"never: 1g.5gb is a MIG profile, and a whole GPU has none: leave out either the "
		"profile or the mechanism");
	fixture_gpu(&gpus[1], 1, FIXTURE_A100_40);
	fixture_add(&gpus[1], "7g.40gb", 0, SHARE_PINNED, 0);
	text_copy(request.gpu, sizeof(request.gpu), "1");
	request.mechanism = REQUEST_ANY_MECHANISM;
	CHECK_TEXT(placed(gpus, 2, request),
		"never: 1g.5gb on GPU 1: GPU 1 has no place beside its pinned instances: `carve "
		"apply` another layout, or one that is dynamic");
	text_copy(request.gpu, sizeof(request.gpu), "GPU-12345678");
	CHECK_TEXT(placed(gpus, 2, request),
		"never: no GPU 'GPU-12345678' on this node (it has GPUs 0 to 1)");
}

TEST(drained_sick_and_kept_gpus_get_nothing)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H100_80);
	struct request request = profiled("1g.10gb");
	struct error err = ERROR_NONE;
	struct placement p;

	gpus[0].drained = true;
	gpus[1].health = GPU_SICK;
	text_copy(gpus[1].health_text, sizeof(gpus[1].health_text), "XID 79");
	CHECK_EQ(place(gpus, 3, &request, 1u << 2, &p, &err), PLACE_E_NO_ROOM);
	CHECK_TEXT(err.text,
		"no room now for 1g.10gb: GPU 0 is drained (`carve undrain 0`); GPU 1 is sick: XID "
		"79; GPU 2 is kept for a request that waits longer");
	CHECK_EQ(place(gpus, 3, &request, 0, &p, &err), 0);
	CHECK_EQ(p.gpu, 2);
}

TEST(several_shares_are_all_or_nothing)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct request request = profiled("3g.40gb");
	struct placement p[5] = { { .gpu = 77 } };

	fixture_add(&gpus[0], "3g.40gb", 0, SHARE_PINNED, 0);
	fixture_add(&gpus[0], "2g.20gb", 4, SHARE_DYNAMIC, 0);
	request.n_gpus = 4;
	CHECK_TEXT(placed(gpus, 2, request),
		"0:3g.40gb@0 cached, 0:3g.40gb@4 -2g.20gb@4, 1:3g.40gb@4, 1:3g.40gb@0");
	request.n_gpus = 5;
	CHECK_EQ(place(gpus, 2, &request, 0, p, NULL), PLACE_E_NEVER);
	CHECK_EQ(p[0].gpu, 77);
}

TEST(of_several_products_the_least_that_serves_is_taken)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H200);

	fixture_gpu(&gpus[1], 1, FIXTURE_A100_40);
	fixture_gpu(&gpus[2], 2, FIXTURE_H100_80);
	CHECK_TEXT(placed(gpus, 3, sized(5, 0)), "1:1g.5gb@6");
	CHECK_TEXT(placed(gpus, 3, sized(18, 0)), "0:1g.18gb@6");
	CHECK_TEXT(placed(gpus, 3, profiled("1g.10gb")), "1:1g.10gb@6");
}

TEST(an_explanation_has_a_line_for_each_gpu)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_H100_80);
	struct request request = profiled("3g.40gb");
	AUTO_FREE char *text = NULL;

	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_DYNAMIC, 0);
	fixture_add(&gpus[1], "7g.80gb", 0, SHARE_DYNAMIC, 3);
	fixture_add(&gpus[2], "7g.80gb", 0, SHARE_DYNAMIC, 0);
	gpus[3].managed = false;
	text = place_explain(gpus, 4, &request, 0);
	CHECK_TEXT(text,
		"GPU 0: 0:3g.40gb@4 is there, idle: costs 7.6 requests to come, most by 1 of 2 "
		"places for 7g.80gb  <- chosen\n"
		"GPU 1: lease L3\n"
		"GPU 2: 3g.40gb can be made at slot 4 after removing 2:7g.80gb@0 (idle): costs 8.6 "
		"requests to come, most by 1 of 2 places for 7g.80gb\n"
		"GPU 3: not managed");
}

TEST(an_explanation_tells_what_decided)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_H100_80);
	struct request request = sized(10, 0);
	AUTO_FREE char *text = NULL;

	fixture_gpu(&gpus[1], 1, FIXTURE_H200);
	fixture_add(&gpus[2], "7g.80gb", 0, SHARE_PINNED, 0);
	fixture_add(&gpus[3], "3g.40gb", 0, SHARE_DYNAMIC, 1);
	fixture_add(&gpus[3], "2g.20gb", 4, SHARE_DYNAMIC, 1);
	text = place_explain(gpus, 4, &request, 0);
	CHECK_TEXT(text,
		"mig is the only way that has room now.\n"
		"whole: MIG mode is on, and all instances must go to turn it off.\n"
		"mps-in-mig, mps: An MPS server serves one user: all its clients are one fault "
		"domain, and a fatal fault of one ends all of them.\n"
		"GPU 0: 1g.10gb can be made at slot 6: costs 9.7 requests to come, most by the "
		"last "
		"place for 7g.80gb\n"
		"GPU 1: 1g.18gb can be made at slot 6, but more memory than serves\n"
		"GPU 2: 2:7g.80gb@0 is there, idle, but larger than was asked for\n"
		"GPU 3: 1g.10gb can be made at slot 6: costs 2.2 requests to come, most by 1 of 5 "
		"places for 1g.20gb  <- chosen");
}

TEST(a_gpu_could_be_used_when_only_leases_are_in_the_way)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct request big = profiled("7g.80gb"), small = profiled("1g.10gb");

	fixture_add(gpu, "4g.40gb", 0, SHARE_DYNAMIC, 1);
	CHECK(place_could_use(gpu, &big));
	gpu->seen.instance[0].origin = SHARE_PINNED;
	CHECK(!place_could_use(gpu, &big));
	CHECK(place_could_use(gpu, &small));
	gpu->drained = true;
	CHECK(!place_could_use(gpu, &small));
	gpu->drained = false;
	text_copy(small.gpu, sizeof(small.gpu), "1");
	CHECK(!place_could_use(gpu, &small));
	text_copy(small.gpu, sizeof(small.gpu), gpu->facts.pci);
	CHECK(place_could_use(gpu, &small));
}

TEST_MAIN()
