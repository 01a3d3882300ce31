/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's own MPS control daemon, managed by orders to MPS workers. Its server is a stand-in
 * (mps_server.py), as NVIDIA's needs a GPU; CARVE_TEST_MPS_REAL is a PATH with that one.
 */
#include "test.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/mps_log.h"
#include "driver/process.h"
#include "mechanism/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TENANT = 1000 };
#define MS 1000000ull

static char work[40]; /* where everybody may go */
static struct mps_spec spec;
static struct work_answer answer;

/* ---- orders ---- */

/* One order to a worker of its own; its result. The worker ends, and what it started stays. */
static int order_mps(struct mps_order *mps)
{
	struct work_order order = { .number = 1, .op = WORK_MPS, .mps = *mps };
	int fds[2], status = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		int fd = fcntl(fds[1], F_DUPFD, 10);

		dup2(fd, WORKER_FD);
		close_from(WORKER_FD + 1);
		/* as the daemon's lock, which must not go on to what a worker starts */
		open("/dev/null", O_RDONLY);
		_exit(worker_main("mps:test"));
	}
	close(fds[1]);
	memset(&answer, 0, sizeof(answer));
	answer.result = -ETIME;
	if (send(fds[0], &order, sizeof(order), MSG_NOSIGNAL) == sizeof(order))
		CHECK_EQ(recv(fds[0], &answer, sizeof(answer), 0), work_answer_size(&answer));
	close(fds[0]);
	waitpid(pid, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return answer.result;
}

static int order(enum mps_op op, uint64_t deadline_ns)
{
	return order_mps(&(struct mps_order){ .op = op, .spec = spec, .deadline_ns = deadline_ns });
}

#define CHECK_ORDER(op) CHECK_SAY(order(op, 5000 * MS) == 0, "%s", answer.text)
#define SEEN		(answer.mps.seen)

/* Without one there is nothing to be seen, and 0 is every process of ours to kill(2). */
static bool is_started(void)
{
	CHECK_ORDER(MPS_START);
	return answer.result == 0 && SEEN.server.pid > 1 && SEEN.control.pid > 1;
}

/* ---- the world around ---- */

static void fresh(const char *behaviour, const char *clients)
{
	static unsigned counter;

	if (!work[0]) {
		text_copy(work, sizeof(work), "/tmp/carve-mps-XXXXXX");
		if (!mkdtemp(work) || chmod(work, 0755) < 0)
			exit(1);
	}
	memset(&spec, 0, sizeof(spec));
	snprintf(spec.dir, sizeof(spec.dir), "%s/run/mps/%u", work, counter++);
	text_copy(spec.device, sizeof(spec.device), "GPU-00000000-1111-2222-3333-444444444444");
	spec.uid = geteuid();
	setenv("CARVE_TEST_MPS", behaviour, 1);
	setenv("CARVE_TEST_MPS_CLIENTS", clients, 1);
}

__attribute__((destructor)) static void remove_work(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf '%s'", work);
	if (work[0] && system(command) != 0)
		fprintf(stderr, "%s is left\n", work);
}

/* What NVIDIA's front end answers to a command, without the last newline. */
static const char *front_end(const char *format, int pid)
{
	static char text[500];
	char command[300], words[100];
	size_t n;
	FILE *pipe;

	snprintf(words, sizeof(words), format, pid);
	snprintf(command, sizeof(command),
		"echo '%s' | CUDA_MPS_PIPE_DIRECTORY=%s/pipe nvidia-cuda-mps-control", words,
		spec.dir);
	pipe = popen(command, "r");
	n = pipe ? fread(text, 1, sizeof(text) - 1, pipe) : 0;
	if (pipe)
		pclose(pipe);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return text;
}

static bool is_there(int32_t pid)
{
	uint64_t start_ticks;
	char path[64], text[200] = "";
	int fd;

	/* one that nobody has waited for is none */
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return text[0] && process_started(pid, &start_ticks) == 0;
}

static bool await_end(int32_t pid)
{
	for (unsigned i = 0; i < 300 && is_there(pid); i++)
		usleep(10000);
	return !is_there(pid);
}

