/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: leases are taken by `carve run`, as anyone's are, with the benchmark's copies as their
 * command (measure/copy.h). So whatever becomes of us, the copies see their input closed and end,
 *and with them their leases.
 *
 *	all copies ready -> a byte for each -> all done -> inputs closed -> all ended
 *
 * A copy that fails before the end fails the run.
 */
#include "cli/measure.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/verb.h"
#include "measure/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL
/* For a lease, a server, a context and clocks; beyond the time that is measured; to end. */
#define READY_NS (180 * SECOND_NS)
#define DONE_NS	 (60 * SECOND_NS)
#define END_NS	 (30 * SECOND_NS)
enum { ARGUMENTS_MAX = 24, LINE_MAX_LENGTH = 4096 };

/* The copies of one lease. */
struct group {
	pid_t pid;
	int in, out, log;  /* its standard input and output, and what it says of errors; -1 */
	unsigned first, n; /* which copies of the run */
	struct buf text;   /* of a line that is not whole yet */
};

struct crew {
	struct measuring *measuring;
	const struct plan_run *run;
	unsigned n;
	struct group group[MEASURED_COPIES_MAX];
	unsigned n_ready, n_done;
	struct work_item item[MEASURED_COPIES_MAX];
	struct work_rate rate[MEASURED_COPIES_MAX];
};

/* ---- signals ---- */

static const int held[] = { SIGINT, SIGTERM, SIGHUP };
static volatile sig_atomic_t came;
static sigset_t unblocked;

static void on_signal(int number)
{
	came = number;
}

void measure_hold_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		sigaddset(&blocked, held[i]);
		sigaction(held[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
}

int measure_signal(void)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < ARRAY_SIZE(held) && !came; i++)
		if (sigismember(&pending, held[i]) == 1)
			came = held[i];
	return came;
}

/* ---- starting ---- */

static void add_items(
	const struct crew *crew, const struct group *group, struct buf *kinds, struct buf *items)
{
	for (unsigned i = 0; i < group->n; i++) {
		enum work_kind kind = crew->run->kind[group->first + i];
		struct work_item item = crew->measuring->item[kind];

		/* Not known yet: as large as it may be for the smallest share. */
		if (!item.rounds)
			item.bytes = crew->measuring->memory_bytes /
				     (4 * (uint64_t)crew->measuring->copies);
		buf_addf(kinds, "%s%s", i ? "," : "", work_kind_names[kind]);
		buf_addf(items, "%s%" PRIu32 "x%" PRIu32 "x%" PRIu64, i ? "," : "", item.blocks,
			item.rounds, item.bytes);
	}
}

/* What of `carve run` gives such a share. */
static unsigned add_share(const struct plan_run *run, const char **argument, char percent[8])
{
	unsigned n = 0;

	argument[n++] = "--mechanism";
	switch (run->option) {
	case ADVICE_MPS:
		snprintf(percent, 8, "%u%%", run->percent);
		argument[n++] = "mps";
		argument[n++] = "--compute";
		argument[n++] = percent;
		break;
	case ADVICE_MIG:
		argument[n++] = "mig";
		argument[n++] = "--profile";
		argument[n++] = run->profile;
		break;
	default:
		argument[n++] = "whole";
	}
	return n;
}

static int spawn(struct group *group, char *const *arguments, const int ends[3], struct error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t by_default;
	int r;

	sigemptyset(&by_default);
	sigaddset(&by_default, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&actions, ends[i], i);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &unblocked);
	posix_spawnattr_setsigdefault(&attributes, &by_default);
	r = posix_spawn(&group->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		return 0;
	group->pid = 0;
	return error_set(err, -r, "cannot start a copy: %s", strerror(r));
}

