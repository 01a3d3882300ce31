/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Holders: who holds a lease, and how the daemon learns that it is gone. Nothing has to be called
 * for that.
 *
 * - run: a process tree in a cgroup of its own, made as a child of the caller's. It ends when the
 *   cgroup was entered and is empty, or when the caller is gone before anybody entered. Where no
 *   cgroup can be made: the caller's process alone ("children not followed").
 * - cgroup: an existing cgroup (a container's), watched and fenced, never moved. It ends when it
 * was entered and is empty.
 * - pid: one process, by its pidfd; not fenced, children not followed.
 * - name: nobody in particular; it ends by release or when its time is up.
 * - vm: a virtual machine, by name, running or not: a reservation that outlives reboots and ends by
 *   release or when its time is up, but never while the machine has its VF.
 */

#include "model/binding.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct lease;
struct peer;
typedef struct sd_event_source sd_event_source;

enum holder_kind { HOLDER_RUN, HOLDER_CGROUP, HOLDER_PID, HOLDER_NAME, HOLDER_VM, HOLDER_KIND_N };
extern const char *const holder_kind_names[HOLDER_KIND_N];

/* What a request says about its holder; strings are borrowed. */
struct holder_wish {
	enum holder_kind kind;
	pid_t pid;
	const char *cgroup, *name, *command;
	bool is_watched; /* wants to know what it uses */
};

struct holder {
	enum holder_kind kind;
	pid_t pid;	      /* run: the caller; pid: the process; 0 none */
	uint64_t start_ticks; /* of that process: pids are used again */
	char *cgroup;	      /* path in the v2 tree; NULL none */
	char *command;	      /* for people; NULL */
	bool is_fenced, was_entered;
	bool owns_cgroup; /* `cgroup` is made by us and removed with the lease */
	char *fence_text; /* why it is not fenced, or what that means; NULL nothing */
	int cgroup_fd, events_fd, pidfd;
	sd_event_source *events_source, *pid_source;
};

/* True if there is nothing to watch: nobody's end ends it. */
static inline bool holder_is_name(const struct holder *holder)
{
	return holder->kind == HOLDER_NAME || holder->kind == HOLDER_VM;
}

void holder_init(struct holder *holder);
void holder_done(struct holder *holder);

/* Checks a wish against who asks (his own process, his own cgroup, or an administrator) and takes
 * it over. */
int holder_take(struct holder *holder, const struct holder_wish *wish, const struct peer *peer,
	struct error *err);
/* Watches the process that asked while its lease waits: lease_holder_gone when it ends. */
int holder_watch_requester(struct lease *lease);
/* Before holder_begin: decides the path of the cgroup to be made, so that it can be recorded first.
 */
void holder_plan(struct lease *lease);
/*
 * Makes it hold: cgroup, fence, watch. What cannot be fenced is said in fence_text, or refused
 * (-EPERM) where the configuration requires a fence.
 */
int holder_begin(struct lease *lease, const struct binding *binding, struct error *err);
/* The same after a restart: 1 if it still holds, 0 if it is gone. */
int holder_resume(struct lease *lease);
/* Moves the asking process into the lease's cgroup; only if it lives and is the user's own. */
int holder_enter(struct lease *lease, const struct peer *peer, struct error *err);
/* The child of a `run` holder has ended, as the one who started it says; others may live on in the
 * cgroup. Without one, nobody is left. */
void holder_leave(struct holder *holder);
/* True if its processes are ended with the lease; those of an existing cgroup are their manager's.
 */
bool holder_ends_processes(const struct holder *holder);
/* True while a process of it lives. */
bool holder_is_alive(const struct holder *holder);
/* Its processes, at most `max`: how many. */
unsigned holder_pids(const struct holder *holder, int32_t *ret_pids, unsigned max);
/* Sends a signal to its processes (not to those of an existing cgroup: those are their manager's).
 */
void holder_signal(const struct holder *holder, int signal);
/* After a restart in the middle of preparing: removes the cgroup that may have been made. */
void holder_drop_cgroup(struct lease *lease);
/* Stops watching, takes off the fence, removes the cgroup. */
void holder_end(struct lease *lease);
