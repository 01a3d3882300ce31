/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in the ledger, as JSON, and what becomes of them after a restart: what was active goes on
 * if its holder lives and its share is there; what was being prepared was put back and waits again;
 * what waits goes on waiting if the process that asked lives.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/peers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static json_t *share_to_json(const struct lease *lease, const struct lease_share *share)
{
	json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:I, s:s, s:I, s:f}", "gpu",
		lease->daemon->gpus[share->gpu].facts.uuid, "mechanism",
		mechanism_names[share->mechanism], "profile", (int)share->profile_id, "start",
		(int)share->start, "ci", (json_int_t)share->ci_id, "uuid", share->uuid, "memory",
		(json_int_t)share->memory_bytes, "compute", (double)share->compute);

	if (json && share->mechanism == MECHANISM_MPS)
		json_object_set_new(json, "mps",
			json_pack("{s:I, s:[I, I, I], s:I, s:b, s:b, s:b, s:b, s:s*, s:s*}",
				"number", (json_int_t)share->mps.number, "place",
				(json_int_t)share->mps.place.profile_id,
				(json_int_t)share->mps.place.start, (json_int_t)share->mps.place.ci,
				"percent", (json_int_t)share->mps.percent, "pinned",
				share->mps.is_pinned, "over_commit", share->mps.over_commit,
				"must_hold", share->mps.must_hold, "by_kernel",
				share->mps.is_by_kernel, "environment", share->environment,
				"partition", share->partition));
	if (json && share->mechanism == MECHANISM_VF)
		json_object_set_new(json, "vf",
			json_pack("{s:I, s:s, s:s}", "number", (json_int_t)share->vf.number, "pci",
				share->vf.pci, "type", share->vf.type));
	return json;
}

void lease_record(struct lease *lease)
{
	const struct holder *holder = &lease->holder;
	json_t *shares = json_array();
	AUTO_FREE char *body = NULL;
	json_t *json;

	for (unsigned i = 0; i < lease->n_shares; i++)
		json_array_append_new(shares, share_to_json(lease, &lease->share[i]));
	json = json_pack("{s:s, s:o, s:I, s:s*, s:s*, s:s*, s:s*, s:o, s:I, s:I, s:I, s:b, s:b,"
			 "s:{s:s, s:i, s:I, s:s*, s:s*, s:b, s:b, s:b, s:s}}",
		"state", lease_state_names[lease->state], "request",
		request_to_json(&lease->request), "uid", (json_int_t)lease->tenant->uid, "name",
		lease->name, "choice", lease->choice, "why", lease->why, "reason", lease->reason,
		"shares", shares, "created", (json_int_t)lease->created_wall_ns, "active",
		(json_int_t)lease->active_wall_ns, "ends", (json_int_t)lease->ends_wall_ns,
		"failed", lease->has_failed, "unwanted", lease->is_unwanted, "holder", "kind",
		holder_kind_names[holder->kind], "pid", (int)holder->pid, "ticks",
		(json_int_t)holder->start_ticks, "cgroup", holder->cgroup, "command",
		holder->command, "fenced", holder->is_fenced, "entered", holder->was_entered,
		"owns", holder->owns_cgroup, "fence_text", holder->fence_text ?: "");
	if (json && lease->watch)
		json_object_set_new(json, "profile", lease_watch_json(lease));
	body = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!body) {
		log_error("lease L%" PRIu64 " cannot be written down", lease->id);
		abort();
	}
	if (holder->kind == HOLDER_VM)
		lease_vf_keep(lease, body);
	ledger_lease_put(lease->daemon->ledger, lease->id, body);
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static uint64_t number_of(const json_t *json, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(json, key));
}

static char *copy_of(const json_t *json, const char *key)
{
	const char *text = text_of(json, key);

	return text ? must_strdup(text) : NULL;
}

