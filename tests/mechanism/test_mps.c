/* SPDX-License-Identifier: Apache-2.0 */
/* MPS on simulated nodes, in the language of the node's driver: v2, v2 with static partitions, v3.
 */
#include "test.h"

#include "base/io.h"
#include "driver/mps_log.h"
#include "mechanism/mps_work.h"
#include "mechanism/node.h"

#include <poll.h>
#include <sys/stat.h>

enum { OUT_OF_MEMORY = 102, TERMINATED = 110 }; /* the exit statuses of carve-sim hold */
#define SECONDS 1000000000ull

static struct mps_order order;
static struct mps_answer answer;
static struct error err;
static struct mps_program program;
static char driver[32], work[] = "/tmp/carve-mps-XXXXXX";

static int obey(enum mps_op op)
{
	order.op = op;
	order.deadline_ns = 5 * SECONDS;
	memset(&answer, 0, sizeof(answer));
	err = ERROR_NONE;
	return mps_obey(&order, &answer, &err);
}

#define CHECK_OBEYED(op) CHECK_SAY(obey(op) == 0, "%s", err.text)

/* A server on the node's first GPU, without limits; false if there is none. */
static bool fresh(enum mps_interface interface)
{
	static unsigned counter;
	struct bench *bench = bench_open(0);

	if (counter++ == 0 && (!mkdtemp(work) || chmod(work, 0755) < 0))
		exit(1);
	memset(&order, 0, sizeof(order));
	nvml_versions(driver, NULL, NULL);
	snprintf(order.spec.dir, sizeof(order.spec.dir), "%s/%u", work, counter);
	text_copy(order.spec.device, sizeof(order.spec.device), bench->facts.uuid);
	text_copy(order.spec.driver, sizeof(order.spec.driver), driver);
	order.spec.interface = interface;
	bench_close(bench);
	CHECK_SAY(mps_find(driver, &program, &err) == 0, "%s", err.text);
	CHECK_OBEYED(MPS_START);
	return answer.seen.state == MPS_SEEN_READY;
}

static void stop(void)
{
	CHECK_OBEYED(MPS_STOP);
	CHECK(access(order.spec.dir, F_OK) < 0);
}

__attribute__((destructor)) static void remove_work(void)
{
	rmdir(work);
}

/* A client in the environment that binds it, which keeps so much memory. */
static pid_t client(const char *environment, const char *memory)
{
	pid_t pid = fork();
	char *copy, *line;

	if (pid != 0)
		return pid;
	copy = strdup(environment);
	while ((line = strsep(&copy, "\n"))) {
		if (*line)
			putenv(line);
	}
	execl(getenv("CARVE_SIM"), "carve-sim", "hold", "--device", order.spec.device, "--memory",
		memory, NULL);
	_exit(127);
}

