/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/workers.h"

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

/*
 * A worker process that is killed may stay for a while: stuck in the driver, nothing ends it before
 * the driver lets go. It is left to the SIGCHLD source to be reaped; its successor waits for it on
 * the lock file (fd 4, flock'ed by carved --worker before it touches the driver), so that no two
 * processes of ours ever change one GPU at the same time, not even across a killed daemon.
 */

#define VF_STEP_NS (60 * 1000000000ULL)

struct waiting_order {
	struct work_order order;
	worker_done_fn done;
	void *context;
	struct list link;
};

struct worker {
	sd_event *loop;
	char pci[48]; /* or "mps:NAME" */
	char *lock_path;
	uint64_t timeout_ns, last_number;
	uint64_t given_ns; /* for the order in flight */
	pid_t pid;	   /* 0: not running */
	int fd;
	sd_event_source *answer_source, *deadline_source;
	struct list orders; /* the first is in flight if `is_busy` */
	bool is_busy, lets_go, rests;
};

extern char **environ;

static void give_next(struct worker *worker);

static int reap(sd_event_source *source, const siginfo_t *info, void *context)
{
	sd_event_source_unref(source);
	return 0;
}

/* Forgets the process; it ends by the closed socket or by the signal. */
static void stop(struct worker *worker, bool by_force)
{
	worker->answer_source = sd_event_source_disable_unref(worker->answer_source);
	worker->deadline_source = sd_event_source_disable_unref(worker->deadline_source);
	if (worker->fd >= 0)
		close(TAKE_FD(worker->fd));
	if (worker->pid > 0) {
		if (by_force)
			kill(worker->pid, SIGKILL);
		if (sd_event_add_child(worker->loop, NULL, worker->pid, WEXITED, reap, NULL) < 0)
			log_debug("worker %s: not watched", worker->pci);
	}
	worker->pid = 0;
	worker->is_busy = false;
}

static void answer_first(struct worker *worker, const struct work_answer *answer)
{
	struct waiting_order *first = container_of(worker->orders.next, struct waiting_order, link);
	worker_done_fn done = first->done;
	void *context = first->context;

	worker->is_busy = false;
	list_remove(&first->link);
	free(first);
	done(context, answer);
}

static void fail_first(struct worker *worker, int code, const char *text)
{
	struct waiting_order *first = container_of(worker->orders.next, struct waiting_order, link);
	struct work_answer answer = { .number = first->order.number, .op = first->order.op };

	answer.result = code;
	text_copy(answer.text, sizeof(answer.text), text);
	log_warning("worker for GPU %s: %s", worker->pci, text);
	answer_first(worker, &answer);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct worker *worker = context;
	struct work_answer answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= (ssize_t)offsetof(struct work_answer, text) ||
		n != (ssize_t)work_answer_size(&answer)) {
		bool was_busy = worker->is_busy;

		stop(worker, true);
		if (was_busy)
			fail_first(worker, -EPIPE,
				"the driver call ended its process (a crash in the driver's "
				"library?)");
	} else if (worker->is_busy && answer.number == worker->last_number) {
		worker->deadline_source = sd_event_source_disable_unref(worker->deadline_source);
		answer_first(worker, &answer);
	}
	give_next(worker);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	struct worker *worker = context;
	char text[DURATION_TEXT_MAX], sentence[128];

	snprintf(sentence, sizeof(sentence),
		"the driver call did not answer within %s; its process was ended",
		duration_text(worker->given_ns, text));
	stop(worker, true);
	fail_first(worker, -ETIMEDOUT, sentence);
	give_next(worker);
	return 0;
}

static int start(struct worker *worker)
{
	AUTO_CLOSE int lock = open(worker->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int fds[2], r;

	if (lock < 0)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	/* adddup2 onto the same number would leave FD_CLOEXEC on: both are far above in a daemon,
	 * but see to it */
	if (fds[1] <= WORKER_FD + 1 || lock <= WORKER_FD + 1) {
		int high = fcntl(fds[1], F_DUPFD_CLOEXEC, WORKER_FD + 2);

		close(fds[1]);
		fds[1] = high;
		high = fcntl(lock, F_DUPFD_CLOEXEC, WORKER_FD + 2);
		close(lock);
		lock = high;
	}
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], WORKER_FD);
	posix_spawn_file_actions_adddup2(&actions, lock, WORKER_FD + 1);
	r = posix_spawn(&worker->pid, "/proc/self/exe", &actions, &attributes,
		(char *const *)(const char *const[]){ "carved", "--worker", worker->pci, NULL },
		environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(fds[1]);
	if (r != 0) {
		close(fds[0]);
		worker->pid = 0;
		return -r;
	}
	worker->fd = fds[0];
	return sd_event_add_io(
		worker->loop, &worker->answer_source, worker->fd, EPOLLIN, on_answer, worker);
}

