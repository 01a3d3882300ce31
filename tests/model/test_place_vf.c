/* SPDX-License-Identifier: Apache-2.0 */
/* Where virtual machines go. */
#include "fixtures.h"
#include "interpreter.h"
#include "model/place.h"
#include "model/plan.h"
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

static struct gpu gpus[4];
static struct placement at;
static struct error err;

/* One option after another, ending with NULL. */
static struct request vm_of(const char *const *words)
{
	struct request request;

	request_init(&request);
	CHECK_EQ(request_option(&request, "vm", NULL, NULL), 0);
	for (; *words; words += 2)
		CHECK_SAY(request_option(&request, words[0], words[1], &err) == 0, "%s", err.text);
	CHECK_SAY(request_check(&request, &err) == 0, "%s", err.text);
	return request;
}
#define VM(...) vm_of((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL, NULL })

static int place_vm(unsigned n, struct request request)
{
	err = ERROR_NONE;
	return place(gpus, n, &request, 0, &at, &err);
}
#define PLACES(n, ...) place_vm(n, VM(__VA_ARGS__))

#define REFUSES(code, says, n, ...)                                                                \
	do {                                                                                       \
		CHECK_EQ(PLACES(n, __VA_ARGS__), code);                                            \
		CHECK_SAY(strstr(err.text, says), "got \"%s\"", err.text);                         \
	} while (0)

static void h200(unsigned g, unsigned on, bool mig)
{
	fixture_gpu(&gpus[g], g, FIXTURE_H200);
	if (!mig)
		fixture_mig_off(&gpus[g]);
	fixture_vfs(&gpus[g], VF_KIND_NVIDIA, 16, on);
}

static const char *type_at(void)
{
	const struct vf_facts *facts = &gpus[at.gpu].facts.vf;
	int t = vf_type_find_id(facts, at.vf_setup.type);

	return t < 0 ? "none" : facts->type[t].name;
}

static unsigned steps(char text[8][80])
{
	struct step step[PLAN_PLACEMENT_MAX];
	unsigned n = plan_placement(gpus, &at, step);

	for (unsigned i = 0; i < n && i < 8; i++)
		step_text(&step[i], text[i], 80);
	return n;
}

