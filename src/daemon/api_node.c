/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: the node, its GPUs, shares and events. */
#include "base/error.h"
#include "base/io.h"
#include "daemon/api.h"
#include "daemon/daemon.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/render.h"

#include <inttypes.h>
#include <unistd.h>

static json_t *gpus_of(struct call *call)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < call->daemon->n_gpus; i++)
		json_array_append_new(list, render_gpu(call->daemon, i, &call->peer));
	return list;
}

static json_t *leases_of(struct call *call)
{
	json_t *list = json_array();
	struct lease *lease;

	list_for_each (lease, &call->daemon->leases, link)
		json_array_append_new(list, render_lease(lease, &call->peer));
	return list;
}

void api_get_node(struct call *call)
{
	struct daemon *daemon = call->daemon;
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	call_reply(call, API_OK,
		json_pack("{s:o, s:s, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:i}", "name",
			render_text(host), "carve", CARVE_VERSION, "driver",
			render_text(daemon->driver_version[0] ? daemon->driver_version : NULL),
			"driver_error",
			render_text(daemon->driver_error[0] ? daemon->driver_error : NULL),
			"driver_drained", daemon->driver_let_go, "simulated", daemon->is_simulated,
			"gpus", gpus_of(call), "shares", render_shares(daemon, &call->peer),
			"leases", leases_of(call), "queue", (int)daemon->n_queued));
}

void api_get_gpus(struct call *call)
{
	call_reply(call, API_OK, json_pack("{s:o}", "gpus", gpus_of(call)));
}

void api_get_gpu(struct call *call)
{
	struct error err = ERROR_NONE;
	unsigned gpu;

	if (gpu_find(call->daemon->gpus, call->daemon->n_gpus, call->arg, &gpu, &err) < 0)
		call_fail_error(call, API_NOT_FOUND, &err);
	else
		call_reply(call, API_OK,
			json_pack("{s:o}", "gpu", render_gpu(call->daemon, gpu, &call->peer)));
}

void api_get_shares(struct call *call)
{
	call_reply(call, API_OK,
		json_pack("{s:o}", "shares", render_shares(call->daemon, &call->peer)));
}

void api_get_share(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct error err = ERROR_NONE;
	unsigned gpu, instance;
	json_t *share;
	int ci;

	if (gpu_find(daemon->gpus, daemon->n_gpus, call->arg, &gpu, NULL) == 0 &&
		daemon->gpus[gpu].whole_allowed && !vf_any_on(&daemon->gpus[gpu])) {
		share = render_share(daemon, gpu, NULL, NULL);
	} else if (share_is_mps_name(call->arg)) {
		if (share_find_mps(daemon->gpus, daemon->n_gpus, call->arg, &gpu, &instance, &err) <
			0) {
			call_fail_error(call, API_NOT_FOUND, &err);
			return;
		}
		share = render_mps_share(daemon, gpu, &daemon->gpus[gpu].mps[instance]);
	} else if (share_is_vf(daemon->gpus, daemon->n_gpus, call->arg)) {
		if (share_find_vf(daemon->gpus, daemon->n_gpus, call->arg, &gpu, &instance, &err) <
			0) {
			call_fail_error(call, API_NOT_FOUND, &err);
			return;
		}
		share = render_vf_share(
			daemon, gpu, &daemon->gpus[gpu].seen.vfs.vf[instance], &call->peer);
	} else if (share_find(daemon->gpus, daemon->n_gpus, call->arg, &gpu, &instance, &ci, &err) <
		   0) {
		call_fail_error(call, API_NOT_FOUND, &err);
		return;
	} else if (ci < 0) {
		call_fail(call, API_CONFLICT,
			"%s has no compute instance: nobody can use it as it is", call->arg);
		return;
	} else {
		struct mig_instance *place = &daemon->gpus[gpu].seen.instance[instance];

		share = render_share(daemon, gpu, place, &place->ci[ci]);
	}
	call_reply(call, API_OK, json_pack("{s:o}", "share", share));
}

void api_get_leases(struct call *call)
{
	call_reply(call, API_OK, json_pack("{s:o}", "leases", leases_of(call)));
}

void api_get_health(struct call *call)
{
	struct daemon *daemon = call->daemon;

	call_reply(call, API_OK,
		json_pack("{s:s, s:i, s:i, s:i, s:f, s:b}", "status", "ok", "gpus",
			(int)daemon->n_gpus, "leases", (int)daemon->n_leases, "queue",
			(int)daemon->n_queued, "uptime",
			(double)(now_ns() - daemon->started_ns) / 1e9, "restored",
			daemon->is_restored));
}

void api_answer_events(struct call *call)
{
	struct events *events = &call->daemon->events;
	uint64_t kept = events->last > EVENTS_KEPT ? events->last - EVENTS_KEPT : 0;
	json_t *list = json_array();

	for (uint64_t number = (call->seen > kept ? call->seen : kept) + 1; number <= events->last;
		number++) {
		const struct event *event = event_get(events, number);

		if (!event)
			continue;
		json_array_append_new(list,
			json_pack("{s:I, s:o, s:s, s:o, s:o, s:o}", "number", (json_int_t)number,
				"time", render_time(event->wall_ns), "kind", event->kind, "gpu",
				event->gpu >= 0 ? json_integer(event->gpu) : json_null(), "lease",
				event->lease ? json_sprintf("L%" PRIu64, event->lease)
					     : json_null(),
				"text", render_text(event->text)));
	}
	call_reply(call, API_OK,
		json_pack("{s:I, s:o}", "next", (json_int_t)events->last, "events", list));
}

void api_get_events(struct call *call)
{
	uint64_t last = call->daemon->events.last, wait_ns = call_wait_ns(call, "wait", 0);
	const char *since = call_query(call, "since");

	call->seen = last > 100 ? last - 100 : 0;
	if (since && parse_u64(since, &call->seen) < 0) {
		call_fail(call, API_BAD_REQUEST, "since=%s is not a number of an event", since);
		return;
	}
	/* a number from before the clock was set back: what there is now is all news */
	if (call->seen > last)
		call->seen = 0;
	if (last == call->seen && wait_ns)
		call_wait(call, CALL_WAITS_EVENT, wait_ns);
	else
		api_answer_events(call);
}