static bool is_empty_of(const char *dir)
{
	struct mps_foreign foreign[MPS_FOREIGN_MAX];
	int n = mps_find_foreign("/nowhere", foreign, MPS_FOREIGN_MAX);

	for (int i = 0; i < n; i++) {
		if (text_starts(foreign[i].pipe_dir, dir))
			return false;
	}
	return access(dir, F_OK) < 0;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the program ---- */

TEST(program_and_its_version_are_found)
{
	struct mps_program program = { 0 };
	struct error err = ERROR_NONE;
	unsigned long major;

	CHECK_SAY(mps_find("", &program, &err) == 0, "%s", err.text);
	major = strtoul(program.version, NULL, 10);
	CHECK_SAY(major == 535 || major == 550, "%s", program.version);
	CHECK_EQ(program.has_status, major >= 550);
	CHECK(!program.has_static && !program.has_v3);
	CHECK_EQ(mps_find(program.version, &program, NULL), 0);
}

TEST(one_of_another_driver_and_a_missing_one_are_named_with_the_way_out)
{
	struct mps_program program = { 0 };
	struct error err = ERROR_NONE;
	char *path = strdup(getenv("PATH"));

	fresh("", "");
	CHECK_EQ(mps_find("570.1.2", &program, &err), -ELIBBAD);
	CHECK_SAY(strstr(err.text, "570.1.2") && strstr(err.text, "install"), "%s", err.text);
	text_copy(spec.driver, sizeof(spec.driver), "570.1.2");
	CHECK_EQ(order(MPS_START, 1000 * MS), -ELIBBAD);
	CHECK(is_empty_of(spec.dir));
	setenv("PATH", "/nowhere", 1);
	if (access("/usr/bin/nvidia-cuda-mps-control", X_OK) < 0) {
		CHECK_EQ(mps_find("570.1.2", &program, &err), -ENOENT);
		CHECK_SAY(strstr(err.text, "nvidia-compute-utils-570"), "%s", err.text);
	}
	setenv("PATH", path, 1);
	free(path);
}

/* ---- starting ---- */

TEST(server_is_started_with_its_limits_and_taken_up_as_it_is)
{
	struct mps_seen first;
	char path[160], text[4096] = "";
	uint64_t before_ns;

	fresh("", "");
	spec.limits = (struct mps_limits){ .memory_mib = 2500, .millipercent = 20000 };
	setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "7", 1);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	before_ns = now_ns();
	CHECK_ORDER(MPS_START);
	fprintf(stderr, "START %.1f ms\n", (double)(now_ns() - before_ns) / 1e6);
	unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
	unsetenv("NOTIFY_SOCKET");
	first = SEEN;
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	CHECK_EQ(SEEN.interface, MPS_V2);
	CHECK(SEEN.control.pid > 1 && SEEN.control.start_ticks > 0);
	CHECK(SEEN.server.pid > 1 && SEEN.server.start_ticks > 0);
	CHECK(!SEEN.holds_memory && !SEEN.holds_compute);
	CHECK_TEXT(front_end("get_default_active_thread_percentage", 0), "20.0");
	CHECK_TEXT(front_end("get_active_thread_percentage %d", SEEN.server.pid), "20.0");
	CHECK_TEXT(front_end("get_device_pinned_mem_limit %d 0", first.server.pid), "2G");
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)first.control.pid);
	{
		FILE *file = fopen(path, "re");
		size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

		if (file)
			fclose(file);
		for (size_t i = 0; i + 1 < n; i++)
			text[i] = text[i] ?: '\n';
	}
	CHECK(strstr(text, "CUDA_VISIBLE_DEVICES=GPU-00000000-1111-2222-3333-444444444444\n"));
	CHECK(!strstr(text, "THREAD_PERCENTAGE") && !strstr(text, "NOTIFY_SOCKET"));
	/* what its lock is for a worker */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)first.control.pid, WORKER_FD + 1);
	CHECK(readlink(path, text, sizeof(text)) < 0 || !text_starts(text, "/dev/null"));
	CHECK_ORDER(MPS_START);
	CHECK_EQ(SEEN.control.pid, first.control.pid);
	CHECK_EQ(SEEN.control.start_ticks, first.control.start_ticks);
	CHECK_EQ(SEEN.server.pid, first.server.pid);
	before_ns = now_ns();
	CHECK_ORDER(MPS_LOOK);
	fprintf(stderr, "LOOK %.1f ms\n", (double)(now_ns() - before_ns) / 1e6);
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	before_ns = now_ns();
	CHECK_ORDER(MPS_STOP);
	fprintf(stderr, "STOP %.1f ms\n", (double)(now_ns() - before_ns) / 1e6);
	CHECK(await_end(first.server.pid) && await_end(first.control.pid));
	CHECK(is_empty_of(spec.dir));
	CHECK_ORDER(MPS_STOP);
	CHECK_ORDER(MPS_LOOK);
	CHECK_EQ(SEEN.state, MPS_SEEN_GONE);
}

