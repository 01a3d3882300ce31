/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/layout.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>

/* H100s as GPUs 0 to 2, an L40S as GPU 3. */
static struct gpu *node(void)
{
	static struct gpu gpus[4];

	for (unsigned i = 0; i < 3; i++)
		fixture_gpu(&gpus[i], i, FIXTURE_H100_80);
	fixture_gpu(&gpus[3], 3, FIXTURE_L40S);
	return gpus;
}

static int parse(const char *text, const char *name, struct layout *ret_layout, struct error *err)
{
	return layout_parse("l.yaml", text, strlen(text), name, node(), 4, ret_layout, err);
}

/* The layout `l` of a file with this body. */
static struct layout layout_of(const char *body)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;
	AUTO_BUF text = { 0 };

	buf_addf(&text, "version: carve/v1\nlayouts:\n  l:\n%s", body);
	CHECK_SAY(parse(buf_text(&text), NULL, &layout, &err) == 0, "%s: %s", body, err.text);
	return layout;
}

/* "3g.40gb@4, 1g.10gb*2 dynamic": what is wanted on a GPU, for comparing. */
static const char *wanted_text(const struct layout *layout, unsigned gpu)
{
	static struct buf text;
	const struct wanted_gpu *wanted = &layout->wanted[gpu];

	buf_clear(&text);
	if (!wanted->is_named)
		return "nothing said";
	buf_add(&text, wanted->mig_on ? "on" : "off");
	for (unsigned i = 0; i < wanted->n_shares; i++) {
		const struct wanted_share *share = &wanted->share[i];

		buf_add(&text, " ");
		if (share->ci_slices)
			buf_addf(&text, "%uc.", share->ci_slices);
		buf_add(&text, share->profile);
		if (share->start >= 0)
			buf_addf(&text, "@%d", share->start);
		if (share->count != 1)
			buf_addf(&text, "*%u", share->count);
		if (share->is_dynamic)
			buf_add(&text, "~");
	}
	if (wanted->is_dynamic)
		buf_add(&text, " dynamic");
	return text.text;
}

