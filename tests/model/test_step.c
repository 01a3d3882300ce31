/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/plan.h"
#include "test.h"

#include <errno.h>

static const struct mps_share share_12g = {
	.number = 3,
	.place = { 9, 4, 1 },
	.memory_bytes = 12000000000,
	.percent = 30,
	.is_pinned = true,
	.over_commit = true,
	.lease = 7,
	.uid = 1000,
};

TEST(a_step_is_the_inverse_of_its_inverse)
{
	for (enum step_kind kind = 0; kind < STEP_KIND_N; kind++) {
		struct step step = { .kind = kind, .gpu = 3, .profile_id = 9, .name = "x" }, back;

		back = step_inverse(&step);
		CHECK((back.kind == kind) ==
			(kind == STEP_RESET || kind == STEP_COMPUTE_MODE || step_is_of_vfs(&step)));
		back = step_inverse(&back);
		CHECK(memcmp(&back, &step, sizeof(step)) == 0);
	}
}

TEST(a_step_says_what_it_does)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct step step;
	char text[96];

	fixture_add(gpu, "3g.40gb", 4, SHARE_PINNED, 0);
	fixture_add_cis(gpu, "3g.40gb", 0, SHARE_PINNED, (unsigned[]){ 2, 1, 0 });
	fixture_add_cis(gpu, "1g.10gb", 6, SHARE_DYNAMIC, (unsigned[]){ 0 });
	step = step_destroy_of(gpu, 0);
	CHECK_TEXT(step_text(&step, text, sizeof(text)), "destroy 3g.40gb@4");
	CHECK(step.n_ci == 1 && step.ci_id[0] == 2 && step.profile_id == 9 && step.size == 4);
	step = step_destroy_of(gpu, 1);
	CHECK_TEXT(
		step_text(&step, text, sizeof(text)), "destroy 3g.40gb@0 with 2 compute instances");
	CHECK(step.n_ci == 2 && step.ci_id[0] == 1 && step.ci_id[1] == 0);
	step = step_destroy_of(gpu, 2);
	CHECK_TEXT(
		step_text(&step, text, sizeof(text)), "destroy 1g.10gb@6 without compute instance");
	step.kind = STEP_MODE_ON;
	CHECK_TEXT(step_text(&step, text, sizeof(text)), "turn MIG mode on");
	step.kind = STEP_COMPUTE_MODE;
	step.mode = COMPUTE_EXCLUSIVE_PROCESS;
	CHECK_TEXT(
		step_text(&step, text, sizeof(text)), "set the compute mode to exclusive process");
	step = step_inverse(&step);
	CHECK_TEXT(step_text(&step, text, sizeof(text)), "set the compute mode to default");
	step = step_add_mps_of(gpu, &share_12g);
	CHECK_TEXT(step_text(&step, text, sizeof(text)), "add MPS share 12G and 30 %");
	CHECK(!step_is_on_hardware(&step));
	step = step_inverse(&step);
	CHECK_TEXT(step_text(&step, text, sizeof(text)), "drop MPS share 12G and 30 %");
}

TEST(steps_survive_json)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);

	fixture_add_cis(gpu, "3g.40gb", 0, SHARE_PINNED, (unsigned[]){ 2, 1, 0 });
	for (enum step_kind kind = 0; kind < STEP_KIND_N; kind++) {
		struct step step = step_destroy_of(gpu, 0), back = { 0 };
		json_t *json;

		if (kind == STEP_ADD_MPS || kind == STEP_DROP_MPS)
			step = step_add_mps_of(gpu, &share_12g);
		if (kind == STEP_COMPUTE_MODE)
			step.mode = COMPUTE_EXCLUSIVE_PROCESS;
		step.kind = kind;
		step.origin = (enum share_origin)(kind % 3);
		json = step_to_json(&step);
		CHECK_EQ(step_from_json(json, &back), 0);
		CHECK(memcmp(&back, &step, sizeof(step)) == 0);
		json_decref(json);
	}
}

TEST(a_step_of_a_ledger_from_before_mps_is_read)
{
	static const char old[] = "{\"kind\":\"create\",\"gpu\":0,\"profile\":9,\"start\":4,"
				  "\"size\":4,\"cis\":[2],\"origin\":\"dynamic\",\"name\":"
				  "\"3g.40gb@4\"}";
	json_t *json = json_loads(old, 0, NULL);
	struct step step;

	CHECK_EQ(step_from_json(json, &step), 0);
	CHECK(step.kind == STEP_CREATE && step.mps.number == 0);
	json_decref(json);
}

TEST(a_broken_share_in_a_step_is_refused)
{
	static const struct {
		const char *key, *value;
	} bad[] = { { "number", "0" }, { "percent", "101" }, { "memory", "0" }, { "start", "99" },
		{ "ci", "-1" }, { "pinned", "1" }, { "lease", "-1" }, { "uid", "4294967296" } };
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct step good = step_add_mps_of(gpu, &share_12g), step;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *json = step_to_json(&good), *mps = json_object_get(json, "mps");

		json_object_set_new(
			mps, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		CHECK_SAY(step_from_json(json, &step) == -EINVAL, "%s", bad[i].key);
		json_object_del(json, "mps");
		CHECK_EQ(step_from_json(json, &step), -EINVAL);
		json_decref(json);
	}
}

