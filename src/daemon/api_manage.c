/* SPDX-License-Identifier: Apache-2.0 */
/* What administrators do: manage, unmanage, adopt, drain, reload. */
#include "base/cleanup.h"
#include "base/error.h"
#include "daemon/api.h"
#include "daemon/apply.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/render.h"
#include "daemon/settings.h"
#include "daemon/unleased.h"
#include "daemon/vfs.h"

#include <errno.h>
#include <inttypes.h>

/* The GPU of the path; false: the call was answered. */
static bool gpu_of(struct call *call, const char *what, unsigned *ret_gpu)
{
	struct error err = ERROR_NONE;

	if (call_refuse_unless_admin(call, what))
		return false;
	if (gpu_find(call->daemon->gpus, call->daemon->n_gpus, call->arg, ret_gpu, &err) < 0) {
		call_fail_error(call, API_NOT_FOUND, &err);
		return false;
	}
	return true;
}

static void reply_gpu(struct call *call, unsigned gpu)
{
	call_reply(call, API_OK,
		json_pack("{s:o}", "gpu", render_gpu(call->daemon, gpu, &call->peer)));
}

/* The layout that would put one GPU as it is now, kept at `manage` for `unmanage`. */
static void remember_former(struct daemon *daemon, unsigned gpu)
{
	AUTO_FREE char *key = must_asprintf("former/%s", daemon->gpus[gpu].facts.uuid);
	AUTO_FREE char *text = NULL;
	struct gpu alone = daemon->gpus[gpu];

	alone.managed = true;
	/* what is there now is what is wanted then, whoever made it */
	for (unsigned i = 0; i < alone.seen.n_instances; i++)
		alone.seen.instance[i].origin = SHARE_PINNED;
	for (unsigned i = 0; i < alone.seen.vfs.n; i++)
		alone.seen.vfs.vf[i].origin = SHARE_PINNED;
	alone.seen.vfs.origin = SHARE_PINNED;
	text = layout_export(&alone, 1, "former");
	store_put(daemon->ledger, key, text);
}

void api_gpu_manage(struct call *call)
{
	struct daemon *daemon = call->daemon;
	unsigned gpu;

	if (!gpu_of(call, "manage GPUs", &gpu))
		return;
	if (!daemon->gpus[gpu].managed) {
		remember_former(daemon, gpu);
		gpu_set_managed(daemon, gpu, true);
		event_add(daemon, "gpu-managed", (int)gpu, 0, "GPU %u is managed now", gpu);
	}
	gpu_mend(daemon, gpu);
	unleased_update(daemon);
	gpu_look_facts(daemon, gpu);
	reply_gpu(call, gpu);
	leases_pump(daemon);
}

/* Lists the leases on a GPU: "L3 (alice), L4 (bob)"; empty if there are none. */
static void leases_on(struct daemon *daemon, unsigned gpu, struct buf *ret_text)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		for (unsigned i = 0; i < lease->n_shares; i++)
			if (lease->share[i].gpu == gpu) {
				buf_addf(ret_text, "%sL%" PRIu64 " (%s)",
					ret_text->length ? ", " : "", lease->id,
					tenant_name(daemon, lease->tenant->uid));
				break;
			}
}

/*
 * Puts a GPU back as it was when it was managed: what Carve made goes, the mode comes back. With
 * {"keep":true} everything stays as it is.
 */
void api_gpu_unmanage(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct layout layout = { 0 };
	struct plan plan = { 0 };
	struct operation *operation;
	struct error err = ERROR_NONE;
	AUTO_BUF leases = { 0 };
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *former = NULL;
	json_t *json;
	unsigned gpu;
	int r;

	if (!gpu_of(call, "unmanage GPUs", &gpu))
		return;
	leases_on(daemon, gpu, &leases);
	if (leases.length) {
		call_fail(call, API_CONFLICT,
			"GPU %u is leased: %s. Drain it first (carve drain %u), or release them",
			gpu, buf_text(&leases), gpu);
		return;
	}
	key = must_asprintf("former/%s", daemon->gpus[gpu].facts.uuid);
	former = store_get(daemon->ledger, key);
	if (!daemon->gpus[gpu].managed || !former ||
		json_is_true(json_object_get(call->body, "keep"))) {
		gpu_set_managed(daemon, gpu, false);
		unleased_update(daemon);
		reply_gpu(call, gpu);
		return;
	}
	r = layout_parse("former", former, strlen(former), NULL, daemon->gpus, daemon->n_gpus,
		&layout, &err);
	if (r == 0)
		r = plan_layout(daemon->gpus, daemon->n_gpus, &layout, &plan, &err);
	json = r == 0 ? render_plan(daemon, &plan, &call->peer) : json_object();
	if (r == 0)
		r = operation_start(daemon, &layout, &plan, json, NULL, 0,
			json_is_true(json_object_get(call->body, "reset")), &operation, &err);
	if (r == 0) {
		operation_unmanages(operation, gpu);
		call_reply(call, API_ACCEPTED,
			json_pack("{s:o}", "operation", operation_render(operation)));
	} else {
		call_fail(call, API_CONFLICT,
			"GPU %u cannot be put back as it was before: %s (--keep leaves it as it "
			"is)",
			gpu, err.text);
	}
	json_decref(json);
	layout_done(&layout);
	plan_done(&plan);
}

