/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/holder.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/peers.h"
#include "daemon/unleased.h"
#include "driver/cgroup.h"
#include "driver/fence.h"
#include "driver/process.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>

enum { COMMAND_MAX = 512 };

const char *const holder_kind_names[HOLDER_KIND_N] = { "run", "cgroup", "pid", "name", "vm" };

void holder_init(struct holder *holder)
{
	*holder = (struct holder){ .cgroup_fd = -1, .events_fd = -1, .pidfd = -1 };
}

static void unwatch(struct holder *holder)
{
	holder->events_source = sd_event_source_disable_unref(holder->events_source);
	holder->pid_source = sd_event_source_disable_unref(holder->pid_source);
	if (holder->events_fd >= 0)
		close(TAKE_FD(holder->events_fd));
	if (holder->pidfd >= 0)
		close(TAKE_FD(holder->pidfd));
}

void holder_done(struct holder *holder)
{
	unwatch(holder);
	if (holder->cgroup_fd >= 0)
		close(TAKE_FD(holder->cgroup_fd));
	free(holder->cgroup);
	free(holder->command);
	free(holder->fence_text);
	holder_init(holder);
}

static int take_process(
	struct holder *holder, pid_t pid, const struct peer *peer, struct error *err)
{
	struct process_info info;

	if (process_look(pid, &info) < 0)
		return error_set(err, -ESRCH, "there is no process %d", (int)pid);
	if (info.uid != peer->uid && !peer->is_admin)
		return error_set(err, -EPERM,
			"process %d belongs to %s: only its owner, root or the group carve may "
			"hold a lease for it",
			(int)pid, info.user);
	/* a process that asked and ended may have left its number to another */
	if (pid == peer->pid && !peer_is_alive(peer))
		return error_set(err, -ESRCH, "the process that asked has ended");
	holder->pid = pid;
	holder->start_ticks = info.start_ticks;
	if (!holder->command)
		holder->command = must_strdup(info.command);
	return 0;
}

static int take_cgroup(
	struct holder *holder, const char *path, const struct peer *peer, struct error *err)
{
	AUTO_CLOSE int fd = cgroup_find(path, err);
	uid_t owner;

	if (fd < 0)
		return fd;
	if (!peer->is_admin && (cgroup_owner(fd, &owner) < 0 || owner != peer->uid))
		return error_set(err, -EPERM,
			"the cgroup %s is not yours: only its owner, root or the group carve may "
			"hold a lease for it",
			path);
	if (text_eq(path, "/"))
		return error_set(
			err, -EINVAL, "the root cgroup is everybody: name the holder's own cgroup");
	holder->cgroup = must_strdup(path);
	return 0;
}

/* What is said of the command is kept and shown: as text, and not all of a long one. */
static char *command_of(const char *said)
{
	char text[COMMAND_MAX];

	text_copy(text, sizeof(text), said);
	text_clean(text);
	return must_strdup(text);
}

int holder_take(struct holder *holder, const struct holder_wish *wish, const struct peer *peer,
	struct error *err)
{
	int r = 0;

	holder->kind = wish->kind;
	if (wish->command)
		holder->command = command_of(wish->command);
	if (wish->kind == HOLDER_RUN)
		r = take_process(holder, peer->pid, peer, err);
	else if (wish->kind == HOLDER_PID)
		r = take_process(holder, wish->pid, peer, err);
	else if (wish->kind == HOLDER_CGROUP)
		r = take_cgroup(holder, wish->cgroup, peer, err);
	else if (peer->start_ticks) { /* a name: who asks counts while the lease waits */
		holder->pid = peer->pid;
		holder->start_ticks = peer->start_ticks;
	}
	return r;
}

static int on_process_gone(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct lease *lease = context;

	lease->holder.pid_source = sd_event_source_disable_unref(lease->holder.pid_source);
	lease_holder_gone(lease);
	return 0;
}

static bool is_same_process(const struct holder *holder)
{
	uint64_t start_ticks;

	return process_started(holder->pid, &start_ticks) == 0 &&
	       start_ticks == holder->start_ticks;
}

static int watch_process(struct lease *lease)
{
	struct holder *holder = &lease->holder;

	if (holder->pidfd >= 0)
		return 0;
	holder->pidfd = process_open(holder->pid);
	if (holder->pidfd < 0)
		return holder->pidfd;
	if (!is_same_process(holder)) {
		close(TAKE_FD(holder->pidfd));
		return -ESRCH;
	}
	return sd_event_add_io(lease->daemon->loop, &holder->pid_source, holder->pidfd, EPOLLIN,
		on_process_gone, lease);
}

int holder_watch_requester(struct lease *lease)
{
	return lease->holder.pid > 0 ? watch_process(lease) : 0;
}

/* Of an empty cgroup: one that somebody named is not left before it was entered. */
static bool is_left(const struct holder *holder)
{
	return holder->kind == HOLDER_RUN || holder->was_entered;
}

