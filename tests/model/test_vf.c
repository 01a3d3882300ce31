/* SPDX-License-Identifier: Apache-2.0 */
#include "fixtures.h"
#include "model/plan.h"
#include "model/vf_room.h"
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <errno.h>

static struct gpu gpu;

static void h200(unsigned on, bool mig)
{
	fixture_gpu(&gpu, 0, FIXTURE_H200);
	if (!mig)
		fixture_mig_off(&gpu);
	fixture_vfs(&gpu, VF_KIND_NVIDIA, 16, on);
}

static unsigned type(const char *name)
{
	int t = vf_type_find(&gpu.facts.vf, name);

	CHECK_SAY(t >= 0, "%s", name);
	return t >= 0 ? (unsigned)t : 0;
}

static uint32_t room_for(const char *name)
{
	return vf_type_room(&gpu, type(name));
}

TEST(a_type_is_found_with_and_without_its_makers_name_and_by_id)
{
	h200(0, false);
	CHECK_EQ(type("h200x-35c"), type("NVIDIA H200X-35C"));
	CHECK_EQ(type("GRID H200X-35C"), type("NVIDIA H200X-35C"));
	CHECK_EQ(type("1425"), type("NVIDIA H200X-35C"));
	CHECK_EQ(type("nvidia-1425"), type("NVIDIA H200X-35C"));
	CHECK_EQ(vf_type_find(&gpu.facts.vf, "H200X-36C"), -1);
	CHECK_EQ(vf_type_find_id(&gpu.facts.vf, 7), -1);
}

static char series_of(const char *name)
{
	struct vf_type row = { 0 };

	snprintf(row.name, sizeof(row.name), "%s", name);
	return vf_type_series(&row);
}

TEST(the_series_is_the_letter_behind_the_size)
{
	CHECK_EQ(series_of("NVIDIA H200X-35C"), 'C');
	CHECK_EQ(series_of("NVIDIA A100-4-20CME"), 'C');
	CHECK_EQ(series_of("NVIDIA RTX Pro 6000 Blackwell DC-1-24Q"), 'Q');
	CHECK_EQ(series_of("GRID P40-2B4"), 'B');
	CHECK_EQ(series_of("NVIDIA A16-2A"), 'A');
	CHECK_EQ(series_of("something"), 0);
	CHECK_EQ(series_of("mdev-5"), 0);
	CHECK(strstr(vf_licence('C'), "AI Enterprise"));
	CHECK(strstr(vf_licence('Q'), "vWS") && strstr(vf_licence('B'), "vPC"));
	CHECK(strstr(vf_unlicensed('Q'), "3 frames"));
	CHECK_TEXT(vf_licence('\0'), "");
	CHECK_TEXT(vf_unlicensed('\0'), "");
}

TEST(vgpus_of_a_gpu_have_one_size_unless_sizes_are_mixed)
{
	h200(16, false);
	CHECK_EQ(room_for("H200X-35C"), 4);
	fixture_vf(&gpu, 0, "H200X-35C", SHARE_DYNAMIC, 1);
	CHECK_EQ(room_for("H200X-35C"), 3);
	CHECK_EQ(room_for("H200X-35Q"), 3);
	CHECK_EQ(room_for("H200X-70C"), 0);
	gpu.seen.vfs.is_mixed = true;
	CHECK_EQ(room_for("H200X-70C"), 1);
	CHECK_EQ(room_for("H200X-17C"), 6);
	fixture_vf(&gpu, 1, "H200X-70C", SHARE_DYNAMIC, 2);
	CHECK_EQ(room_for("H200X-70C"), 0);
	CHECK_EQ(room_for("H200X-17C"), 2);
}

TEST(room_is_no_more_than_the_virtual_functions_that_are_free)
{
	h200(2, false);
	CHECK_EQ(room_for("H200X-35C"), 2);
	gpu.seen.vfs.vf[0].user = 77;
	CHECK_EQ(room_for("H200X-35C"), 1);
	h200(0, false);
	CHECK_EQ(room_for("H200X-17C"), 8);
}

TEST(what_the_driver_cannot_create_now_has_no_room)
{
	h200(16, false);
	gpu.seen.vfs.has_creatable = true;
	CHECK_EQ(room_for("H200X-35C"), 0);
	vfs_add_creatable(&gpu.seen.vfs, gpu.facts.vf.type[type("H200X-35C")].id);
	CHECK_EQ(room_for("H200X-35C"), 4);
}