static void recall_holder(struct holder *holder, const json_t *json)
{
	for (unsigned kind = 0; kind < HOLDER_KIND_N; kind++)
		if (text_eq(text_of(json, "kind"), holder_kind_names[kind]))
			holder->kind = (enum holder_kind)kind;
	holder->pid = (pid_t)number_of(json, "pid");
	holder->start_ticks = number_of(json, "ticks");
	holder->cgroup = copy_of(json, "cgroup");
	holder->command = copy_of(json, "command");
	holder->is_fenced = json_is_true(json_object_get(json, "fenced"));
	holder->was_entered = json_is_true(json_object_get(json, "entered"));
	holder->owns_cgroup = json_is_true(json_object_get(json, "owns"));
	holder->fence_text = copy_of(json, "fence_text");
}

static void recall_mps(const struct lease *lease, struct lease_share *share, const json_t *json)
{
	const json_t *place = json_object_get(json, "place");

	share->mps = (struct mps_share){
		.number = (uint32_t)number_of(json, "number"),
		.place = { (uint32_t)json_integer_value(json_array_get(place, 0)),
			(uint32_t)json_integer_value(json_array_get(place, 1)),
			(uint32_t)json_integer_value(json_array_get(place, 2)) },
		.memory_bytes = share->memory_bytes,
		.percent = (uint32_t)number_of(json, "percent"),
		.is_pinned = json_is_true(json_object_get(json, "pinned")),
		.over_commit = json_is_true(json_object_get(json, "over_commit")),
		.is_by_kernel = json_is_true(json_object_get(json, "by_kernel")),
		.must_hold = json_is_true(json_object_get(json, "must_hold")),
		.uid = lease->tenant->uid,
	};
	share->environment = copy_of(json, "environment");
	share->partition = copy_of(json, "partition");
}

static void recall_vf(struct lease_share *share, const json_t *json)
{
	share->vf.number = (uint32_t)number_of(json, "number");
	text_copy(share->vf.pci, sizeof(share->vf.pci), text_of(json, "pci") ?: "");
	text_copy(share->vf.type, sizeof(share->vf.type), text_of(json, "type") ?: "");
}

/* 0, or -ENODEV if a GPU of the lease is no longer there. */
static int recall_shares(struct lease *lease, const json_t *shares)
{
	size_t i;
	json_t *json;

	lease->share = must_alloc(json_array_size(shares), sizeof(*lease->share));
	json_array_foreach(shares, i, json)
	{
		struct lease_share *share = &lease->share[lease->n_shares];
		int gpu = gpu_by_uuid(lease->daemon, text_of(json, "gpu") ?: "");

		if (gpu < 0)
			return -ENODEV;
		share->gpu = (uint32_t)gpu;
		share->mechanism = (enum mechanism)mechanism_find(text_of(json, "mechanism") ?: "");
		if ((int)share->mechanism < 0)
			return -ENODEV;
		share->profile_id = (uint32_t)number_of(json, "profile");
		share->start = (uint32_t)number_of(json, "start");
		share->ci_id = (uint32_t)number_of(json, "ci");
		share->memory_bytes = number_of(json, "memory");
		share->compute = (float)json_real_value(json_object_get(json, "compute"));
		text_copy(share->uuid, sizeof(share->uuid), text_of(json, "uuid") ?: "");
		if (share->mechanism == MECHANISM_MPS)
			recall_mps(lease, share, json_object_get(json, "mps"));
		if (share->mechanism == MECHANISM_VF)
			recall_vf(share, json_object_get(json, "vf"));
		lease->n_shares++;
		lease->n_shares_made++;
	}
	return 0;
}

static void charge_again(struct lease *lease)
{
	const struct quota none = { QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_UNLIMITED,
		QUOTA_UNLIMITED };
	const struct quota limit = lease->tenant->limit;
	const struct quota one = { .leases = 1 };
	const struct quota amount = lease_amount(lease);

	/* what is held is held, whatever a newer configuration allows */
	lease->tenant->limit = none;
	charge_take(&lease->count_charge, lease->tenant, &one, NULL);
	if (lease->n_shares)
		charge_take(&lease->share_charge, lease->tenant, &amount, NULL);
	lease->tenant->limit = limit;
}

