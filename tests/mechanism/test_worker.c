/* SPDX-License-Identifier: Apache-2.0 */
/* The worker process, over its socket, on a simulated dgx-h100. */
#include "test.h"

#include "mechanism/child.h"
#include "mechanism/node.h"

static char pci[GPUS_MAX][16];

static void list(void)
{
	struct child child = start("-");

	CHECK_EQ(ask(&child, WORK_LIST), 0);
	memcpy(pci, answer.list.pci, sizeof(pci));
	stop(&child);
}

TEST(node_worker_lists_the_gpus_and_nothing_else)
{
	struct child child = start("-");

	CHECK_EQ(ask(&child, WORK_LIST), 0);
	CHECK_EQ(answer.list.n, 8);
	CHECK(text_starts(answer.list.pci[0], "0000:"));
	CHECK(atoi(answer.list.driver) >= 470);
	CHECK_EQ(ask(&child, WORK_FACTS), -EINVAL);
	CHECK(answer.text[0]);
	stop(&child);
}

TEST(gpu_worker_tells_facts_does_steps_and_tells_what_came_of_them)
{
	struct child child;
	struct step step = { .kind = STEP_CREATE, .start = 4, .name = "2g.20gb@4" };
	struct mig_geometry *geometry;
	int p;

	list();
	child = start(pci[0]);
	CHECK_EQ(ask_do(&child, step_mode(STEP_MODE_ON)), 0);
	CHECK(answer.seen.mig_on);
	CHECK_EQ(ask(&child, WORK_FACTS), 0);
	CHECK_TEXT(answer.facts.facts.pci, pci[0]);
	CHECK_EQ(answer.facts.capability[MECHANISM_MIG].answer, CAPABILITY_YES);
	CHECK_EQ(answer.facts.capability[MECHANISM_WHOLE].answer, CAPABILITY_AFTER);
	for (int m = 0; m < MECHANISM_N; m++)
		CHECK(answer.facts.capability[m].text[0]);
	geometry = &answer.facts.facts.geometry;
	p = mig_profile_find(geometry, "2g.20gb");
	CHECK(p >= 0);
	step.profile_id = geometry->profile[p].id;
	step.size = geometry->profile[p].size;
	step.n_ci = 1;
	step.ci_id[0] = geometry->profile[p].ci[geometry->profile[p].n_ci - 1].id;
	CHECK_SAY(ask_do(&child, step) == 0, "%s", answer.text);
	CHECK_EQ(answer.seen.n_instances, 1);
	CHECK_EQ(answer.seen.instance[0].profile, p);
	CHECK_EQ(ask(&child, WORK_USERS), 0);
	CHECK_EQ(answer.n_users, 0);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	CHECK_EQ(answer.seen.n_instances, 1);
	CHECK_EQ(ask_do(&child, step_inverse(&step)), 0);
	CHECK_EQ(answer.seen.n_instances, 0);
	stop(&child);
}

TEST(users_are_counted_by_instance)
{
	struct bench *bench = bench_open(1);
	struct work_order wanted = { .op = WORK_USERS, .ci = UINT32_MAX, .vf = UINT32_MAX };
	struct child child;
	struct step step[2];
	pid_t pid;

	bench_empty(bench);
	step[0] = step_create(bench, "1g.10gb", 0, 0);
	step[1] = step_create(bench, "2g.20gb", 2, 1);
	CHECK_DONE(bench, &step[0]);
	CHECK_DONE(bench, &step[1]);
	CHECK_HOLDS(bench, "1g.10gb@0(1) 2g.20gb@2(1,1)");
	pid = hold(bench->nvml, bench->seen.instance[1].ci[1].uuid);
	child = start(bench->facts.pci);
	CHECK_EQ(ask(&child, WORK_USERS), 0);
	CHECK_EQ(answer.n_users, 1);
	for (unsigned i = 0; i < 2; i++) {
		wanted.gi = bench->seen.instance[i].gi;
		wanted.ci = UINT32_MAX;
		order(&child, &wanted);
		CHECK_EQ(await(&child, 5000), 0);
		CHECK_EQ(answer.n_users, i);
	}
	for (unsigned ci = 0; ci < 2; ci++) {
		wanted.ci = ci;
		order(&child, &wanted);
		CHECK_EQ(await(&child, 5000), 0);
		CHECK_EQ(answer.n_users, ci);
	}
	let_go(pid);
	stop(&child);
	bench_empty(bench);
	bench_close(bench);
}

