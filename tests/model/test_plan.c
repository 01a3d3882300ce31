/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "interpreter.h"
#include "test.h"

#include <errno.h>

enum { SHARES_MAX = 8 };

/* A layout of one line for GPU 0: "3g.40gb@4 1g.10gb*2 2c.3g.40gb ~1g.10gb" (~: dynamic). */
struct written {
	struct layout layout;
	struct wanted_share shares[SHARES_MAX];
};

static struct written layout_of(const char *line, bool is_dynamic)
{
	struct written written = { .layout = { .n_gpus = 1 } };
	char copy[256], *rest = copy, *word;

	written.layout.wanted[0] =
		(struct wanted_gpu){ .is_named = true, .mig_on = true, .is_dynamic = is_dynamic };
	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " "))) {
		struct wanted_share *share = &written.shares[written.layout.wanted[0].n_shares];
		char *at = strchr(word, '@'), *times = strchr(word, '*'), *c = strstr(word, "c.");

		if (!*word)
			continue;
		*share = (struct wanted_share){ .start = -1, .count = 1 };
		share->is_dynamic = *word == '~' || is_dynamic;
		word += *word == '~';
		if (at) {
			share->start = atoi(at + 1);
			*at = '\0';
		}
		if (times) {
			share->count = (unsigned)atoi(times + 1);
			*times = '\0';
		}
		if (c) {
			share->ci_slices = (unsigned)atoi(word);
			word = c + 2;
		}
		text_copy(share->profile, sizeof(share->profile), word);
		written.layout.wanted[0].n_shares++;
	}
	return written;
}

static int plan_of(struct gpu *gpu, struct written *written, struct plan *plan, struct error *err)
{
	written->layout.wanted[0].share = written->shares;
	return plan_layout(gpu, 1, &written->layout, plan, err);
}

/* The plan in words: "destroy 1g.10gb@0, create 3g.40gb@0; kept 2g.20gb@4 (in use); ..." */
static char said[1200];
static const char *planned(struct gpu *gpu, const char *line, bool is_dynamic)
{
	struct written written = layout_of(line, is_dynamic);
	char text[128], name[SHARE_NAME_MAX];
	struct error err = ERROR_NONE;
	AUTO_BUF out = { 0 };
	struct plan plan;

	if (plan_of(gpu, &written, &plan, &err) < 0)
		buf_addf(&out, "%s", err.text);
	else {
		for (unsigned s = 0; s < plan.n_steps; s++)
			buf_addf(&out, "%s%s", s ? ", " : "",
				step_text(&plan.step[s], text, sizeof(text)));
		for (unsigned k = 0; k < plan.n_kept; k++)
			buf_addf(&out, "; kept %s (%s)",
				share_name(gpu, &gpu->seen.instance[plan.kept[k].instance], NULL,
					name),
				plan.kept[k].why);
		for (unsigned r = 0; r < plan.n_repins; r++)
			buf_addf(&out, "; %s becomes %s",
				share_name(gpu, &gpu->seen.instance[plan.repin[r].instance], NULL,
					name),
				plan.repin[r].origin == SHARE_PINNED ? "pinned" : "dynamic");
		for (unsigned b = 0; b < plan.n_blockers; b++)
			buf_addf(&out, "; BLOCKED %s (L%u)", plan.blocker[b].what,
				(unsigned)plan.blocker[b].lease);
		buf_addf(&out, "%s", plan.needs_reset ? "; reset" : "");
		plan_done(&plan);
	}
	snprintf(said, sizeof(said), "%s", buf_text(&out));
	return said;
}

TEST(an_empty_gpu_is_filled_large_before_small)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	CHECK_TEXT(planned(gpu, "1g.10gb 2g.20gb@0 3g.40gb@4", false),
		"create 3g.40gb@4, create 2g.20gb@0, create 1g.10gb@2");
	CHECK_TEXT(planned(gpu, "1g.10gb*7", false),
		"create 1g.10gb@0, create 1g.10gb@1, create 1g.10gb@2, create 1g.10gb@3, "
		"create 1g.10gb@4, create 1g.10gb@5, create 1g.10gb@6");
	/* Only one arrangement fits: 3g on the right, 4g on the left. */
	CHECK_TEXT(planned(gpu, "3g.40gb 4g.40gb", false), "create 4g.40gb@0, create 3g.40gb@4");
}

TEST(what_is_wanted_and_there_stays_where_it_is)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 1, SHARE_PINNED, 0);
	fixture_add(gpu, "2g.20gb", 4, SHARE_DYNAMIC, 5);
	CHECK_TEXT(planned(gpu, "1g.10gb 2g.20gb", false),
		"; kept 0:1g.10gb@1 (wanted); kept 0:2g.20gb@4 (wanted); 0:2g.20gb@4 becomes "
		"pinned");
	CHECK_TEXT(planned(gpu, "1g.10gb*2 2g.20gb*2", false),
		"create 2g.20gb@2, create 1g.10gb@0; kept 0:1g.10gb@1 (wanted); kept "
		"0:2g.20gb@4 (wanted); 0:2g.20gb@4 becomes pinned");
}