TEST(slow_server_is_waited_for)
{
	fresh("slow", "");
	CHECK_ORDER(MPS_START);
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	CHECK_ORDER(MPS_STOP);
}

TEST(server_that_is_never_ready_is_given_up_and_nothing_is_left)
{
	fresh("stuck", "");
	CHECK_EQ(order(MPS_START, 700 * MS), -ETIMEDOUT);
	CHECK_SAY(strstr(answer.text, "not ready in time: ") && !strstr(answer.text, spec.dir),
		"%s", answer.text);
	CHECK(is_empty_of(spec.dir));
}

TEST(server_that_ends_is_told_with_its_last_words_and_nothing_is_left)
{
	fresh("end", "");
	CHECK_EQ(order(MPS_START, 5000 * MS), -ENODEV);
	CHECK_SAY(strstr(answer.text, "status 1") && strstr(answer.text, "it was told to") &&
			  !strstr(answer.text, spec.dir),
		"%s", answer.text);
	CHECK(is_empty_of(spec.dir));
}

TEST(nvidias_own_server_says_that_there_is_no_gpu)
{
	char *path = strdup(getenv("PATH")), *real = getenv("CARVE_TEST_MPS_REAL");
	int code = 0;

	if (access("/proc/driver/nvidia/version", F_OK) == 0) {
		free(path);
		SKIP("there is a GPU here");
	}
	/* before it has looked for a GPU, R535's is listed as one that is ready */
	setenv("PATH", real, 1);
	for (int i = 0; i < 20 && code == 0; i++) {
		fresh("", "");
		code = order(MPS_START, 5000 * MS);
		if (code == 0)
			CHECK_EQ(order(MPS_STOP, 5000 * MS), 0);
	}
	CHECK_EQ(code, -ENODEV);
	CHECK_SAY(strstr(answer.text, "no CUDA-capable device"), "%s", answer.text);
	CHECK(is_empty_of(spec.dir));
	setenv("PATH", path, 1);
	free(path);
}

/* ---- tenants ---- */