TEST(failed_order_has_a_sentence_and_the_worker_goes_on)
{
	struct step nonsense = { .kind = STEP_CREATE, .profile_id = 77, .size = 1, .name = "x@0" };
	struct child child = start(pci[0][0] ? pci[2] : "");

	if (!pci[0][0]) {
		list();
		stop(&child);
		child = start(pci[2]);
	}
	CHECK_EQ(ask_do(&child, step_mode(STEP_MODE_ON)), 0);
	CHECK(ask_do(&child, nonsense) < 0);
	CHECK_SAY(strstr(answer.text, "NVML says"), "%s", answer.text);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	CHECK_EQ(answer.seen.n_instances, 0);
	CHECK(ask(&child, (enum work_op)99) == -EINVAL);
	stop(&child);
}

TEST(events_are_told_once_and_a_lost_gpu_is_found_again)
{
	struct child child;

	list();
	child = start(pci[3]);
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK_EQ(answer.events.n, 0);
	CHECK(!answer.events.is_lost);
	CHECK(sim("xid 3 48"));
	CHECK(sim("ecc 3 uncorrected"));
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK_EQ(answer.events.n, 2);
	CHECK_EQ(answer.events.event[0].kind, WORK_EVENT_XID);
	CHECK_EQ(answer.events.event[0].code, 48);
	CHECK_EQ(answer.events.event[0].gi, UINT32_MAX);
	CHECK_EQ(answer.events.event[1].kind, WORK_EVENT_ECC_DOUBLE);
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK_EQ(answer.events.n, 0);
	CHECK(sim("lose 3"));
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK(answer.events.is_lost);
	CHECK_EQ(ask(&child, WORK_OBSERVE), -ENODEV);
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK(answer.events.is_lost);
	CHECK(sim("recover 3"));
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK(!answer.events.is_lost);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	stop(&child);
}

TEST(hung_worker_is_killed_and_its_successor_works)
{
	struct child child;
	int status;

	list();
	child = start(pci[4]);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	CHECK(sim("inject 'nvmlDeviceGetMigMode:hang,gpu=4,times=all'"));
	{
		struct work_order wanted = { .op = WORK_OBSERVE };

		order(&child, &wanted);
		CHECK_EQ(await(&child, 300), -ETIME);
	}
	kill(child.pid, SIGKILL);
	CHECK_EQ(waitpid(child.pid, &status, 0), child.pid);
	close(child.fd);
	CHECK(sim("inject --clear"));
	child = start(pci[4]);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	stop(&child);
}

TEST(step_whose_result_cannot_be_seen_is_undone)
{
	struct bench *bench = bench_open(5);
	struct child child = start(bench->facts.pci);
	struct step step;
	unsigned failed = 0, done_in_turn = 0;

	bench_empty(bench);
	step = step_create(bench, "3g.40gb", 4, 1);
	CHECK_EQ(ask(&child, WORK_FACTS), 0);
	for (unsigned k = 1; done_in_turn < 25; k++) {
		int r;

		sim("inject '*:gpu=5,call=%u'", k);
		r = ask_do(&child, step);
		sim("inject --clear");
		CHECK_EQ(bench_look(bench, NULL), 0);
		CHECK_SAY(strcmp(bench_text(bench), r == 0 ? "3g.40gb@4(1,1,1)" : "") == 0,
			"call %u: %d %s; holds \"%s\"", k, r, answer.text, bench_text(bench));
		failed += r < 0;
		done_in_turn = r == 0 ? done_in_turn + 1 : 0;
		CHECK_EQ(ask_do(&child, step_inverse(&step)), 0);
	}
	CHECK(failed > 20);
	stop(&child);
	bench_empty(bench);
	bench_close(bench);
}

TEST_MAIN()
