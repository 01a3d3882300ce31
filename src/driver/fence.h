/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The fence: an eBPF device filter on a cgroup. It admits the listed nodes of GPU majors, no other
 * node of a GPU major, and says nothing about other devices. Attached with BPF_F_ALLOW_MULTI, so it
 * comes on top of the filters of a container runtime, and it outlives the daemon: it goes with its
 * cgroup.
 */

#include "model/binding.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* True if filters can be loaded and attached here; else the sentence says what is missing. */
bool fence_is_possible(struct error *err);

/* Puts the filter for these nodes on the cgroup, in the place of one that is there already. */
int fence_attach(int cgroup_fd, const struct binding_node *nodes, unsigned n, struct error *err);
/* Takes Carve's filters (known by their name, "carve_fence") off a cgroup that is not removed. */
int fence_detach(int cgroup_fd, struct error *err);
/* 1 if a carve_fence filter is attached to this cgroup itself, 0 if not, negative errno. */
int fence_is_attached(int cgroup_fd);

/*
 * The guard, for `unleased: deny`: one filter on top of the v2 tree that refuses to open the nodes
 * of managed GPUs to every process outside the admitted cgroups (leases', the daemon's own,
 * configured ones). Admitted cgroups are kept in a BPF map by id and may be nested; ids of cgroups
 * that are gone do no harm, the kernel does not use them again.
 *
 * A guard is made, told whom to admit, and only then put up, so that no lease is shut out in
 * between. It stays when the daemon ends, until it is taken off or the machine goes down; putting
 * one up takes every older one off.
 */
struct guard;
/*
 * A guard for the cgroup `path` and all below it: "/" for the whole machine. -ENOTSUP on kernels
 * whose device filters cannot tell ancestors.
 */
int guard_new(struct guard **ret_guard, const char *path, const struct binding_node *denied,
	unsigned n, struct error *err);
int guard_admit(struct guard *guard, uint64_t cgroup_id);
int guard_forget(struct guard *guard, uint64_t cgroup_id);
int guard_put_up(struct guard *guard, struct error *err);
/* Takes it off, if it still stands. NULL. */
struct guard *guard_off(struct guard *guard);
/* Takes every guard off that stands on this cgroup, also what an earlier daemon left. */
int guard_clear(const char *path, struct error *err);
