/* SPDX-License-Identifier: Apache-2.0 */
/* Which way a request takes that leaves the mechanism to Carve: the first of advice's with room. */
#include "fixtures.h"
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/choice.h"
#include "model/need.h"
#include "model/product.h"

#include <string.h>

static struct request asked(unsigned n, const char *const words[])
{
	struct request request;
	struct error err = ERROR_NONE;

	request_init(&request);
	request.uid = 1000;
	for (unsigned i = 0; i + 1 < n; i += 2)
		CHECK_SAY(request_option(&request, words[i], *words[i + 1] ? words[i + 1] : NULL,
				  &err) == 0,
			"%s", err.text);
	CHECK_SAY(request_check(&request, &err) == 0, "%s", err.text);
	return request;
}

#define ASKED(...)                                                                                 \
	asked(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                            \
		(const char *[]){ __VA_ARGS__ })

/* "mig", or the refusal's kind. */
static const char *way_of(const struct gpu *gpus, unsigned n, struct request request)
{
	struct placement at[GPUS_MAX] = { 0 };
	int r = place(gpus, n, &request, 0, at, NULL);

	if (r != 0)
		return r == PLACE_E_NEVER ? "never" : "no room";
	return at[0].ways ? advice_option_names[at[0].way] : mechanism_names[at[0].mechanism];
}

/* One H100 in MIG mode, one without. */
static struct gpu *two_modes(void)
{
	struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);

	fixture_mig_off(&gpus[1]);
	return gpus;
}

TEST(strangers_get_an_instance_and_who_trusts_what_suits_the_work)
{
	AUTO_FREE struct gpu *gpus = two_modes();

	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "10G")), "mig");
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "10G", "tenants", "same")), "mig");
	CHECK_TEXT(way_of(gpus, 2,
			   ASKED("memory", "10G", "tenants", "same", "workload", "interactive")),
		"mps");
	CHECK_TEXT(way_of(gpus, 2,
			   ASKED("memory", "10G", "tenants", "same", "workload", "interactive",
				   "latency", "20@p99")),
		"mig");
	CHECK_TEXT(way_of(gpus, 2,
			   ASKED("memory", "10G", "tenants", "same", "workload", "interactive",
				   "isolation", "fault")),
		"mig");
	CHECK_TEXT(way_of(gpus, 2, ASKED("tenants", "same")), "whole");
}

TEST(the_next_way_serves_where_the_first_has_no_room)
{
	AUTO_FREE struct gpu *gpus = two_modes();

	fixture_add(&gpus[0], "7g.80gb", 0, SHARE_DYNAMIC, 1);
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "10G", "tenants", "same")), "mps");
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "60G")), "whole");
	gpus[1].whole_lease = 2;
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "60G")), "no room");
}

TEST(a_small_request_waits_rather_than_taking_a_gpu_whole)
{
	AUTO_FREE struct gpu *gpus = two_modes();
	struct request request = ASKED("memory", "10G");
	struct error err = ERROR_NONE;
	struct placement at;

	fixture_add(&gpus[0], "7g.80gb", 0, SHARE_DYNAMIC, 1);
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "10G")), "no room");
	CHECK_EQ(place(gpus, 2, &request, 0, &at, &err), PLACE_E_NO_ROOM);
	CHECK_TEXT(err.text,
		"all 7 places for 10G (1g.10gb) are held by lease L1; a whole GPU is free, of "
		"which most would idle (mechanism whole takes it)");
	/* Where no instance that serves ever comes, it is whole or nothing. */
	gpus[0].seen.n_instances = 0;
	for (unsigned start = 0; start < 7; start++)
		fixture_add(&gpus[0], "1g.10gb", start, SHARE_PINNED, 0);
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "20G")), "whole");
	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "10G")), "mig");
}

TEST(what_needs_most_of_a_gpu_gets_it_whole_rather_than_as_its_largest_instance)
{
	AUTO_FREE struct gpu *gpus = two_modes();

	CHECK_TEXT(way_of(gpus, 2, ASKED("memory", "60G")), "whole");
	CHECK_TEXT(way_of(gpus, 1, ASKED("memory", "60G")), "mig");
}

