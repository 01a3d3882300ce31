/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/render.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"
#include "daemon/peers.h"
#include "driver/cgroup.h"
#include "driver/process.h"
#include "mechanism/mechanism.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const origin_names[] = { "foreign", "pinned", "dynamic" };

json_t *render_text(const char *text)
{
	json_t *json = text ? json_string(text) : json_null();
	AUTO_FREE char *clean = NULL;

	if (json)
		return json;
	clean = must_strdup(text);
	text_clean(clean);
	return json_string(clean);
}

json_t *render_time(uint64_t ns)
{
	return ns ? json_real((double)ns / 1e9) : json_null();
}

/* Percent with one decimal: more would be noise. */
static double percent(double value)
{
	return (double)(long)(value * 10 + 0.5) / 10;
}

static json_t *lease_id(uint64_t id)
{
	return id ? json_sprintf("L%" PRIu64, id) : json_null();
}

static bool may_see(const struct peer *peer, uid_t owner)
{
	return peer->is_admin || peer->uid == owner;
}

json_t *render_process(struct daemon *daemon, int32_t pid, const struct peer *peer)
{
	struct process_info info;

	if (process_look(pid, &info) < 0)
		return json_pack(
			"{s:i, s:n, s:n, s:s}", "pid", pid, "user", "command", "service", "");
	return json_pack("{s:i, s:o, s:o, s:o}", "pid", pid, "user", render_text(info.user),
		"command", may_see(peer, info.uid) ? render_text(info.command) : json_null(),
		"service", render_text(info.service));
}

static json_t *render_profile(const struct mig_profile *profile)
{
	json_t *starts = json_array();

	for (unsigned s = 0; s < MIG_SLOTS_MAX; s++)
		if (profile->starts & 1u << s)
			json_array_append_new(starts, json_integer(s));
	return json_pack("{s:s, s:I, s:i, s:i, s:i, s:o, s:i}", "name", profile->name, "memory",
		(json_int_t)profile->memory_bytes, "slices", (int)profile->slices, "sm",
		(int)profile->sm, "size", (int)profile->size, "starts", starts, "max",
		(int)profile->max);
}

static json_t *render_mig(const struct gpu *gpu)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	json_t *profiles = json_array();

	for (unsigned i = 0; i < geometry->n_profiles; i++)
		json_array_append_new(profiles, render_profile(&geometry->profile[i]));
	return json_pack("{s:b, s:b, s:b, s:i, s:i, s:o}", "capable", gpu->facts.has_mig, "on",
		gpu->seen.mig_on, "pending", gpu->seen.mig_pending, "slots", (int)geometry->n_slots,
		"slices", (int)geometry->n_slices, "profiles", profiles);
}

static json_t *render_capabilities(const struct gpu *gpu)
{
	static const char *const answers[] = { "no", "yes", "after" };
	json_t *list = json_array();

	for (unsigned m = 0; m < MECHANISM_N; m++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o}", "mechanism", mechanism_names[m],
				      "answer", answers[gpu->capability[m].answer], "text",
				      render_text(gpu->capability[m].text)));
	return list;
}

static json_t *render_instance(const struct gpu *gpu, const struct mig_instance *instance)
{
	const struct mig_profile *profile = &gpu->facts.geometry.profile[instance->profile];
	json_t *shares = json_array();
	char name[SHARE_NAME_MAX];

	for (unsigned c = 0; c < instance->n_ci; c++)
		json_array_append_new(
			shares, json_string(share_name(gpu, instance, &instance->ci[c], name)));
	return json_pack("{s:s, s:i, s:i, s:i, s:I, s:I, s:s, s:o}", "profile", profile->name,
		"start", (int)instance->start, "size", (int)profile->size, "slices",
		(int)profile->slices, "memory", (json_int_t)profile->memory_bytes, "gi",
		(json_int_t)instance->gi, "origin", origin_names[instance->origin], "shares",
		shares);
}