/* One that does not end by itself is ended. */
static int status_of(pid_t pid)
{
	int status = 0;

	for (unsigned i = 0; i < 500 && waitpid(pid, &status, WNOHANG) == 0; i++)
		usleep(10000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool await_clients(unsigned n)
{
	for (unsigned i = 0; i < 200; i++) {
		if (obey(MPS_LOOK) == 0 && answer.seen.n_clients == n)
			return true;
		usleep(10000);
	}
	return false;
}

/* A driver that has not the language says so. */
static void check_refused(enum mps_interface interface, const char *version)
{
	order.spec.interface = interface;
	CHECK_EQ(obey(MPS_START), -ENOTSUP);
	CHECK_SAY(strstr(err.text, version), "%s", err.text);
	order.spec.interface = MPS_INTERFACE_ANY;
	CHECK_OBEYED(MPS_LOOK);
	CHECK_EQ(answer.seen.state, MPS_SEEN_GONE);
}

TEST(language_is_the_newest_that_program_and_driver_have)
{
	unsigned long major;

	if (!fresh(MPS_INTERFACE_ANY))
		return;
	major = strtoul(driver, NULL, 10);
	CHECK_EQ(program.has_v3, major >= 615);
	CHECK_EQ(program.has_static, major >= 590);
	CHECK_TEXT(program.version, driver);
	CHECK_EQ(answer.seen.interface, major >= 615 ? MPS_V3 : MPS_V2);
	CHECK_EQ(answer.seen.holds_memory, major >= 615);
	/* and what is in use stays in use */
	order.spec.interface = MPS_V2;
	CHECK_OBEYED(MPS_START);
	CHECK_EQ(answer.seen.interface, major >= 615 ? MPS_V3 : MPS_V2);
	stop();
}

TEST(limits_hold_for_clients_that_come_after_them)
{
	pid_t pid;

	if (!fresh(MPS_INTERFACE_ANY))
		return;
	text_copy(order.part.name, sizeof(order.part.name), "one");
	CHECK_OBEYED(MPS_ADD);
	pid = client(answer.environment, "6Gi");
	CHECK(await_clients(1));
	CHECK_EQ(answer.seen.client[0], pid);
	order.spec.limits = (struct mps_limits){ .memory_mib = 4096, .millipercent = 30000 };
	CHECK_OBEYED(MPS_LIMITS);
	/* with v3, a share has limits of its own */
	if (!program.has_v3) {
		CHECK_OBEYED(MPS_ADD);
		CHECK_EQ(status_of(client(answer.environment, "6Gi")), OUT_OF_MEMORY);
	}
	order.n_pids = 1;
	order.pid[0] = pid;
	CHECK_OBEYED(MPS_TERMINATE);
	CHECK_EQ(status_of(pid), TERMINATED);
	CHECK(await_clients(0));
	stop();
}

TEST(namespaces_have_unequal_limits_that_the_server_holds)
{
	struct mps_part large = { .name = "large", .limits = { 8192, 60000 } };
	struct mps_part small = { .name = "small", .limits = { 2048, 20000 } };
	pid_t pid;

	if (!fresh(MPS_INTERFACE_ANY))
		return;
	if (!program.has_v3) {
		stop();
		check_refused(MPS_V3, driver);
		return;
	}
	CHECK(answer.seen.holds_memory && answer.seen.holds_compute);
	order.part = large;
	CHECK_OBEYED(MPS_ADD);
	CHECK_SAY(strstr(answer.environment, "/pipe/carve/large\n"), "%s", answer.environment);
	pid = client(answer.environment, "6Gi");
	order.part = small;
	CHECK_OBEYED(MPS_ADD);
	CHECK_EQ(status_of(client(answer.environment, "6Gi")), OUT_OF_MEMORY);
	CHECK(await_clients(1));
	CHECK_OBEYED(MPS_ADD); /* who made the first may have been killed before he was told */
	CHECK_OBEYED(MPS_REMOVE);
	CHECK_EQ(obey(MPS_REMOVE), -ENOENT);
	order.part = large;
	CHECK(obey(MPS_ADD) < 0);
	CHECK(err.text[0]);
	CHECK_EQ(obey(MPS_REMOVE), -EBUSY);
	CHECK_SAY(strstr(err.text, "still has clients"), "%s", err.text);
	kill(pid, SIGKILL);
	status_of(pid);
	CHECK(await_clients(0));
	CHECK_OBEYED(MPS_REMOVE);
	text_copy(order.part.name, sizeof(order.part.name), "Not-a-Name");
	CHECK_EQ(obey(MPS_ADD), -EINVAL);
	stop();
}

TEST(static_partitions_are_made_and_removed)
{
	pid_t pid;

	if (!program.has_static) {
		check_refused(MPS_V2_STATIC, driver);
		return;
	}
	if (!fresh(MPS_V2_STATIC))
		return;
	CHECK_EQ(answer.seen.interface, MPS_V2_STATIC);
	CHECK(answer.seen.holds_compute && !answer.seen.holds_memory);
	order.part.chunks = 2;
	CHECK_OBEYED(MPS_ADD);
	CHECK_SAY(
		text_starts(answer.part.partition, order.spec.device), "%s", answer.part.partition);
	CHECK(strstr(answer.environment, "CUDA_MPS_SM_PARTITION="));
	order.part = answer.part;
	pid = client(answer.environment, "1Gi");
	CHECK(await_clients(1));
	CHECK_EQ(obey(MPS_REMOVE), -EBUSY);
	CHECK(err.text[0]);
	kill(pid, SIGKILL);
	status_of(pid);
	CHECK(await_clients(0));
	CHECK_OBEYED(MPS_REMOVE);
	CHECK_EQ(obey(MPS_REMOVE), -ENOENT);
	order.part.chunks = 1000;
	CHECK_EQ(obey(MPS_ADD), -EINVAL);
	CHECK_SAY(strstr(err.text, "1000 chunks"), "%s", err.text);
	stop();
}

TEST(fault_and_its_cause_are_seen_and_the_server_is_started_anew)
{
	struct mps_log_event event;
	struct mps_log log;
	int32_t cause = 0, server;
	uint64_t before_ns;
	pid_t pid;

	if (!fresh(MPS_INTERFACE_ANY))
		return;
	server = answer.seen.server.pid;
	text_copy(order.part.name, sizeof(order.part.name), "one");
	CHECK_OBEYED(MPS_ADD);
	pid = client(answer.environment, "1Gi");
	CHECK(await_clients(1));
	mps_log_init(&log, order.spec.dir, true);
	CHECK(sim("inject mps-fault:client=%d", (int)pid));
	for (unsigned i = 0; i < 100 && cause == 0; i++) {
		struct pollfd news = { .fd = mps_log_fd(&log), .events = POLLIN };

		while (mps_log_next(&log, &event) > 0) {
			if (event.kind == MPS_LOG_FAULT)
				cause = event.client ?: cause;
		}
		poll(&news, 1, 50);
	}
	CHECK_EQ(cause, pid);
	mps_log_done(&log);
	status_of(pid);
	before_ns = now_ns();
	CHECK_OBEYED(MPS_STOP);
	CHECK_OBEYED(MPS_START);
	fprintf(stderr, "STOP and START %.1f ms\n", (double)(now_ns() - before_ns) / 1e6);
	CHECK_EQ(answer.seen.state, MPS_SEEN_READY);
	CHECK(answer.seen.server.pid != server);
	stop();
}

TEST_MAIN()