static bool shares_are_there(const struct lease *lease)
{
	for (unsigned i = 0; i < lease->n_shares; i++) {
		const struct lease_share *share = &lease->share[i];
		const struct gpu *gpu = &lease->daemon->gpus[share->gpu];

		struct mps_place place = lease_share_place(share);

		if (gpu->health == GPU_LOST || mps_place_is_gpu(&place))
			continue;
		if (gpu_instance_at(gpu, place.profile_id, place.start) < 0)
			return false;
	}
	return true;
}

void leases_check_shares(struct daemon *daemon, unsigned gpu)
{
	struct lease *lease, *after;

	list_for_each_safe (lease, after, &daemon->leases, link) {
		bool is_here = false;

		for (unsigned i = 0; i < lease->n_shares; i++)
			is_here |= lease->share[i].gpu == gpu;
		if (is_here && lease->share[0].mechanism == MECHANISM_VF) {
			lease_vf_seen(lease);
			continue;
		}
		if (!is_here || lease->has_failed || lease->state != LEASE_ACTIVE ||
			shares_are_there(lease))
			continue;
		lease->has_failed = true;
		lease_set_reason(lease, "its share was removed by somebody else");
		event_add(daemon, "lease-gpu", (int)gpu, lease->id,
			"L%" PRIu64 ": its share was removed by somebody else", lease->id);
		/* nothing else would ever end it */
		if (lease->holder.kind == HOLDER_NAME)
			lease_fail(lease, API_DRIVER, lease->reason);
		else
			api_lease_changed(lease);
	}
}

static void resume_waiting(struct lease *lease)
{
	uint64_t now = now_ns(), wall = wall_ns();
	uint64_t waited = wall > lease->created_wall_ns ? wall - lease->created_wall_ns : 0;

	/* its age and its turn are those of before */
	lease->waiting_since_ns = waited < now ? now - waited : 0;
	if (lease->holder.pid > 0 && holder_watch_requester(lease) < 0) {
		lease_set_reason(lease, "the process that asked for it ended");
		lease_finish(lease, LEASE_ENDED);
		return;
	}
	lease_arm_wait(lease);
}

/* Prepared or half prepared: its steps were put back, a cgroup may have been made. */
static void resume_placed(struct lease *lease)
{
	struct daemon *daemon = lease->daemon;

	lease_drop_shares(lease);
	holder_drop_cgroup(lease);
	daemon->n_queued++;
	lease->state = LEASE_QUEUED;
	if (lease->is_unwanted)
		lease_finish(lease, LEASE_ENDED);
	else
		resume_waiting(lease);
}

static void resume_active(struct lease *lease)
{
	uint64_t now = wall_ns();
	int holds = holder_resume(lease);

	if (!shares_are_there(lease)) {
		lease->has_failed = true;
		lease_set_reason(lease, "its share was gone when carved came back");
	}
	if (lease->ends_wall_ns) {
		lease->ends_ns =
			now_ns() + (lease->ends_wall_ns > now ? lease->ends_wall_ns - now : 0);
		lease_arm(lease, lease->ends_wall_ns > now ? lease->ends_wall_ns - now : 1);
	}
	if (lease->state == LEASE_ACTIVE)
		lease_watch_begin(lease);
	if (lease->state == LEASE_RELEASING)
		lease_arm(lease, holds && lease->holder.kind != HOLDER_VM
					 ? lease->daemon->config.grace_ns
					 : 1);
	else if (!holds)
		lease_holder_gone(lease);
	else if (lease->has_failed && holder_is_name(&lease->holder))
		lease_fail(lease, API_DRIVER, lease->reason);
}

struct recalled {
	struct daemon *daemon;
	VEC(uint64_t) ids;
};

