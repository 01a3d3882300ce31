/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/layout.h"
#include "test.h"

#include <errno.h>

/* GPUs 0 and 1 are H100s, 2 an L40S, 3 one from before MPS. */
static int parse(const char *entry, struct layout *ret_layout, struct error *err)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_H100_80);
	char text[1000];

	snprintf(text, sizeof(text), "version: carve/v1\nlayouts:\n  x:\n  - %s\n", entry);
	fixture_gpu(&gpus[2], 2, FIXTURE_L40S);
	fixture_gpu(&gpus[3], 3, FIXTURE_L40S);
	gpus[3].facts.cc_major = 3;
	gpus[3].facts.cc_minor = 0;
	return layout_parse("l.yaml", text, strlen(text), NULL, gpus, 4, ret_layout, err);
}

/* "12G 30%*3, 1000M 2%": the lines of GPU g. */
static char said[300];
static const char *wanted(const struct layout *layout, unsigned g)
{
	size_t at = 0;

	said[0] = '\0';
	for (unsigned i = 0; i < layout->wanted[g].n_mps; i++) {
		const struct wanted_mps *mps = &layout->wanted[g].mps[i];

		at += (size_t)snprintf(said + at, sizeof(said) - at, "%s%.2fG %u%%*%u%s",
			i ? ", " : "", (double)mps->memory_bytes / 1e9, mps->percent, mps->count,
			mps->over_commit ? "!" : "");
	}
	return said;
}

TEST(shares_of_a_gpu_mean_that_mig_mode_is_off)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse("{gpus: all, mps: [{memory: 12G, compute: 30%, count: 2}, {memory: 1.5G}]}",
			  &layout, &err) == 0,
		"%s", err.text);
	for (unsigned g = 0; g < 3; g++)
		CHECK(layout.wanted[g].is_named && !layout.wanted[g].mig_on);
	CHECK(!layout.wanted[3].is_named); /* which cannot do MPS */
	CHECK_TEXT(wanted(&layout, 0), "12.00G 30%*2, 1.50G 1%*1");
	CHECK_TEXT(wanted(&layout, 2), "12.00G 30%*2, 1.50G 3%*1");
	layout_done(&layout);
	CHECK_EQ(parse("{gpus: [0], mig: off, mps: [{compute: 50}]}", &layout, &err), 0);
	CHECK_TEXT(wanted(&layout, 0), "42.76G 50%*1");
	layout_done(&layout);
}

TEST(shares_in_an_instance_are_parts_of_it)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;
	const struct wanted_gpu *gpu = &layout.wanted[0];

	CHECK_SAY(
		parse("{gpus: [0], mig: [{profile: 3g.40gb, at: 4, mps: [{memory: 10G, count: 3}]}"
		      ", 1g.10gb, {profile: 1c.2g.20gb, count: 2, mps: [{compute: 7%}]}]}",
			&layout, &err) == 0,
		"%s", err.text);
	CHECK(gpu->mig_on);
	CHECK_EQ(gpu->n_shares, 3);
	CHECK_TEXT(wanted(&layout, 0), "10.00G 10%*3, 5.16G 7%*1");
	CHECK(gpu->share[0].first_mps == 0 && gpu->share[0].n_mps == 1);
	CHECK(gpu->share[1].n_mps == 0);
	CHECK(gpu->share[2].first_mps == 1 && gpu->share[2].n_mps == 1);
	layout_done(&layout);
	/* Each of a row has them. */
	CHECK_EQ(parse("{gpus: [0], mig: [{profile: 1g.10gb, at: 4, count: 2, mps: [{memory: "
		       "4G}]}]}",
			 &layout, &err),
		0);
	CHECK(gpu->n_shares == 2 && gpu->share[0].n_mps == 1 && gpu->share[1].n_mps == 1);
	layout_done(&layout);
}

TEST(no_shares_are_said_by_off_or_an_empty_list_beside_mig)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(parse("{gpus: [0], mig: [3g.40gb], mps: off}", &layout, &err), 0);
	CHECK(layout.wanted[0].mig_on && layout.wanted[0].n_mps == 0);
	layout_done(&layout);
	CHECK_EQ(parse("{gpus: [2], mig: off, mps: []}", &layout, &err), 0);
	CHECK(layout.wanted[2].is_named && layout.wanted[2].n_mps == 0);
	layout_done(&layout);
}

TEST(a_later_entry_replaces_the_shares_of_an_earlier_one)
{
	struct layout layout = { 0 };

	CHECK_EQ(parse("{gpus: [0], mps: [{memory: 4G}]}\n  - {gpus: [0], mps: [{memory: 5G}]}",
			 &layout, NULL),
		0);
	CHECK_TEXT(wanted(&layout, 0), "5.00G 5%*1");
	layout_done(&layout);
}

