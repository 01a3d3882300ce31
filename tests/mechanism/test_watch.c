/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that are watched by a worker, on simulated GPUs: with performance counters, without them
 * ("gpu": the GPU has none; "driver": the driver tells none, CARVE_TEST_WITHOUT).
 */
#include "test.h"

#include "abi/nvml_more.h"
#include "base/io.h"
#include "mechanism/child.h"
#include "mechanism/node.h"

#include <dlfcn.h>
#include <math.h>

#define GIB (1ull << 30)

static const char *without(void)
{
	return getenv("CARVE_TEST_WITHOUT") ?: "";
}

/* Starts carve-sim with these words on a device; the test goes on when the driver tells it. */
static pid_t work(struct bench *bench, const char *device, const char *words)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	char command[300];
	bool is_there = false;
	pid_t pid = fork();

	if (pid == 0) {
		snprintf(command, sizeof(command), "exec '%s' hold --device %s %s >/dev/null",
			getenv("CARVE_SIM"), device, words);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 1000 && !is_there; i++) {
		nvml_gpu_processes(bench->nvml, seen, NULL);
		for (unsigned k = 0; k < seen->n_processes; k++)
			is_there |= seen->process[k].pid == pid;
		usleep(10000);
	}
	CHECK(is_there);
	free(seen);
	return pid;
}

static int look(struct child *child, const struct work_watch *watch)
{
	struct work_order wanted = { .op = WORK_WATCH, .watch = *watch };

	order(child, &wanted);
	return await(child, 20000);
}

static struct work_watch whole(uint64_t id)
{
	return (struct work_watch){ .id = id, .gi = UINT32_MAX, .ci = UINT32_MAX };
}

/* Looks until so much time of it has been seen. */
static struct usage watch_for(
	struct child *child, const struct work_watch *watch, enum usage_kind kind, uint64_t seen_ns)
{
	struct usage usage = { 0 };

	for (unsigned i = 0; i < 200 && usage.series[kind].seen_ns < seen_ns; i++) {
		if (look(child, watch) < 0) {
			CHECK_SAY(false, "%s", answer.text);
			break;
		}
		usage_add(&usage, &answer.sample, now_ns());
		usleep(50000);
	}
	return usage;
}

static void check_near(double got, double wanted)
{
	CHECK_SAY(fabs(got - wanted) <= wanted / 10, "got %g, wanted %g", got, wanted);
}

#define PATTERN "--memory 12Gi --busy 80 --sms 50 --bandwidth 40 --copy-in 1000Mi --burst 3ms/10ms"

TEST(a_job_on_a_whole_gpu_is_seen_as_it_is)
{
	struct bench *bench = bench_open(0);
	struct child child = start(bench->facts.pci);
	struct work_watch watch = whole(7);
	struct usage usage;
	pid_t pid;

	CHECK_EQ(look(&child, &watch), 0);
	CHECK_EQ(answer.sample.n_processes, 0);
	CHECK_EQ(answer.sample.bytes, 0);
	pid = work(bench, "0", PATTERN);
	/* in the first windows it was not there yet */
	watch_for(&child, &watch, USAGE_BUSY, 400000000);
	usage = watch_for(&child, &watch, USAGE_BUSY, 500000000);
	CHECK_EQ(usage.memory_peak, 12 * GIB);
	CHECK_EQ(usage.biggest_peak, 12 * GIB);
	CHECK_EQ(usage.processes_peak, 1);
	check_near(usage_mean(&usage.series[USAGE_BUSY]), 24);
	if (!*without()) {
		check_near(usage_mean(&usage.series[USAGE_SM]), 12);
		check_near(usage_mean(&usage.series[USAGE_BANDWIDTH]), 12);
		check_near(usage_mean(&usage.series[USAGE_COPY_IN]), 300.0 * (1 << 20));
		CHECK_EQ(usage.share_peak, 12 * GIB);
	} else {
		CHECK(!usage_is_seen(&usage.series[USAGE_SM]));
		CHECK(!usage_is_seen(&usage.series[USAGE_BANDWIDTH]));
		CHECK(strstr(usage.series[USAGE_SM].why_not,
			text_eq(without(), "gpu") ? "Hopper" : "R520"));
		check_near(usage_mean(&usage.series[USAGE_MEMORY_BUSY]), 12);
		check_near(usage_mean(&usage.series[USAGE_COPY_IN]), 300.0 * (1 << 20));
	}
	CHECK(usage_is_seen(&usage.series[USAGE_COPY_OUT]));
	let_go(pid);
	stop(&child);
	bench_close(bench);
}