TEST(vgpus_backed_by_mig_are_in_instances_of_their_profile_one_size_in_each)
{
	h200(16, true);
	CHECK_EQ(room_for("H200X-35C"), 0);
	CHECK_EQ(room_for("H200X-1-9C"), 0);
	fixture_add(&gpu, "1g.18gb", 2, SHARE_PINNED, 0);
	fixture_add(&gpu, "1g.18gb", 3, SHARE_PINNED, 0);
	CHECK_EQ(room_for("H200X-1-9C"), 4);
	CHECK_EQ(room_for("H200X-1-18C"), 2);
	fixture_vf(&gpu, 0, "H200X-1-9C", SHARE_DYNAMIC, 1)->setup.start = 3;
	CHECK_EQ(room_for("H200X-1-9C"), 3);
	CHECK_EQ(room_for("H200X-1-18C"), 1);
	CHECK(vf_is_in(&gpu, &gpu.seen.vfs.vf[0], &gpu.seen.instance[1]));
	CHECK(!vf_is_in(&gpu, &gpu.seen.vfs.vf[0], &gpu.seen.instance[0]));
}

TEST(quotas_leave_the_rest_of_the_memory)
{
	struct vf_room room;

	fixture_gpu(&gpu, 0, FIXTURE_L40S);
	fixture_vfs(&gpu, VF_KIND_XE, 8, 8);
	fixture_vf(&gpu, 2, NULL, SHARE_DYNAMIC, 1)->setup.memory_bytes = 4ULL << 30;
	vf_room_of(&room, &gpu);
	CHECK_EQ(vf_room_memory(&room), gpu.facts.memory_bytes - (4ULL << 30));
	CHECK_EQ(room.n_free, 7);
	vf_room_without_leases(&room, &gpu);
	CHECK_EQ(vf_room_memory(&room), gpu.facts.memory_bytes);
}

TEST(a_virtual_function_is_found_by_its_name_and_by_its_address)
{
	struct error err = ERROR_NONE;
	unsigned g = 9, i = 9;

	h200(16, false);
	CHECK_EQ(share_find_vf(&gpu, 1, "0:vf3", &g, &i, &err), 0);
	CHECK(g == 0 && i == 3);
	CHECK_EQ(share_find_vf(&gpu, 1, "0000:10:00.5", &g, &i, &err), 0);
	CHECK_EQ(i, 1);
	CHECK_EQ(share_find_vf(&gpu, 1, "10:00.5", &g, &i, &err), 0);
	CHECK_EQ(share_find_vf(&gpu, 1, "0:vf16", &g, &i, &err), -ENODEV);
	CHECK_TEXT(err.text, "no share '0:vf16': GPU 0 has virtual functions 0 to 15, all free");
	fixture_vf(&gpu, 4, "H200X-35C", SHARE_PINNED, 0);
	CHECK_EQ(share_find_vf(&gpu, 1, "0:vf16", &g, &i, &err), -ENODEV);
	CHECK_TEXT(err.text, "no share '0:vf16': GPU 0 has 0:vf4");
	CHECK(share_is_vf(&gpu, 1, "0000:10:00.5") && share_is_vf(&gpu, 1, "0:vf99"));
	CHECK(!share_is_vf(&gpu, 1, "0000:10:00.0") && !share_is_vf(&gpu, 1, "1g.10gb@0"));
	CHECK(share_is_vf_name("0:vf3") && share_is_vf_name("0:VF12"));
	CHECK(!share_is_vf_name("0:mps3") && !share_is_vf_name("vf3"));
}