TEST(graphics_take_an_instance_that_has_them)
{
	AUTO_FREE struct gpu *rtx = fixture_gpus(1, FIXTURE_RTX_PRO_6000);
	AUTO_FREE struct gpu *gpus = two_modes();
	struct request request = ASKED("memory", "20G", "workload", "rendering");
	struct error err = ERROR_NONE;
	struct placement at;

	CHECK_EQ(place(rtx, 1, &request, 0, &at, NULL), 0);
	CHECK(strstr(rtx->facts.geometry.profile[at.profile].name, "+gfx"));
	CHECK_TEXT(way_of(gpus, 1, request), "never");
	request.mechanism = MECHANISM_MIG;
	CHECK_EQ(place(gpus, 1, &request, 0, &at, &err), PLACE_E_NEVER);
	request.mechanism = REQUEST_ANY_MECHANISM;
	CHECK_SAY(strstr(err.text, "no MIG instance of this node has graphics"), "%s", err.text);
	CHECK_TEXT(way_of(gpus, 2, request), "whole");
}

TEST(a_virtual_machine_of_a_stranger_gets_a_vgpu_with_hardware_of_its_own)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H200);

	fixture_mig_off(&gpus[1]);
	fixture_vfs(&gpus[0], VF_KIND_NVIDIA, 16, 16);
	fixture_vfs(&gpus[1], VF_KIND_NVIDIA, 16, 16);
	CHECK_TEXT(way_of(gpus, 2, ASKED("vm", "", "memory", "35G")), "vf-on-mig");
	CHECK_TEXT(way_of(gpus, 2, ASKED("vm", "", "memory", "35G", "tenants", "same")), "vf");
	CHECK_TEXT(
		way_of(gpus, 2, ASKED("workload", "rendering", "vm", "", "memory", "35G")), "vf");
}

TEST(a_desktop_gets_a_type_of_the_series_that_is_made_for_it)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H200);
	struct request request = ASKED("workload", "inference", "vm", "", "memory", "35G");
	struct error err = ERROR_NONE;
	struct placement at;

	fixture_mig_off(gpus);
	fixture_vfs(gpus, VF_KIND_NVIDIA, 16, 16);
	CHECK_EQ(place(gpus, 1, &request, 0, &at, NULL), 0);
	CHECK_EQ(vf_type_series(
			 &gpus->facts.vf.type[vf_type_find_id(&gpus->facts.vf, at.vf_setup.type)]),
		'C');
	request = ASKED("workload", "vdi", "memory", "2G");
	CHECK_EQ(place(gpus, 1, &request, 0, &at, NULL), 0);
	CHECK_EQ(at.vf_setup.type, 1426); /* H200X-35Q: the smallest that has graphics */
	request = ASKED("workload", "vdi", "memory", "60G");
	CHECK_EQ(place(gpus, 1, &request, 0, &at, &err), PLACE_E_NEVER);
	CHECK_TEXT(err.text, "60G for a virtual machine: the most on GPU 0 (NVIDIA H200) is NVIDIA "
			     "H200X-35Q with 35Gi");
}

TEST(why_is_one_sentence)
{
	AUTO_FREE struct gpu *gpus = two_modes();
	struct request request = ASKED("memory", "10G", "tenants", "same");
	AUTO_FREE char *both = NULL, *only = NULL, *passed = NULL;
	struct placement at;

	CHECK_EQ(place(gpus, 2, &request, 0, &at, NULL), 0);
	both = choice_text(gpus, 2, &request, &at);
	CHECK_TEXT(both,
		"mig before mps, because of mps: A fatal fault of one process ends the others of "
		"the same user.");
	fixture_add(&gpus[0], "7g.80gb", 0, SHARE_DYNAMIC, 1);
	CHECK_EQ(place(gpus, 2, &request, 0, &at, NULL), 0);
	passed = choice_text(gpus, 2, &request, &at);
	CHECK_TEXT(passed,
		"mig takes a change of the GPU's mode first; mps before whole, because of whole: "
		"More than half of the GPU would idle.");
	gpus[1].drained = true;
	gpus[0].seen.n_instances = 0;
	CHECK_EQ(place(gpus, 2, &request, 0, &at, NULL), 0);
	only = choice_text(gpus, 2, &request, &at);
	CHECK_TEXT(only, "mig is the only way that has room now.");
	request = ASKED("profile", "1g.10gb");
	CHECK_EQ(place(gpus, 2, &request, 0, &at, NULL), 0);
	CHECK(choice_text(gpus, 2, &request, &at) == NULL);
}

/* ---- the walk ---- */

