/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions in layouts: Carve's own, and vgpu-device-manager's files. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/layout.h"
#include "model/plan.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>

static struct gpu gpus[4];

/* GPU 0 is an H200 with VFs off, 1 one with all on, 2 has VFs without types, 3 xe's with quotas. */
static void make_gpus(void)
{
	fixture_gpu(&gpus[0], 0, FIXTURE_H200);
	fixture_mig_off(&gpus[0]);
	fixture_vfs(&gpus[0], VF_KIND_NVIDIA, 16, 0);
	fixture_gpu(&gpus[1], 1, FIXTURE_H200);
	fixture_mig_off(&gpus[1]);
	fixture_vfs(&gpus[1], VF_KIND_NVIDIA, 16, 16);
	fixture_gpu(&gpus[2], 2, FIXTURE_L40S);
	fixture_vfs(&gpus[2], VF_KIND_GENERIC, 7, 4);
	fixture_gpu(&gpus[3], 3, FIXTURE_L40S);
	fixture_vfs(&gpus[3], VF_KIND_XE, 24, 0);
	gpus[3].facts.vf.has_schedule = true;
	gpus[2].facts.vf.hardware_total = 63;
}

static int parse_file(
	const char *text, const char *name, struct layout *ret_layout, struct error *err)
{
	make_gpus();
	return layout_parse("l.yaml", text, strlen(text), name, gpus, 4, ret_layout, err);
}

static int parse(const char *entry, struct layout *ret_layout, struct error *err)
{
	AUTO_FREE char *text = must_asprintf("version: carve/v1\nlayouts:\n  x:\n  - %s\n", entry);

	return parse_file(text, "x", ret_layout, err);
}

/* "16 on, mixed: 2xNVIDIA H200X-17C 1x#3 NVIDIA H200X-70C; mig 1x3g.71gb" */
static const char *said(const struct layout *layout, unsigned g)
{
	static struct buf text;
	const struct wanted_gpu *wanted = &layout->wanted[g];

	buf_clear(&text);
	if (!wanted->is_named)
		return "nothing";
	buf_addf(&text, "%u on%s:", wanted->vf_count, wanted->vf_mix ? ", mixed" : "");
	for (unsigned i = 0; i < wanted->n_vfs; i++) {
		const struct wanted_vf *vf = &wanted->vf[i];
		int t = vf->setup.type ? vf_type_find_id(&gpus[g].facts.vf, vf->setup.type) : -1;

		buf_addf(&text, " %ux", vf->count);
		if (vf->number >= 0)
			buf_addf(&text, "#%d ", vf->number);
		if (t >= 0)
			buf_add(&text, gpus[g].facts.vf.type[t].name);
		else
			buf_addf(&text, "%" PRIu64 "M", vf->setup.memory_bytes >> 20);
		if (vf->setup.quantum_ms || vf->setup.preempt_us)
			buf_addf(&text, " %ums %uus", vf->setup.quantum_ms, vf->setup.preempt_us);
	}
	if (wanted->mig_on)
		buf_add(&text, "; mig");
	for (unsigned i = 0; i < wanted->n_shares; i++)
		buf_addf(&text, " %ux%s", wanted->share[i].count, wanted->share[i].profile);
	return buf_text(&text);
}

static void says(const char *entry, unsigned g, const char *wanted)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse(entry, &layout, &err) == 0, "%s", err.text);
	CHECK_TEXT(said(&layout, g), wanted);
	layout_done(&layout);
}