static int on_cgroup_event(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct lease *lease = context;
	struct holder *holder = &lease->holder;
	int populated;

	cgroup_watch_read(fd);
	populated = cgroup_populated(holder->cgroup_fd);
	if (populated < 0) /* removed: it would tell of that for ever */
		holder->events_source = sd_event_source_disable_unref(holder->events_source);
	if (populated > 0 && !holder->was_entered) {
		holder->was_entered = true;
		if (holder->kind == HOLDER_CGROUP)
			lease_record(lease);
	} else if (populated < 0 || (populated == 0 && is_left(holder))) {
		lease_holder_gone(lease);
	}
	return 0;
}

static int watch_cgroup(struct lease *lease)
{
	struct holder *holder = &lease->holder;

	holder->events_fd = cgroup_watch(holder->cgroup_fd);
	if (holder->events_fd < 0)
		return holder->events_fd;
	return sd_event_add_io(lease->daemon->loop, &holder->events_source, holder->events_fd,
		EPOLLPRI, on_cgroup_event, lease);
}

static void not_fenced(struct holder *holder, const char *what, const struct error *why)
{
	free(holder->fence_text);
	holder->fence_text = must_asprintf("%s: %s", what, why->text);
}

static void put_fence(struct lease *lease, const struct binding *binding)
{
	struct holder *holder = &lease->holder;
	struct error why = ERROR_NONE;
	uint64_t id;

	if (fence_attach(holder->cgroup_fd, binding->node, binding->n_nodes, &why) < 0)
		not_fenced(holder, "not fenced", &why);
	else
		holder->is_fenced = true;
	if (cgroup_id(holder->cgroup_fd, &id) == 0)
		unleased_admit(lease->daemon, id);
}

void holder_plan(struct lease *lease)
{
	struct holder *holder = &lease->holder;
	AUTO_FREE char *parent = NULL;
	struct error why = ERROR_NONE;

	if (holder->kind != HOLDER_RUN || holder->cgroup)
		return;
	if (cgroup_of(holder->pid, &parent, &why) < 0) {
		not_fenced(holder, "not fenced, children not followed", &why);
		return;
	}
	if (text_utf8_prefix(parent, strlen(parent)) != strlen(parent)) {
		error_set(&why, -EILSEQ, "the name of the cgroup %s is not UTF-8", parent);
		not_fenced(holder, "not fenced, children not followed", &why);
		return;
	}
	holder->cgroup = must_asprintf("%s/carve-%s-L%" PRIu64, text_eq(parent, "/") ? "" : parent,
		ledger_tag(lease->daemon->ledger), lease->id);
}

/* The cgroup of a `run` holder: below the caller's own, so that the caller's limits stay in force.
 */
static void make_cgroup(struct lease *lease)
{
	struct holder *holder = &lease->holder;
	AUTO_FREE char *parent = NULL;
	AUTO_FREE char *made = NULL;
	struct error why = ERROR_NONE;
	char *slash;

	parent = must_strdup(holder->cgroup);
	slash = strrchr(parent, '/');
	*slash = '\0';
	holder->cgroup_fd = cgroup_make(*parent ? parent : "/", slash + 1, &made, &why);
	if (holder->cgroup_fd >= 0) {
		holder->owns_cgroup = true;
		return;
	}
	not_fenced(holder, "not fenced, children not followed", &why);
	free(holder->cgroup);
	holder->cgroup = NULL;
}

static void not_followed(struct holder *holder)
{
	free(holder->fence_text);
	holder->fence_text = must_strdup(
		holder->kind == HOLDER_PID  ? "not fenced, children not followed: the holder is a "
					      "process that was there before"
		: holder->kind == HOLDER_VM ? "not fenced: VFIO keeps a virtual machine to its "
					      "virtual function"
					    : "not fenced: the holder is a name");
}

int holder_begin(struct lease *lease, const struct binding *binding, struct error *err)
{
	struct holder *holder = &lease->holder;
	int r = 0;

	if (holder->kind == HOLDER_RUN && holder->cgroup)
		make_cgroup(lease);
	else if (holder->kind == HOLDER_CGROUP)
		holder->cgroup_fd = cgroup_find(holder->cgroup, err);
	else if (holder->kind != HOLDER_RUN)
		not_followed(holder);
	if (holder->kind == HOLDER_CGROUP && holder->cgroup_fd < 0)
		return holder->cgroup_fd;
	if (holder->cgroup_fd >= 0) {
		put_fence(lease, binding);
		r = watch_cgroup(lease);
	}
	if (r == 0 && (holder->kind == HOLDER_RUN || holder->kind == HOLDER_PID)) {
		r = watch_process(lease);
		if (r < 0)
			error_set(err, r, "process %d is gone", (int)holder->pid);
	}
	if (holder_is_name(holder))
		unwatch(holder);
	/* who asked for it is not who uses it */
	if (holder->kind == HOLDER_VM)
		holder->pid = 0;
	if (r == 0 && holder->kind == HOLDER_CGROUP)
		holder->was_entered = cgroup_populated(holder->cgroup_fd) > 0;
	if (r == 0 && !holder->is_fenced && lease->daemon->config.require_fence &&
		!holder_is_name(holder))
		return error_set(err, -EPERM,
			"the configuration requires a fence (require-fence): %s",
			holder->fence_text ?: "");
	return r;
}

