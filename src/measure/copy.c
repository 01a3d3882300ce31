/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/copy.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/list.h"
#include "base/text.h"
#include "driver/cuda.h"
#include "measure/work.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 64 };

struct copy {
	enum work_kind kind;
	struct work_item item;
};
struct copies {
	unsigned n;
	struct copy copy[MEASURED_COPIES_MAX];
	uint64_t for_ns;
};
struct times {
	VEC(uint64_t) ns;
	uint64_t all_ns;
};

/* One write of less than PIPE_BUF: lines of several copies do not mix. */
static void say(unsigned copy, const char *event, json_t *json)
{
	AUTO_FREE char *text = NULL, *line = NULL;

	json_object_set_new(json, "copy", json_integer(copy));
	json_object_set_new(json, "event", json_string(event));
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	line = must_asprintf("%s\n", text ?: "{}");
	(void)write_all(STDOUT_FILENO, line, strlen(line));
}

static int say_failed(unsigned copy, const char *text)
{
	say(copy, "failed", json_pack("{s:s}", "text", text));
	return EXIT_FAILED;
}

/* Whoever started us has let go. */
static bool is_over(void)
{
	struct pollfd input = { .fd = STDIN_FILENO };

	return poll(&input, 1, 0) > 0 && input.revents & (POLLHUP | POLLERR);
}

static bool may_go(void)
{
	ssize_t n;
	char c;

	do
		n = read(STDIN_FILENO, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* Items until the time is over: 0, a fault, or -ECANCELED where nobody wants them any more. */
static int work_for(struct work *work, uint64_t for_ns, struct times *times, struct error *err)
{
	uint64_t since = now_ns(), at = since;

	while (at - since < for_ns) {
		int r = work_do(work, err);
		uint64_t now = now_ns();

		if (r < 0)
			return r;
		if (is_over())
			return -ECANCELED;
		*vec_add(&times->ns) = now - at;
		at = now_ns();
	}
	times->all_ns = at - since;
	return 0;
}

/* While the others began it idled, and the GPU's clocks may have fallen. */
#define WARM_NS (100 * 1000000ULL)

static int warm_up(struct work *work, struct error *err)
{
	struct times unmeasured = { 0 };
	int r = work_for(work, WARM_NS, &unmeasured, err);

	vec_done(&unmeasured.ns);
	return r;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest that so many hundredths of them do not exceed. */
static uint64_t percentile(const struct times *times, unsigned hundredths)
{
	return times->ns.at[(times->ns.n * hundredths + 99) / 100 - 1];
}

static void say_done(unsigned copy, struct times *times)
{
	qsort(times->ns.at, times->ns.n, sizeof(*times->ns.at), by_size);
	say(copy, "done",
		json_pack("{s:f, s:I, s:I}", "items_per_s",
			(double)times->ns.n * 1e9 / (double)times->all_ns, "p50_ns",
			(json_int_t)percentile(times, 50), "p99_ns",
			(json_int_t)percentile(times, 99)));
}

static int stay_busy(struct work *work, struct error *err)
{
	int r = 0;

	while (r == 0 && !is_over())
		r = work_do(work, err);
	return r;
}

static int run(const struct copies *copies, unsigned i)
{
	const struct copy *copy = &copies->copy[i];
	struct error err = ERROR_NONE;
	struct times times = { 0 };
	struct work *work;
	int r = work_open(copy->kind, &copy->item, &work, &err);

	if (r < 0)
		return say_failed(i, err.text);
	say(i, "ready",
		json_pack("{s:i, s:s, s:{s:I, s:I, s:I}}", "pid", (int)getpid(), "gpu",
			work_gpu(work), "item", "blocks", (json_int_t)work_item_of(work)->blocks,
			"rounds", (json_int_t)work_item_of(work)->rounds, "bytes",
			(json_int_t)work_item_of(work)->bytes));
	r = may_go() ? warm_up(work, &err) : -ECANCELED;
	if (r == 0)
		r = work_for(work, copies->for_ns, &times, &err);
	if (r == 0) {
		say_done(i, &times);
		r = stay_busy(work, &err);
	}
	vec_done(&times.ns);
	work_close(work);
	if (r == -ECANCELED)
		return EXIT_FAILED;
	return r < 0 ? say_failed(i, err.text) : 0;
}

/* A process for each: they share nothing of a context. They end with their parent. */
static int run_all(const struct copies *copies)
{
	pid_t parent = getpid(), pid[MEASURED_COPIES_MAX];
	int status = 0;

	for (unsigned i = 0; i < copies->n; i++) {
		pid[i] = fork();
		if (pid[i] < 0) {
			say_failed(i, "there can be no more processes here");
			status = EXIT_FAILED;
		} else if (pid[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() == parent ? run(copies, i) : EXIT_FAILED);
		}
	}
	for (unsigned i = 0; i < copies->n; i++) {
		int how;

		if (pid[i] < 0 || waitpid(pid[i], &how, 0) < 0)
			continue;
		if (WIFSIGNALED(how)) {
			AUTO_FREE char *text = must_asprintf("it was ended by signal %d (%s)",
				WTERMSIG(how), strsignal(WTERMSIG(how)));

			say_failed(i, text);
		}
		status = how ? EXIT_FAILED : status;
	}
	return status;
}

/* "4224x100x0" */
static int parse_item(const char *text, struct work_item *ret_item)
{
	char end;

	return sscanf(text, "%" SCNu32 "x%" SCNu32 "x%" SCNu64 "%c", &ret_item->blocks,
		       &ret_item->rounds, &ret_item->bytes, &end) == 3
		       ? 0
		       : -EINVAL;
}

static int parse(char **argv, struct copies *copies)
{
	char *kinds = argv[0], *items = argv[1], *kind, *item;

	while ((kind = strsep(&kinds, ",")) != NULL) {
		struct copy *copy = &copies->copy[copies->n];
		int found = work_kind_find(kind);

		if (copies->n++ == MEASURED_COPIES_MAX || found < 0)
			return -EINVAL;
		copy->kind = (enum work_kind)found;
		item = strsep(&items, ",");
		if (!item || parse_item(item, &copy->item) < 0)
			return -EINVAL;
	}
	return items || parse_duration(argv[2], &copies->for_ns) < 0 || !copies->for_ns ? -EINVAL
											: 0;
}

int copy_can_run(struct error *err)
{
	return cuda_load(err);
}

int copy_main(int argc, char **argv)
{
	struct copies copies = { 0 };

	if (argc != 3 || parse(argv, &copies) < 0) {
		fputs("carve: " COPY_OPTION " is how 'carve measure' starts its copies\n", stderr);
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	return copies.n == 1 ? run(&copies, 0) : run_all(&copies);
}