TEST(types_are_wanted_by_name_and_by_memory)
{
	says("{gpus: [0], vf: [{type: NVIDIA H200X-35C, count: 4}]}", 0,
		"16 on: 4xNVIDIA H200X-35C");
	says("{gpus: [0], vf: [{type: h200x-35c}]}", 0, "16 on: 1xNVIDIA H200X-35C");
	says("{gpus: [0], vf: [{type: 1425}]}", 0, "16 on: 1xNVIDIA H200X-35C");
	says("{gpus: [0], vf: [{memory: 35G, count: 2}, {memory: 35Gi, vf: 7}]}", 0,
		"16 on: 2xNVIDIA H200X-35C 1x#7 NVIDIA H200X-35C");
	says("{gpus: [0], vf: [{memory: 17G, count: 2}, {memory: 70G}]}", 0,
		"16 on, mixed: 2xNVIDIA H200X-17C 1xNVIDIA H200X-70C");
	says("{gpus: [0], vf: []}", 0, "0 on:");
	says("{gpus: [0], vf: off}", 0, "0 on:");
	says("{gpus: [0], vfs: 16}", 0, "16 on:");
}

TEST(types_backed_by_mig_bring_their_instances)
{
	says("{gpus: [0], vf: [{type: H200X-1-9C, count: 3}]}", 0,
		"16 on: 3xNVIDIA H200X-1-9C; mig 2x1g.18gb");
	says("{gpus: [0], mig: [1g.18gb@0, 3g.71gb@4], vf: [{type: H200X-1-9C, count: 3}]}", 0,
		"16 on: 3xNVIDIA H200X-1-9C; mig 1x1g.18gb 1x3g.71gb 1x1g.18gb");
	says("{gpus: [0], vf: [{type: H200X-1-9C}, {type: H200X-1-18C}, {memory: 71G}]}", 0,
		"16 on: 1xNVIDIA H200X-1-9C 1xNVIDIA H200X-1-18C 1xNVIDIA H200X-3-71C; mig "
		"2x1g.18gb 1x3g.71gb");
}

TEST(as_many_are_on_as_it_takes_and_those_that_are_on_stay)
{
	says("{gpus: [2], vf: [{count: 3}]}", 2, "4 on: 3x0M");
	says("{gpus: [2], vf: [{count: 3}, {vf: 6}]}", 2, "7 on: 3x0M 1x#6 0M");
	says("{gpus: [3], vf: [{vf: 5}]}", 3, "6 on: 1x#5 0M");
	says("{gpus: [2], vfs: 5, vf: [{count: 2}]}", 2, "5 on: 2x0M");
}

TEST(quotas_and_the_scheduler_are_set)
{
	says("{gpus: [3], vf: [{memory: 4G, count: 2, quantum: 20ms, preemption: 500us}]}", 3,
		"2 on: 2x3815M 20ms 500us");
}

TEST(all_means_the_gpus_that_have_virtual_functions)
{
	struct layout layout = { 0 };

	make_gpus();
	CHECK_EQ(parse("{gpus: all, vf: []}", &layout, NULL), 0);
	for (unsigned g = 0; g < 4; g++)
		CHECK(layout.wanted[g].is_named && layout.wanted[g].is_vfs_off_only);
	layout_done(&layout);
}