TEST(an_intent_has_what_is_carves_own_and_is_read_back_as_written)
{
	struct vf_intent intent, back;
	json_t *json;

	h200(16, true);
	vf_intent_of(&gpu, &intent);
	CHECK(intent.count == 0 && intent.n == 0);
	text_copy(gpu.facts.serial, sizeof(gpu.facts.serial), "1654");
	fixture_vf(&gpu, 3, "H200X-1-18C", SHARE_DYNAMIC, 7)->setup.start = 2;
	fixture_vf(&gpu, 5, "H200X-1-18C", SHARE_FOREIGN, 0);
	vf_intent_of(&gpu, &intent);
	CHECK_EQ(intent.count, 16);
	CHECK_EQ(intent.n, 1);
	CHECK_EQ(intent.vf[0].number, 3);
	CHECK_TEXT(intent.vf[0].type, "NVIDIA H200X-1-18C");
	CHECK_EQ(intent.vf[0].profile_id, gpu.facts.vf.type[type("H200X-1-18C")].profile_id);
	CHECK_TEXT(intent.serial, "1654");
	json = vf_intent_to_json(&intent);
	CHECK_EQ(vf_intent_from_json(json, &back), 0);
	CHECK(memcmp(&intent, &back, sizeof(intent)) == 0);
	json_object_set_new(json, "count", json_integer(1000));
	CHECK_EQ(vf_intent_from_json(json, &back), -EINVAL);
	json_decref(json);
}

TEST(who_has_a_virtual_function_is_said)
{
	AUTO_BUF text = { 0 };
	struct vf *vf;

	h200(16, false);
	vf = fixture_vf(&gpu, 3, "H200X-35C", SHARE_FOREIGN, 0);
	vf->user = 123;
	text_copy(vf->vm, sizeof(vf->vm), "web1");
	vf_say(&gpu, vf, &text);
	vf_say_user(vf, &text);
	CHECK_TEXT(
		buf_text(&text), "0:vf3 (NVIDIA H200X-35C): virtual machine web1 (pid 123) has it");
}

static char *steps_of(const struct plan *plan)
{
	struct buf text = { 0 };
	char step[96];

	for (unsigned i = 0; i < plan->n_steps; i++)
		buf_addf(&text, "%s%s", i ? "; " : "",
			step_text(&plan->step[i], step, sizeof(step)));
	return buf_take(&text);
}

TEST(after_a_reboot_virtual_functions_are_made_as_they_were)
{
	AUTO_FREE char *text = NULL, *rest = NULL;
	struct vf_intent intent;
	struct plan plan;

	h200(16, true);
	gpu.seen.vfs.origin = SHARE_PINNED;
	for (unsigned i = 0; i < 3; i++)
		fixture_vf(&gpu, 2 + i, "H200X-1-18C", SHARE_DYNAMIC, 1 + i)->setup.start = 6 - i;
	fixture_vf(&gpu, 9, "H200X-3-71C", SHARE_PINNED, 0);
	vf_intent_of(&gpu, &intent);
	fixture_mig_off(&gpu);
	fixture_vfs_on(&gpu, 0, SHARE_FOREIGN);
	gpu.facts.vf.type[type("H200X-3-71C")].id = 4711; /* another driver */
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, NULL), 0);
	CHECK_EQ(plan.n_blockers, 0);
	text = steps_of(&plan);
	CHECK_TEXT(text,
		"turn MIG mode on; turn on 16 virtual functions; create 3g.71gb@0; create "
		"1g.18gb@4; create 1g.18gb@5; create 1g.18gb@6; make VF 9 NVIDIA H200X-3-71C; "
		"make VF 2 NVIDIA H200X-1-18C; make VF 3 NVIDIA H200X-1-18C; make VF 4 NVIDIA "
		"H200X-1-18C");
	CHECK_EQ(plan.step[6].vf.setup.type, 4711);
	CHECK(plan.step[1].origin == SHARE_PINNED && plan.step[7].origin == SHARE_DYNAMIC);
	plan_done(&plan);
	/* What is there is left; what is somebody else's, and what is no more, is named. */
	gpu.seen.mig_on = gpu.seen.mig_pending = true;
	fixture_vfs_on(&gpu, 16, SHARE_FOREIGN);
	fixture_vf(&gpu, 9, "H200X-3-71C", SHARE_FOREIGN, 0);
	fixture_add(&gpu, "3g.71gb", 0, SHARE_FOREIGN, 0);
	gpu.seen.vfs.vf[3].lease = 7; /* which waits for just this */
	gpu.seen.vfs.vf[2].user = 12;
	text_copy(gpu.seen.vfs.vf[2].vm, sizeof(gpu.seen.vfs.vf[2].vm), "db");
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, NULL), 0);
	rest = steps_of(&plan);
	CHECK_TEXT(rest, "create 1g.18gb@4; create 1g.18gb@5; make VF 3 NVIDIA H200X-1-18C; make "
			 "VF 4 NVIDIA H200X-1-18C");
	CHECK_EQ(plan.n_blockers, 1);
	CHECK_EQ(plan.blocker[0].vf, 2);
	CHECK_TEXT(plan.blocker[0].what,
		"0:vf2 cannot be NVIDIA H200X-1-18C again: somebody else has set it up: virtual "
		"machine db (pid 12) has it");
	plan_done(&plan);
}