TEST(a_job_in_a_mig_instance_is_seen_without_its_neighbours)
{
	struct bench *bench = bench_open(1);
	struct child child;
	struct work_watch watch[2];
	struct usage usage[2];
	struct step step[2];
	pid_t pid[2];

	if (bench->facts.mode_needs_reset) {
		bench_close(bench);
		SKIP("MIG mode takes a reset here");
	}
	bench_empty(bench);
	step[0] = step_create(bench, "1g.10gb", 0, 0);
	step[1] = step_create(bench, "2g.20gb", 2, 0);
	CHECK_DONE(bench, &step[0]);
	CHECK_DONE(bench, &step[1]);
	CHECK_EQ(bench_look(bench, NULL), 0);
	pid[0] = work(bench, bench->seen.instance[0].ci[0].uuid, "--memory 1Gi --busy 20");
	pid[1] = work(bench, bench->seen.instance[1].ci[0].uuid, "--memory 2Gi --busy 90");
	child = start(bench->facts.pci);
	for (unsigned i = 0; i < 2; i++) {
		watch[i] = (struct work_watch){ .id = i + 1,
			.gi = bench->seen.instance[i].gi,
			.ci = bench->seen.instance[i].ci[0].id };
		CHECK_EQ(look(&child, &watch[i]), 0);
		if (*without())
			continue;
		usage[i] = watch_for(&child, &watch[i], USAGE_BUSY, 200000000);
		check_near(usage_mean(&usage[i].series[USAGE_BUSY]), i ? 90 : 20);
		CHECK_EQ(usage[i].memory_peak, (i + 1) * GIB);
	}
	if (*without()) {
		CHECK(answer.sample.kind[USAGE_BUSY].why_not[0]);
		CHECK(answer.sample.kind[USAGE_COPY_IN].why_not[0]);
	}
	watch[0].id = 9;
	watch[0].gi = 13;
	CHECK_EQ(look(&child, &watch[0]), -ESTALE);
	CHECK(answer.text[0]);
	for (unsigned i = 0; i < 2; i++)
		let_go(pid[i]);
	stop(&child);
	bench_empty(bench);
	bench_close(bench);
}

TEST(on_a_share_with_others_only_the_jobs_own_processes_count)
{
	struct bench *bench = bench_open(2);
	struct child child = start(bench->facts.pci);
	struct work_watch watch = whole(3);
	struct usage usage;
	pid_t own = work(bench, "2", "--memory 3Gi --busy 30"),
	      other = work(bench, "2", "--memory 5Gi --busy 50");

	watch.is_shared = true;
	watch.n_pids = 1;
	watch.pid[0] = own;
	usage = watch_for(&child, &watch, USAGE_BUSY, 200000000);
	CHECK_EQ(usage.memory_peak, 3 * GIB);
	CHECK_EQ(usage.share_peak, 0);
	CHECK_EQ(usage.processes_peak, 1);
	check_near(usage_mean(&usage.series[USAGE_BUSY]), 30);
	CHECK(!usage_is_seen(&usage.series[USAGE_SM]));
	CHECK(strstr(usage.series[USAGE_SM].why_not, "others"));
	CHECK(strstr(usage.series[USAGE_COPY_IN].why_not, "others"));
	let_go(own);
	let_go(other);
	stop(&child);
	bench_close(bench);
}

/* As an administrator does with nvidia-smi. */
static void turn_accounting_on(const char *pci)
{
	void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	nvmlReturn_t (*find)(const char *, nvmlDevice_t *);
	nvmlReturn_t (*set)(nvmlDevice_t, nvmlEnableState_t);
	nvmlDevice_t device;

	*(void **)&find = dlsym(library, "nvmlDeviceGetHandleByPciBusId_v2");
	*(void **)&set = dlsym(library, "nvmlDeviceSetAccountingMode");
	CHECK_EQ(find(pci, &device), NVML_SUCCESS);
	CHECK_EQ(set(device, NVML_FEATURE_ENABLED), NVML_SUCCESS);
	dlclose(library);
}

TEST(accounts_are_used_where_they_are_kept_and_never_turned_on)
{
	struct bench *bench = bench_open(3);
	struct child child = start(bench->facts.pci);
	struct work_watch before = whole(1), after = whole(2);
	pid_t pid = work(bench, "3", "--memory 3Gi");

	CHECK_EQ(look(&child, &before), 0);
	CHECK_EQ(answer.sample.most_bytes, 0);
	let_go(pid);
	turn_accounting_on(bench->facts.pci);
	pid = work(bench, "3", "--memory 4Gi");
	CHECK_EQ(look(&child, &before), 0);
	CHECK_EQ(answer.sample.most_bytes, 0);
	CHECK_EQ(look(&child, &after), 0);
	CHECK_EQ(answer.sample.most_bytes, 4 * GIB);
	let_go(pid);
	CHECK_EQ(look(&child, &after), 0);
	CHECK_EQ(answer.sample.bytes, 0);
	CHECK_EQ(answer.sample.most_bytes, 4 * GIB);
	stop(&child);
	bench_close(bench);
}

TEST(one_that_is_over_is_forgotten_and_a_full_worker_says_so)
{
	struct bench *bench = bench_open(4);
	struct child child = start(bench->facts.pci);
	struct work_watch watch;
	unsigned n = 0;

	do {
		watch = whole(++n);
	} while (n < 1000 && look(&child, &watch) == 0);
	CHECK_EQ(answer.result, -ENOSPC);
	CHECK_EQ(n, 61);
	watch = whole(5);
	watch.ends = true;
	CHECK_EQ(look(&child, &watch), 0);
	watch = whole(n);
	CHECK_EQ(look(&child, &watch), 0);
	/* all are, when the driver is let go of */
	CHECK_EQ(ask(&child, WORK_LET_GO), 0);
	for (unsigned i = 0; i < 60; i++) {
		watch = whole(100 + i);
		CHECK_EQ(look(&child, &watch), 0);
	}
	stop(&child);
	bench_close(bench);
}

TEST_MAIN()
