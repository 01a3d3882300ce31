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

/* The whole of a file with a config `c` of these entries, read for H100s 0 and 1, an L40S 2, an
 * A30 3. */
static int parse(const char *entries, struct layout *ret_layout, struct error *err)
{
	static struct gpu gpus[4];
	AUTO_BUF text = { 0 };

	fixture_gpu(&gpus[0], 0, FIXTURE_H100_80);
	fixture_gpu(&gpus[1], 1, FIXTURE_H100_80);
	fixture_gpu(&gpus[2], 2, FIXTURE_L40S);
	fixture_gpu(&gpus[3], 3, FIXTURE_A30);
	buf_addf(&text, "version: v1\nmig-configs:\n  c:\n%s", entries);
	return layout_parse("p.yaml", text.text, text.length, "c", gpus, 4, ret_layout, err);
}

/* "7x1g.10gb 1x1c.3g.40gb" */
static const char *wanted_text(const struct wanted_gpu *wanted)
{
	static struct buf text;

	buf_clear(&text);
	if (!wanted->is_named)
		return "nothing said";
	buf_add(&text, wanted->mig_on ? "on" : "off");
	for (unsigned i = 0; i < wanted->n_shares; i++) {
		const struct wanted_share *share = &wanted->share[i];

		CHECK_EQ(share->start, -1);
		CHECK(!share->is_dynamic);
		buf_addf(&text, " %ux", share->count);
		if (share->ci_slices)
			buf_addf(&text, "%uc.", share->ci_slices);
		buf_add(&text, share->profile);
	}
	return text.text;
}

static void wants(const char *entries, unsigned gpu, const char *wanted)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse(entries, &layout, &err) == 0, "%s: %s", entries, err.text);
	CHECK_TEXT(wanted_text(&layout.wanted[gpu]), wanted);
	layout_done(&layout);
}

static void refuses(const char *entries, const char *says)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse(entries, &layout, &err) < 0, "%s", entries);
	CHECK_SAY(strstr(err.text, says), "%s: %s", entries, err.text);
}

TEST(all_means_the_gpus_that_can_do_mig)
{
	static const char entries[] =
		"  - devices: all\n    mig-enabled: true\n    mig-devices: {}\n";

	wants(entries, 0, "on");
	wants(entries, 2, "nothing said");
	wants(entries, 3, "on");
}

TEST(filters_and_indices_choose_and_later_entries_replace)
{
	static const char entries[] =
		"  - devices: all\n    mig-enabled: false\n"
		"  - device-filter: \"0x233010DE\"\n    devices: [0]\n    mig-enabled: true\n"
		"    mig-devices: {\"1g.10gb\": 7, \"2g.20gb\": 0}\n"
		"  - device-filter: [\"0x20b710de\", \"0x20B010DE\"]\n    devices: all\n"
		"    mig-enabled: true\n    mig-devices: {1g.6gb: 2, 2g.12gb: 1}\n"
		"  - devices: [17, 99]\n    mig-enabled: true\n    mig-devices: {1g.5gb: 7}\n";

	wants(entries, 0, "on 7x1g.10gb");
	wants(entries, 1, "off");
	wants(entries, 3, "on 2x1g.6gb 1x2g.12gb");
}

TEST(compute_instances_are_counted)
{
	wants("  - devices: [0]\n    mig-enabled: yes\n"
	      "    mig-devices: {\"1c.3g.40gb\": 3, \"3c.3g.40gb\": 1}\n",
		0, "on 3x1c.3g.40gb 1x3g.40gb");
}