static json_t *render_gpu_process(struct daemon *daemon, const struct gpu *gpu,
	const struct gpu_process *process, const struct peer *peer)
{
	json_t *json = render_process(daemon, process->pid, peer);
	const struct lease *lease = lease_of_process(daemon, process->pid);
	json_t *share = json_null();
	char name[SHARE_NAME_MAX];

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		for (unsigned c = 0; c < instance->n_ci && instance->gi == process->gi; c++)
			if (instance->ci[c].id == process->ci)
				share = json_string(
					share_name(gpu, instance, &instance->ci[c], name));
	}
	json_object_set_new(json, "share", share);
	json_object_set_new(json, "lease", lease_id(lease ? lease->id : 0));
	json_object_set_new(json, "memory", json_integer((json_int_t)process->memory_bytes));
	json_object_set_new(json, "mps",
		mps_is_ours(daemon, process->pid) ? json_string("server")
		: process->is_mps		  ? json_string("client")
						  : json_null());
	return json;
}

json_t *render_gpu(struct daemon *daemon, unsigned index, const struct peer *peer)
{
	const struct gpu *gpu = &daemon->gpus[index];
	json_t *instances = json_array(), *processes = json_array();

	for (unsigned i = 0; i < gpu->seen.n_instances; i++)
		json_array_append_new(instances, render_instance(gpu, &gpu->seen.instance[i]));
	for (unsigned i = 0; i < gpu->seen.n_processes; i++)
		json_array_append_new(
			processes, render_gpu_process(daemon, gpu, &gpu->seen.process[i], peer));
	return json_pack(
		"{s:i, s:s, s:s, s:o, s:I, s:i, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:o}",
		"index", (int)index, "uuid", gpu->facts.uuid, "pci", gpu->facts.pci, "product",
		render_text(gpu->facts.product), "memory", (json_int_t)gpu->facts.memory_bytes,
		"numa", (int)gpu->facts.numa, "managed", gpu->managed, "drained", gpu->drained,
		"health", gpu_health_names[gpu->health], "health_text",
		render_text(gpu->health_text), "mig", render_mig(gpu), "capabilities",
		render_capabilities(gpu), "instances", instances, "lease",
		lease_id(gpu->whole_lease), "processes", processes, "busy",
		render_text(txn_text(daemon, index)), "mps", render_mps(daemon, index), "vf",
		render_vfs(gpu));
}

static json_t *render_enforcers(enum mechanism mechanism)
{
	const struct mechanism_ops *ops = mechanism_of(mechanism);

	return json_pack("{s:s, s:s, s:s}", "memory", enforcer_names[ops->memory], "compute",
		enforcer_names[ops->compute], "faults", enforcer_names[ops->faults]);
}

json_t *render_share(struct daemon *daemon, unsigned index, const struct mig_instance *instance,
	const struct mig_ci *ci)
{
	const struct gpu *gpu = &daemon->gpus[index];
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	const struct mig_profile *profile;
	char name[SHARE_NAME_MAX];
	unsigned slices;

	if (!instance) {
		snprintf(name, sizeof(name), "%u", index);
		return json_pack(
			"{s:s, s:i, s:s, s:n, s:n, s:n, s:I, s:f, s:n, s:s, s:n, s:o, s:b, s:o}",
			"id", name, "gpu", (int)index, "mechanism", "whole", "profile", "start",
			"size", "memory", (json_int_t)gpu->facts.memory_bytes, "compute", 100.0,
			"slices", "uuid", gpu->facts.uuid, "origin", "lease",
			lease_id(gpu->whole_lease), "has_users", gpu->whole_in_use, "enforced_by",
			render_enforcers(MECHANISM_WHOLE));
	}
	profile = &geometry->profile[instance->profile];
	slices = profile->n_ci ? profile->ci[ci->ci].slices : profile->slices;
	return json_pack("{s:s, s:i, s:s, s:s, s:i, s:i, s:I, s:f, s:i, s:s, s:s, s:o, s:b, s:o}",
		"id", share_name(gpu, instance, ci, name), "gpu", (int)index, "mechanism", "mig",
		"profile", profile->name, "start", (int)instance->start, "size", (int)profile->size,
		"memory", (json_int_t)profile->memory_bytes, "compute",
		geometry->n_slices ? percent(100.0 * slices / geometry->n_slices) : 0.0, "slices",
		(int)slices, "uuid", ci->uuid, "origin", origin_names[instance->origin], "lease",
		lease_id(ci->lease), "has_users", ci->has_users, "enforced_by",
		render_enforcers(MECHANISM_MIG));
}