static int start(struct crew *crew, struct group *group, struct error *err)
{
	AUTO_CLOSE int input = -1, output = -1;
	AUTO_BUF kinds = { 0 }, items = { 0 };
	struct measuring *measuring = crew->measuring;
	const char *argument[ARGUMENTS_MAX];
	char percent[8], name[48], time[24], self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int in[2], out[2], ends[3];
	unsigned n = 0;

	if (length < 0)
		return error_set(err, -errno, "cannot find this program in /proc: %m");
	self[length] = '\0';
	snprintf(name, sizeof(name), "measure-%d-%u", (int)getpid(), ++measuring->n_leases);
	snprintf(time, sizeof(time), "%ums", measuring->run_ms);
	add_items(crew, group, &kinds, &items);
	argument[n++] = "carve";
	argument[n++] = "run";
	argument[n++] = "--gpu";
	argument[n++] = measuring->uuid;
	n += add_share(crew->run, argument + n, percent);
	argument[n++] = "--name";
	argument[n++] = name;
	argument[n++] = "--wait=60s";
	argument[n++] = "--";
	argument[n++] = self;
	argument[n++] = COPY_OPTION;
	argument[n++] = buf_text(&kinds);
	argument[n++] = buf_text(&items);
	argument[n++] = time;
	argument[n] = NULL;
	if (pipe2(in, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	input = in[0];
	group->in = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	group->out = out[0];
	output = out[1];
	group->log = memfd_create("carve-measure", MFD_CLOEXEC);
	if (group->log < 0)
		return error_set(err, -errno, "cannot keep what a copy says: %m");
	ends[0] = input;
	ends[1] = output;
	ends[2] = group->log;
	return spawn(group, (char *const *)argument, ends, err);
}

/* ---- listening ---- */

/* The last line of what `carve run` said, without "carve: ". */
static void last_words(const struct group *group, char ret_text[300])
{
	char text[2048];
	off_t size = lseek(group->log, 0, SEEK_END);
	off_t at = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(group->log, text, sizeof(text) - 1, at);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	text_copy(ret_text, 300, text_starts(line, "carve: ") ? line + 7 : line);
}

static int say_run(const struct crew *crew, int code, const char *what, struct error *err)
{
	char text[PLAN_TEXT_MAX];

	return error_set(err, code, "%s: %s; nothing is stored", plan_text(crew->run, text), what);
}

static int read_ready(struct crew *crew, unsigned copy, const json_t *line, struct error *err)
{
	struct measuring *measuring = crew->measuring;
	const json_t *item = json_object_get(line, "item");
	const char *gpu = json_text(line, "gpu");

	*vec_add(&measuring->pids) = (pid_t)json_whole(line, "pid");
	crew->item[copy] = (struct work_item){ (uint32_t)json_whole(item, "blocks"),
		(uint32_t)json_whole(item, "rounds"), (uint64_t)json_whole(item, "bytes") };
	/* An instance has a uuid of its own. */
	if (crew->run->option != ADVICE_MIG && *gpu && !text_eq(gpu, measuring->uuid)) {
		AUTO_FREE char *what = must_asprintf("a copy computes on %.48s instead", gpu);

		return say_run(crew, -EIO, what, err);
	}
	crew->n_ready++;
	return 0;
}

static int read_line(struct crew *crew, struct group *group, const char *text, struct error *err)
{
	AUTO_JSON *line = json_loads(text, 0, NULL);
	const char *event = json_text(line, "event");
	unsigned copy = group->first + (unsigned)json_whole(line, "copy");

	if (!line || copy >= group->first + group->n)
		return say_run(crew, -EBADMSG, "a copy says what nobody understands", err);
	if (text_eq(event, "failed"))
		return say_run(crew, -EIO, json_text(line, "text"), err);
	if (text_eq(event, "ready"))
		return read_ready(crew, copy, line, err);
	crew->rate[copy] = (struct work_rate){ json_number(line, "items_per_s"),
		(uint64_t)json_whole(line, "p50_ns"), (uint64_t)json_whole(line, "p99_ns") };
	crew->n_done++;
	return 0;
}

static int say_ended(struct crew *crew, struct group *group, struct error *err)
{
	char words[300];

	last_words(group, words);
	return say_run(crew, -ECHILD, *words ? words : "a copy ended before its time", err);
}

/* Lines that have come: 0, 1 at the end, or a fault. */
static int listen_to(struct crew *crew, struct group *group, struct error *err)
{
	char text[LINE_MAX_LENGTH];
	ssize_t n = read(group->out, text, sizeof(text));
	char *end;

	if (n < 0)
		return errno == EINTR ? 0 : error_set(err, -errno, "cannot read from a copy: %m");
	if (n == 0)
		return 1;
	buf_add_n(&group->text, text, (size_t)n);
	while ((end = memchr(buf_text(&group->text), '\n', group->text.length)) != NULL) {
		AUTO_BUF rest = { 0 };
		int r;

		*end = '\0';
		r = read_line(crew, group, group->text.text, err);
		buf_add(&rest, end + 1);
		buf_clear(&group->text);
		buf_add(&group->text, buf_text(&rest));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Until so many copies are there: `count` is one of the crew's. */
static int wait_for(struct crew *crew, const unsigned *count, uint64_t within_ns, struct error *err)
{
	uint64_t deadline_ns = now_ns() + within_ns;

	while (*count < crew->run->n) {
		struct pollfd fds[MEASURED_COPIES_MAX];
		struct timespec second = { .tv_sec = 1 };

		if (measure_signal())
			return say_run(crew, -EINTR, "it was interrupted", err);
		if (now_ns() > deadline_ns)
			return say_run(crew, -ETIMEDOUT, "a copy does not come to an end", err);
		for (unsigned i = 0; i < crew->n; i++)
			fds[i] = (struct pollfd){ .fd = crew->group[i].out, .events = POLLIN };
		if (ppoll(fds, crew->n, &second, &unblocked) < 0)
			continue;
		for (unsigned i = 0; i < crew->n; i++) {
			int r = fds[i].revents ? listen_to(crew, &crew->group[i], err) : 0;

			if (r == 1)
				return say_ended(crew, &crew->group[i], err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- ending ---- */

/* Waits for it; who does not end is asked to, and then made to. Its wait status. */
static int reap(struct group *group)
{
	static const int signals[] = { 0, SIGTERM, SIGKILL };
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		uint64_t deadline_ns = now_ns() + END_NS;

		if (signals[i])
			kill(group->pid, signals[i]);
		while (now_ns() < deadline_ns || signals[i] == SIGKILL) {
			pid_t pid = waitpid(group->pid, &status, WNOHANG);

			if (pid == group->pid || (pid < 0 && errno != EINTR))
				return status;
			poll(NULL, 0, 5);
		}
	}
	return status;
}

/* Lets go of all copies. Where the run was good until now, they have to end well too. */
static int end(struct crew *crew, int r, struct error *err)
{
	for (unsigned i = 0; i < crew->n; i++) {
		if (crew->group[i].in >= 0)
			close(crew->group[i].in);
		/* It may still wait for its lease. */
		if (r < 0 && crew->group[i].pid > 0)
			kill(crew->group[i].pid, SIGTERM);
	}
	for (unsigned i = 0; i < crew->n; i++) {
		struct group *group = &crew->group[i];
		int status = group->pid > 0 ? reap(group) : 0;

		while (r == 0) {
			r = listen_to(crew, group, err);
			if (r == 1) {
				r = status ? say_ended(crew, group, err) : 0;
				break;
			}
		}
		if (group->out >= 0)
			close(group->out);
		if (group->log >= 0)
			close(group->log);
		buf_done(&group->text);
	}
	return r;
}

static int work(struct crew *crew, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; i < crew->n && r == 0; i++)
		r = start(crew, &crew->group[i], err);
	if (r == 0)
		r = wait_for(crew, &crew->n_ready, READY_NS, err);
	for (unsigned i = 0; i < crew->n && r == 0; i++) {
		char go[MEASURED_COPIES_MAX];

		memset(go, COPY_GO, sizeof(go));
		/* One that has ended is told of by its output. */
		(void)write_all(crew->group[i].in, go, crew->group[i].n);
	}
	if (r == 0)
		r = wait_for(crew, &crew->n_done,
			crew->measuring->run_ms * (SECOND_NS / 1000) + DONE_NS, err);
	return r;
}

static void keep_figure(struct crew *crew, enum work_kind kind)
{
	struct measuring *measuring = crew->measuring;
	const struct plan_run *run = crew->run;
	struct measured *figure = vec_add(&measuring->figures);

	figure->option = run->option;
	figure->kind = kind;
	figure->beside = plan_beside(run, kind);
	figure->count = run->count;
	figure->percent = run->percent;
	text_copy(figure->profile, sizeof(figure->profile), run->profile);
	for (unsigned i = 0; i < run->n; i++) {
		if (run->kind[i] != kind)
			continue;
		figure->item = crew->item[i];
		figure->copy[figure->n++] = crew->rate[i];
	}
	if (run->option == ADVICE_WHOLE) {
		measuring->item[kind] = figure->item;
		measuring->alone[kind] = figure->copy[0];
	}
	figure->alone = measuring->alone[kind];
}

int measure_run(struct measuring *measuring, const struct plan_run *run, struct error *err)
{
	struct crew crew = { .measuring = measuring, .run = run };
	bool is_one_lease = run->option == ADVICE_WHOLE || run->option == ADVICE_TIME;
	int r;

	crew.n = is_one_lease ? 1 : run->n;
	for (unsigned i = 0; i < crew.n; i++)
		crew.group[i] = (struct group){
			.in = -1, .out = -1, .log = -1, .first = i, .n = is_one_lease ? run->n : 1
		};
	r = work(&crew, err);
	r = end(&crew, r, err);
	for (unsigned kind = 0; kind < WORK_KINDS_N && r == 0; kind++) {
		bool is_in = false;

		for (unsigned i = 0; i < run->n; i++)
			is_in |= run->kind[i] == kind;
		if (is_in)
			keep_figure(&crew, (enum work_kind)kind);
	}
	return r;
}
