/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: leases are taken by `carve run`, as anyone's are, with the benchmark's copies as their
 * command (measure/copy.h). So whatever becomes of us, the copies see their input closed and end,
 * and their leases with them.
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
#include "cli/measure_group.h"
#include "measure/copy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define SECOND_NS 1000000000ULL
/* For a lease, a server, a context and clocks; beyond the time that is measured. */
#define READY_NS (180 * SECOND_NS)
#define DONE_NS	 (60 * SECOND_NS)
enum { LINE_MAX_LENGTH = 4096 };

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

const sigset_t *measure_signal_mask(void)
{
	return &unblocked;
}

/* ---- listening ---- */

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
	char words[GROUP_WORDS_MAX];

	group_last_words(group, words);
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
		int status = group->pid > 0 ? group_reap(group) : 0;

		while (r == 0) {
			r = listen_to(crew, group, err);
			if (r == 1) {
				r = status ? say_ended(crew, group, err) : 0;
				break;
			}
		}
		group_done(group);
	}
	return r;
}

static int work(struct crew *crew, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; i < crew->n && r == 0; i++)
		r = group_start(&crew->group[i], crew->measuring, crew->run, err);
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