TEST(the_fewest_are_destroyed)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 0, SHARE_PINNED, 0);
	fixture_add(gpu, "1g.10gb", 4, SHARE_PINNED, 0);
	fixture_add(gpu, "1g.10gb", 5, SHARE_PINNED, 0);
	CHECK_TEXT(planned(gpu, "3g.40gb 1g.10gb*2", false),
		"destroy 1g.10gb@0, create 3g.40gb@0; kept 0:1g.10gb@4 (wanted); kept "
		"0:1g.10gb@5 (wanted)");
}

TEST(what_is_in_use_and_in_nobodys_way_stays)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 0, SHARE_DYNAMIC, 5);
	fixture_add(gpu, "1g.10gb", 1, SHARE_PINNED, 6);
	fixture_add(gpu, "2g.20gb", 2, SHARE_DYNAMIC, 0);
	fixture_add(gpu, "1g.10gb", 6, SHARE_FOREIGN, 0);
	CHECK_TEXT(planned(gpu, "", false),
		"destroy 2g.20gb@2; kept 0:1g.10gb@0 (in use); kept 0:1g.10gb@1 (in use); kept "
		"0:1g.10gb@6 (foreign); 0:1g.10gb@1 becomes dynamic");
	CHECK_TEXT(planned(gpu, "2g.20gb", true),
		"; kept 0:1g.10gb@0 (in use); kept 0:1g.10gb@1 (in use); kept 0:2g.20gb@2 "
		"(wanted); kept 0:1g.10gb@6 (foreign); 0:1g.10gb@1 becomes dynamic");
	/* A start is found around them. */
	CHECK_TEXT(planned(gpu, "2g.20gb*2", false),
		"create 2g.20gb@4; kept 0:1g.10gb@0 (in use); kept 0:1g.10gb@1 (in use); kept "
		"0:2g.20gb@2 (wanted); kept 0:1g.10gb@6 (foreign); 0:1g.10gb@1 becomes dynamic; "
		"0:2g.20gb@2 becomes pinned");
}

TEST(what_is_in_the_way_and_in_use_is_named)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 0, SHARE_DYNAMIC, 5);
	fixture_add(gpu, "1g.10gb", 6, SHARE_FOREIGN, 0);
	CHECK_TEXT(planned(gpu, "3g.40gb", false),
		"destroy 1g.10gb@0, create 3g.40gb@0; kept 0:1g.10gb@6 (foreign); BLOCKED "
		"0:1g.10gb@0 must go to make room for 3g.40gb (L5)");
	CHECK_TEXT(planned(gpu, "3g.40gb@4 4g.40gb", false),
		"destroy 1g.10gb@0, create 3g.40gb@4, create 4g.40gb@0; BLOCKED 0:1g.10gb@0 must "
		"go to make room for 4g.40gb (L5); BLOCKED 0:1g.10gb@6 must go to make room for "
		"3g.40gb, but Carve did not make it: adopt it first (L0)");
}

TEST(a_foreign_instance_that_is_wanted_is_there)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "3g.40gb", 0, SHARE_FOREIGN, 0);
	CHECK_TEXT(planned(gpu, "3g.40gb", false), "; kept 0:3g.40gb@0 (wanted)");
}

TEST(a_dynamic_layout_leaves_the_cache_where_it_is_in_nobodys_way)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 0, SHARE_DYNAMIC, 0);
	fixture_add(gpu, "1g.10gb", 4, SHARE_PINNED, 0);
	fixture_add(gpu, "1g.10gb", 5, SHARE_DYNAMIC, 0);
	CHECK_TEXT(planned(gpu, "3g.40gb", true),
		"destroy 1g.10gb@0, create 3g.40gb@0; kept 0:1g.10gb@4 (cache); kept 0:1g.10gb@5 "
		"(cache); 0:1g.10gb@4 becomes dynamic");
	CHECK_TEXT(planned(gpu, "", true),
		"; kept 0:1g.10gb@0 (cache); kept 0:1g.10gb@4 (cache); kept 0:1g.10gb@5 (cache); "
		"0:1g.10gb@4 becomes dynamic");
}

TEST(shares_of_one_layout_may_be_pinned_or_dynamic_each)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add(gpu, "1g.10gb", 0, SHARE_DYNAMIC, 0);
	fixture_add(gpu, "1g.10gb", 5, SHARE_PINNED, 0);
	CHECK_TEXT(planned(gpu, "1g.10gb ~1g.10gb", false),
		"; kept 0:1g.10gb@0 (wanted); kept 0:1g.10gb@5 (wanted)");
}