json_t *render_shares(struct daemon *daemon, const struct peer *peer)
{
	json_t *list = json_array();

	for (unsigned g = 0; g < daemon->n_gpus; g++) {
		const struct gpu *gpu = &daemon->gpus[g];

		if (gpu->whole_allowed && gpu->n_mps == 0 && !vf_any_on(gpu))
			json_array_append_new(list, render_share(daemon, g, NULL, NULL));
		for (unsigned i = 0; i < gpu->seen.n_instances; i++)
			for (unsigned c = 0; c < gpu->seen.instance[i].n_ci; c++)
				json_array_append_new(
					list, render_share(daemon, g, &gpu->seen.instance[i],
						      &gpu->seen.instance[i].ci[c]));
		for (unsigned i = 0; i < gpu->n_mps; i++)
			json_array_append_new(list, render_mps_share(daemon, g, &gpu->mps[i]));
		for (unsigned i = 0; i < gpu->seen.vfs.n; i++)
			if (!vf_setup_is_free(&gpu->seen.vfs.vf[i].setup))
				json_array_append_new(list,
					render_vf_share(daemon, g, &gpu->seen.vfs.vf[i], peer));
	}
	return list;
}

static json_t *render_got(const struct lease *lease)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < lease->n_shares; i++) {
		const struct lease_share *share = &lease->share[i];
		const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
		const struct mig_geometry *geometry = &gpu->facts.geometry;
		int profile = share->mechanism == MECHANISM_MIG
				      ? mig_profile_find_id(geometry, share->profile_id)
				      : -1;
		int at = share->mechanism == MECHANISM_MIG
				 ? gpu_instance_at(gpu, share->profile_id, share->start)
				 : -1;
		char name[SHARE_NAME_MAX];

		snprintf(name, sizeof(name), "%u", share->gpu);
		if (share->mechanism == MECHANISM_MPS)
			mps_share_name(gpu, &share->mps, name);
		if (share->mechanism == MECHANISM_VF)
			snprintf(name, sizeof(name), "%u:vf%u", share->gpu, share->vf.number);
		if (at >= 0)
			for (unsigned c = 0; c < gpu->seen.instance[at].n_ci; c++)
				if (gpu->seen.instance[at].ci[c].id == share->ci_id)
					share_name(gpu, &gpu->seen.instance[at],
						&gpu->seen.instance[at].ci[c], name);
		json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:I, s:f, s:s, s:o, s:o}", "share", name,
				      "gpu", (int)share->gpu, "uuid", share->uuid, "memory",
				      (json_int_t)share->memory_bytes, "compute",
				      percent((double)share->compute), "mechanism",
				      mechanism_names[share->mechanism], "profile",
				      profile >= 0 ? json_string(geometry->profile[profile].name)
				      : share->vf.type[0] ? json_string(share->vf.type)
							  : json_null(),
				      "pci",
				      share->vf.pci[0] ? json_string(share->vf.pci) : json_null()));
	}
	return list;
}