/* Without a driver no GPU of NVIDIA's is there: what is durable is kept until there is one. What
 * was still queued is not. */
static bool waits_for_driver(const struct daemon *daemon, const json_t *json)
{
	const json_t *share = json_array_get(json_object_get(json, "shares"), 0);

	return share && !daemon->driver_version[0] &&
	       text_eq(text_of(json_object_get(json, "holder"), "kind"), "vm") &&
	       gpu_by_uuid(daemon, text_of(share, "gpu") ?: "") < 0;
}

static void recall(void *context, uint64_t id, const char *body)
{
	struct recalled *recalled = context;
	json_t *json = json_loads(body, 0, NULL);
	struct lease *lease;
	int state = json ? lease_state_find(text_of(json, "state") ?: "") : -1;

	if (state < 0) {
		log_error("lease L%" PRIu64 " in the ledger cannot be read; it is dropped", id);
		json_decref(json);
		return;
	}
	if (waits_for_driver(recalled->daemon, json)) {
		log_warning("lease L%" PRIu64
			    " of a virtual machine waits for its GPU's driver to be loaded, and "
			    "for carved to be started again then",
			id);
		json_decref(json);
		return;
	}
	lease = lease_new(recalled->daemon, id);
	lease->state = (enum lease_state)state;
	lease->tenant = tenant_by_uid(recalled->daemon, (uid_t)number_of(json, "uid"));
	request_init(&lease->request);
	request_from_json(json_object_get(json, "request"), &lease->request, NULL);
	lease->request.uid = lease->tenant->uid;
	lease->name = copy_of(json, "name");
	lease->choice = copy_of(json, "choice");
	lease->why = copy_of(json, "why");
	lease->reason = copy_of(json, "reason");
	lease->has_failed = json_is_true(json_object_get(json, "failed"));
	lease->is_unwanted = json_is_true(json_object_get(json, "unwanted"));
	lease->created_wall_ns = number_of(json, "created");
	lease->active_wall_ns = number_of(json, "active");
	lease->ends_wall_ns = number_of(json, "ends");
	recall_holder(&lease->holder, json_object_get(json, "holder"));
	if (json_object_get(json, "profile"))
		lease_watch_want(lease, json_object_get(json, "profile"));
	if (lease->state == LEASE_QUEUED)
		recalled->daemon->n_queued++;
	if (recall_shares(lease, json_object_get(json, "shares")) < 0) {
		lease->has_failed = true;
		lease_set_reason(lease, "its GPU was gone when carved came back");
	}
	charge_again(lease);
	*vec_add(&recalled->ids) = id;
	json_decref(json);
}

/* Of a boot before this one: the ledger does not know it. */
static void recall_vm(void *context, uint64_t id, const char *body)
{
	struct recalled *recalled = context;

	if (!lease_by_id(recalled->daemon, id))
		recall(context, id, body);
}

void leases_recall(struct daemon *daemon)
{
	struct recalled recalled = { .daemon = daemon };
	uint64_t last_vm;

	daemon->last_lease = ledger_last_lease(daemon->ledger);
	ledger_begin(daemon->ledger);
	ledger_leases(daemon->ledger, recall, &recalled);
	last_vm = lease_vf_recall(daemon, recall_vm, &recalled);
	if (last_vm > daemon->last_lease)
		daemon->last_lease = last_vm;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		gpu_rebuild(daemon, i);
	for (size_t i = 0; i < recalled.ids.n; i++) {
		struct lease *lease = lease_by_id(daemon, recalled.ids.at[i]);

		if (!lease)
			continue;
		if (lease->state == LEASE_PLACED)
			resume_placed(lease);
		else if (lease->state == LEASE_ACTIVE || lease->state == LEASE_RELEASING)
			resume_active(lease);
		else
			resume_waiting(lease);
	}
	ledger_commit(daemon->ledger);
	vec_done(&recalled.ids);
}