TEST(a_free_virtual_function_becomes_the_type)
{
	char text[8][80];

	h200(0, 16, false);
	CHECK_EQ(PLACES(1, "profile", "NVIDIA H200X-35C"), 0);
	CHECK(at.how == PLACE_VF && at.mechanism == MECHANISM_VF && at.vf == 0);
	CHECK_EQ(at.vf_count, 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-35C");
	CHECK_EQ(steps(text), 1);
	CHECK_TEXT(text[0], "make VF 0 NVIDIA H200X-35C");
	CHECK_EQ(PLACES(1, "profile", "h200x-70c"), 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-70C");
}

TEST(memory_means_the_smallest_type_that_has_it_and_c_before_q)
{
	h200(0, 16, false);
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-35C");
	CHECK_EQ(PLACES(1, "memory", "18G"), 0); /* no time-sliced one is called 18 */
	CHECK_TEXT(type_at(), "NVIDIA H200X-17C");
	CHECK_EQ(PLACES(1, "memory", "19G"), 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-35C");
	CHECK_EQ(PLACES(1, "memory", "36Gi"), 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-70C");
	REFUSES(PLACE_E_NEVER, "the most on GPU 0 (NVIDIA H200) is NVIDIA H200X-141C", 1, "memory",
		"200G");
}

TEST(an_idle_pinned_one_of_the_type_comes_first)
{
	char text[8][80];

	h200(0, 16, false);
	h200(1, 16, false);
	fixture_vf(&gpus[1], 5, "H200X-35C", SHARE_PINNED, 0);
	CHECK_EQ(PLACES(2, "memory", "35G"), 0);
	CHECK(at.gpu == 1 && at.vf == 5);
	CHECK_EQ(steps(text), 0);
	gpus[1].seen.vfs.vf[5].user = 99;
	CHECK_EQ(PLACES(2, "memory", "35G"), 0);
	CHECK(at.gpu == 1 && at.vf == 0);
}

TEST(a_pinned_one_in_a_group_that_nobody_could_open_is_none)
{
	struct vf *pinned, *other;

	h200(0, 16, false);
	pinned = fixture_vf(&gpus[0], 5, "H200X-35C", SHARE_PINNED, 0);
	other = fixture_vf(&gpus[0], 6, "H200X-35C", SHARE_DYNAMIC, 3);
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK_EQ(at.vf, 5);
	/* another machine has the group */
	other->group = pinned->group;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK(at.vf != 5);
	other->lease = 0;
	other->user = 4711;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK(at.vf != 5);
	other->user = 0;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK_EQ(at.vf, 5);
	/* the host has part of it, or it has none */
	pinned->is_viable = false;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK(at.vf != 5);
	pinned->is_viable = true;
	pinned->group = -1;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK(at.vf != 5);
}

TEST(vgpus_of_a_size_are_packed)
{
	h200(0, 16, false);
	h200(1, 16, false);
	fixture_vf(&gpus[1], 0, "H200X-35C", SHARE_DYNAMIC, 1);
	CHECK_EQ(PLACES(2, "memory", "35G"), 0);
	CHECK(at.gpu == 1 && at.vf == 1);
	CHECK_EQ(PLACES(2, "memory", "70G"), 0);
	CHECK_EQ(at.gpu, 0);
}

TEST(virtual_functions_that_are_on_come_before_those_that_are_off)
{
	char text[8][80];

	h200(0, 0, false);
	h200(1, 16, false);
	CHECK_EQ(PLACES(2, "memory", "35G"), 0);
	CHECK_EQ(at.gpu, 1);
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK_EQ(at.vf_count, 16);
	CHECK_EQ(steps(text), 2);
	CHECK_TEXT(text[0], "turn on 16 virtual functions");
	CHECK_TEXT(text[1], "make VF 0 NVIDIA H200X-35C");
}

TEST(a_virtual_function_that_another_tool_waits_for_is_not_taken)
{
	h200(0, 0, false);
	gpus[0].seen.vfs.claimed = 5;
	CHECK_EQ(PLACES(1, "memory", "35G"), 0);
	CHECK_EQ(at.vf, 1);
	gpus[0].seen.vfs.claimed = UINT64_MAX;
	CHECK(PLACES(1, "memory", "35G") != 0);
}

TEST(virtual_functions_are_turned_on_only_where_nobody_is)
{
	h200(0, 0, false);
	gpus[0].vf_may_enable = false;
	REFUSES(PLACE_E_NEVER, "`vf: {enable: never}`", 1, "memory", "35G");
	gpus[0].vf_may_enable = true;
	gpus[0].whole_lease = 4;
	REFUSES(PLACE_E_NO_ROOM, "lease L4 holds GPU 0", 1, "memory", "35G");
	gpus[0].whole_lease = 0;
	gpus[0].seen.n_processes = 1;
	REFUSES(PLACE_E_NO_ROOM, "processes without a lease use it", 1, "memory", "35G");
	gpus[0].seen.n_processes = 0;
	fixture_add_mps(&gpus[0], NULL, 10, 10, 0);
	REFUSES(PLACE_E_NEVER, "pinned shares", 1, "memory", "35G");
}

TEST(a_full_gpu_says_who_has_it_and_what_fits)
{
	struct vf *vf;

	h200(0, 16, false);
	vf = fixture_vf(&gpus[0], 0, "H200X-70C", SHARE_DYNAMIC, 3);
	REFUSES(PLACE_E_NO_ROOM,
		"GPU 0 has 0:vf0 (NVIDIA H200X-70C) of lease L3; what fits beside them: NVIDIA "
		"H200X-70C",
		1, "memory", "35G");
	CHECK(strstr(err.text, "several sizes at once are for a layout to say"));
	gpus[0].facts.vf.may_mix = false;
	REFUSES(PLACE_E_NO_ROOM, "H200X-70C", 1, "memory", "35G");
	CHECK(!strstr(err.text, "several sizes"));
	vf->origin = SHARE_PINNED;
	vf->lease = 0;
	REFUSES(PLACE_E_NEVER, "0:vf0 (NVIDIA H200X-70C), pinned", 1, "profile", "H200X-35C");
	vf->origin = SHARE_FOREIGN;
	vf->user = 321;
	text_copy(vf->vm, sizeof(vf->vm), "web1");
	REFUSES(PLACE_E_NEVER, "of virtual machine web1, pid 321", 1, "profile", "H200X-35C");
}

TEST(the_drivers_own_list_has_the_last_word)
{
	h200(0, 16, false);
	gpus[0].seen.vfs.has_creatable = true;
	CHECK(PLACES(1, "memory", "35G") != 0);
}

TEST(a_request_without_a_type_is_told_which_there_are)
{
	h200(0, 16, false);
	REFUSES(PLACE_E_NEVER, "which type of vGPU? say it with profile, or how much memory", 1,
		"gpu", "0");
	CHECK(strstr(err.text, "NVIDIA H200X-17C, NVIDIA H200X-35C"));
	REFUSES(PLACE_E_NEVER, "did you mean NVIDIA H200X-35C?", 1, "profile", "NVIDIA H200X-36C");
	/* 12 is nearer to 17 than a number that has one digit less. */
	REFUSES(PLACE_E_NEVER, "did you mean NVIDIA H200X-17C?", 1, "profile", "h200x-12c");
	REFUSES(PLACE_E_NEVER, "has no type of vGPU 'GRID T4-16Q': it has", 1, "profile",
		"GRID T4-16Q");
}

TEST(what_a_product_has_not_is_said_once)
{
	const char *first;

	h200(0, 16, false);
	h200(1, 0, false);
	REFUSES(PLACE_E_NEVER, "GPU 0 (NVIDIA H200)", 2, "profile", "T4-16Q");
	first = strstr(err.text, "has no type of vGPU");
	CHECK(first && !strstr(first + 1, "has no type of vGPU"));
}

TEST(types_that_are_not_known_are_asked_for_with_the_way_to_know_them)
{
	h200(0, 0, false);
	gpus[0].facts.vf.types_from_vfs = true;
	gpus[0].facts.vf.n_types = 0;
	REFUSES(PLACE_E_NEVER, "or a layout with `vfs: 16`, or install the library", 1, "profile",
		"H200X-35C");
	CHECK_SAY(strstr(err.text, "`sriov-manage -e 0000:"), "%s", err.text);
	REFUSES(PLACE_E_NEVER, "is not known", 1, "gpu", "0");
}

TEST(a_type_backed_by_mig_goes_into_an_instance_or_gets_one)
{
	char text[8][80];

	h200(0, 16, true);
	fixture_add(&gpus[0], "1g.18gb", 2, SHARE_DYNAMIC, 0);
	CHECK_EQ(PLACES(1, "profile", "H200X-1-18C"), 0);
	CHECK(!at.makes_instance && at.vf_setup.start == 2);
	CHECK_EQ(PLACES(1, "memory", "71G"), 0);
	CHECK_TEXT(type_at(), "NVIDIA H200X-3-71C");
	CHECK(at.makes_instance && at.evict == 0 && at.start == 4);
	CHECK_EQ(steps(text), 2);
	CHECK_TEXT(text[0], "create 3g.71gb@4");
	CHECK_TEXT(text[1], "make VF 0 NVIDIA H200X-3-71C");
	fixture_add(&gpus[0], "3g.71gb", 4, SHARE_PINNED, 0)->ci[0].has_users = true;
	fixture_vf(&gpus[0], 0, "H200X-3-71C", SHARE_DYNAMIC, 1)->setup.start = 4;
	CHECK_EQ(PLACES(1, "memory", "71G"), 0);
	CHECK_EQ(at.evict, 1);
	CHECK_EQ(steps(text), 3);
	CHECK_TEXT(text[0], "destroy 1g.18gb@2");
}

TEST(an_instance_with_a_vgpu_in_it_is_not_idle)
{
	h200(0, 16, true);
	fixture_add(&gpus[0], "1g.18gb", 0, SHARE_DYNAMIC, 0);
	fixture_vf(&gpus[0], 0, "H200X-1-18C", SHARE_DYNAMIC, 6);
	fixture_add(&gpus[0], "3g.71gb", 4, SHARE_PINNED, 0);
	fixture_vf(&gpus[0], 1, "H200X-3-71C", SHARE_PINNED, 7)->setup.start = 4;
	REFUSES(PLACE_E_NO_ROOM, "of lease L6", 1, "memory", "71G");
	gpus[0].seen.vfs.vf[0].setup = (struct vf_setup){ 0 };
	gpus[0].seen.vfs.vf[0].lease = 0;
	CHECK_EQ(PLACES(1, "memory", "71G"), 0);
	CHECK_EQ(at.evict, 1);
}

TEST(virtual_functions_come_on_before_instances_are_made)
{
	char text[8][80];

	h200(0, 0, true);
	fixture_add(&gpus[0], "1g.18gb", 6, SHARE_DYNAMIC, 0);
	CHECK_EQ(PLACES(1, "profile", "H200X-3-71C"), 0);
	CHECK_EQ(steps(text), 4);
	CHECK_TEXT(text[0], "destroy 1g.18gb@6");
	CHECK_TEXT(text[1], "turn on 16 virtual functions");
	CHECK(strstr(text[2], "create 3g.71gb"));
	CHECK_TEXT(text[3], "make VF 0 NVIDIA H200X-3-71C");
}

TEST(the_mode_that_a_type_needs_is_said)
{
	h200(0, 16, false);
	REFUSES(PLACE_E_NEVER, "NVIDIA H200X-1-18C takes MIG mode to be on on GPU 0", 1, "profile",
		"H200X-1-18C");
	h200(0, 0, true);
	REFUSES(PLACE_E_NEVER, "takes MIG mode to be off", 1, "profile", "H200X-35C");
}

TEST(isolation_takes_a_type_backed_by_mig)
{
	h200(0, 16, false);
	h200(1, 16, true);
	CHECK_EQ(PLACES(2, "memory", "35G", "tenants", "same"), 0);
	CHECK_EQ(at.gpu, 0);
	CHECK_EQ(PLACES(2, "memory", "35G"), 0); /* strangers */
	CHECK_EQ(at.gpu, 1);
	CHECK_EQ(PLACES(2, "memory", "35G", "isolation", "fault"), 0);
	CHECK_EQ(at.gpu, 1);
	CHECK(strstr(type_at(), "-35C"));
	REFUSES(PLACE_E_NEVER, "needs parts of their own", 1, "profile", "H200X-35C", "isolation",
		"security");
}

TEST(virtual_functions_without_sizes_are_given_as_they_are)
{
	char text[8][80];

	fixture_gpu(&gpus[0], 0, FIXTURE_L40S);
	fixture_vfs(&gpus[0], VF_KIND_GENERIC, 8, 8);
	fixture_vf(&gpus[0], 0, NULL, SHARE_FOREIGN, 0);
	CHECK_EQ(PLACES(1, "mechanism", "vf"), 0);
	CHECK(at.vf == 1 && at.vf_setup.is_for_vm && !at.vf_setup.type);
	CHECK_EQ(steps(text), 1);
	CHECK_TEXT(text[0], "make VF 1 ready for virtual machines");
	REFUSES(PLACE_E_NEVER, "without types or sizes of their own", 1, "memory", "4G");
	gpus[0].seen.vfs.vf[1].is_viable = false;
	CHECK_EQ(PLACES(1, "mechanism", "vf"), 0);
	CHECK_EQ(at.vf, 2);
	for (unsigned i = 0; i < 8; i++)
		gpus[0].seen.vfs.vf[i].is_viable = false;
	REFUSES(PLACE_E_NEVER, "share their IOMMU group", 1, "mechanism", "vf");
	for (unsigned i = 0; i < 8; i++)
		gpus[0].seen.vfs.vf[i].group = -1;
	REFUSES(PLACE_E_NEVER, "no IOMMU translates", 1, "mechanism", "vf");
}

TEST(a_quota_is_in_whole_mebibytes_and_within_the_memory)
{
	fixture_gpu(&gpus[0], 0, FIXTURE_L40S);
	fixture_vfs(&gpus[0], VF_KIND_XE, 8, 8);
	CHECK_EQ(PLACES(1, "memory", "5G"), 0);
	CHECK_EQ(at.vf_setup.memory_bytes, 4769ULL << 20);
	fixture_vf(&gpus[0], 0, NULL, SHARE_DYNAMIC, 2)->setup.memory_bytes = 40ULL << 30;
	REFUSES(PLACE_E_NO_ROOM, "are left", 1, "memory", "10G");
	REFUSES(PLACE_E_NEVER, "GPU 0 (NVIDIA L40S) has", 1, "memory", "100G");
	CHECK_EQ(PLACES(1, "mechanism", "vf"), 0);
	CHECK_EQ(at.vf_setup.memory_bytes, 0);
}

TEST(what_a_gpu_cannot_is_said_in_its_own_words)
{
	h200(0, 0, false);
	gpus[0].capability[MECHANISM_VF].answer = CAPABILITY_NO;
	text_copy(gpus[0].capability[MECHANISM_VF].text,
		sizeof(gpus[0].capability[MECHANISM_VF].text), "its driver is vfio-pci");
	REFUSES(PLACE_E_NEVER, "GPU 0 has no virtual functions: its driver is vfio-pci", 1,
		"memory", "35G");
	h200(0, 0, false);
	gpus[0].managed = false;
	REFUSES(PLACE_E_NEVER, "`carve manage 0`", 1, "memory", "35G");
	gpus[0].managed = true;
	gpus[0].drained = true;
	REFUSES(PLACE_E_NO_ROOM, "drained", 1, "memory", "35G");
}

TEST(other_requests_find_a_gpu_with_virtual_functions_closed)
{
	struct request whole, mig, mps;

	request_init(&whole);
	mig = mps = whole;
	mig.memory_bytes = 10000000000;
	mps = mig;
	mps.mechanism = MECHANISM_MPS;
	h200(0, 16, false);
	CHECK_EQ(place(gpus, 1, &whole, 0, &at, &err), PLACE_E_NEVER);
	CHECK_SAY(strstr(err.text, "shared by virtual functions"), "%s", err.text);
	CHECK_EQ(place(gpus, 1, &mps, 0, &at, &err), PLACE_E_NEVER);
	CHECK_SAY(strstr(err.text, "shared by virtual functions"), "%s", err.text);
	gpus[0].seen.vfs.origin = SHARE_DYNAMIC;
	fixture_vf(&gpus[0], 0, "H200X-35C", SHARE_DYNAMIC, 5);
	CHECK_EQ(place(gpus, 1, &whole, 0, &at, &err), PLACE_E_NO_ROOM);
	CHECK_SAY(strstr(err.text, "L5"), "%s", err.text);
	CHECK_EQ(place(gpus, 1, &mps, 0, &at, &err), PLACE_E_NO_ROOM);
	CHECK_SAY(strstr(err.text, "are on for leases"), "%s", err.text);
	CHECK(place_could_use(&gpus[0], &whole));
	h200(0, 16, true);
	fixture_add(&gpus[0], "1g.18gb", 0, SHARE_DYNAMIC, 0);
	CHECK_EQ(place(gpus, 1, &mig, 0, &at, &err), PLACE_E_NEVER);
	CHECK_SAY(strstr(err.text, "shared by virtual functions"), "%s", err.text);
}

TEST(a_gpu_that_only_leases_keep_could_be_used)
{
	struct request request = VM("memory", "35G");

	h200(0, 16, false);
	fixture_vf(&gpus[0], 0, "H200X-70C", SHARE_DYNAMIC, 3);
	CHECK(place_could_use(&gpus[0], &request));
	gpus[0].seen.vfs.vf[0].origin = SHARE_PINNED;
	CHECK(!place_could_use(&gpus[0], &request));
}

TEST(the_choice_is_explained)
{
	struct request request = VM("memory", "35G");
	AUTO_FREE char *text = NULL;

	h200(0, 0, false);
	h200(1, 16, false);
	fixture_vf(&gpus[1], 0, "H200X-35C", SHARE_DYNAMIC, 1);
	h200(2, 16, false);
	fixture_vf(&gpus[2], 0, "H200X-70C", SHARE_DYNAMIC, 2);
	text = place_explain(gpus, 3, &request, 0);
	CHECK_TEXT(text,
		"vf is the only way that has room now.\n"
		"vf-on-mig: MIG mode is off, and the GPU must be idle to turn it on.\n"
		"GPU 0: free, all 16 virtual functions would be turned on, as NVIDIA H200X-35C "
		"with 35Gi; 3 more have room behind it\n"
		"GPU 1: 1:vf1 is free, as NVIDIA H200X-35C with 35Gi; 2 more have room behind it  "
		"<- chosen\n"
		"GPU 2: GPU 2 has 2:vf0 (NVIDIA H200X-70C) of lease L2; what fits beside them: "
		"NVIDIA H200X-70C (several sizes at once are for a layout to say, while no vGPU is "
		"there)");
}

TEST_MAIN()