json_t *render_binding(const struct binding *binding)
{
	json_t *env = json_object(), *nodes = json_array();

	for (unsigned i = 0; i < binding->n_env; i++)
		json_object_set_new(env, binding->env[i].name, json_string(binding->env[i].value));
	for (unsigned i = 0; i < binding->n_nodes; i++)
		json_array_append_new(nodes,
			json_pack("{s:s, s:i, s:i}", "path", binding->node[i].path, "major",
				(int)binding->node[i].major, "minor", (int)binding->node[i].minor));
	return json_pack("{s:o, s:o, s:o}", "env", env, "nodes", nodes, "vf",
		binding->has_vf ? render_binding_vf(&binding->vf) : json_null());
}

static json_t *binding_of(struct lease *lease)
{
	AUTO_FREE struct binding *binding = NULL;

	if (lease->state != LEASE_ACTIVE)
		return json_null();
	if (!lease->binding) {
		binding = must_alloc(1, sizeof(*binding));
		if (lease_binding(lease, binding, NULL) < 0)
			return json_null();
		lease->binding = render_binding(binding);
	}
	return json_incref(lease->binding);
}

static json_t *render_holder(const struct lease *lease, const struct peer *peer)
{
	const struct holder *holder = &lease->holder;
	char *dir = holder->cgroup_fd >= 0 ? must_asprintf("%s%s", cgroup_mount(), holder->cgroup)
					   : NULL;
	json_t *json = json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind",
		holder_kind_names[holder->kind], "pid",
		holder->pid && !holder_is_name(holder) ? json_integer(holder->pid) : json_null(),
		"cgroup", render_text(holder->cgroup), "cgroup_dir", render_text(dir), "command",
		may_see(peer, lease->tenant->uid) ? render_text(holder->command) : json_null());

	free(dir);
	return json;
}

json_t *render_lease(struct lease *lease, const struct peer *peer)
{
	char asked[REQUEST_TEXT_MAX];
	uint64_t waited = lease->active_wall_ns ? lease->active_wall_ns - lease->created_wall_ns
						: wall_ns() - lease->created_wall_ns;
	json_t *json = json_pack("{s:o, s:o, s:s, s:{s:I, s:o}, s:o, s:o, s:o, s:o, s:o, s:o}",
		"id", lease_id(lease->id), "name", render_text(lease->name), "state",
		lease_state_names[lease->state], "tenant", "uid", (json_int_t)lease->tenant->uid,
		"user", render_text(tenant_name(lease->daemon, lease->tenant->uid)), "asked",
		request_to_json(&lease->request), "asked_text",
		render_text(request_text(&lease->request, asked)), "got", render_got(lease),
		"choice", render_text(lease->choice), "why", render_text(lease->why), "holder",
		render_holder(lease, peer));

	json_object_set_new(json, "fenced", json_boolean(lease->holder.is_fenced));
	json_object_set_new(json, "fence_text", render_text(lease->holder.fence_text ?: ""));
	json_object_set_new(json, "created", render_time(lease->created_wall_ns));
	json_object_set_new(json, "active", render_time(lease->active_wall_ns));
	json_object_set_new(json, "ends", render_time(lease->ends_wall_ns));
	json_object_set_new(json, "waited", json_real((double)waited / 1e9));
	json_object_set_new(json, "queue_position",
		lease->position ? json_integer(lease->position) : json_null());
	json_object_set_new(json, "waits_for", render_text(lease->waits_for));
	json_object_set_new(json, "reason", render_text(lease->reason));
	json_object_set_new(json, "binding",
		may_see(peer, lease->tenant->uid) ? binding_of(lease) : json_null());
	json_object_set_new(json, "profile",
		may_see(peer, lease->tenant->uid) ? lease_watch_json(lease) : json_null());
	return json;
}

/* Not another lease's: those stand beside their own, and our MPS servers go with the last. */
static bool may_be_of(struct daemon *daemon, int32_t pid, uint64_t lease)
{
	const struct lease *its = lease_of_process(daemon, pid);

	return !lease || (its ? its->id == lease : !mps_is_ours(daemon, pid));
}