TEST(instances_are_written_in_several_ways)
{
	static const struct {
		const char *mig, *wanted;
	} cases[] = {
		{ "[3g.40gb@4, 2g.20gb@0, 1g.10gb*2]", "on 3g.40gb@4 2g.20gb@0 1g.10gb*2" },
		{ "[{profile: 1g.10gb, count: 2, at: 4}]", "on 1g.10gb@4 1g.10gb@5" },
		{ "[1g.20gb@0*3]", "on 1g.20gb@0 1g.20gb@2 1g.20gb@4" },
		{ "[1g.20gb*3@0]", "on 1g.20gb@0 1g.20gb@2 1g.20gb@4" },
		{ "[1c.3g.40gb*3]", "on 1c.3g.40gb*3" },
		{ "[1c.3g.40gb@4*3]", "on 1c.3g.40gb@4*3" },
		{ "[3c.3g.40gb]", "on 3g.40gb" },
		{ "[1G.10GB+ME]", "on 1g.10gb+me" },
		{ "7g.80gb", "on 7g.80gb" },
		{ "off", "off" },
		{ "[]", "on" },
		{ "[1g.10gb, dynamic]", "on 1g.10gb~ dynamic" },
		{ "[dynamic, 1g.10gb]", "on 1g.10gb~ dynamic" },
		{ "dynamic", "on dynamic" },
		{ "[2g.20gb@0, {profile: 1g.10gb, at: 6, dynamic: true}]",
			"on 2g.20gb@0 1g.10gb@6~" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char body[200];

		snprintf(body, sizeof(body), "  - gpus: [1]\n    mig: %s\n", cases[i].mig);
		struct layout layout = layout_of(body);

		CHECK_TEXT(wanted_text(&layout, 1), cases[i].wanted);
		CHECK_TEXT(wanted_text(&layout, 0), "nothing said");
		layout_done(&layout);
	}
}

TEST(gpus_are_named_in_several_ways)
{
	static const struct {
		const char *gpus;
		unsigned mask;
	} cases[] = {
		{ "all", 7 }, /* that can do MIG */
		{ "0", 1 },
		{ "[0, 2]", 5 },
		{ "[GPU-00000001-0000-5000-8000-000000000001]", 2 },
		{ "['0000:12:00.0', '10:00.0']", 5 },
		{ "{product: H100*}", 7 },
		{ "{product: \"*h100*\"}", 7 },
		{ "{product: NVIDIA H100 80GB HBM3}", 7 },
		{ "{pci: \"0000:11:00.0\"}", 2 },
		{ "{uuid: GPU-00000002}", 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char body[200];
		unsigned mask = 0;

		snprintf(body, sizeof(body), "  - gpus: %s\n    mig: [7g.80gb]\n", cases[i].gpus);
		struct layout layout = layout_of(body);

		for (unsigned g = 0; g < 4; g++)
			mask |= (unsigned)layout.wanted[g].is_named << g;
		CHECK_SAY(mask == cases[i].mask, "%s: %x", cases[i].gpus, mask);
		layout_done(&layout);
	}
}

TEST(a_later_entry_replaces_an_earlier_one)
{
	struct layout layout = layout_of("  - {gpus: all, mig: [1g.10gb*7]}\n"
					 "  - {gpus: [1], mig: [7g.80gb]}\n"
					 "  - {gpus: [2, 3], mig: off}\n");

	CHECK_TEXT(wanted_text(&layout, 0), "on 1g.10gb*7");
	CHECK_TEXT(wanted_text(&layout, 1), "on 7g.80gb");
	CHECK_TEXT(wanted_text(&layout, 2), "off");
	CHECK_TEXT(wanted_text(&layout, 3), "off");
	CHECK_TEXT(layout.name, "l");
	layout_done(&layout);
}

TEST(a_share_knows_its_line)
{
	struct layout layout =
		layout_of("  - gpus: [0]\n    mig:\n    - 1g.10gb@0\n    - 2g.20gb\n");

	CHECK_EQ(layout.wanted[0].share[1].line, 7);
	CHECK_EQ(layout.wanted[0].share[1].column, 7);
	layout_done(&layout);
}

static const char two[] = "version: carve/v1\nlayouts:\n  day: [{gpus: all, mig: off}]\n"
			  "  night: [{gpus: [7], mig: [9g.1gb]}]\n";

TEST(only_the_chosen_layout_has_to_fit_the_node_but_all_must_be_well_written)
{
	static const char other[] = "version: carve/v1\nlayouts:\n  day: [{gpus: all, mig: off}]\n"
				    "  night: [{gpus: [7], mig: [7g.999gb]}]\n"
				    "  later: [{gpus: [0], time: [{memory: 12G}]}]\n";
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(parse(other, "day", &layout, &err), 0);
	CHECK_TEXT(wanted_text(&layout, 0), "off");
	layout_done(&layout);
	CHECK_EQ(parse(other, "night", &layout, &err), -ENODEV);
	CHECK_TEXT(err.text, "l.yaml:4:19: no GPU '7' on this node (it has GPUs 0 to 3)");
	CHECK_EQ(parse(other, "later", &layout, &err), -EINVAL);
	CHECK_SAY(strstr(err.text, "l.yaml:5:29: time: this version makes MIG and MPS shares"),
		"%s", err.text);
	CHECK_EQ(parse(two, "day", &layout, &err), -EINVAL);
	CHECK_SAY(strstr(err.text, "l.yaml:4:29: '9g.1gb' is not how"), "%s", err.text);
}

TEST(errors_say_where_and_what)
{
	static const struct {
		const char *entry, *says;
	} cases[] = {
		{ "{gpus: all, mig: [1g.11gb]}",
			"l.yaml:4:23: GPU 0 (NVIDIA H100 80GB HBM3) has no profile 1g.11gb: it has "
			"1g.10gb, " },
		{ "{gpus: [3], mig: [1g.10gb]}", "l.yaml:4:22: GPU 3 (NVIDIA L40S) cannot do MIG" },
		{ "{gpus: [9], mig: off}",
			"l.yaml:4:13: no GPU '9' on this node (it has GPUs 0 to 3)" },
		{ "{gpus: [], mig: off}", "names no GPU" },
		{ "{gpu: [0], mig: off}",
			"l.yaml:4:6: unknown key 'gpu' in an entry of a layout: did "
			"you mean 'gpus'?" },
		{ "{mig: off}", "for which GPUs?" },
		{ "{gpus: [0]}", "what is wanted on these GPUs?" },
		{ "{gpus: [0], mig: }", "mig must be a list of instances" },
		{ "{gpus: [0], mig: on}", "or off" },
		{ "{gpus: [0], mig: [[1g.10gb]]}",
			"l.yaml:4:23: an instance must be a text, not a list" },
		{ "{gpus: [0], mig: [1g.20gb@3]}",
			"1g.20gb cannot be at slot 3 of GPU 0: it can be at 0, 2, 4 and 6" },
		{ "{gpus: [0], mig: [7g.80gb@1]}", "it can be at 0" },
		{ "{gpus: [0], mig: [1g.10gb*8]}",
			"8 of 1g.10gb are too many: GPU 0 holds at most 7" },
		{ "{gpus: [0], mig: [1g.10gb@5*3]}",
			"from slot 5 of GPU 0 on there is room for 2 of 1g.10gb, not for 3" },
		{ "{gpus: [0], mig: [1c.3g.40gb@4*4]}", "4 of 1c.3g.40gb are too many: one such "
							"instance of GPU 0 holds at most 3" },
		{ "{gpus: [0], mig: [5c.7g.80gb]}", "has no 5c.7g.80gb: it has 1c.7g.80gb, " },
		{ "{gpus: [0], mig: [1g.10gb*0]}", "is not how an instance is written" },
		{ "{gpus: [0], mig: [1g.10gb@1@2]}", "is not how an instance is written" },
		{ "{gpus: [0], mig: [1g.10gb@]}", "is not how an instance is written" },
		{ "{gpus: [0], mig: [dynamics]}", "is not how an instance is written" },
		{ "{gpus: [0], mig: [{profile: 1g.10gb, cuont: 2}]}", "did you mean 'count'?" },
		{ "{gpus: [0], mig: [{count: 2}]}", "an instance needs a 'profile'" },
		{ "{gpus: [0], time: []}", "time: this version makes MIG and MPS shares" },
		{ "{gpus: {product: A100*}, mig: off}", "no GPU of this node is a 'A100*': it has "
							"NVIDIA H100 80GB HBM3, NVIDIA L40S" },
		{ "{gpus: {product: H100}, mig: off}",
			"no GPU of this node is a 'H100': did you mean '*H100*'" },
		{ "{gpus: {prduct: H100}, mig: off}", "did you mean 'product'?" },
		{ "{gpus: {}, mig: off}", "gpus takes one of" },
		{ "[]", "an entry of a layout must be a mapping, not a list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layout layout = { .n_gpus = 77 };
		struct error err = ERROR_NONE;
		AUTO_BUF text = { 0 };

		buf_addf(&text, "version: carve/v1\nlayouts:\n  l:\n  - %s\n", cases[i].entry);
		CHECK_SAY(parse(buf_text(&text), NULL, &layout, &err) < 0, "%s", cases[i].entry);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s: %s", cases[i].entry, err.text);
		CHECK_EQ(layout.n_gpus, 77);
	}
}

TEST(a_file_that_is_no_layout_file_is_refused)
{
	static const struct {
		const char *text, *name, *says;
	} cases[] = {
		{ "", NULL, "l.yaml: this file is empty" },
		{ "# only this\n", NULL, "this file is empty" },
		{ "- 1\n", NULL, "a layout file must be a mapping" },
		{ "layouts: {}\n", NULL, "no 'version'" },
		{ "version: carve/v2\n", NULL, "l.yaml:1:10: unknown version 'carve/v2'" },
		{ "version: carve/v1\n", NULL, "no 'layouts'" },
		{ "version: carve/v1\nlayouts: {}\n", NULL, "there is nothing in 'layouts'" },
		{ "version: carve/v1\nlayout: {}\n", NULL, "did you mean 'layouts'?" },
		{ "version: v1\nvgpu-configs: {}\n", NULL, "nothing in 'vgpu-configs'" },
		{ two, NULL, "this file has day, night: choose one" },
		{ two, "nigth", "did you mean 'night'?" },
		{ two, "weekend", "no layout 'weekend' in this file: it has day, night" },
		{ "version: carve/v1\nlayouts: {l: {}}\n", NULL, "a layout must be a list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layout layout = { 0 };
		struct error err = ERROR_NONE;

		CHECK_SAY(parse(cases[i].text, cases[i].name, &layout, &err) == -EINVAL, "%s",
			cases[i].text);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s", err.text);
	}
}

TEST(a_gpu_that_does_not_tell_its_profiles_can_be_turned_on_but_not_carved)
{
	struct gpu *gpus = node();
	static const char carve[] =
		"{version: carve/v1, layouts: {l: [{gpus: [0], mig: [1g.10gb]}]}}";
	static const char on[] = "{version: carve/v1, layouts: {l: [{gpus: [0], mig: []}]}}";
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	gpus[0].facts.geometry.n_profiles = 0;
	CHECK_EQ(layout_parse("f", carve, strlen(carve), NULL, gpus, 4, &layout, &err), -EINVAL);
	CHECK_SAY(strstr(err.text, "does not tell its MIG profiles now"), "%s", err.text);
	CHECK_EQ(layout_parse("f", on, strlen(on), NULL, gpus, 4, &layout, &err), 0);
	CHECK_TEXT(wanted_text(&layout, 0), "on");
	layout_done(&layout);
}

/* The layouts of a file that stand two columns deep, each chosen in turn. */
static unsigned read_each(const char *text, const struct gpu *gpus, unsigned n_gpus)
{
	unsigned n = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		struct layout layout = { 0 };
		struct error err = ERROR_NONE;
		char name[40];

		line += *line == '\n';
		if (strncmp(line, "  ", 2) != 0 || line[2] < 'a' ||
			sscanf(line + 2, "%39[a-z-]:", name) != 1)
			continue;
		CHECK_SAY(layout_parse("docs", text, strlen(text), name, gpus, n_gpus, &layout,
				  &err) == 0,
			"%s: %s", name, err.text);
		layout_done(&layout);
		n++;
	}
	return n;
}

TEST(the_examples_in_the_documentation_can_be_read)
{
	AUTO_FREE char *page = NULL;
	struct gpu gpus[5];
	unsigned n = 0;
	size_t length;

	for (unsigned i = 0; i < 3; i++)
		fixture_gpu(&gpus[i], i, FIXTURE_H100_80);
	fixture_gpu(&gpus[3], 3, FIXTURE_H200);
	fixture_vfs(&gpus[3], VF_KIND_NVIDIA, 16, 0);
	fixture_gpu(&gpus[4], 4, FIXTURE_L40S);
	fixture_vfs(&gpus[4], VF_KIND_XE, 24, 0);
	gpus[4].facts.vf.has_schedule = true;
	CHECK_EQ(read_file_at(AT_FDCWD, DOCS "/layouts.md", 1 << 20, &page, &length), 0);
	for (char *block = strstr(page, "```yaml\n"); block; block = strstr(block, "```yaml\n")) {
		char *end = strstr(block += strlen("```yaml\n"), "```");

		*end = '\0';
		n += read_each(block, gpus, ARRAY_SIZE(gpus));
		block = end + 3;
	}
	CHECK_EQ(n, 13);
}

TEST_MAIN()