/* The kernel gives each board a second to rest when its VFs go, and NVIDIA's sriov-manage binds its
 * driver to each of them; both wait for others to let go. */
static uint64_t time_for(const struct worker *worker, const struct work_order *order)
{
	if (order->op != WORK_DO || !step_is_of_vfs(&order->step) ||
		worker->timeout_ns > VF_STEP_NS)
		return worker->timeout_ns;
	return VF_STEP_NS;
}

/* The order that is next, if it may be given now. */
static struct waiting_order *next_order(struct worker *worker)
{
	struct waiting_order *first;

	if (worker->is_busy || list_is_empty(&worker->orders))
		return NULL;
	first = container_of(worker->orders.next, struct waiting_order, link);
	return worker->rests && first->order.op != WORK_LET_GO ? NULL : first;
}

static void give_next(struct worker *worker)
{
	struct waiting_order *first;

	while ((first = next_order(worker))) {
		int r;

		if (worker->fd < 0 && first->order.op == WORK_LET_GO) {
			answer_first(worker, &(struct work_answer){ .op = WORK_LET_GO });
			continue;
		}
		r = worker->fd < 0 ? start(worker) : 0;
		worker->is_busy = true;
		worker->given_ns = time_for(worker, &first->order);
		first->order.number = ++worker->last_number;
		if (r == 0 &&
			send(worker->fd, &first->order, sizeof(first->order), MSG_NOSIGNAL) < 0)
			r = -errno;
		if (r == 0)
			r = sd_event_add_time_relative(worker->loop, &worker->deadline_source,
				CLOCK_MONOTONIC, worker->given_ns / 1000, 0, on_deadline, worker);
		if (r == 0)
			return;
		stop(worker, true);
		worker->is_busy = true;
		fail_first(worker, r, "its process could not be started");
	}
	if (worker->lets_go && list_is_empty(&worker->orders)) {
		worker->lets_go = false;
		stop(worker, false);
	}
}

int worker_new(sd_event *loop, const char *pci, const char *lock_dir, uint64_t timeout_ns,
	struct worker **ret_worker)
{
	struct worker *worker = must_alloc(1, sizeof(*worker));

	worker->loop = loop;
	worker->fd = -1;
	worker->timeout_ns = timeout_ns;
	text_copy(worker->pci, sizeof(worker->pci), pci);
	worker->lock_path = must_asprintf("%s/worker-%s.lock", lock_dir, pci);
	list_init(&worker->orders);
	*ret_worker = worker;
	return 0;
}

struct worker *worker_free(struct worker *worker)
{
	struct waiting_order *order, *after;

	if (!worker)
		return NULL;
	list_for_each_safe (order, after, &worker->orders, link) {
		list_remove(&order->link);
		free(order);
	}
	stop(worker, true);
	free(worker->lock_path);
	free(worker);
	return NULL;
}

static struct waiting_order *waiting_new(
	const struct work_order *order, worker_done_fn done, void *context)
{
	struct waiting_order *waiting = must_alloc(1, sizeof(*waiting));

	waiting->order = *order;
	waiting->done = done;
	waiting->context = context;
	return waiting;
}

void worker_order(
	struct worker *worker, const struct work_order *order, worker_done_fn done, void *context)
{
	list_add_tail(&worker->orders, &waiting_new(order, done, context)->link);
	give_next(worker);
}

void worker_rest(struct worker *worker, worker_done_fn done, void *context)
{
	const struct work_order let_go = { .op = WORK_LET_GO };
	struct list *in_front = worker->orders.next;

	if (worker->is_busy)
		in_front = in_front->next;
	worker->rests = true;
	list_add_tail(in_front, &waiting_new(&let_go, done, context)->link);
	give_next(worker);
}

void worker_wake(struct worker *worker)
{
	worker->rests = false;
	give_next(worker);
}

void worker_let_go(struct worker *worker)
{
	worker->lets_go = true;
	give_next(worker);
}

bool worker_is_running(const struct worker *worker)
{
	return worker->pid > 0;
}

void worker_set_timeout(struct worker *worker, uint64_t timeout_ns)
{
	worker->timeout_ns = timeout_ns;
}