int holder_resume(struct lease *lease)
{
	struct holder *holder = &lease->holder;
	uint64_t id;

	if (holder_is_name(holder))
		return 1;
	if (holder->cgroup) {
		holder->cgroup_fd = cgroup_find(holder->cgroup, NULL);
		if (holder->cgroup_fd < 0)
			return 0;
		if (watch_cgroup(lease) < 0)
			return 0;
		if (cgroup_id(holder->cgroup_fd, &id) == 0)
			unleased_admit(lease->daemon, id);
		if (cgroup_populated(holder->cgroup_fd) > 0) {
			holder->was_entered = true;
			if (holder->kind == HOLDER_RUN)
				watch_process(lease);
			return 1;
		}
		if (holder->was_entered)
			return 0;
	}
	return holder->kind == HOLDER_CGROUP || watch_process(lease) == 0;
}

int holder_enter(struct lease *lease, const struct peer *peer, struct error *err)
{
	struct holder *holder = &lease->holder;
	struct process_info info;
	pid_t pid = peer->pid;
	int r;

	if (holder->kind != HOLDER_RUN || !holder->owns_cgroup)
		return error_set(err, -EOPNOTSUPP,
			"lease L%" PRIu64 " has no cgroup of its own to enter", lease->id);
	/* ending the lease kills what is in it: nobody may have another's process moved there, be
	 * it by a number that was given anew or by a program that has become another user's since
	 */
	r = process_look(pid, &info);
	if (r == 0 && info.uid != peer->uid)
		r = -EPERM;
	if (r == 0 && !peer_is_alive(peer))
		r = -ESRCH;
	if (r == 0)
		r = cgroup_enter(holder->cgroup_fd, pid);
	if (r < 0) {
		errno = -r;
		return error_set(
			err, r, "cannot move process %d into the lease's cgroup: %m", (int)pid);
	}
	holder->was_entered = true;
	return 0;
}

void holder_leave(struct holder *holder)
{
	holder->was_entered = true;
	if (holder->cgroup_fd >= 0)
		return;
	unwatch(holder);
	holder->pid = 0;
}

bool holder_ends_processes(const struct holder *holder)
{
	return holder->kind == HOLDER_RUN || holder->kind == HOLDER_PID;
}

bool holder_is_alive(const struct holder *holder)
{
	struct pollfd p = { .fd = holder->pidfd, .events = POLLIN };

	if (holder->cgroup_fd >= 0) {
		if (cgroup_populated(holder->cgroup_fd) > 0)
			return true;
		if (holder->was_entered || holder->kind == HOLDER_CGROUP)
			return false;
	}
	return holder->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

unsigned holder_pids(const struct holder *holder, int32_t *ret_pids, unsigned max)
{
	int n = 0;

	if (holder->cgroup_fd >= 0) {
		n = cgroup_pids(holder->cgroup, ret_pids, max);
	} else if (holder->pidfd >= 0 && max > 0) {
		ret_pids[0] = holder->pid;
		n = 1;
	}
	return n > 0 ? (unsigned)n : 0;
}

void holder_signal(const struct holder *holder, int signal)
{
	if (holder->kind == HOLDER_RUN && holder->cgroup_fd >= 0)
		cgroup_signal(holder->cgroup_fd, signal);
	else if ((holder->kind == HOLDER_PID || holder->kind == HOLDER_RUN) && holder->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, holder->pidfd, signal, NULL, 0);
}

void holder_drop_cgroup(struct lease *lease)
{
	struct holder *holder = &lease->holder;

	if (holder->kind != HOLDER_RUN || !holder->cgroup)
		return;
	cgroup_remove(holder->cgroup);
	free(holder->cgroup);
	holder->cgroup = NULL;
	holder->owns_cgroup = holder->was_entered = holder->is_fenced = false;
}

void holder_end(struct lease *lease)
{
	struct holder *holder = &lease->holder;
	uint64_t id;
	int r;

	unwatch(holder);
	if (holder->cgroup_fd >= 0 && cgroup_id(holder->cgroup_fd, &id) == 0)
		unleased_forget(lease->daemon, id);
	if (holder->kind == HOLDER_CGROUP && holder->cgroup_fd >= 0 && holder->is_fenced)
		fence_detach(holder->cgroup_fd, NULL);
	if (holder->cgroup_fd >= 0)
		close(TAKE_FD(holder->cgroup_fd));
	if (holder->owns_cgroup && holder->cgroup) {
		r = cgroup_remove(holder->cgroup);
		if (r < 0 && r != -ENOENT && r != -ENODEV)
			log_warning("lease L%" PRIu64 ": its cgroup %s stays: %s", lease->id,
				holder->cgroup, strerror(-r));
	}
	holder->owns_cgroup = false;
}