TEST(compute_instances_are_packed_into_few_gpu_instances)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	CHECK_TEXT(planned(gpu, "1c.3g.40gb*4 2c.3g.40gb", false),
		"create 3g.40gb@0 with 3 compute instances, create 3g.40gb@4 with 2 compute "
		"instances");
	CHECK_TEXT(planned(gpu, "1c.3g.40gb@4 2c.3g.40gb@4", false),
		"create 3g.40gb@4 with 2 compute instances");
	fixture_add_cis(gpu, "3g.40gb", 4, SHARE_PINNED, (unsigned[]){ 1, 2, 0 });
	CHECK_TEXT(planned(gpu, "1c.3g.40gb 2c.3g.40gb", false), "; kept 0:3g.40gb@4 (wanted)");
	/* Another division of the same place is made anew. */
	CHECK_TEXT(planned(gpu, "3g.40gb@4", false), "destroy 3g.40gb@4 with 2 compute instances, "
						     "create 3g.40gb@4");
}

TEST(mode_changes_come_between_what_goes_and_what_is_made)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_A100_40);
	struct written off = layout_of("", false);
	struct plan plan = { 0 };

	fixture_mig_off(gpu);
	CHECK_TEXT(planned(gpu, "3g.20gb", false),
		"turn MIG mode on, reset the GPU, create 3g.20gb@4; reset");
	gpu->whole_lease = 9;
	CHECK_TEXT(planned(gpu, "", false),
		"turn MIG mode on, reset the GPU; BLOCKED GPU 0 must be idle to turn MIG mode on "
		"(L9); reset");
	fixture_gpu(gpu, 0, FIXTURE_H100_80);
	fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0);
	fixture_add(gpu, "1g.10gb", 0, SHARE_DYNAMIC, 8);
	off.layout.wanted[0].mig_on = false;
	CHECK_EQ(plan_of(gpu, &off, &plan, NULL), 0);
	CHECK_EQ(plan.n_steps, 3);
	CHECK(plan.step[0].kind == STEP_DESTROY && plan.step[1].kind == STEP_DESTROY &&
		plan.step[2].kind == STEP_MODE_OFF);
	CHECK_EQ(plan.n_blockers, 1);
	CHECK_TEXT(plan.blocker[0].what, "0:1g.10gb@0 must go to turn MIG mode off");
	CHECK_EQ(plan.needs_reset, 0);
	plan_done(&plan);
}

TEST(what_cannot_be_together_is_named_with_the_nearest_that_can)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct written written = layout_of("2g.20gb@2 3g.40gb@0", false);
	struct error err = ERROR_NONE;
	struct plan plan;

	CHECK_TEXT(planned(gpu, "4g.40gb 4g.40gb", false),
		"2 times 4g.40gb cannot be together on GPU 0: a GPU holds 1 of it; the nearest "
		"that fits: 4g.40gb and 3g.40gb");
	CHECK_TEXT(planned(gpu, "3g.40gb*2 1g.10gb", false),
		"2 times 3g.40gb and 1g.10gb cannot be together on GPU 0; the nearest that fits: 2 "
		"times 3g.40gb");
	CHECK_TEXT(planned(gpu, "1g.10gb*8", false),
		"GPU 0: 8 of 1g.10gb are too many: the GPU holds at most 7");
	CHECK_TEXT(planned(gpu, "1c.3g.40gb@0*4", false),
		"1c.3g.40gb+1c.3g.40gb+1c.3g.40gb@0 and 1c.3g.40gb@0 cannot be together on GPU 0: "
		"both take slots 0 to 3; the nearest that fits: "
		"1c.3g.40gb+1c.3g.40gb+1c.3g.40gb@0");
	written.shares[0].line = 7;
	written.shares[1].line = 8;
	CHECK_EQ(plan_of(gpu, &written, &plan, &err), -EINVAL);
	CHECK_TEXT(err.text,
		"3g.40gb@0 (line 8) and 2g.20gb@2 (line 7) cannot be together on GPU "
		"0: both take slots 2 to 3; the nearest that fits: 2g.20gb@0 and 2g.20gb@2");
	fixture_gpu(gpu, 0, FIXTURE_RTX_PRO_6000);
	CHECK_TEXT(planned(gpu, "1g.24gb+me.all 2g.48gb+gfx", false),
		"2g.48gb+gfx and 1g.24gb+me.all cannot be together on GPU 0: they take the same "
		"media engines; the nearest that fits: 2g.48gb+gfx");
}

TEST(gpus_that_are_not_managed_are_refused)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct written written = layout_of("3g.40gb", false);
	struct error err = ERROR_NONE;
	struct plan plan = { .n_steps = 77 };

	gpu->managed = false;
	CHECK_EQ(plan_of(gpu, &written, &plan, &err), -EPERM);
	CHECK_TEXT(err.text, "GPU 0 is not managed by Carve: `carve manage 0`");
	written.layout.wanted[0].is_named = false;
	CHECK_EQ(plan.n_steps, 77);
	CHECK_EQ(plan_of(gpu, &written, &plan, &err), 0);
	CHECK_EQ(plan.n_steps, 0);
	plan_done(&plan);
	fixture_gpu(gpu, 0, FIXTURE_L40S);
	CHECK_TEXT(planned(gpu, "", false), "GPU 0 (NVIDIA L40S) has no MIG");
}

TEST_MAIN()
