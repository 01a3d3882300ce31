/* SPDX-License-Identifier: Apache-2.0 */
/* VFs of NVIDIA's driver for hosts of vGPUs, through the worker: two L40S and an H100. */
#include "test.h"

#include "driver/sysfs_write.h"
#include "mechanism/child.h"
#include "mechanism/node.h"
#include "mechanism/vf.h"

#define L40S "0000:41:00.0"
#define H100 "0000:c1:00.0"
#define ALL  ((UINT64_C(1) << gpu.facts.vf.total) - 1)

static struct gpu gpu;
/* The last facts and the last look. */
static const struct vf *vf(unsigned number)
{
	gpu.seen = answer.seen;
	return vf_find(&gpu, number);
}

static void look(struct child *child)
{
	CHECK_SAY(ask(child, WORK_OBSERVE) == 0, "%s", answer.text);
	gpu.seen = answer.seen;
}

static void get_facts(struct child *child)
{
	CHECK_SAY(ask(child, WORK_FACTS) == 0, "%s", answer.text);
	gpu.facts = answer.facts.facts;
	gpu.seen = answer.facts.seen;
}

static struct step step_count(uint32_t from, uint32_t to)
{
	return (struct step){ .kind = STEP_VF_COUNT, .vf = { .count = to, .count_before = from } };
}

static struct step step_set(uint64_t mask, const char *type)
{
	struct step step = { .kind = STEP_VF_SET, .vf = { .vfs = mask } };

	if (!type)
		return step;
	step.vf.setup.is_for_vm = true;
	step.vf.setup.type = gpu.facts.vf.type[vf_type_find(&gpu.facts.vf, type)].id;
	return step;
}

#define CHECK_STEP(child, step)                                                                    \
	CHECK_SAY(ask_do((child), (step)) == 0, "%d: %s", answer.result, answer.text)

/* A worker for a GPU whose VFs are on and free. */
static struct child begin(const char *pci)
{
	struct child child;

	sim("inject --clear");
	child = start(pci);
	get_facts(&child);
	if (gpu.seen.vfs.count)
		CHECK_STEP(&child, step_set(ALL, NULL));
	else
		CHECK_STEP(&child, step_count(0, gpu.facts.vf.total));
	return child;
}

static pid_t hold_vf(const char *pci)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(getenv("CARVE_SIM"), "carve-sim", "hold", "--vf", pci, NULL);
		_exit(127);
	}
	return pid;
}

/* Waits until the look shows a holder of the VF. */
static void await_user(struct child *child, unsigned number)
{
	for (unsigned i = 0; i < 200; i++) {
		look(child);
		if (vf_find(&gpu, number)->user)
			return;
		usleep(20000);
	}
	CHECK(!"nobody has the VF");
}

TEST(facts_say_kind_limits_and_types)
{
	struct child child = start(L40S);
	const struct vf_facts *facts = &gpu.facts.vf;
	int t;

	get_facts(&child);
	CHECK_EQ(facts->kind, VF_KIND_NVIDIA);
	CHECK_EQ(facts->total, 32);
	CHECK(facts->all_or_none && facts->may_mix);
	CHECK_TEXT(facts->pf_driver, "nvidia");
	CHECK_EQ(facts->n_types, 17);
	for (uint32_t i = 1; i < facts->n_types; i++)
		CHECK(facts->type[i - 1].memory_bytes <= facts->type[i].memory_bytes);
	t = vf_type_find(facts, "L40S-24Q");
	CHECK(t >= 0);
	CHECK_EQ(facts->type[t].memory_bytes, 24ll << 30);
	CHECK_EQ(facts->type[t].max_per_gpu, 2);
	CHECK(!vf_type_is_mig(&facts->type[t]));
	CHECK_EQ(answer.facts.capability[MECHANISM_VF].answer, CAPABILITY_YES);
	stop(&child);
}

TEST(vfs_are_turned_on_and_off_while_the_driver_is_let_go_of)
{
	struct child child = begin(L40S);

	CHECK_EQ(answer.seen.vfs.count, 32);
	CHECK_EQ(answer.seen.vfs.n, 32);
	CHECK_TEXT(vf(0)->pci, "0000:41:00.4");
	CHECK_TEXT(vf(4)->pci, "0000:41:01.0");
	CHECK_TEXT(vf(0)->driver, "nvidia");
	CHECK_EQ(vf(10)->number, 10);
	CHECK(vf(0)->group >= 0 && vf(0)->is_viable);
	CHECK(vf_setup_is_free(&vf(0)->setup));
	CHECK(answer.seen.vfs.has_creatable);
	/* what is done already is done */
	CHECK_STEP(&child, step_count(0, 32));
	CHECK_STEP(&child, step_count(32, 0));
	CHECK_EQ(answer.seen.vfs.count, 0);
	CHECK_STEP(&child, step_count(32, 0));
	stop(&child);
}