static const char *pick(uint64_t *seed, const char *const *words, unsigned n)
{
	return words[fixture_below(seed, n)];
}
#define PICK(...)                                                                                  \
	pick(seed, (const char *[]){ __VA_ARGS__ },                                                \
		sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static struct request any_request(uint64_t *seed)
{
	struct request request;

	request_init(&request);
	request.uid = 1000;
	request_option(&request, "tenants", PICK("strangers", "trusted", "same"), NULL);
	request_option(&request, "isolation", PICK("none", "none", "memory", "fault"), NULL);
	request_option(&request, "workload",
		PICK("any", "inference", "training", "interactive", "hpc"), NULL);
	if (fixture_below(seed, 2))
		request_option(&request, "memory", PICK("5G", "10G", "40G", "60G"), NULL);
	if (fixture_below(seed, 2))
		request_option(&request, "compute", PICK("10%", "30%", "60%"), NULL);
	if (fixture_below(seed, 3) == 0)
		request_option(&request, "latency", "20@p99", NULL);
	return request;
}

static void any_state(struct gpu *gpu, unsigned index, uint64_t *seed)
{
	static const enum fixture products[] = { FIXTURE_A100_40, FIXTURE_H100_80, FIXTURE_L40S };
	uint64_t lease = index * 10 + 1;

	fixture_gpu(gpu, index, products[fixture_below(seed, 3)]);
	if (gpu->seen.mig_on && fixture_below(seed, 2))
		fixture_mig_off(gpu);
	gpu->drained = fixture_below(seed, 8) == 0;
	if (gpu->seen.mig_on) {
		for (unsigned start = 0; start < 7; start++)
			if (fixture_below(seed, 3) == 0)
				fixture_add(gpu,
					gpu->facts.memory_bytes > 60000000000ULL ? "1g.10gb"
										 : "1g.5gb",
					start, SHARE_DYNAMIC,
					fixture_below(seed, 2) ? lease + start : 0);
	} else if (fixture_below(seed, 3) == 0) {
		gpu->whole_lease = lease;
	} else if (fixture_below(seed, 3) == 0) {
		fixture_add_server(gpu, NULL, 1000, MPS_READY);
		fixture_add_mps(gpu, NULL, 10, 30, lease);
	}
}

/* By that way alone, on the GPUs that are set up for it. */
static bool has_room(
	const struct gpu *gpus, unsigned n, struct request request, enum advice_option way)
{
	struct placement at[GPUS_MAX];
	uint32_t avoid = 0;
	bool takes_mig = way == ADVICE_MIG || way == ADVICE_MPS_IN_MIG;

	for (unsigned g = 0; g < n; g++)
		avoid |= (uint32_t)(gpus[g].seen.mig_on != takes_mig) << g;
	request.mechanism = (int)advice_mechanism(way);
	return request_check(&request, NULL) == 0 &&
	       (request.mechanism != MECHANISM_MPS || request.tenants != TENANTS_STRANGERS) &&
	       place(gpus, n, &request, avoid, at, NULL) == 0;
}

TEST(a_lease_takes_the_first_way_of_the_ranking_that_has_room)
{
	static struct gpu gpus[4];
	static struct advice_gpu here[4];
	unsigned placed = 0, passed = 0;
	uint64_t seed = 6;

	for (unsigned round = 0; round < 4000; round++) {
		struct request request = any_request(&seed);
		unsigned n = 1 + fixture_below(&seed, 4), k = 0;
		struct placement at[GPUS_MAX];
		struct advice_need need;
		struct advice advice;
		int r;

		for (unsigned g = 0; g < n; g++) {
			any_state(&gpus[g], g, &seed);
			here[g] = (struct advice_gpu){ .gpu = gpus[g],
				.product = product_of(gpus[g].facts.product),
				.is_here = true };
		}
		advice_need_init(&need);
		need.request = request;
		if (request_check(&request, NULL) < 0 || advice_need_check(&need, NULL) < 0)
			continue;
		advise(&need, here, n, NULL, 0, &advice);
		r = place(gpus, n, &request, 0, at, NULL);
		while (k < ADVICE_OPTIONS_N &&
			(advice.item[k].verdict == VERDICT_NO ||
				!has_room(gpus, n, request, advice.item[k].option)))
			k++;
		if (r != 0) {
			/* Nothing has room, or only what would be wasted. */
			CHECK(k == ADVICE_OPTIONS_N || advice.item[k].option == ADVICE_WHOLE);
			continue;
		}
		CHECK(k < ADVICE_OPTIONS_N);
		CHECK_TEXT(
			advice_option_names[at[0].way], advice_option_names[advice.item[k].option]);
		CHECK_EQ(at[0].mechanism, advice_mechanism(advice.item[k].option));
		placed++;
		passed += k > 0;
	}
	printf("# %u placed, %u of them not by the first way\n", placed, passed);
	CHECK(placed > 1000 && passed > 100);
}

TEST_MAIN()