/* The errno (0: done) of something done as another user. */
static int as_user(uid_t uid, int (*what)(const char *path), const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setuid(uid) < 0)
			_exit(255);
		_exit(what(path) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int do_enter(const char *path)
{
	return access(path, F_OK);
}

static int do_connect(const char *path)
{
	struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} address = { .family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	text_copy(address.path, sizeof(address.path), path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static int do_unlink(const char *path)
{
	return unlink(path);
}

static int do_plant(const char *path)
{
	char at[200];

	snprintf(at, sizeof(at), "%s/link", path);
	if (symlink("../..", at) < 0)
		return -1;
	snprintf(at, sizeof(at), "%s/deep", path);
	for (unsigned i = 0; i < 20; i++) {
		if (mkdir(at, 0000) < 0 || chmod(at, 0700) < 0)
			return -1;
		strcat(at, "/d");
	}
	return 0;
}

TEST(tenant_and_nobody_else_comes_in_and_cannot_replace_what_is_ours)
{
	char socket_path[120], pipe[100], keep[120], *cut;
	struct stat st;

	if (geteuid() != 0)
		SKIP("only root can start a server for somebody else");
	fresh("", "");
	spec.uid = TENANT;
	CHECK_ORDER(MPS_START);
	snprintf(pipe, sizeof(pipe), "%s/pipe", spec.dir);
	snprintf(socket_path, sizeof(socket_path), "%s/control", pipe);
	snprintf(keep, sizeof(keep), "/proc/%d", (int)SEEN.server.pid);
	CHECK(stat(keep, &st) == 0 && st.st_uid == TENANT);
	CHECK_EQ(as_user(TENANT, do_connect, socket_path), 0);
	CHECK_EQ(as_user(TENANT, do_unlink, socket_path), EPERM);
	CHECK_EQ(as_user(TENANT + 1, do_enter, socket_path), EACCES);
	/* links and deep trees of his are no way out of it */
	snprintf(keep, sizeof(keep), "%s", spec.dir);
	cut = strrchr(keep, '/');
	strcpy(cut, "/keep");
	CHECK_EQ(close(open(keep, O_CREAT | O_WRONLY, 0644)), 0);
	CHECK_EQ(as_user(TENANT, do_plant, pipe), 0);
	CHECK_ORDER(MPS_STOP);
	CHECK(is_empty_of(spec.dir));
	CHECK(access(keep, F_OK) == 0);
	unlink(keep);
}

TEST(directory_that_cannot_be_made_is_one_sentence)
{
	char path[120];

	fresh("", "");
	snprintf(path, sizeof(path), "%s/file", work);
	CHECK_EQ(close(open(path, O_CREAT | O_WRONLY, 0644)), 0);
	snprintf(spec.dir, sizeof(spec.dir), "%s/file/0", work);
	CHECK(order(MPS_START, 1000 * MS) < 0);
	CHECK_SAY(strstr(answer.text, "cannot"), "%s", answer.text);
	unlink(path);
	CHECK_EQ(symlink("/tmp", path), 0);
	snprintf(spec.dir, sizeof(spec.dir), "%s/file", work);
	CHECK(order(MPS_START, 1000 * MS) < 0);
	CHECK(answer.text[0]);
	unlink(path);
	memset(spec.dir, 'x', sizeof(spec.dir) - 1);
	memcpy(spec.dir, "relative", 8);
	CHECK_EQ(order(MPS_START, 1000 * MS), -ENAMETOOLONG);
}

/* ---- limits ---- */

TEST(limits_are_changed_and_read_back)
{
	static const struct {
		struct mps_limits limits;
		const char *percent, *memory;
	} rows[] = {
		{ { 3500, 33333 }, "33.3", "3G" },
		{ { 1023, 1000 }, "1.0", "1023M" },
		{ { 1024, 100000 }, "100.0", "1G" },
		{ { 0, 0 }, "100.0", "" },
	};
	uint64_t before_ns;
	int32_t server;

	fresh("", "");
	CHECK_ORDER(MPS_START);
	server = SEEN.server.pid;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		spec.limits = rows[i].limits;
		before_ns = now_ns();
		CHECK_ORDER(MPS_LIMITS);
		fprintf(stderr, "LIMITS %.1f ms\n", (double)(now_ns() - before_ns) / 1e6);
		CHECK_TEXT(front_end("get_default_active_thread_percentage", 0), rows[i].percent);
		CHECK_TEXT(front_end("get_active_thread_percentage %d", server), rows[i].percent);
		CHECK_TEXT(front_end("get_default_device_pinned_mem_limit 0", 0), rows[i].memory);
		CHECK_TEXT(front_end("get_device_pinned_mem_limit %d 0", server), rows[i].memory);
	}
	spec.limits.millipercent = 100001;
	CHECK_EQ(order(MPS_LIMITS, 1000 * MS), -EINVAL);
	CHECK_SAY(strstr(answer.text, "100.001 percent"), "%s", answer.text);
	CHECK_ORDER(MPS_STOP);
	CHECK_EQ(order(MPS_LIMITS, 1000 * MS), -EINVAL);
	spec.limits.millipercent = 50000;
	CHECK_EQ(order(MPS_LIMITS, 1000 * MS), -ENOENT);
}

TEST(share_is_bound_by_its_environment)
{
	struct mps_order wanted = { .op = MPS_ADD, .deadline_ns = 1000 * MS };
	char text[300];

	fresh("", "");
	CHECK_ORDER(MPS_START);
	wanted.spec = spec;
	wanted.part.limits = (struct mps_limits){ .memory_mib = 700, .millipercent = 12500 };
	CHECK_EQ(order_mps(&wanted), 0);
	snprintf(text, sizeof(text),
		"CUDA_MPS_PIPE_DIRECTORY=%s/pipe\nCUDA_MPS_ACTIVE_THREAD_PERCENTAGE=12.5\n"
		"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=700M\n",
		spec.dir);
	CHECK_TEXT(answer.mps.environment, text);
	wanted.op = MPS_REMOVE;
	CHECK_EQ(order_mps(&wanted), 0);
	spec.interface = MPS_V3;
	CHECK_ORDER(MPS_STOP);
	CHECK_EQ(order(MPS_START, 1000 * MS), -ENOTSUP);
	CHECK_SAY(strstr(answer.text, "R615"), "%s", answer.text);
	spec.interface = MPS_V2_STATIC;
	CHECK_EQ(order(MPS_START, 1000 * MS), -ENOTSUP);
	CHECK(is_empty_of(spec.dir));
}

/* ---- clients and faults ---- */

TEST(clients_are_seen_and_ended_one_by_one)
{
	pid_t pid[] = { sleeper(), sleeper() };
	struct mps_order wanted = { .op = MPS_TERMINATE, .deadline_ns = 2000 * MS };
	char clients[40];

	snprintf(clients, sizeof(clients), "%d %d", (int)pid[0], (int)pid[1]);
	fresh("", clients);
	if (!is_started())
		return;
	CHECK_EQ(SEEN.n_clients, 2);
	wanted.spec = spec;
	wanted.n_pids = 2;
	wanted.pid[0] = getpid();
	wanted.pid[1] = pid[1];
	CHECK_SAY(order_mps(&wanted) == 0, "%s", answer.text);
	CHECK_EQ(SEEN.n_clients, 1);
	CHECK_EQ(SEEN.client[0], pid[0]);
	/* one is left: the server does not go by itself */
	{
		int32_t server = SEEN.server.pid;

		CHECK_SAY(order(MPS_STOP, 3000 * MS) == 0, "%s", answer.text);
		CHECK(await_end(server));
	}
	CHECK(is_empty_of(spec.dir));
	end(pid[0]);
	end(pid[1]);
}

/* Reads events until one of that kind, which has to name a pid. */
static bool await_event(
	struct mps_log *log, enum mps_log_kind kind, struct mps_log_event *ret_event)
{
	for (unsigned i = 0; i < 100; i++) {
		struct pollfd news = { .fd = mps_log_fd(log), .events = POLLIN };

		while (mps_log_next(log, ret_event) > 0) {
			if (ret_event->kind == kind && (kind != MPS_LOG_FAULT || ret_event->client))
				return true;
		}
		poll(&news, 1, 50);
	}
	return false;
}

TEST(fault_its_cause_and_its_end_are_seen)
{
	struct mps_log_event event;
	struct mps_log log;
	char clients[20];
	int32_t server;

	snprintf(clients, sizeof(clients), "%d", (int)getpid());
	fresh("", clients);
	if (!is_started())
		return;
	server = SEEN.server.pid;
	mps_log_init(&log, spec.dir, true);
	CHECK_EQ(kill(server, SIGUSR1), 0);
	CHECK(await_event(&log, MPS_LOG_FAULT, &event));
	CHECK_EQ(event.client, getpid());
	CHECK_EQ(event.server, server);
	CHECK_ORDER(MPS_LOOK);
	CHECK_EQ(SEEN.state, MPS_SEEN_FAULT);
	CHECK_EQ(kill(server, SIGUSR2), 0);
	CHECK(await_event(&log, MPS_LOG_SERVER_READY, &event));
	CHECK_EQ(event.server, server);
	CHECK_ORDER(MPS_LOOK);
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	CHECK_EQ(kill(server, SIGKILL), 0);
	CHECK(await_event(&log, MPS_LOG_SERVER_EXITED, &event));
	CHECK_EQ(event.server, server);
	CHECK_ORDER(MPS_LOOK);
	CHECK_EQ(SEEN.state, MPS_SEEN_NO_SERVER);
	/* the next start makes another, in the same daemon */
	CHECK_ORDER(MPS_START);
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	CHECK(SEEN.server.pid != server);
	mps_log_done(&log);
	CHECK_SAY(order(MPS_STOP, 3000 * MS) == 0, "%s", answer.text);
}

/* ---- its death ---- */

TEST(killed_daemon_is_seen_and_another_is_started_over_its_remains)
{
	struct mps_seen first;

	fresh("", "");
	if (!is_started())
		return;
	first = SEEN;
	/* its server would notice, and does not get to it */
	kill(first.server.pid, SIGSTOP);
	kill(first.control.pid, SIGKILL);
	CHECK(await_end(first.control.pid));
	CHECK_ORDER(MPS_LOOK);
	CHECK_EQ(SEEN.state, MPS_SEEN_GONE);
	CHECK_ORDER(MPS_START);
	CHECK_EQ(SEEN.state, MPS_SEEN_READY);
	CHECK(SEEN.control.pid != first.control.pid);
	CHECK(await_end(first.server.pid));
	CHECK_ORDER(MPS_STOP);
	CHECK(is_empty_of(spec.dir));
}

TEST(daemon_that_hangs_is_told_in_time_and_ended_by_force)
{
	struct mps_seen first;
	uint64_t before_ns;

	fresh("", "");
	if (!is_started())
		return;
	first = SEEN;
	kill(first.control.pid, SIGSTOP);
	before_ns = now_ns();
	CHECK_EQ(order(MPS_LOOK, 300 * MS), -ETIMEDOUT);
	CHECK(now_ns() - before_ns < 2000 * MS);
	CHECK_SAY(strstr(answer.text, "does not answer"), "%s", answer.text);
	before_ns = now_ns();
	CHECK_SAY(order(MPS_STOP, 1000 * MS) == 0, "%s", answer.text);
	CHECK(now_ns() - before_ns < 3000 * MS);
	CHECK(await_end(first.control.pid) && await_end(first.server.pid));
	CHECK(is_empty_of(spec.dir));
}

/* ---- others' ---- */

static void start_by_hand(const char *pipe, const char *devices)
{
	char command[500];

	snprintf(command, sizeof(command),
		"mkdir -p %s %s-log && CUDA_MPS_PIPE_DIRECTORY=%s CUDA_MPS_LOG_DIRECTORY=%s-log "
		"CUDA_VISIBLE_DEVICES=%s nvidia-cuda-mps-control -d",
		pipe, pipe, pipe, pipe, devices);
	CHECK_EQ(system(command), 0);
}

static void quit_by_hand(const char *pipe)
{
	char command[300];

	snprintf(command, sizeof(command),
		"echo quit | CUDA_MPS_PIPE_DIRECTORY=%s nvidia-cuda-mps-control >/dev/null", pipe);
	CHECK(system(command) >= 0);
	/* it may answer before it ends */
	for (unsigned i = 0; i < 300; i++) {
		struct mps_foreign foreign[MPS_FOREIGN_MAX];
		int n = mps_find_foreign("/nowhere", foreign, MPS_FOREIGN_MAX);
		bool is_gone = true;

		for (int k = 0; k < n; k++)
			is_gone = is_gone && !text_eq(foreign[k].pipe_dir, pipe);
		if (is_gone)
			return;
		usleep(10000);
	}
	CHECK_SAY(false, "the daemon of %s is still there", pipe);
}

TEST(others_daemons_are_found_and_left_alone)
{
	struct mps_order wanted = { .op = MPS_FIND };
	char pipe[120];
	unsigned n = 0;

	fresh("", "");
	CHECK_ORDER(MPS_START);
	snprintf(pipe, sizeof(pipe), "%s/admin", work);
	start_by_hand(pipe, "2,3");
	snprintf(wanted.run_dir, sizeof(wanted.run_dir), "%s/run", work);
	CHECK_EQ(order_mps(&wanted), 0);
	for (unsigned i = 0; i < answer.mps.n_foreign; i++) {
		const struct mps_foreign *foreign = &answer.mps.foreign[i];

		CHECK(!text_starts(foreign->pipe_dir, wanted.run_dir));
		if (!text_eq(foreign->pipe_dir, pipe))
			continue;
		n++;
		CHECK_TEXT(foreign->devices, "2,3");
		CHECK_EQ(foreign->uid, geteuid());
		CHECK(is_there(foreign->pid));
	}
	CHECK_EQ(n, 1);
	CHECK_ORDER(MPS_STOP);
	quit_by_hand(pipe);
	/* one that has our directory under another name was not started by us */
	snprintf(pipe, sizeof(pipe), "%s/./pipe", spec.dir);
	start_by_hand(pipe, "0");
	CHECK_EQ(order(MPS_START, 1000 * MS), -EEXIST);
	CHECK_SAY(strstr(answer.text, "was not started by Carve"), "%s", answer.text);
	CHECK_EQ(order(MPS_STOP, 1000 * MS), -EEXIST);
	CHECK(access(pipe, F_OK) == 0);
	quit_by_hand(pipe);
	CHECK_ORDER(MPS_STOP);
}

TEST_MAIN()
