/* SPDX-License-Identifier: Apache-2.0 */
/* The MIG mechanism on a simulated dgx-h100: a GPU for each group of claims. */
#include "test.h"

#include "driver/nodes.h"
#include "mechanism/node.h"

TEST(gpus_are_listed_and_say_what_they_are)
{
	char pci[GPUS_MAX][16], driver[NVML_VERSION_MAX], library[NVML_VERSION_MAX];
	struct bench *bench = bench_open(0);
	struct nvml_gpu *other = NULL;
	char names[300];

	CHECK_EQ(nvml_list(pci, GPUS_MAX, NULL), 8);
	CHECK_EQ(nvml_versions(driver, library, NULL), 0);
	CHECK(atoi(driver) >= 470);
	CHECK_TEXT(bench->facts.pci, pci[0]);
	CHECK(strlen(pci[0]) == strlen("0000:1b:00.0"));
	CHECK(text_starts(bench->facts.uuid, "GPU-"));
	CHECK_SAY(strstr(bench->facts.product, "H100"), "%s", bench->facts.product);
	CHECK(bench->facts.has_mig && !bench->facts.mode_needs_reset);
	CHECK_EQ(bench->facts.pci_device & 0xffff, 0x10de);
	CHECK(bench->facts.numa >= -1);
	CHECK_EQ(bench->facts.geometry.n_slots, 8);
	CHECK_EQ(bench->facts.geometry.n_slices, 7);
	mig_profile_names(&bench->facts.geometry, names, sizeof(names));
	CHECK_TEXT(names, "1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb");
	CHECK_EQ(nvml_gpu_open("0000:ff:00.0", &other, NULL), -ENOENT);
	bench_close(bench);
}

TEST(mode_turns_on_and_off_and_twice_is_once)
{
	struct step on = step_mode(STEP_MODE_ON), off = step_mode(STEP_MODE_OFF);
	struct step reset = step_mode(STEP_RESET);
	struct bench *bench = bench_open(0);
	struct capability capability;

	CHECK_DONE(bench, &off);
	CHECK_DONE(bench, &off);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(!bench->seen.mig_on && !bench->seen.mig_pending);
	mechanism_mig.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_AFTER);
	mechanism_whole.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_YES);
	CHECK_DONE(bench, &on);
	CHECK_DONE(bench, &on);
	CHECK_DONE(bench, &reset);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(bench->seen.mig_on && bench->seen.mig_pending);
	mechanism_mig.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_YES);
	CHECK_SAY(text_starts(capability.text, "7 of 1g.10gb"), "%s", capability.text);
	mechanism_whole.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_AFTER);
	bench_close(bench);
}

TEST(mode_does_not_change_under_users_who_are_named)
{
	struct step off = step_mode(STEP_MODE_OFF), on = step_mode(STEP_MODE_ON);
	struct bench *bench = bench_open(0);
	struct error err = ERROR_NONE;
	char pid_text[16];
	pid_t pid;

	bench_empty(bench);
	CHECK_DONE(bench, &off);
	pid = hold(bench->nvml, bench->facts.uuid);
	snprintf(pid_text, sizeof(pid_text), "%d (", (int)pid);
	CHECK_EQ(bench_do(bench, &on, &err), -EBUSY);
	CHECK_SAY(strstr(err.text, pid_text), "%s", err.text);
	/* and no later reset turns it on by surprise */
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(!bench->seen.mig_on && !bench->seen.mig_pending);
	CHECK_EQ(bench->seen.n_processes, 1);
	CHECK_EQ(bench->seen.process[0].gi, UINT32_MAX);
	let_go(pid);
	CHECK_DONE(bench, &on);
	bench_close(bench);
}