TEST(wrong_numbers_are_refused_with_the_limit)
{
	struct child child = begin(L40S);

	CHECK_EQ(ask_do(&child, step_count(32, 33)), -ERANGE);
	CHECK_SAY(strstr(answer.text, "32"), "%s", answer.text);
	CHECK_EQ(ask_do(&child, step_count(32, 5)), -ERANGE);
	CHECK_SAY(strstr(answer.text, "all 32"), "%s", answer.text);
	look(&child);
	CHECK_EQ(gpu.seen.vfs.count, 32);
	stop(&child);
}

TEST(vgpus_are_made_and_unmade_as_one_step)
{
	struct child child = begin(L40S);

	CHECK_STEP(&child, step_set(0x9, "L40S-24Q"));
	CHECK_EQ(vf(0)->setup.type, 1155);
	CHECK(vf(0)->setup.is_for_vm);
	CHECK_EQ(vf(3)->setup.type, 1155);
	CHECK(vf_setup_is_free(&vf(1)->setup));
	CHECK(vf(0)->placement != UINT32_MAX && vf(0)->placement != vf(3)->placement);
	CHECK_EQ(vf(0)->gi, UINT32_MAX);
	for (uint32_t t = 0; t < gpu.facts.vf.n_types; t++)
		CHECK(!vfs_may_create(&gpu.seen.vfs, gpu.facts.vf.type[t].id));
	CHECK_STEP(&child, step_set(0x9, "L40S-24Q"));
	CHECK_STEP(&child, step_set(0x9, NULL));
	CHECK(vf_setup_is_free(&vf(0)->setup) && vf_setup_is_free(&vf(3)->setup));
	CHECK(vfs_may_create(&gpu.seen.vfs, gpu.facts.vf.type[0].id));
	stop(&child);
}

TEST(what_does_not_fit_says_what_does_and_leaves_nothing)
{
	struct child child = begin(L40S);

	CHECK_EQ(ask_do(&child, step_set(0x7, "L40S-24Q")), -ENOSPC);
	CHECK_SAY(strstr(answer.text, "no room"), "%s", answer.text);
	look(&child);
	for (unsigned i = 0; i < 3; i++)
		CHECK(vf_setup_is_free(&vf(i)->setup));
	CHECK_STEP(&child, step_set(0x1, "L40S-12Q"));
	CHECK_EQ(ask_do(&child, step_set(0x2, "L40S-24Q")), -ENOSPC);
	CHECK_SAY(strstr(answer.text, "now it takes NVIDIA L40S-12Q"), "%s", answer.text);
	/* a change that fails leaves what was there */
	CHECK_STEP(&child, step_set(0x2, "L40S-12Q"));
	CHECK_EQ(ask_do(&child, step_set(0x2, "L40S-24Q")), -ENOSPC);
	look(&child);
	CHECK_EQ(vf(1)->setup.type, 1153);
	CHECK_EQ(ask_do(&child, step_set(1ull << 40, "L40S-12Q")), -ENODEV);
	stop(&child);
}

TEST(sizes_are_mixed_once_the_gpu_is_set_to_it)
{
	struct step mix = { .kind = STEP_VF_MIX, .vf = { .is_mixed = true } };
	struct child child = begin(L40S);

	CHECK_STEP(&child, mix);
	CHECK(answer.seen.vfs.is_mixed);
	CHECK_STEP(&child, step_set(0x1, "L40S-24Q"));
	CHECK_STEP(&child, step_set(0x2, "L40S-12Q"));
	CHECK_EQ(ask_do(&child, step_inverse(&mix)), -EBUSY);
	CHECK_STEP(&child, step_set(0x3, NULL));
	CHECK_STEP(&child, step_inverse(&mix));
	CHECK(!answer.seen.vfs.is_mixed);
	stop(&child);
}

