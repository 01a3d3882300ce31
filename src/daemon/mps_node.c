/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's side of MPS: what the model sees of the servers, the ledger's rows of them, the
 * compute mode of their GPUs, and room for others.
 *
 * A GPU is in EXCLUSIVE_PROCESS mode while servers run on it, and was in another before: that is
 * written down with the step that changed it, and is put back when the last server has gone, or
 * when servers of several tenants may take turns.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void mps_show(struct daemon *daemon, unsigned gpu)
{
	struct gpu *view = &daemon->gpus[gpu];
	const struct mps_runtime *server;

	view->n_mps_servers = 0;
	view->may_time_slice = daemon->config.mps.may_time_slice;
	view->mps_is_static = daemon->config.mps.is_static;
	list_for_each (server, &daemon->mps_servers, link) {
		const struct mps_limits *limits = &server->limits;
		double device = mps_device_percent(view, &server->place, 100);

		if (server->gpu != gpu || view->n_mps_servers == MPS_SERVERS_MAX)
			continue;
		view->mps_server[view->n_mps_servers++] = (struct mps_server){
			.place = server->place,
			.uid = server->uid,
			.state = server->fault[0] ? MPS_FAULTY : server->state,
			.holds_memory = server->seen.holds_memory,
			.holds_compute = server->seen.holds_compute,
			.memory_bytes = (uint64_t)limits->memory_mib << 20,
			/* percent of the device is percent of the GPU by how much of it that is */
			.percent = device > 0
					   ? (uint32_t)(limits->millipercent / 10.0 / device + 0.5)
					   : 0,
		};
	}
}

bool mps_is_ours(const struct daemon *daemon, int32_t pid)
{
	const struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link)
		if (server->seen.control.pid == pid || server->seen.server.pid == pid)
			return true;
	return false;
}

bool mps_may_be_ours(const struct daemon *daemon, unsigned gpu, const char *command)
{
	const struct mps_runtime *server;

	if (!strstr(command, "nvidia-cuda-mps-server"))
		return false;
	list_for_each (server, &daemon->mps_servers, link)
		if (server->gpu == gpu && server->state == MPS_STARTING)
			return true;
	return false;
}

uint32_t mps_stop_idle(struct daemon *daemon, uint32_t gpus)
{
	struct mps_runtime *server;
	uint32_t on = 0;

	list_for_each (server, &daemon->mps_servers, link) {
		if (!(gpus >> server->gpu & 1) || mps_server_leases(server) > 0)
			continue;
		if (server->state == MPS_READY)
			mps_server_stop(server, "its room is wanted");
		/* in its back-off alone there is nothing of it */
		if (server->state != MPS_FAULTY || server->is_stopping)
			on |= 1u << server->gpu;
	}
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if ((gpus >> i & 1) && daemon->runtime[i].has_former_mode &&
			daemon->gpus[i].n_mps_servers == 0)
			on |= 1u << i; /* its compute mode is about to be put back */
	return on;
}

bool mps_let_go(struct daemon *daemon)
{
	struct mps_runtime *server;

	list_for_each (server, &daemon->mps_servers, link)
		if (list_is_empty(&server->waits))
			mps_server_stop(server, "the driver is drained");
	return list_is_empty(&daemon->mps_servers);
}

static bool is_wanted_for_mps(struct daemon *daemon, unsigned gpu)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		for (unsigned i = 0; i < lease->n_shares; i++)
			if (lease->share[i].gpu == gpu &&
				lease->share[i].mechanism == MECHANISM_MPS)
				return true;
	return false;
}

struct mode_back {
	struct daemon *daemon;
	unsigned gpu;
};

static void on_mode_back(void *context, const struct txn_result *result)
{
	struct mode_back *back = context;

	/* it is tried again with each look, and told once */
	if (result->code < 0 && !back->daemon->runtime[back->gpu].mode_stays)
		event_add(back->daemon, "mps-mode", (int)back->gpu, 0,
			"the compute mode of GPU %u could not be put back yet: %s", back->gpu,
			result->text);
	back->daemon->runtime[back->gpu].mode_stays = result->code < 0;
	leases_pump(back->daemon);
	free(back);
}

static void put_mode_back(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	struct step step = { .kind = STEP_COMPUTE_MODE,
		.gpu = gpu,
		.mode = runtime->former_mode,
		.mode_before = COMPUTE_EXCLUSIVE_PROCESS };
	struct mode_back *back;

	/* in MIG mode a GPU has none to be put back */
	if (runtime->truth.compute_mode != COMPUTE_EXCLUSIVE_PROCESS || runtime->truth.mig_on) {
		gpu_set_former_mode(daemon, gpu, NULL);
		return;
	}
	back = must_alloc(1, sizeof(*back));
	*back = (struct mode_back){ daemon, gpu };
	txn_start(daemon, "compute mode", &step, 1, NULL, on_mode_back, back);
}