TEST(compute_adds_up_to_more_only_where_it_says_so)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(parse("{gpus: [2], mps: [{memory: 12G, compute: 60%, count: 2}]}", &layout, &err),
		-EINVAL);
	CHECK_TEXT(err.text, "l.yaml:4:23: 2 such MPS shares are too much compute: 100 % are left "
			     "on GPU 2 (NVIDIA "
			     "L40S); 'over-commit: true' beside them lets them add up to more");
	CHECK_EQ(parse("{gpus: [2], over-commit: true, mps: [{memory: 12G, compute: 60%, count: "
		       "2}]}",
			 &layout, &err),
		0);
	CHECK_TEXT(wanted(&layout, 2), "12.00G 60%*2!");
	layout_done(&layout);
}

TEST(what_cannot_be_is_said_with_its_place)
{
	static const struct {
		const char *entry, *says;
	} cases[] = {
		{ "{gpus: [2], mps: [{memory: 12G, compute: 10%}, {memory: 20G, count: 2}]}",
			"l.yaml:4:52: 2 such MPS shares are too much memory: 33.81Gi of 46068Mi "
			"are "
			"left on GPU 2 (NVIDIA L40S)" },
		{ "{gpus: [2], over-commit: true, mps: [{memory: 50G}]}",
			"1 such MPS share is too much memory" },
		{ "{gpus: [0], mig: [{profile: 3g.40gb, mps: [{memory: 10G, count: 5}]}]}",
			"are left on the instance on GPU 0" },
		{ "{gpus: [0], mig: [{profile: 1g.10gb, mps: [{compute: 15%}]}]}",
			"1 such MPS share is too much memory" },
		{ "{gpus: [2], mps: [{memory: 2M, compute: 1%, count: 49}]}",
			"these are too many MPS shares: the hardware serves 48 clients on GPU 2" },
		{ "{gpus: [0], mig: [{profile: 1g.10gb, mps: [{memory: 2M, compute: 1%, count: 7}]}"
		  "]}",
			"the hardware serves 6 clients on the instance on GPU 0" },
		{ "{gpus: [3], mps: [{memory: 1G}]}",
			"GPU 3 (NVIDIA L40S) cannot do MPS, which takes compute capability 3.5" },
		{ "{gpus: [0], mig: [3g.40gb], mps: [{memory: 1G}]}",
			"l.yaml:4:38: mps beside mig would share the GPU itself" },
		{ "{gpus: [0], mps: off}", "without MPS shares, what is wanted of MIG?" },
		{ "{gpus: [0], mps: on}", "mps must be a list of shares" },
		{ "{gpus: [0], mps: 12G}", "mps must be a list of shares" },
		{ "{gpus: [0], mps: [12G]}", "an MPS share must be a mapping" },
		{ "{gpus: [0], mps: [{memory: 8}]}",
			"an MPS share has 1Mi of memory or more, not '8'" },
		{ "{gpus: [0], mps: [{}]}", "an MPS share has a size: write {memory: 12G}" },
		{ "{gpus: [0], mps: [{memory: much}]}", "memory must be a size such as 12G" },
		{ "{gpus: [0], mps: [{memory: 0}]}", "memory must be a size such as 12G" },
		{ "{gpus: [0], mps: [{compute: 101%}]}", "l.yaml:4:33: compute must be a whole "
							 "percentage of one GPU, 1% to 100%, not "
							 "'101%'" },
		{ "{gpus: [0], mps: [{compute: 0}]}", "compute must be a whole percentage" },
		{ "{gpus: [0], mps: [{compute: 2.5%}]}", "compute must be a whole percentage" },
		{ "{gpus: [0], mps: [{memory: 1G, count: 0}]}", "count must be" },
		{ "{gpus: [0], mps: [{memroy: 1G}]}", "did you mean 'memory'?" },
		{ "{gpus: [0], mig: off, over-commit: true}", "over-commit is said of MPS shares" },
		{ "{gpus: [0], over-commit: true}", "what is wanted on these GPUs?" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layout layout = { .n_gpus = 77 };
		struct error err = ERROR_NONE;

		CHECK_SAY(parse(cases[i].entry, &layout, &err) == -EINVAL, "%s", cases[i].entry);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s: %s", cases[i].entry, err.text);
		CHECK_EQ(layout.n_gpus, 77);
	}
}

TEST(less_than_the_hardware_can_give_is_refused)
{
	static const char text[] = "version: carve/v1\nlayouts:\n  x:\n"
				   "  - {gpus: [0], mps: [{memory: 1G, compute: 1%}]}\n";
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_A30);
	struct layout layout;
	struct error err = ERROR_NONE;

	CHECK_EQ(layout_parse("l", text, strlen(text), NULL, gpu, 1, &layout, &err), -EINVAL);
	CHECK_TEXT(err.text, "l:4:23: compute: the least that GPU 0 (NVIDIA A30) can give is 2 %");
}

TEST_MAIN()