static void adopt_vf(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct error err = ERROR_NONE;
	unsigned gpu, at;

	if (share_find_vf(daemon->gpus, daemon->n_gpus, call->arg, &gpu, &at, &err) < 0) {
		call_fail_error(call, API_NOT_FOUND, &err);
		return;
	}
	if (!daemon->gpus[gpu].managed) {
		call_fail(call, API_CONFLICT, "GPU %u is not managed: carve manage %u first", gpu,
			gpu);
		return;
	}
	if (vfs_adopt(daemon, gpu, at, &err) < 0) {
		call_fail_error(call, API_CONFLICT, &err);
		return;
	}
	gpu_rebuild(daemon, gpu);
	event_add(daemon, "share-adopted", (int)gpu, 0, "%s is Carve's now", call->arg);
	reply_gpu(call, gpu);
	leases_pump(daemon);
}

void api_share_adopt(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct error err = ERROR_NONE;
	unsigned gpu, at;
	struct mig_instance *instance;
	int ci;

	if (call_refuse_unless_admin(call, "adopt shares"))
		return;
	if (share_is_vf(call->daemon->gpus, call->daemon->n_gpus, call->arg)) {
		adopt_vf(call);
		return;
	}
	if (share_find(daemon->gpus, daemon->n_gpus, call->arg, &gpu, &at, &ci, &err) < 0) {
		call_fail_error(call, API_NOT_FOUND, &err);
		return;
	}
	instance = &daemon->gpus[gpu].seen.instance[at];
	if (!daemon->gpus[gpu].managed) {
		call_fail(call, API_CONFLICT, "GPU %u is not managed: carve manage %u first", gpu,
			gpu);
		return;
	}
	if (instance->origin == SHARE_FOREIGN) {
		gpu_set_origin(daemon, gpu,
			daemon->gpus[gpu].facts.geometry.profile[instance->profile].id,
			instance->start, SHARE_PINNED);
		gpu_rebuild(daemon, gpu);
		event_add(daemon, "share-adopted", (int)gpu, 0, "%s is Carve's now", call->arg);
	}
	reply_gpu(call, gpu);
	leases_pump(daemon);
}

void api_gpu_drain(struct call *call)
{
	struct daemon *daemon = call->daemon;
	AUTO_BUF leases = { 0 };
	unsigned gpu;
	json_t *json;

	if (!gpu_of(call, "drain GPUs", &gpu))
		return;
	if (!daemon->gpus[gpu].drained)
		event_add(daemon, "gpu-drained", (int)gpu, 0, "GPU %u takes no new leases", gpu);
	gpu_set_drained(daemon, gpu, true);
	leases_on(daemon, gpu, &leases);
	json = json_pack("{s:o, s:o}", "gpu", render_gpu(daemon, gpu, &call->peer), "waits_for",
		render_text(buf_text(&leases)));
	call_reply(call, leases.length ? API_ACCEPTED : API_OK, json);
}

void api_gpu_undrain(struct call *call)
{
	struct daemon *daemon = call->daemon;
	unsigned gpu;

	if (!gpu_of(call, "undrain GPUs", &gpu))
		return;
	if (daemon->gpus[gpu].drained)
		event_add(daemon, "gpu-undrained", (int)gpu, 0, "GPU %u takes leases again", gpu);
	gpu_set_drained(daemon, gpu, false);
	reply_gpu(call, gpu);
	leases_pump(daemon);
}

/* No leases: the workers end, so that nothing of Carve's holds the driver. */
void api_driver_drain(struct call *call)
{
	struct daemon *daemon = call->daemon;
	AUTO_BUF leases = { 0 };

	if (call_refuse_unless_admin(call, "drain the driver"))
		return;
	if (!daemon->driver_let_go)
		event_add(daemon, "driver-drained", -1, 0,
			"no new leases; the driver is let go of when none is left");
	daemon->driver_let_go = true;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		leases_on(daemon, i, &leases);
	call_reply(call, driver_let_go(daemon) ? API_OK : API_ACCEPTED,
		json_pack("{s:o}", "waits_for", render_text(buf_text(&leases))));
}

void api_driver_undrain(struct call *call)
{
	struct daemon *daemon = call->daemon;

	if (call_refuse_unless_admin(call, "undrain the driver"))
		return;
	daemon->driver_let_go = false;
	event_add(daemon, "driver-undrained", -1, 0, "the driver is used again");
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		gpu_look_facts(daemon, i);
	call_reply(call, API_OK, json_object());
	leases_pump(daemon);
}

void api_reload(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct error err = ERROR_NONE;

	if (call_refuse_unless_admin(call, "reload the configuration"))
		return;
	if (settings_load(daemon, &err) < 0) {
		call_fail(call, API_BAD_REQUEST, "%s; the former configuration stays in force",
			err.text);
		return;
	}
	event_add(daemon, "reloaded", -1, 0, "the configuration was read again");
	call_reply(call, API_OK, json_object());
	leases_pump(daemon);
}
