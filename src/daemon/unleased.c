/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/unleased.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"
#include "driver/cgroup.h"
#include "driver/fence.h"
#include "driver/nodes.h"
#include "driver/process.h"
#include "driver/root.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>

void unleased_admit(struct daemon *daemon, uint64_t cgroup_id)
{
	if (daemon->guard)
		guard_admit(daemon->guard, cgroup_id);
}

void unleased_forget(struct daemon *daemon, uint64_t cgroup_id)
{
	if (daemon->guard)
		guard_forget(daemon->guard, cgroup_id);
}

static void admit_path(struct daemon *daemon, const char *path)
{
	AUTO_CLOSE int fd = cgroup_find(path, NULL);
	uint64_t id;

	if (fd >= 0 && cgroup_id(fd, &id) == 0)
		guard_admit(daemon->guard, id);
}

/* Configured cgroups are globs over the tree ("/system.slice/nvidia-persistenced.service"). */
static void admit_configured(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->config.n_unleased_allow; i++) {
		AUTO_FREE char *pattern =
			must_asprintf("%s/%s", cgroup_mount(), daemon->config.unleased_allow[i]);
		glob_t found;

		if (glob(pattern, GLOB_ONLYDIR, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			admit_path(daemon, found.gl_pathv[k] + strlen(cgroup_mount()));
		globfree(&found);
	}
}

static void admit_leases(struct daemon *daemon)
{
	struct lease *lease;
	uint64_t id;

	list_for_each (lease, &daemon->leases, link)
		if (lease->holder.cgroup_fd >= 0 && cgroup_id(lease->holder.cgroup_fd, &id) == 0)
			guard_admit(daemon->guard, id);
}

/* The daemon and its workers must reach the driver. In the root cgroup it cannot be told from the
 * rest. */
static int admit_self(struct daemon *daemon, struct error *err)
{
	AUTO_FREE char *own = NULL;
	int r = cgroup_of(0, &own, err);

	if (r < 0)
		return r;
	if (text_eq(own, "/"))
		return error_set(err, -EPERM,
			"carved runs in the root cgroup, and would be shut out itself: start it in "
			"one of its own (as a systemd service it has one)");
	admit_path(daemon, own);
	return 0;
}

/*
 * The cgroup that the guard stands on: the whole tree. A simulated node's device numbers mean other
 * devices to the rest of the machine, so its guard stands where its daemon was started.
 */
static char *guarded_path(void)
{
	AUTO_FREE char *own = NULL;
	char *slash;

	if (!*root_path() || cgroup_of(0, &own, NULL) < 0)
		return must_strdup("/");
	slash = strrchr(own, '/');
	slash[slash == own] = '\0';
	return TAKE_PTR(own);
}

/* Makes the guard and puts it up with all its admitted: no lease is shut out in between. */
static int guard_renew(struct daemon *daemon, const char *path, const struct binding_node *nodes,
	unsigned n, struct error *err)
{
	int r = guard_new(&daemon->guard, path, nodes, n, err);

	if (r == 0)
		r = admit_self(daemon, err);
	if (r < 0)
		return r;
	admit_configured(daemon);
	admit_leases(daemon);
	return guard_put_up(daemon->guard, err);
}

void unleased_update(struct daemon *daemon)
{
	struct binding_node nodes[BINDING_NODES_MAX];
	struct guard *old = daemon->guard;
	AUTO_FREE char *path = NULL;
	struct error err = ERROR_NONE;
	unsigned n = 0;
	int r = 0;

	if (!daemon->is_root)
		return;
	path = guarded_path();
	daemon->guard = NULL;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (daemon->gpus[i].managed)
			n += nodes_of_gpu(&daemon->gpus[i], nodes + n, BINDING_NODES_MAX - n);
	if (daemon->config.unleased == UNLEASED_DENY && n > 0)
		r = guard_renew(daemon, path, nodes, n, &err);
	guard_off(old);
	if (r < 0) {
		daemon->guard = guard_off(daemon->guard);
		log_warning("unleased: deny cannot be held: %s; use without a lease is only told",
			err.text);
	}
	if (!daemon->guard)
		guard_clear(path, NULL);
}

struct lease *lease_of_process(struct daemon *daemon, pid_t pid)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link) {
		if (lease->state != LEASE_ACTIVE && lease->state != LEASE_RELEASING)
			continue;
		if (lease->holder.cgroup ? cgroup_contains(lease->holder.cgroup, pid)
					 : lease->holder.pid == pid)
			return lease;
	}
	return NULL;
}

static bool was_told(struct gpu_runtime *runtime, int32_t pid)
{
	int32_t *told;

	vec_for_each (told, &runtime->reported)
		if (*told == pid)
			return true;
	return false;
}

/* Holders that are no process tree of ours (names, pids with children) cannot be told apart: not
 * reported. */
static bool is_leased_openly(struct daemon *daemon, unsigned gpu, const struct gpu_process *process)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		for (unsigned i = 0; i < lease->n_shares && lease->state == LEASE_ACTIVE; i++) {
			const struct lease_share *share = &lease->share[i];
			int instance;

			if (share->gpu != gpu || lease->holder.cgroup ||
				share->mechanism == MECHANISM_VF)
				continue;
			if (share->mechanism == MECHANISM_WHOLE ||
				(share->mechanism == MECHANISM_MPS &&
					mps_place_is_gpu(&share->mps.place)))
				return true;
			instance = gpu_instance_at(
				&daemon->gpus[gpu], share->profile_id, share->start);
			if (instance >= 0 &&
				daemon->gpus[gpu].seen.instance[instance].gi == process->gi)
				return true;
		}
	return false;
}

/* It has a VF open: that is its share of the GPU, leased or foreign. */
static bool is_virtual_machine(const struct gpu_seen *seen, int32_t pid)
{
	for (uint32_t i = 0; i < seen->vfs.n; i++)
		if (seen->vfs.vf[i].user == pid)
			return true;
	return false;
}

void leases_check_unleased(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	const struct gpu_seen *seen = &daemon->gpus[gpu].seen;

	if (!daemon->gpus[gpu].managed || daemon->config.unleased == UNLEASED_ALLOW)
		return;
	for (size_t i = 0; i < runtime->reported.n;) {
		bool is_there = false;

		for (unsigned k = 0; k < seen->n_processes; k++)
			is_there |= seen->process[k].pid == runtime->reported.at[i];
		if (is_there)
			i++;
		else
			runtime->reported.at[i] = runtime->reported.at[--runtime->reported.n];
	}
	for (unsigned k = 0; k < seen->n_processes; k++) {
		const struct gpu_process *process = &seen->process[k];
		struct process_info info;

		if (was_told(runtime, process->pid) || is_virtual_machine(seen, process->pid) ||
			lease_of_process(daemon, process->pid) ||
			is_leased_openly(daemon, gpu, process) ||
			mps_is_ours(daemon, process->pid) ||
			process_look(process->pid, &info) < 0 ||
			mps_may_be_ours(daemon, gpu, info.command))
			continue;
		*vec_add(&runtime->reported) = process->pid;
		/* not its command line: events are for everybody */
		event_add(daemon, "unleased-use", (int)gpu, 0,
			"GPU %u is used without a lease by process %d of %s", gpu, (int)info.pid,
			info.user);
	}
}