TEST(instances_stand_where_they_were_asked_for)
{
	struct bench *bench = bench_open(1);
	struct step step[5];
	struct error err = ERROR_NONE;
	char uuid[48];

	bench_empty(bench);
	step[0] = step_create(bench, "1g.10gb", 6, 0);
	step[1] = step_create(bench, "3g.40gb", 0, 1);
	step[2] = step_create(bench, "1g.20gb", 4, 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_DONE(bench, &step[i]);
	CHECK_HOLDS(bench, "3g.40gb@0(1,1,1) 1g.20gb@4(1) 1g.10gb@6(1)");
	for (unsigned i = 0; i < 3; i++)
		CHECK_DONE(bench, &step[i]);
	CHECK_HOLDS(bench, "3g.40gb@0(1,1,1) 1g.20gb@4(1) 1g.10gb@6(1)");
	CHECK_EQ(bench->seen.instance[0].origin, SHARE_FOREIGN);
	CHECK(text_starts(bench->seen.instance[0].ci[2].uuid, "MIG-"));
	CHECK_EQ(bench->seen.instance[0].gi,
		mig_place_id(&bench->facts.geometry, bench->seen.instance[0].profile, 0));

	step[3] = step_create(bench, "2g.20gb", 0, 0);
	CHECK_EQ(bench_do(bench, &step[3], &err), -ENOSPC);
	CHECK_SAY(strstr(err.text, "2g.20gb@0"), "%s", err.text);
	step[4] = step_create(bench, "3g.40gb", 0, 0);
	CHECK_EQ(bench_do(bench, &step[4], &err), -ENOSPC);
	CHECK_SAY(strstr(err.text, "other compute instances"), "%s", err.text);

	text_copy(uuid, sizeof(uuid), bench->seen.instance[2].ci[0].uuid);
	for (unsigned i = 0; i < 3; i++) {
		struct step back = step_inverse(&step[i]);

		CHECK_DONE(bench, &back);
		CHECK_DONE(bench, &back);
	}
	CHECK_HOLDS(bench, "");
	CHECK_DONE(bench, &step[0]);
	CHECK_HOLDS(bench, "1g.10gb@6(1)");
	CHECK_TEXT(bench->seen.instance[0].ci[0].uuid, uuid);
	bench_empty(bench);
	bench_close(bench);
}

TEST(step_that_was_cut_off_is_completed_or_undone)
{
	struct bench *bench = bench_open(1);
	struct step step, back;
	uint32_t gi, ci;

	bench_empty(bench);
	step = step_create(bench, "3g.40gb", 4, 1);
	back = step_inverse(&step);
	CHECK_EQ(nvml_mig_create(bench->nvml, step.profile_id, 4, 4, &gi, NULL), 0);
	CHECK_DONE(bench, &step);
	CHECK_HOLDS(bench, "3g.40gb@4(1,1,1)");
	CHECK_DONE(bench, &back);
	CHECK_EQ(nvml_mig_create(bench->nvml, step.profile_id, 4, 4, &gi, NULL), 0);
	CHECK_EQ(nvml_mig_compute_create(bench->nvml, gi, step.ci_id[0], NULL, &ci, NULL), 0);
	CHECK_DONE(bench, &step);
	CHECK_HOLDS(bench, "3g.40gb@4(1,1,1)");
	CHECK_EQ(nvml_mig_compute_destroy(bench->nvml, gi, 2, NULL), 0);
	CHECK_DONE(bench, &back);
	CHECK_HOLDS(bench, "");
	bench_close(bench);
}

TEST(instance_in_use_is_left_whole_and_its_user_named)
{
	struct bench *bench = bench_open(2);
	struct step step, back, off = step_mode(STEP_MODE_OFF);
	struct error err = ERROR_NONE;
	char pid_text[16];
	uint64_t used = 0;
	pid_t pid;

	bench_empty(bench);
	step = step_create(bench, "3g.40gb", 4, 1);
	back = step_inverse(&step);
	CHECK_DONE(bench, &step);
	CHECK_HOLDS(bench, "3g.40gb@4(1,1,1)");
	pid = hold(bench->nvml, bench->seen.instance[0].ci[0].uuid);
	snprintf(pid_text, sizeof(pid_text), "%d (", (int)pid);
	CHECK_EQ(bench_do(bench, &back, &err), -EBUSY);
	CHECK_SAY(strstr(err.text, pid_text), "%s", err.text);
	CHECK_HOLDS(bench, "3g.40gb@4(1,1,1)");
	CHECK(bench->seen.instance[0].ci[0].has_users);
	CHECK(!bench->seen.instance[0].ci[1].has_users);
	CHECK_EQ(bench->seen.n_processes, 1);
	CHECK_EQ(bench->seen.process[0].gi, bench->seen.instance[0].gi);
	CHECK_EQ(bench->seen.process[0].ci, 0);
	CHECK_EQ(mechanism_mig.usage(bench->nvml, bench->seen.instance[0].gi, 0, &used), 0);
	CHECK(used >= 1000000000);
	CHECK_EQ(bench_do(bench, &off, &err), -EBUSY);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(bench->seen.mig_on && bench->seen.mig_pending);
	let_go(pid);
	CHECK_DONE(bench, &back);
	CHECK_HOLDS(bench, "");
	bench_close(bench);
}

/* The step has fewer calls than k when it went well so often in turn. */
enum { DONE_IN_TURN = 25 };

/*
 * Makes the k-th call of a step fail, for every k until the step runs through, `times` calls in
 * turn. What must hold: the step is done, or nothing of it is, or it says that it cannot tell.
 */
static void fail_each_call(unsigned index, const struct step *step, const char *before,
	const char *after, const char *code, unsigned times)
{
	struct bench *bench = bench_open(index);
	struct step back = step_inverse(step);
	unsigned lost = 0, done_in_turn = 0;

	for (unsigned k = 1; done_in_turn < DONE_IN_TURN; k++) {
		struct error err = ERROR_NONE;
		int r;

		if (strcmp(bench_text(bench), before) != 0)
			CHECK_DONE(bench, &back);
		CHECK_HOLDS(bench, before);
		CHECK(sim("inject '*:code=%s,gpu=%u,call=%u,times=%u'", code, index, k, times));
		r = bench_do(bench, step, &err);
		sim("inject --clear");
		CHECK_EQ(bench_look(bench, NULL), 0);
		if (r == -ENOTRECOVERABLE) {
			lost++;
			CHECK_SAY(strstr(err.text, "put back"), "%s", err.text);
			continue;
		}
		CHECK_SAY(strcmp(bench_text(bench), r == 0 ? after : before) == 0,
			"call %u, %s: %d %s; holds \"%s\"", k, code, r, err.text,
			bench_text(bench));
		if (r < 0)
			CHECK_SAY(strstr(err.text, "NVML says") || strstr(err.text, "the driver"),
				"%s", err.text);
		done_in_turn = r == 0 ? done_in_turn + 1 : 0;
	}
	/* one failure can always be mended */
	if (times == 1)
		CHECK_EQ(lost, 0);
	if (strcmp(bench_text(bench), before) != 0)
		CHECK_DONE(bench, &back);
	CHECK_HOLDS(bench, before);
	bench_close(bench);
}

static void fail_each_way(
	unsigned index, const struct step *step, const char *before, const char *after)
{
	fail_each_call(index, step, before, after, "UNKNOWN", 1);
	fail_each_call(index, step, before, after, "INSUFFICIENT_RESOURCES", 2);
}

TEST(creation_that_fails_anywhere_leaves_nothing_half_made)
{
	struct bench *bench = bench_open(3);
	struct step beside, step;

	bench_empty(bench);
	beside = step_create(bench, "1g.10gb", 6, 0);
	CHECK_DONE(bench, &beside);
	CHECK_HOLDS(bench, "1g.10gb@6(1)");
	step = step_create(bench, "3g.40gb", 0, 1);
	bench_close(bench);
	fail_each_way(3, &step, "1g.10gb@6(1)", "3g.40gb@0(1,1,1) 1g.10gb@6(1)");
}

TEST(removal_that_fails_anywhere_leaves_the_instance_whole)
{
	struct bench *bench = bench_open(4);
	struct step step;

	bench_empty(bench);
	step = step_create(bench, "3g.40gb", 0, 1);
	CHECK_DONE(bench, &step);
	CHECK_HOLDS(bench, "3g.40gb@0(1,1,1)");
	bench_close(bench);
	step = step_inverse(&step);
	fail_each_way(4, &step, "3g.40gb@0(1,1,1)", "");
}

TEST(mode_change_that_fails_anywhere_is_taken_back)
{
	struct step on = step_mode(STEP_MODE_ON), off = step_mode(STEP_MODE_OFF);
	struct bench *bench = bench_open(5);
	static const char *const codes[] = { "UNKNOWN", "IN_USE", "RESET_REQUIRED" };

	CHECK_DONE(bench, &off);
	for (unsigned c = 0; c < ARRAY_SIZE(codes); c++) {
		for (unsigned k = 1; k < 20; k++) {
			struct error err = ERROR_NONE;
			int r;

			sim("inject '*:code=%s,gpu=5,call=%u'", codes[c], k);
			r = bench_do(bench, &on, &err);
			sim("inject --clear");
			CHECK_EQ(bench_look(bench, NULL), 0);
			CHECK_SAY(bench->seen.mig_on == (r == 0), "call %u: %d %s", k, r, err.text);
			CHECK_EQ(bench->seen.mig_pending, bench->seen.mig_on);
			CHECK(r != -ENOTRECOVERABLE);
			CHECK_DONE(bench, &off);
		}
	}
	bench_close(bench);
}

TEST(driver_that_puts_an_instance_elsewhere_is_not_believed)
{
	struct bench *bench = bench_open(6);
	struct error err = ERROR_NONE;
	struct step step;

	bench_empty(bench);
	step = step_create(bench, "1g.10gb", 0, 0);
	/* as a driver without the call: its own rule takes slot 6 first */
	sim("inject 'nvmlDeviceCreateGpuInstanceWithPlacement:code=FUNCTION_NOT_FOUND,gpu=6,"
	    "times=all'");
	CHECK_EQ(bench_do(bench, &step, &err), -EIO);
	CHECK_SAY(strstr(err.text, "slots 6+1"), "%s", err.text);
	CHECK_HOLDS(bench, "");
	step = step_create(bench, "1g.10gb", 6, 0);
	CHECK_DONE(bench, &step);
	sim("inject --clear");
	CHECK_HOLDS(bench, "1g.10gb@6(1)");
	bench_empty(bench);
	bench_close(bench);
}

TEST(older_drivers_are_asked_by_older_calls)
{
	static const char *const newer[] = { "nvmlDeviceGetPciInfo_v3",
		"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlComputeInstanceGetInfo_v2" };
	struct bench *bench = bench_open(6);
	struct step step;
	pid_t pid;

	bench_empty(bench);
	step = step_create(bench, "1g.10gb", 0, 0);
	CHECK_DONE(bench, &step);
	CHECK_EQ(bench_look(bench, NULL), 0);
	pid = hold(bench->nvml, bench->seen.instance[0].ci[0].uuid);
	for (unsigned i = 0; i < ARRAY_SIZE(newer); i++)
		sim("inject '%s:code=FUNCTION_NOT_FOUND,times=all'", newer[i]);
	CHECK_HOLDS(bench, "1g.10gb@0(1)");
	CHECK_EQ(bench->seen.n_processes, 1);
	CHECK_EQ(bench->seen.process[0].pid, pid);
	CHECK(text_starts(bench->facts.pci, "0000:"));
	let_go(pid);
	bench_empty(bench);
	bench_close(bench);
}

TEST(binding_of_a_share_has_its_uuid_and_capability_nodes)
{
	struct bench *bench = bench_open(6);
	struct gpu *gpu = must_alloc(1, sizeof(*gpu));
	struct binding *binding = must_alloc(1, sizeof(*binding));
	struct error err = ERROR_NONE;
	unsigned n_caps = 0;
	struct step step;

	bench_empty(bench);
	step = step_create(bench, "2g.20gb", 2, 0);
	CHECK_DONE(bench, &step);
	CHECK_HOLDS(bench, "2g.20gb@2(2)");
	gpu->facts = bench->facts;
	gpu->seen = bench->seen;
	CHECK_SAY(mechanism_mig.bind(gpu, &gpu->seen.instance[0], &gpu->seen.instance[0].ci[0],
			  binding, &err) == 0,
		"%s", err.text);
	CHECK_EQ(binding->n_env, 1);
	CHECK_TEXT(binding->env[0].name, "CUDA_VISIBLE_DEVICES");
	CHECK_TEXT(binding->env[0].value, gpu->seen.instance[0].ci[0].uuid);
	for (unsigned i = 0; i < binding->n_nodes; i++) {
		n_caps += strstr(binding->node[i].path, "nvidia-cap") != NULL;
		CHECK_SAY(node_exists(&binding->node[i]), "%s", binding->node[i].path);
	}
	CHECK_EQ(n_caps, 2);
	CHECK_EQ(binding->n_nodes, 6);
	/* a second share of the same holder */
	CHECK_EQ(mechanism_whole.bind(gpu, NULL, NULL, binding, &err), 0);
	CHECK_EQ(binding->n_env, 1);
	CHECK(strchr(binding->env[0].value, ','));
	gpu->seen.instance[0].ci[0].uuid[0] = '\0';
	CHECK_EQ(mechanism_mig.bind(
			 gpu, &gpu->seen.instance[0], &gpu->seen.instance[0].ci[0], binding, &err),
		-EIO);
	free(gpu);
	free(binding);
	bench_empty(bench);
	bench_close(bench);
}

TEST(lost_gpu_is_told_as_gone)
{
	struct bench *bench = bench_open(7);
	struct error err = ERROR_NONE;
	struct step step;

	bench_empty(bench);
	step = step_create(bench, "1g.10gb", 0, 0);
	CHECK(sim("lose 7"));
	CHECK_EQ(bench_do(bench, &step, &err), -ENODEV);
	CHECK_EQ(nvml_gpu_check(bench->nvml, &err), -ENODEV);
	CHECK_SAY(strstr(err.text, "NVML says"), "%s", err.text);
	CHECK(sim("recover 7"));
	CHECK_EQ(nvml_gpu_check(bench->nvml, &err), 0);
	bench_close(bench);
}

TEST(mechanisms_that_this_version_has_not_say_so)
{
	static const enum mechanism without[] = { MECHANISM_VF, MECHANISM_TIME };
	struct bench *bench = bench_open(0);

	for (unsigned i = 0; i < ARRAY_SIZE(without); i++) {
		const struct mechanism_ops *ops = mechanism_of(without[i]);
		struct capability capability = { .answer = CAPABILITY_YES };
		struct step step = step_mode(STEP_CREATE);
		struct binding *binding = must_alloc(1, sizeof(*binding));
		uint64_t bytes;

		CHECK_EQ(ops->mechanism, without[i]);
		ops->probe(bench->nvml, &bench->facts, &bench->seen, &capability);
		CHECK_EQ(capability.answer, CAPABILITY_NO);
		CHECK(capability.text[0]);
		CHECK_EQ(ops->do_step(bench->nvml, &bench->facts, &step, NULL), -ENOTSUP);
		CHECK_EQ(ops->bind(NULL, NULL, NULL, binding, NULL), -ENOTSUP);
		CHECK_EQ(ops->usage(bench->nvml, 0, 0, &bytes), -ENOTSUP);
		free(binding);
	}
	CHECK(!mechanism_of(MECHANISM_N));
	bench_close(bench);
}

TEST_MAIN()