TEST(errors_say_where_and_what)
{
	static const struct {
		const char *entry, *says;
	} cases[] = {
		{ "{gpus: [0], vf: [{type: H200X-36C}]}", "l.yaml:4:22: GPU 0 (NVIDIA H200) has no "
							  "type of vGPU 'H200X-36C': did you mean "
							  "'NVIDIA H200X-" },
		{ "{gpus: [0], vf: [{type: T4-16Q}]}", "has no type of vGPU 'T4-16Q': it has" },
		{ "{gpus: [0], vf: [{memory: 40G}]}",
			"no type of vGPU on GPU 0 (NVIDIA H200) has 40G: the nearest are NVIDIA "
			"H200X-2-35C and NVIDIA H200X-70C" },
		{ "{gpus: [0], vf: [{memory: 200G}]}", "the nearest is NVIDIA H200X-141C" },
		{ "{gpus: [0], vf: [{count: 2}]}", "which type of vGPU?" },
		{ "{gpus: [0], vf: [{type: H200X-35C, memory: 35G}]}", "leave type or memory out" },
		{ "{gpus: [0], vf: [{type: H200X-35C, count: 5}]}",
			"5 of NVIDIA H200X-35C are too many: GPU 0 (NVIDIA H200) has room for 4" },
		{ "{gpus: [0], vf: [{type: H200X-70C}, {type: H200X-17C, count: 5}]}",
			"has room for 4 beside the others, with sizes mixed" },
		{ "{gpus: [0], vf: [{type: H200X-35C}, {type: H200X-1-18C}]}",
			"cannot be on one GPU: one takes MIG mode to be on, the other off" },
		{ "{gpus: [0], mig: off, vf: [{type: H200X-1-18C}]}",
			"takes MIG mode to be on, and mig beside it says off" },
		{ "{gpus: [0], mig: [], vf: [{type: H200X-35C}]}",
			"takes MIG mode to be off, and mig beside it says on" },
		{ "{gpus: [0], vf: [{type: H200X-3-71C, count: 3}]}",
			"take 3 instances of 3g.71gb: GPU 0 holds at most 2" },
		{ "{gpus: [0], vfs: 8}", "has all its 16 virtual functions on, or none" },
		{ "{gpus: [0], vfs: 20}",
			"20 virtual functions are too many: GPU 0 (NVIDIA H200) can "
			"have 16" },
		{ "{gpus: [0], vf: [{type: H200X-35C, vf: 16}]}",
			"there is no virtual function 16: GPU 0 (NVIDIA H200) can have 16, "
			"counted from 0" },
		{ "{gpus: [0], vf: [{type: H200X-35C, count: 3}, {type: H200X-70C}]}",
			"NVIDIA H200X-70C has no room on GPU 0 (NVIDIA H200) beside the others, "
			"with sizes mixed; what fits: NVIDIA H200X-17C, NVIDIA H200X-35C" },
		{ "{gpus: [2], vfs: 12}", "can have 7 now, though the hardware could have 63" },
		{ "{gpus: [2], vfs: 2, vf: [{count: 3}]}", "'vfs: 2' are too few for the 3" },
		{ "{gpus: [2], vf: [{type: H200X-35C}]}", "have no types: leave type out" },
		{ "{gpus: [2], vf: [{memory: 4G}]}",
			"have no sizes of their own: leave memory out" },
		{ "{gpus: [2], vf: [{quantum: 20ms}]}", "has no execution quantum" },
		{ "{gpus: [2], vf: [{vf: 1}, {vf: 1}]}", "'vf: 1' is wanted twice" },
		{ "{gpus: [2], vf: [{vf: 1, count: 2}]}", "leave vf or count out" },
		{ "{gpus: [3], vf: [{memory: 20G, count: 3}]}",
			"3 of such a virtual function are too much memory" },
		{ "{gpus: [3], vf: [{quantum: 1.5ms}]}", "quantum must be a time such as 20ms" },
		{ "{gpus: [3], vf: [{memory: much}]}", "memory must be a size such as 35G" },
		{ "{gpus: [0], vf: [{typ: x}]}", "did you mean 'type'?" },
		{ "{gpus: [0], vf: {type: x}}", "vf must be a list of virtual functions" },
		{ "{gpus: [0], vf: [H200X-35C]}", "a virtual function must be a mapping" },
		{ "{gpus: [0], vfs: many}", "vfs must be a number from 0 to 64" },
		{ "{gpus: [2], mps: [{memory: 4G}], vf: [{count: 1}]}",
			"is shared by MPS or by virtual functions" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layout layout = { .n_gpus = 77 };
		struct error err = ERROR_NONE;

		CHECK_SAY(parse(cases[i].entry, &layout, &err) == -EINVAL, "%s", cases[i].entry);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s: %s", cases[i].entry, err.text);
		CHECK_EQ(layout.n_gpus, 77);
	}
}

TEST(a_gpu_that_has_none_says_why)
{
	struct layout layout;
	struct error err = ERROR_NONE;
	static const char text[] =
		"version: carve/v1\nlayouts: {x: [{gpus: [0], vf: [{count: 1}]}]}\n";

	fixture_gpu(&gpus[0], 0, FIXTURE_L40S);
	text_copy(gpus[0].capability[MECHANISM_VF].text, 160, "its driver is vfio-pci");
	CHECK_EQ(layout_parse("l.yaml", text, strlen(text), NULL, gpus, 1, &layout, &err), -EINVAL);
	CHECK_SAY(strstr(err.text, "has no virtual functions, its driver is vfio-pci"), "%s",
		err.text);
}

/* Files of vgpu-device-manager, as its users have them. */
static const char manager[] = "version: v1\n"
			      "vgpu-configs:\n"
			      "    # All of one size\n"
			      "    H200X-35C:\n"
			      "        - devices: all\n"
			      "          vgpu-devices:\n"
			      "            H200X-35C: 4\n"
			      "    H200X-1-18C:\n"
			      "        - devices: all\n"
			      "          vgpu-devices: {\"H200X-1-18C\": 7}\n"
			      "    small:\n"
			      "    - devices: [0]\n"
			      "      vgpu-devices: {\"H200X-17C\": 8}\n"
			      "    - devices: [1]\n"
			      "      vgpu-devices: {\"H200X-35C\": 2, \"H200X-35Q\": 2}\n"
			      "    filtered:\n"
			      "    - device-filter: [\"0x233510DE\"]\n"
			      "      devices: all\n"
			      "      vgpu-devices: {\"H200X-70C\": 2}\n"
			      "    - device-filter: \"0x1EB810DE\"\n"
			      "      devices: all\n"
			      "      vgpu-devices: {\"T4-16Q\": 1}\n"
			      "    none:\n"
			      "    - devices: [0, 1, 9]\n"
			      "      vgpu-devices: {}\n";

static void pin(unsigned g, unsigned number, const char *type)
{
	gpus[g].seen.vfs.origin = SHARE_PINNED;
	fixture_vf(&gpus[g], number, type, SHARE_PINNED, 0);
}

TEST(what_is_is_written_as_a_layout_and_changes_nothing)
{
	AUTO_FREE char *text = NULL;
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;
	struct plan plan;

	make_gpus();
	fixture_vfs_on(&gpus[0], 16, SHARE_DYNAMIC);
	fixture_vf(&gpus[0], 2, "H200X-35C", SHARE_DYNAMIC, 3);
	pin(1, 3, "H200X-35C");
	fixture_vf(&gpus[1], 4, "H200X-35C", SHARE_FOREIGN, 0);
	fixture_vf(&gpus[1], 5, "H200X-35Q", SHARE_DYNAMIC, 3);
	fixture_vfs_on(&gpus[3], 8, SHARE_PINNED);
	pin(3, 1, NULL);
	gpus[3].seen.vfs.vf[1].setup.memory_bytes = 4ULL << 30;
	gpus[3].seen.vfs.vf[1].setup.quantum_ms = 20;
	gpus[3].seen.vfs.vf[1].setup.preempt_us = 1500;
	text = layout_export(gpus, 4, "now");
	CHECK_TEXT(text, "version: carve/v1\nlayouts:\n  now:\n"
			 "  - gpus: [1] # NVIDIA H200\n    mig: off\n    vfs: 16\n"
			 "    vf: [{type: \"NVIDIA H200X-35C\", vf: 3}]\n"
			 "    # not Carve's, left alone: 1:vf4 (NVIDIA H200X-35C)\n"
			 "    # a lease's, left alone: 1:vf5 (NVIDIA H200X-35Q)\n"
			 "  - gpus: [3] # NVIDIA L40S\n    vfs: 8\n"
			 "    vf: [{memory: 4096Mi, quantum: 20ms, preemption: 1500us, vf: 1}]\n"
			 "  # GPU 0 is left out: its virtual functions are on for leases\n"
			 "  # GPU 2 is left out: its virtual functions are not Carve's\n");
	CHECK_SAY(layout_parse("l.yaml", text, strlen(text), NULL, gpus, 4, &layout, &err) == 0,
		"%s", err.text);
	CHECK_SAY(plan_layout(gpus, 4, &layout, &plan, &err) == 0, "%s", err.text);
	CHECK(!plan.n_steps && !plan.n_blockers && !plan.n_repins);
	plan_done(&plan);
	layout_done(&layout);
}

TEST(instances_of_vgpus_are_written_with_them)
{
	AUTO_FREE char *text = NULL;
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;
	struct plan plan;

	make_gpus();
	gpus[1].seen.mig_on = gpus[1].seen.mig_pending = true;
	fixture_add(&gpus[1], "1g.18gb", 3, SHARE_PINNED, 0);
	pin(1, 0, "H200X-1-9C");
	gpus[1].seen.vfs.vf[0].setup.start = 3;
	text = layout_export(&gpus[0], 2, "now");
	CHECK_SAY(strstr(text, "    mig: [1g.18gb@3]\n    vfs: 16\n    vf: [{type: \"NVIDIA "
			       "H200X-1-9C\", vf: 0}]\n"),
		"%s", text);
	CHECK_SAY(layout_parse("l.yaml", text, strlen(text), NULL, gpus, 4, &layout, &err) == 0,
		"%s", err.text);
	CHECK_SAY(plan_layout(gpus, 4, &layout, &plan, &err) == 0, "%s", err.text);
	CHECK(!plan.n_steps && !plan.n_blockers && !plan.n_repins);
	plan_done(&plan);
	layout_done(&layout);
}

TEST(vgpu_device_managers_files_are_read_as_they_are)
{
	struct layout layout = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(parse_file(manager, "small", &layout, &err), 0);
	CHECK_TEXT(said(&layout, 0), "16 on: 8xNVIDIA H200X-17C");
	CHECK_TEXT(said(&layout, 1), "16 on: 2xNVIDIA H200X-35C 2xNVIDIA H200X-35Q");
	CHECK_TEXT(said(&layout, 2), "nothing");
	layout_done(&layout);
	CHECK_EQ(parse_file(manager, "filtered", &layout, &err), 0);
	CHECK_TEXT(said(&layout, 1), "16 on: 2xNVIDIA H200X-70C");
	CHECK_TEXT(said(&layout, 3), "nothing");
	layout_done(&layout);
	CHECK_EQ(parse_file(manager, "none", &layout, &err), 0);
	CHECK(layout.wanted[0].is_vfs_off_only && layout.wanted[1].is_vfs_off_only);
	layout_done(&layout);
	/* "all" means those that have VFs, and one of them has no such type. */
	CHECK_EQ(parse_file(manager, "H200X-35C", &layout, &err), -EINVAL);
	CHECK_SAY(strstr(err.text, "l.yaml:7:13: the virtual functions of GPU 2"), "%s", err.text);
}

TEST(mistakes_in_vgpu_device_managers_files_are_told)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "vgpu-configs: {c: []}", "a config needs at least one entry" },
		{ "vgpu-configs: {c: [{devices: all}]}", "needs 'vgpu-devices'" },
		{ "vgpu-configs: {c: [{vgpu-devices: {}}]}", "needs 'devices'" },
		{ "vgpu-configs: {c: [{devices: some, vgpu-devices: {}}]}", "devices must be all" },
		{ "vgpu-configs: {c: [{devices: all, vgpu-devices: {A: 0}}]}", "all counts are 0" },
		{ "vgpu-configs: {c: [{devices: all, vgpu-devices: {A: x}}]}",
			"A must be a number" },
		{ "vgpu-configs: {c: [{devices: all, vgpu-devices: {A: 100}}]}",
			"no GPU holds that many" },
		{ "vgpu-configs: {c: [{devices: all, vgpus: {}, vgpu-devices: {}}]}", "'vgpus'" },
		{ "mig-configs: {}\nvgpu-configs: {}", "mig-configs" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = must_asprintf("version: v1\n%s\n", cases[i].text);
		struct error err = ERROR_NONE;
		struct layout layout;

		CHECK_SAY(parse_file(text, NULL, &layout, &err) < 0, "%s", text);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s: %s", text, err.text);
	}
}

TEST_MAIN()