void mps_settle(struct daemon *daemon)
{
	for (unsigned i = 0; i < daemon->n_gpus && daemon->is_restored; i++) {
		const struct gpu_runtime *runtime = &daemon->runtime[i];

		/* servers that take turns need a mode that lets more than one in */
		if (runtime->has_former_mode && runtime->has_facts && !runtime->txn &&
			daemon->gpus[i].health != GPU_LOST &&
			(daemon->config.mps.may_time_slice ||
				(daemon->gpus[i].n_mps_servers == 0 &&
					!is_wanted_for_mps(daemon, i))))
			put_mode_back(daemon, i);
	}
}

/* ---- in the ledger ---- */

static json_t *process_to_json(const struct mps_process *process)
{
	return json_pack("[I, I]", (json_int_t)process->pid, (json_int_t)process->start_ticks);
}

void mps_server_record(const struct mps_runtime *server)
{
	const struct mps_place *place = &server->place;
	json_t *json = json_pack("{s:s, s:[I, I, I], s:I, s:o, s:o, s:[I, I]}", "gpu",
		server->daemon->gpus[server->gpu].facts.uuid, "place",
		(json_int_t)place->profile_id, (json_int_t)place->start, (json_int_t)place->ci,
		"uid", (json_int_t)server->uid, "control", process_to_json(&server->seen.control),
		"server", process_to_json(&server->seen.server), "limits",
		(json_int_t)server->limits.memory_mib, (json_int_t)server->limits.millipercent);
	AUTO_FREE char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!body) {
		log_error("the MPS server %s cannot be written down", server->name);
		abort();
	}
	ledger_mps_put(server->daemon->ledger, server->name, body);
}

static void on_recalled(struct mps_task *task, const struct work_answer *answer)
{
	struct mps_runtime *server = task->server;
	const struct mps_seen *seen = &answer->mps.seen;
	bool is_well = answer->result == 0 && seen->state == MPS_SEEN_READY;

	server->seen = *seen;
	server->state = MPS_READY;
	if (is_well) {
		mps_server_watch(server, true);
		mps_keep_shares(server);
	} else if (mps_server_leases(server) == 0) {
		mps_server_stop(server, "it was gone when carved came back");
	} else {
		mps_server_broke(server, 0, true,
			answer->result < 0 ? answer->text : "it was gone when carved came back");
	}
	gpu_rebuild(server->daemon, server->gpu);
	if (server->state == MPS_READY) {
		mps_serve_waits(server);
		mps_server_check_idle(server);
	}
	leases_pump(server->daemon);
}

static void recall_one(void *context, const char *name, const char *body)
{
	struct daemon *daemon = context;
	json_t *json = json_loads(body, 0, NULL);
	json_int_t profile, start, ci, uid, memory, percent, control[2], process[2];
	struct mps_order order = { .op = MPS_LOOK };
	struct mps_runtime *server;
	struct mps_place place;
	const char *uuid;
	int gpu = -1;

	if (json && json_unpack(json, "{s:s, s:[I, I, I], s:I, s:[I, I], s:[I, I], s:[I, I]}",
			    "gpu", &uuid, "place", &profile, &start, &ci, "uid", &uid, "control",
			    &control[0], &control[1], "server", &process[0], &process[1], "limits",
			    &memory, &percent) == 0)
		gpu = gpu_by_uuid(daemon, uuid);
	json_decref(json);
	if (gpu < 0) {
		log_error("the MPS server %s in the ledger cannot be taken up", name);
		return;
	}
	place = (struct mps_place){ (uint32_t)profile, (uint32_t)start, (uint32_t)ci };
	server = mps_server_new(daemon, (unsigned)gpu, &place, (uint32_t)uid);
	server->limits = (struct mps_limits){ (uint32_t)memory, (uint32_t)percent };
	server->seen.control = (struct mps_process){ (int32_t)control[0], (uint64_t)control[1] };
	server->seen.server = (struct mps_process){ (int32_t)process[0], (uint64_t)process[1] };
	mps_server_order(server, &order, 0, on_recalled);
}

void mps_recall(struct daemon *daemon)
{
	ledger_mps_all(daemon->ledger, recall_one, daemon);
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		gpu_rebuild(daemon, i);
}