TEST(held_vfs_are_named_and_stay)
{
	struct work_order users = { .op = WORK_USERS, .gi = UINT32_MAX, .ci = UINT32_MAX };
	struct child child = begin(L40S);
	char who[32];
	pid_t pid;

	CHECK_STEP(&child, step_set(0x1, "L40S-24Q"));
	pid = hold_vf("0000:41:00.4");
	await_user(&child, 0);
	CHECK_EQ(vf_find(&gpu, 0)->user, pid);
	CHECK_EQ(vf_find(&gpu, 1)->user, 0);
	snprintf(who, sizeof(who), "process %d", (int)pid);
	CHECK_EQ(ask_do(&child, step_set(0x1, NULL)), -EBUSY);
	CHECK_SAY(strstr(answer.text, who), "%s", answer.text);
	CHECK_EQ(ask_do(&child, step_count(32, 0)), -EBUSY);
	CHECK_SAY(strstr(answer.text, who), "%s", answer.text);
	order(&child, &users);
	CHECK_EQ(await(&child, 20000), 0);
	CHECK_EQ(answer.n_users, 1);
	users.vf = 1;
	order(&child, &users);
	CHECK_EQ(await(&child, 20000), 0);
	CHECK_EQ(answer.n_users, 0);
	let_go(pid);
	CHECK_STEP(&child, step_set(0x1, NULL));
	stop(&child);
}

TEST(vgpus_backed_by_mig_lie_in_their_instance)
{
	struct child child = begin(H100);
	struct step create = { .kind = STEP_CREATE, .start = 4, .size = 2, .name = "2g.20gb@4" };
	struct step set;
	int p, t;

	CHECK_STEP(&child, step_count(gpu.facts.vf.total, 0));
	CHECK_STEP(&child, step_mode(STEP_MODE_ON));
	CHECK_STEP(&child, step_count(0, gpu.facts.vf.total));
	get_facts(&child);
	p = mig_profile_find(&gpu.facts.geometry, "2g.20gb");
	create.profile_id = gpu.facts.geometry.profile[p].id;
	create.size = gpu.facts.geometry.profile[p].size;
	create.n_ci = 1;
	create.ci_id[0] =
		gpu.facts.geometry.profile[p].ci[gpu.facts.geometry.profile[p].n_ci - 1].id;
	CHECK_STEP(&child, create);
	t = vf_type_find(&gpu.facts.vf, "H100XM-2-20C");
	CHECK(t >= 0 && vf_type_is_mig(&gpu.facts.vf.type[t]));
	CHECK_EQ(gpu.facts.vf.type[t].profile_id, create.profile_id);
	set = step_set(0x1, "H100XM-2-20C");
	set.vf.setup.start = 2;
	CHECK_EQ(ask_do(&child, set), -ENOSPC);
	CHECK_SAY(strstr(answer.text, "slot 4"), "%s", answer.text);
	set.vf.setup.start = 4;
	CHECK_STEP(&child, set);
	CHECK(vf_setup_is(&vf(0)->setup, &set.vf.setup));
	CHECK_EQ(vf(0)->gi, answer.seen.instance[0].gi);
	CHECK_EQ(vf_enforcers(&gpu, &set.vf.setup).compute, ENFORCED_BY_HARDWARE);
	CHECK_STEP(&child, step_set(0x1, NULL));
	CHECK_STEP(&child, step_inverse(&create));
	CHECK_STEP(&child, step_count(gpu.facts.vf.total, 0));
	CHECK_STEP(&child, step_mode(STEP_MODE_OFF));
	stop(&child);
}

TEST(a_client_of_the_driver_in_the_way_is_said)
{
	struct child child = begin(L40S), other;

	other = start("0000:61:00.0");
	CHECK_EQ(ask(&other, WORK_OBSERVE), 0);
	CHECK_EQ(ask_do(&child, step_count(32, 0)), -EBUSY);
	CHECK_SAY(strstr(answer.text, "client of NVIDIA's driver"), "%s", answer.text);
	CHECK_EQ(ask(&other, WORK_LET_GO), 0);
	CHECK_STEP(&child, step_count(32, 0));
	stop(&other);
	stop(&child);
}

TEST(binding_says_what_a_monitor_needs)
{
	struct child child = begin(L40S);
	struct binding *binding = must_alloc(1, sizeof(*binding));
	struct error err = ERROR_NONE;

	CHECK_STEP(&child, step_set(0x4, "L40S-24Q"));
	CHECK_SAY(vf_bind(&gpu, vf(2), binding, &err) == 0, "%s", err.text);
	CHECK(binding->has_vf && binding->vf.is_vendor_vfio);
	CHECK_TEXT(binding->vf.pci, "0000:41:00.6");
	CHECK_TEXT(binding->vf.gpu_pci, L40S);
	CHECK_TEXT(binding->vf.driver, "nvidia");
	CHECK_TEXT(binding->vf.type, "NVIDIA L40S-24Q");
	CHECK_EQ(binding->vf.memory_bytes, 24ll << 30);
	CHECK_EQ(binding->vf.vendor, 0x10de);
	CHECK_EQ(binding->vf.group, vf(2)->group);
	CHECK_EQ(binding->n_nodes, 2);
	CHECK_TEXT(binding->node[0].path, "/dev/vfio/vfio");
	CHECK_STEP(&child, step_set(0x4, NULL));
	free(binding);
	stop(&child);
}