TEST(what_mig_parted_refuses_is_refused)
{
	refuses("  - devices: all\n", "needs 'mig-enabled'");
	refuses("  - mig-enabled: false\n", "needs 'devices'");
	refuses("  - devices: some\n    mig-enabled: false\n", "devices must be all or a list");
	refuses("  - devices: [a]\n    mig-enabled: false\n", "a device must be a number");
	refuses("  - devices: all\n    mig-enabled: true\n", "needs 'mig-devices'");
	refuses("  - devices: all\n    mig-enabled: true\n    mig-devices:\n",
		"needs 'mig-devices'");
	refuses("  - devices: all\n    mig-enabled: false\n    mig-devices: {\"1g.10gb\": 1}\n",
		"leave one of them out");
	refuses("  - devices: all\n    mig-enabled: true\n    mig-devices: {\"bogus\": 1}\n",
		"p.yaml:6:19: 'bogus' is not written as MIG profiles are");
	refuses("  - devices: all\n    mig-enabled: true\n    mig-devices: {\"1g.10gb\": 0}\n",
		"all counts are 0");
	refuses("  - devices: all\n    mig-enabled: true\n    mig-devices: {\"1g.10gb\": -1}\n",
		"must be a number from 0");
	refuses("  - devices: all\n    mig-enabled: maybe\n", "must be true or false");
	refuses("  - devices: all\n    mig-enabled: false\n    bogus: 1\n",
		"p.yaml:6:5: unknown key 'bogus' in an entry of a config");
	refuses("  - device-filter: A100\n    devices: all\n    mig-enabled: false\n",
		"is not a PCI device and vendor id");
	refuses("  - device-filter: 0x233010DE:0x16C110DE\n    devices: all\n    mig-enabled: "
		"false\n",
		"by their subsystem");
	refuses("  []\n", "a config needs at least one entry");
}

TEST(what_this_gpu_cannot_is_refused_by_name)
{
	refuses("  - devices: all\n    mig-enabled: true\n    mig-devices: {\"1g.5gb\": 7}\n",
		"GPU 0 (NVIDIA H100 80GB HBM3) has no profile 1g.5gb: it has 1g.10gb");
	refuses("  - devices: [2]\n    mig-enabled: true\n    mig-devices: {\"1g.5gb\": 7}\n",
		"GPU 2 (NVIDIA L40S) cannot do MIG");
	refuses("  - devices: [0]\n    mig-enabled: true\n    mig-devices: {\"7g.80gb\": 2}\n",
		"2 of 7g.80gb are too many: GPU 0 holds at most 1");
}

TEST(a_file_of_many_configs_is_read_on_any_node)
{
	static const struct {
		const char *config;
		enum fixture product;
		const char *wanted;
	} cases[] = {
		{ "all-disabled", FIXTURE_L40S, "nothing said" },
		{ "all-disabled", FIXTURE_A30, "off" },
		{ "all-enabled", FIXTURE_A100_40, "on" },
		{ "all-1g.5gb", FIXTURE_A100_40, "on 7x1g.5gb" },
		{ "all-1g.10gb", FIXTURE_A100_40, "on 4x1g.10gb" },
		{ "all-1g.10gb", FIXTURE_H100_80, "on 7x1g.10gb" },
		{ "all-1g.10gb.me", FIXTURE_H100_80, "on 1x1g.10gb+me 6x1g.10gb" },
		{ "all-7g.141gb", FIXTURE_H200, "on 1x7g.141gb" },
		{ "all-1g.24gb.me.all", FIXTURE_RTX_PRO_6000, "on 1x1g.24gb+me.all" },
		{ "all-1g.24gb-me", FIXTURE_RTX_PRO_6000, "on 4x1g.24gb-me" },
		{ "all-2g.48gb.gfx", FIXTURE_RTX_PRO_6000, "on 2x2g.48gb+gfx" },
		{ "all-balanced", FIXTURE_H100_80, "on 2x1g.10gb 1x2g.20gb 1x3g.40gb" },
		{ "all-balanced", FIXTURE_A30, "on 2x1g.6gb 1x2g.12gb" },
		{ "all-balanced", FIXTURE_H200, "nothing said" },
		{ "custom-config", FIXTURE_H200, "off" },
	};
	AUTO_FREE char *text = NULL;
	size_t length;

	CHECK_EQ(read_file_at(AT_FDCWD, CORPUS "/layout/parted-many.yaml", 1 << 20, &text, &length),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layout layout = { 0 };
		struct error err = ERROR_NONE;
		struct gpu gpu;

		fixture_gpu(&gpu, 0, cases[i].product);
		CHECK_SAY(layout_parse("p.yaml", text, length, cases[i].config, &gpu, 1, &layout,
				  &err) == 0,
			"%s: %s", cases[i].config, err.text);
		CHECK_TEXT(wanted_text(&layout.wanted[0]), cases[i].wanted);
		CHECK_TEXT(layout.name, cases[i].config);
		layout_done(&layout);
	}
}

TEST_MAIN()
