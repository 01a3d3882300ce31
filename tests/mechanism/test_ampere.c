/* SPDX-License-Identifier: Apache-2.0 */
/* MIG mode where it takes a GPU reset: a simulated dgx-a100-40. */
#include "test.h"

#include "driver/mps.h"
#include "mechanism/node.h"

TEST(mode_is_pending_until_the_reset)
{
	struct step on = step_mode(STEP_MODE_ON), off = step_mode(STEP_MODE_OFF);
	struct step reset = step_mode(STEP_RESET);
	struct bench *bench = bench_open(0);
	struct capability capability;

	CHECK(bench->facts.mode_needs_reset);
	CHECK_DONE(bench, &on);
	CHECK_DONE(bench, &on);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(!bench->seen.mig_on && bench->seen.mig_pending);
	mechanism_mig.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_AFTER);
	CHECK_SAY(strstr(capability.text, "reset"), "%s", capability.text);
	/* the way back before the reset */
	CHECK_DONE(bench, &off);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(!bench->seen.mig_on && !bench->seen.mig_pending);
	CHECK_DONE(bench, &on);
	CHECK_DONE(bench, &reset);
	CHECK_DONE(bench, &reset);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(bench->seen.mig_on && bench->seen.mig_pending);
	CHECK_DONE(bench, &off);
	CHECK_DONE(bench, &reset);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(!bench->seen.mig_on);
	bench_close(bench);
}

TEST(gpu_in_use_is_not_reset)
{
	struct step on = step_mode(STEP_MODE_ON), off = step_mode(STEP_MODE_OFF);
	struct step reset = step_mode(STEP_RESET);
	struct bench *bench = bench_open(1);
	struct error err = ERROR_NONE;
	char pid_text[16];
	pid_t pid;

	CHECK_DONE(bench, &on);
	pid = hold(bench->nvml, bench->facts.uuid);
	snprintf(pid_text, sizeof(pid_text), "%d (", (int)pid);
	CHECK_EQ(bench_do(bench, &reset, &err), -EBUSY);
	CHECK_SAY(strstr(err.text, pid_text), "%s", err.text);
	let_go(pid);
	CHECK_DONE(bench, &reset);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK(bench->seen.mig_on);
	CHECK_DONE(bench, &off);
	CHECK_DONE(bench, &reset);
	bench_close(bench);
}

TEST(profiles_of_forty_gigabytes_are_named_right)
{
	struct bench *bench = bench_open(0);
	char names[300];

	mig_profile_names(&bench->facts.geometry, names, sizeof(names));
	CHECK_TEXT(names, "1g.5gb, 1g.5gb+me, 1g.10gb, 2g.10gb, 3g.20gb, 4g.20gb, 7g.40gb");
	bench_close(bench);
}

TEST(compute_units_and_mode_are_told_and_the_mode_is_set)
{
	struct bench *bench = bench_open(2);
	struct error err = ERROR_NONE;

	CHECK_EQ(bench->facts.cc_major, 8);
	CHECK_EQ(bench->facts.cc_minor, 0);
	CHECK_EQ(bench->facts.sm, 108);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK_EQ(bench->seen.compute_mode, COMPUTE_DEFAULT);
	CHECK_SAY(nvml_gpu_set_compute_mode(bench->nvml, COMPUTE_EXCLUSIVE_PROCESS, &err) == 0,
		"%s", err.text);
	CHECK_EQ(bench_look(bench, NULL), 0);
	CHECK_EQ(bench->seen.compute_mode, COMPUTE_EXCLUSIVE_PROCESS);
	CHECK_EQ(nvml_gpu_set_compute_mode(bench->nvml, COMPUTE_DEFAULT, NULL), 0);
	CHECK(nvml_gpu_set_compute_mode(bench->nvml, 77, &err) < 0);
	CHECK_SAY(strstr(err.text, "compute mode"), "%s", err.text);
	bench_close(bench);
}

TEST(gpu_says_what_mps_can_do_or_what_is_missing)
{
	struct bench *bench = bench_open(2);
	struct capability capability = { 0 };
	struct mps_program program;
	struct error err = ERROR_NONE;
	char driver[32] = "";

	CHECK_EQ(nvml_versions(driver, NULL, NULL), 0);
	CHECK_EQ(bench_look(bench, NULL), 0);
	mechanism_mps.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	if (mps_find(driver, &program, &err) < 0) {
		CHECK_EQ(capability.answer, CAPABILITY_NO);
		CHECK_TEXT(capability.text, err.text);
	} else {
		CHECK_EQ(capability.answer, CAPABILITY_YES);
		CHECK_SAY(strstr(capability.text, "48 clients"), "%s", capability.text);
		bench->seen.compute_mode = COMPUTE_PROHIBITED;
		mechanism_mps.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
		CHECK_EQ(capability.answer, CAPABILITY_AFTER);
	}
	bench->facts.cc_major = 3;
	bench->facts.cc_minor = 0;
	mechanism_mps.probe(bench->nvml, &bench->facts, &bench->seen, &capability);
	CHECK_EQ(capability.answer, CAPABILITY_NO);
	CHECK_SAY(strstr(capability.text, "3.5"), "%s", capability.text);
	bench_close(bench);
}

TEST_MAIN()