static void await_free_kernel(const char *pci)
{
	int32_t pid;

	for (unsigned i = 0; i < 1000 && sysfs_pending(pci, &pid); i++)
		usleep(10000);
}

static void await_pending(const char *pci)
{
	int32_t pid;

	for (unsigned i = 0; i < 1000 && !sysfs_pending(pci, &pid); i++)
		usleep(1000);
}

/* Ends the worker while it is at an order, as a daemon does with one that hangs. */
static void kill_worker(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->fd);
}

TEST(a_write_that_comes_to_nothing_is_an_error_and_put_back)
{
	struct child child = begin(L40S);

	CHECK_STEP(&child, step_set(0x1, "L40S-12Q"));
	CHECK(sim("inject write:file=current_vgpu_type,ignored,call=2,times=1"));
	CHECK_EQ(ask_do(&child, step_set(0x6, "L40S-12Q")), -EIO);
	CHECK_SAY(strstr(answer.text, "dmesg"), "%s", answer.text);
	look(&child);
	CHECK_EQ(vf(0)->setup.type, 1153);
	CHECK(vf_setup_is_free(&vf(1)->setup) && vf_setup_is_free(&vf(2)->setup));
	stop(&child);
}

TEST(an_error_that_cannot_be_put_back_is_said_so)
{
	struct child child = begin(L40S);

	CHECK(sim("inject write:file=current_vgpu_type,error=EIO,call=2,times=all"));
	CHECK_EQ(ask_do(&child, step_set(0x3, "L40S-12Q")), -ENOTRECOVERABLE);
	sim("inject --clear");
	look(&child);
	/* doing it again completes it */
	CHECK_STEP(&child, step_set(0x3, "L40S-12Q"));
	CHECK_EQ(vf(0)->setup.type, 1153);
	CHECK_EQ(vf(1)->setup.type, 1153);
	stop(&child);
}

TEST(a_step_whose_worker_was_killed_is_completed_by_the_next)
{
	struct child child = begin(L40S);
	struct step set = step_set(0xf, "L40S-12Q");
	struct work_order wanted = { .op = WORK_DO, .step = set };

	CHECK(sim("inject write:file=current_vgpu_type,delay=200ms,call=2,times=1"));
	order(&child, &wanted);
	await_pending(L40S);
	/* the first is made, the second is under way, no other has begun */
	usleep(20000);
	kill_worker(&child);
	await_free_kernel(L40S);
	child = start(L40S);
	get_facts(&child);
	CHECK_STEP(&child, set);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(vf(i)->setup.type, 1153);
	stop(&child);
}

TEST(a_write_that_hangs_is_known_to_the_next_worker)
{
	struct child child = begin(L40S);
	struct step set = step_set(0x1, "L40S-12Q");
	struct work_order wanted = { .op = WORK_DO, .step = set };

	CHECK(sim("inject write:file=current_vgpu_type,hang"));
	order(&child, &wanted);
	await_pending(L40S);
	kill_worker(&child);
	child = start(L40S);
	/* looks do not wait for it */
	get_facts(&child);
	CHECK_EQ(ask_do(&child, set), -ETIMEDOUT);
	CHECK_SAY(strstr(answer.text, "has not come back"), "%s", answer.text);
	sim("inject --clear");
	await_free_kernel(L40S);
	CHECK_STEP(&child, set);
	CHECK_EQ(vf(0)->setup.type, 1153);
	stop(&child);
}

TEST(what_sriov_manage_is_refused_is_explained)
{
	struct child child = begin(L40S);

	CHECK_STEP(&child, step_count(32, 0));
	CHECK(sim("inject write:file=sriov_numvfs,error=ENOMEM"));
	CHECK_EQ(ask_do(&child, step_count(0, 32)), -ENOMEM);
	CHECK_SAY(strstr(answer.text, "pci=realloc"), "%s", answer.text);
	look(&child);
	CHECK_EQ(gpu.seen.vfs.count, 0);
	CHECK(sim("inject write:file=sriov_numvfs,ignored"));
	CHECK_EQ(ask_do(&child, step_count(0, 32)), -EIO);
	CHECK_SAY(strstr(answer.text, "0 are on"), "%s", answer.text);
	CHECK_STEP(&child, step_count(0, 32));
	stop(&child);
}

__attribute__((constructor)) static void open_root(void)
{
	root_open(NULL);
}

TEST_MAIN()