TEST(json_that_is_no_step_is_refused)
{
	static const struct {
		const char *key, *value;
	} bad[] = {
		{ "kind", "\"make\"" },
		{ "kind", "3" },
		{ "gpu", "32" },
		{ "gpu", "-1" },
		{ "start", "17" },
		{ "size", "1e3" },
		{ "cis", "[0,0,0,0,0,0,0,0,0]" },
		{ "cis", "[\"0\"]" },
		{ "cis", "{}" },
		{ "origin", "\"mine\"" },
		{ "name", "null" },
	};
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct step good = step_create_of(gpu, 0, 0, SHARE_DYNAMIC), step = { .gpu = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *json = step_to_json(&good);

		json_object_set_new(
			json, bad[i].key, json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
		CHECK_SAY(
			step_from_json(json, &step) == -EINVAL, "%s %s", bad[i].key, bad[i].value);
		json_object_del(json, bad[i].key);
		CHECK_EQ(step_from_json(json, &step), -EINVAL);
		json_decref(json);
	}
	CHECK_EQ(step.gpu, 77);
}

TEST(a_placement_is_evictions_and_then_one_creation)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct placement placement = { .how = PLACE_CREATE, .gpu = 1, .start = 4, .evict = 6 };
	struct step steps[MIG_INSTANCES_MAX + 1];
	char text[96];

	placement.profile = (uint32_t)mig_profile_find(&gpus[1].facts.geometry, "3g.40gb");
	fixture_add(&gpus[1], "1g.10gb", 0, SHARE_DYNAMIC, 3);
	fixture_add(&gpus[1], "2g.20gb", 4, SHARE_DYNAMIC, 0);
	fixture_add(&gpus[1], "1g.10gb", 6, SHARE_DYNAMIC, 0);
	CHECK_EQ(plan_placement(gpus, &placement, steps), 3);
	CHECK_TEXT(step_text(&steps[0], text, sizeof(text)), "destroy 2g.20gb@4");
	CHECK_TEXT(step_text(&steps[1], text, sizeof(text)), "destroy 1g.10gb@6");
	CHECK_TEXT(step_text(&steps[2], text, sizeof(text)), "create 3g.40gb@4");
	CHECK(steps[2].origin == SHARE_DYNAMIC && steps[2].gpu == 1);
	placement.how = PLACE_CACHED;
	CHECK_EQ(plan_placement(gpus, &placement, steps), 0);
}

TEST(an_mps_share_on_a_gpu_takes_a_change_of_its_compute_mode_and_no_other_step)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct placement placement = { .how = PLACE_MPS, .mps.place = MPS_WHOLE_GPU };
	struct step steps[MIG_INSTANCES_MAX + 1];

	CHECK_EQ(plan_placement(gpu, &placement, steps), 1);
	CHECK(steps[0].kind == STEP_COMPUTE_MODE && steps[0].mode == COMPUTE_EXCLUSIVE_PROCESS &&
		steps[0].mode_before == COMPUTE_DEFAULT);
	gpu->seen.compute_mode = COMPUTE_EXCLUSIVE_PROCESS;
	CHECK_EQ(plan_placement(gpu, &placement, steps), 0);
	gpu->seen.compute_mode = COMPUTE_DEFAULT;
	gpu->may_time_slice = true;
	CHECK_EQ(plan_placement(gpu, &placement, steps), 0);
	gpu->may_time_slice = false;
	placement.mps.place = (struct mps_place){ 9, 4, 0 };
	CHECK_EQ(plan_placement(gpu, &placement, steps), 0);
}

TEST(steps_of_virtual_functions_say_what_they_do_and_come_back_from_json)
{
	static const struct vf_setup quota = {
		.is_for_vm = true, .memory_bytes = 4ULL << 30, .quantum_ms = 20, .preempt_us = 500
	};
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H200);
	struct step steps[5], back;
	static const char *const says[] = { "turn off all 16 virtual functions",
		"forbid vGPUs of several sizes", "make VF 3 free again",
		"make VFs 0 to 2, 9 NVIDIA H200X-35C",
		"make VF 1 ready for virtual machines, with 4Gi" };
	char text[96];

	fixture_vfs(gpu, VF_KIND_NVIDIA, 16, 16);
	fixture_vf(gpu, 3, "H200X-35C", SHARE_PINNED, 0);
	steps[0] = step_vf_count_of(gpu, 0, SHARE_DYNAMIC);
	steps[1] = step_vf_mix_of(gpu, false);
	steps[2] = step_vf_set_of(gpu, 8, &(struct vf_setup){ 0 }, SHARE_PINNED);
	steps[3] = step_vf_set_of(gpu, 0x207, &gpu->seen.vfs.vf[3].setup, SHARE_DYNAMIC);
	steps[4] = step_vf_set_of(gpu, 2, &quota, SHARE_PINNED);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		json_t *json = step_to_json(&steps[i]);

		CHECK_TEXT(step_text(&steps[i], text, sizeof(text)), says[i]);
		CHECK_EQ(step_from_json(json, &back), 0);
		CHECK(memcmp(&back, &steps[i], sizeof(back)) == 0);
		json_decref(json);
	}
	back = step_inverse(&steps[2]);
	CHECK_TEXT(step_text(&back, text, sizeof(text)), "make VF 3 NVIDIA H200X-35C");
}

TEST_MAIN()
