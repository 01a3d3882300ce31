/* SPDX-License-Identifier: Apache-2.0 */
/* MPS as JSON: the servers of a GPU, its shares, and who holds their limits. */
#include "base/text.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"
#include "daemon/peers.h"
#include "daemon/render.h"
#include "model/mps_room.h"

#include <inttypes.h>
#include <stdio.h>

static const char *mode_name(enum compute_mode mode)
{
	switch (mode) {
	case COMPUTE_DEFAULT:
		return "default";
	case COMPUTE_PROHIBITED:
		return "prohibited";
	case COMPUTE_EXCLUSIVE_PROCESS:
		return "exclusive-process";
	}
	return "unknown";
}

/* The name of a compute instance that holds MPS shares; null: the GPU itself. */
static json_t *render_place(const struct gpu *gpu, const struct mps_place *place)
{
	char name[SHARE_NAME_MAX];
	int at;

	if (mps_place_is_gpu(place))
		return json_null();
	at = gpu_instance_at(gpu, place->profile_id, place->start);
	for (unsigned c = 0; at >= 0 && c < gpu->seen.instance[at].n_ci; c++)
		if (gpu->seen.instance[at].ci[c].id == place->ci)
			return json_string(share_name(
				gpu, &gpu->seen.instance[at], &gpu->seen.instance[at].ci[c], name));
	return json_null();
}

static json_t *render_pid(int32_t pid)
{
	return pid ? json_integer(pid) : json_null();
}

static json_t *render_server(const struct mps_runtime *server)
{
	struct daemon *daemon = server->daemon;
	const struct gpu *gpu = &daemon->gpus[server->gpu];
	const struct mps_server *seen = mps_server_find(gpu, &server->place, server->uid);
	bool holds_one = seen && seen->memory_bytes;

	return json_pack("{s:o, s:{s:I, s:o}, s:s, s:o, s:o, s:o, s:i, s:i, s:s, s:o, s:o}",
		"place", render_place(gpu, &server->place), "tenant", "uid",
		(json_int_t)server->uid, "user", render_text(tenant_name(daemon, server->uid)),
		"state", mps_state_names[server->state], "text",
		render_text(server->why[0] ? server->why : NULL), "control_pid",
		render_pid(server->seen.control.pid), "server_pid",
		render_pid(server->seen.server.pid), "clients", (int)server->seen.n_clients,
		"leases", (int)mps_server_leases(server), "interface",
		mps_interface_names[server->seen.interface], "memory_limit",
		holds_one ? json_integer((json_int_t)seen->memory_bytes) : json_null(),
		"compute_limit",
		seen && seen->percent ? json_integer((json_int_t)seen->percent) : json_null());
}

json_t *render_mps(struct daemon *daemon, unsigned index)
{
	const struct gpu *gpu = &daemon->gpus[index];
	json_t *servers = json_array(), *foreign = json_array();
	const struct mps_foreign *other;
	struct mps_runtime *server;
	unsigned position = 0;

	list_for_each (server, &daemon->mps_servers, link)
		if (server->gpu == index)
			json_array_append_new(servers, render_server(server));
	while ((other = mps_foreign_on(daemon, index, &position)))
		json_array_append_new(
			foreign, json_pack("{s:i, s:I, s:o}", "pid", (int)other->pid, "uid",
					 (json_int_t)other->uid, "pipe_directory",
					 render_text(other->pipe_dir)));
	return json_pack("{s:s, s:b, s:i, s:o, s:o}", "compute_mode",
		mode_name((enum compute_mode)gpu->seen.compute_mode), "time_sliced",
		gpu->n_mps_servers > 1 && gpu->may_time_slice && !gpu->seen.mig_on, "clients_max",
		(int)mps_clients_max(gpu, &MPS_WHOLE_GPU), "servers", servers, "foreign", foreign);
}

static const char *enforcer(bool is_by_mps, bool is_by_kernel)
{
	return enforcer_names[is_by_kernel ? ENFORCED_BY_KERNEL
			      : is_by_mps  ? ENFORCED_BY_MPS
					   : ENFORCED_BY_NOBODY];
}

json_t *render_mps_share(struct daemon *daemon, unsigned index, const struct mps_share *share)
{
	const struct gpu *gpu = &daemon->gpus[index];
	const struct mps_server *server = mps_server_find(gpu, &share->place, share->uid);
	const char *uuid = gpu->facts.uuid;
	char name[SHARE_NAME_MAX];
	unsigned c;
	const struct mig_instance *instance = mps_place_instance(gpu, &share->place, &c);

	if (instance)
		uuid = instance->ci[c].uuid;
	return json_pack(
		"{s:s, s:i, s:s, s:n, s:n, s:n, s:I, s:f, s:n, s:s, s:s, s:o, s:b, s:o, s:o, "
		"s:{s:s, s:s, s:s}}",
		"id", mps_share_name(gpu, share, name), "gpu", (int)index, "mechanism", "mps",
		"profile", "start", "size", "memory", (json_int_t)share->memory_bytes, "compute",
		(double)share->percent, "slices", "uuid", uuid, "origin",
		share->is_pinned ? "pinned" : "dynamic", "lease",
		share->lease ? json_sprintf("L%" PRIu64, share->lease) : json_null(), "has_users",
		share->lease && server && server->state == MPS_READY, "place",
		render_place(gpu, &share->place), "server",
		share->lease && server ? json_string(mps_state_names[server->state]) : json_null(),
		"enforced_by", "memory",
		enforcer(mps_memory_is_held(gpu, share), share->is_by_kernel), "compute",
		enforcer(mps_compute_is_held(gpu, share), false), "faults", enforcer(false, false));
}