TEST(virtual_functions_are_made_again_on_the_same_board_only)
{
	struct error err = ERROR_NONE;
	struct vf_intent intent;
	struct plan plan;

	h200(16, false);
	text_copy(gpu.facts.serial, sizeof(gpu.facts.serial), "1654");
	fixture_vf(&gpu, 0, "H200X-35C", SHARE_DYNAMIC, 1);
	vf_intent_of(&gpu, &intent);
	fixture_vfs_on(&gpu, 4, SHARE_FOREIGN);
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, &err), -EBUSY);
	fixture_vfs_on(&gpu, 0, SHARE_FOREIGN);
	text_copy(gpu.facts.serial, sizeof(gpu.facts.serial), "1655");
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, &err), -ENODEV);
	CHECK_SAY(strstr(err.text, "serial number 1655"), "%s", err.text);
	text_copy(gpu.facts.serial, sizeof(gpu.facts.serial), "1654");
	gpu.facts.vf.n_types = 0;
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, &err), 0);
	CHECK(plan.n_steps == 1 && plan.n_blockers == 1);
	plan_done(&plan);
}

TEST(types_that_virtual_functions_told_stay_known_of_the_same_driver)
{
	struct vf_facts before, now;
	json_t *json;

	h200(0, false);
	gpu.facts.vf.types_from_vfs = true;
	text_copy(gpu.facts.vf.driver_version, sizeof(gpu.facts.vf.driver_version), "580.65.06");
	json = vf_types_to_json(&gpu.facts.vf);
	CHECK_EQ(vf_types_from_json(json, &before), 0);
	json_decref(json);
	CHECK_EQ(before.n_types, gpu.facts.vf.n_types);
	now = gpu.facts.vf;
	now.n_types = 1; /* all that can be made beside what there is */
	vf_types_keep(&now, &before);
	CHECK_EQ(now.n_types, gpu.facts.vf.n_types);
	for (uint32_t t = 0; t < now.n_types; t++)
		CHECK_TEXT(now.type[t].name, gpu.facts.vf.type[t].name);
	now.n_types = 0;
	text_copy(now.driver_version, sizeof(now.driver_version), "595.10");
	vf_types_keep(&now, &before);
	CHECK_EQ(now.n_types, 0);
	json = json_pack("{ss s[{sI ss sI}]}", "driver", "1", "types", "id", (json_int_t)0, "name",
		"X-1C", "memory", (json_int_t)1);
	CHECK_EQ(vf_types_from_json(json, &before), -EINVAL);
	json_decref(json);
}

TEST(where_virtual_functions_tell_the_types_they_are_turned_on_first)
{
	AUTO_FREE char *first = NULL, *then = NULL;
	struct vf_intent intent;
	struct plan plan;

	h200(16, false);
	gpu.facts.vf.types_from_vfs = true;
	fixture_vf(&gpu, 3, "H200X-35C", SHARE_DYNAMIC, 1);
	vf_intent_of(&gpu, &intent);
	fixture_vfs_on(&gpu, 0, SHARE_FOREIGN);
	gpu.facts.vf.n_types = 0;
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, NULL), 0);
	CHECK_EQ(plan.n_blockers, 0);
	first = steps_of(&plan);
	CHECK_TEXT(first, "turn on 16 virtual functions");
	plan_done(&plan);
	h200(16, false);
	gpu.facts.vf.types_from_vfs = true;
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, NULL), 0);
	then = steps_of(&plan);
	CHECK_TEXT(then, "make VF 3 NVIDIA H200X-35C");
	plan_done(&plan);
	gpu.facts.vf.n_types = 0; /* their being on was not told yet */
	CHECK_EQ(plan_vf_intent(&gpu, &intent, &plan, NULL), 0);
	CHECK(plan.n_steps == 0 && plan.n_blockers == 0);
	plan_done(&plan);
}

TEST_MAIN()