static json_t *render_blocker(
	struct daemon *daemon, const struct blocker *blocker, const struct peer *peer)
{
	const struct gpu *gpu = &daemon->gpus[blocker->gpu];
	const struct mig_instance *instance =
		blocker->instance >= 0 ? &gpu->seen.instance[blocker->instance] : NULL;
	json_t *processes = json_array();
	char name[SHARE_NAME_MAX] = "";

	for (unsigned i = 0; i < gpu->seen.n_processes && blocker->vf < 0; i++)
		if ((!instance || gpu->seen.process[i].gi == instance->gi) &&
			may_be_of(daemon, gpu->seen.process[i].pid, blocker->lease))
			json_array_append_new(
				processes, render_process(daemon, gpu->seen.process[i].pid, peer));
	for (unsigned i = 0; i < gpu->seen.vfs.n && !instance; i++)
		if (gpu->seen.vfs.vf[i].user &&
			(blocker->vf < 0 || gpu->seen.vfs.vf[i].number == (uint32_t)blocker->vf) &&
			(!blocker->lease || gpu->seen.vfs.vf[i].lease == blocker->lease))
			json_array_append_new(
				processes, render_process(daemon, gpu->seen.vfs.vf[i].user, peer));
	if (instance)
		share_name(gpu, instance, NULL, name);
	else if (blocker->vf >= 0)
		snprintf(name, sizeof(name), "%u:vf%d", blocker->gpu, blocker->vf);
	return json_pack("{s:i, s:o, s:o, s:o, s:b, s:o}", "gpu", (int)blocker->gpu, "share",
		*name ? json_string(name) : json_null(), "text", render_text(blocker->what),
		"lease", lease_id(blocker->lease), "foreign", blocker->is_foreign, "processes",
		processes);
}

/* `vf`: of a VF, or of all that are on. */
static json_t *render_place(struct daemon *daemon, uint32_t gpu, uint32_t instance, int vf)
{
	char name[SHARE_NAME_MAX];

	if (vf >= 0)
		return json_sprintf("%u:vf%d", gpu, vf);
	if (vf == REPIN_COUNT)
		return json_sprintf("%u", gpu);
	return json_string(share_name(
		&daemon->gpus[gpu], &daemon->gpus[gpu].seen.instance[instance], NULL, name));
}

json_t *render_plan(struct daemon *daemon, const struct plan *plan, const struct peer *peer)
{
	json_t *steps = json_array(), *kept = json_array(), *pins = json_array(),
	       *blockers = json_array();
	char text[160];

	for (unsigned i = 0; i < plan->n_steps; i++)
		json_array_append_new(
			steps, json_pack("{s:i, s:s, s:s}", "gpu", (int)plan->step[i].gpu, "kind",
				       step_kind_names[plan->step[i].kind], "text",
				       step_text(&plan->step[i], text, sizeof(text))));
	for (unsigned i = 0; i < plan->n_kept; i++)
		json_array_append_new(
			kept, json_pack("{s:o, s:s}", "share",
				      render_place(daemon, plan->kept[i].gpu,
					      plan->kept[i].instance, plan->kept[i].vf),
				      "why", plan->kept[i].why));
	for (unsigned i = 0; i < plan->n_repins; i++)
		json_array_append_new(
			pins, json_pack("{s:o, s:s}", "share",
				      render_place(daemon, plan->repin[i].gpu,
					      plan->repin[i].instance, plan->repin[i].vf),
				      "origin", origin_names[plan->repin[i].origin]));
	for (unsigned i = 0; i < plan->n_blockers; i++)
		json_array_append_new(blockers, render_blocker(daemon, &plan->blocker[i], peer));
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "verdict",
		plan->n_blockers		  ? "cannot"
		: plan->n_steps || plan->n_repins ? "changes"
						  : "nothing",
		"steps", steps, "kept", kept, "pins", pins, "blockers", blockers);
}
