/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/apply.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/child.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/unleased.h"
#include "daemon/vfs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* systemd's own default stop time-out is 90 s */
#define SERVICE_DEADLINE_NS (95ULL * 1000000000)
/* What is over soon (an MPS server that ends, a lease being made): how often it is looked, and how
 * long it waits for that. */
#define QUIET_AGAIN_NS (20 * 1000000ULL)
#define QUIET_WAIT_NS  (15 * 1000000000ULL)

static void say(struct operation *operation, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct operation *operation, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	free(operation->text);
	operation->text = text;
	api_operation_changed(operation);
}

static void operation_free(struct operation *operation)
{
	sd_event_source_disable_unref(operation->timer);
	list_remove(&operation->link);
	layout_done(&operation->layout);
	vec_done(&operation->pins);
	for (unsigned i = 0; i < operation->n_units; i++)
		free(operation->unit[i]);
	free(operation->unit);
	free(operation->text);
	free(operation->error);
	free(operation->remembered.file);
	free(operation->remembered.text);
	free(operation->remembered.name);
	json_decref(operation->plan);
	free(operation);
}

static void forget_old(struct daemon *daemon)
{
	struct operation *operation, *after;
	unsigned n = 0;

	list_for_each (operation, &daemon->operations, link)
		n++;
	list_for_each_safe (operation, after, &daemon->operations, link)
		if (n > OPERATIONS_KEPT && operation->state != OPERATION_RUNNING) {
			operation_free(operation);
			n--;
		}
}

static void unmanage(struct operation *operation)
{
	struct daemon *daemon = operation->daemon;

	if (!operation->unmanage || operation->state != OPERATION_DONE)
		return;
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (operation->unmanage & 1u << i)
			gpu_set_managed(daemon, i, false);
	unleased_update(daemon);
}

void operation_unmanages(struct operation *operation, unsigned gpu)
{
	operation->unmanage |= 1u << gpu;
	unmanage(operation);
}

static void layout_remember(struct daemon *daemon, const struct remembered *layout);

static void end(struct operation *operation)
{
	struct daemon *daemon = operation->daemon;

	operation->state = operation->error ? OPERATION_FAILED : OPERATION_DONE;
	unmanage(operation);
	if (operation->is_restore)
		ledger_layout_made(daemon->ledger);
	if (operation->state == OPERATION_DONE && operation->remembered.text)
		layout_remember(daemon, &operation->remembered);
	event_add(daemon, operation->error ? "apply-failed" : "apply-done", -1, 0,
		"A%" PRIu64 " %s%s", operation->id, operation->error ? "failed: " : "is done",
		operation->error ?: "");
	say(operation, "%s", operation->error ? "failed, and put back" : "done");
	forget_old(daemon);
	leases_pump(daemon);
}

static void start_next_unit(struct operation *operation);

static void on_unit_started(void *context, int status)
{
	struct operation *operation = context;
	const char *unit = operation->unit[operation->next_unit];

	if (status != 0)
		event_add(operation->daemon, "service", -1, 0,
			"%s could not be started again (systemctl start %s)", unit, unit);
	else
		ledger_service_drop(operation->daemon->ledger, unit);
	start_next_unit(operation);
}

/* Backwards: the last one stopped is started first. */
static void start_next_unit(struct operation *operation)
{
	if (operation->next_unit == 0) {
		end(operation);
		return;
	}
	operation->next_unit--;
	say(operation, "starting %s again", operation->unit[operation->next_unit]);
	child_run(operation->daemon->loop,
		(const char *const[]){
			"systemctl", "start", operation->unit[operation->next_unit], NULL },
		SERVICE_DEADLINE_NS, on_unit_started, operation);
}

static void set_pins(struct operation *operation)
{
	struct daemon *daemon = operation->daemon;
	const struct pin *pin;

	ledger_begin(daemon->ledger);
	vec_for_each (pin, &operation->pins) {
		if (pin->vf != REPIN_INSTANCE)
			vfs_pin(daemon, pin->gpu, pin->vf, pin->origin);
		else
			gpu_set_origin(daemon, pin->gpu, pin->profile_id, pin->start, pin->origin);
		gpu_rebuild(daemon, pin->gpu);
	}
	ledger_commit(daemon->ledger);
}

static void on_steps_done(void *context, const struct txn_result *result)
{
	struct operation *operation = context;

	if (result->code < 0 && result->broken)
		operation->error = must_asprintf(
			"%s; GPUs that could not be put back are marked broken (carve list)",
			result->text);
	else if (result->code < 0)
		operation->error =
			must_asprintf("%s; everything was put back as it was", result->text);
	else
		set_pins(operation);
	start_next_unit(operation);
}

static void on_progress(void *context, unsigned steps_done, const char *text)
{
	struct operation *operation = context;

	operation->steps_done = steps_done;
	say(operation, "%s", text);
}

/* Why a plan must not be carried out now; 0 if it may. */
static int check_plan(
	struct daemon *daemon, const struct plan *plan, bool may_reset, struct error *err)
{
	if (daemon->driver_let_go && plan->n_steps)
		return error_set(err, -EBUSY,
			"the driver is drained for maintenance (carve undrain --driver takes it up "
			"again)");
	if (plan->n_blockers)
		return error_set(err, -EBUSY, "%s; nothing was changed", plan->blocker[0].what);
	if (plan->needs_reset && !may_reset)
		return error_set(err, -EPERM,
			"changing the MIG mode of GPU %u takes a GPU reset, which ends everything "
			"on it: say --reset if that is meant",
			(unsigned)__builtin_ctz(plan->needs_reset));
	return 0;
}

static void collect_pins(struct operation *operation, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_repins; i++) {
		const struct repin *repin = &plan->repin[i];
		const struct gpu *gpu = &operation->daemon->gpus[repin->gpu];
		const struct mig_instance *instance;
		struct pin *pin = vec_add(&operation->pins);

		*pin = (struct pin){ .gpu = repin->gpu, .vf = repin->vf, .origin = repin->origin };
		if (repin->vf != REPIN_INSTANCE)
			continue;
		instance = &gpu->seen.instance[repin->instance];
		pin->profile_id = gpu->facts.geometry.profile[instance->profile].id;
		pin->start = instance->start;
	}
}

static void do_steps(struct operation *operation);

static int on_quiet(sd_event_source *source, uint64_t usec, void *context)
{
	struct operation *operation = context;

	operation->timer = sd_event_source_disable_unref(operation->timer);
	do_steps(operation);
	return 0;
}

/* MPS servers without leases are in nobody's way: they end before their GPUs are changed. */
static bool has_servers(struct daemon *daemon, const struct plan *plan)
{
	uint32_t gpus = 0;

	for (unsigned i = 0; i < plan->n_steps; i++)
		if (step_is_on_hardware(&plan->step[i]))
			gpus |= 1u << plan->step[i].gpu;
	return mps_stop_idle(daemon, gpus) != 0;
}

/* A GPU of the plan that is being changed for somebody else, or -1. */
static int busy_gpu(struct daemon *daemon, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->n_steps; i++)
		if (gpu_is_busy(daemon, plan->step[i].gpu))
			return (int)plan->step[i].gpu;
	return -1;
}

/* True: it goes on when its GPUs are quiet, or when it has waited for long enough. */
static bool waits_for_quiet(struct operation *operation, const struct plan *plan)
{
	struct daemon *daemon = operation->daemon;

	if ((!has_servers(daemon, plan) && busy_gpu(daemon, plan) < 0) ||
		operation->waited_ns >= QUIET_WAIT_NS)
		return false;
	operation->waited_ns += QUIET_AGAIN_NS;
	return sd_event_add_time_relative(daemon->loop, &operation->timer, CLOCK_MONOTONIC,
		       QUIET_AGAIN_NS / 1000, 1000, on_quiet, operation) >= 0;
}

static int check_quiet(struct daemon *daemon, const struct plan *plan, struct error *err)
{
	int gpu = busy_gpu(daemon, plan);

	if (gpu < 0)
		return 0;
	return error_set(err, -EBUSY,
		"GPU %d has been changed for somebody else for %d s now: 'carve events' says for "
		"what; try again when that is over",
		gpu, (int)(QUIET_WAIT_NS / 1000000000));
}

/* Plans anew: while services were stopped, leases may have come and gone. */
static void do_steps(struct operation *operation)
{
	struct daemon *daemon = operation->daemon;
	struct error err = ERROR_NONE;
	struct plan plan = { 0 };
	char what[32];
	int r = plan_layout(daemon->gpus, daemon->n_gpus, &operation->layout, &plan, &err);

	if (r == 0 && waits_for_quiet(operation, &plan)) {
		plan_done(&plan);
		return;
	}
	if (r == 0)
		r = check_plan(daemon, &plan, operation->may_reset, &err);
	if (r == 0)
		r = check_quiet(daemon, &plan, &err);
	if (r < 0) {
		operation->error = must_strdup(err.text);
		start_next_unit(operation);
	} else {
		collect_pins(operation, &plan);
		operation->n_steps = plan.n_steps;
		if (plan.n_steps == 0) {
			on_steps_done(operation, &(struct txn_result){ .gpu = -1 });
		} else {
			snprintf(what, sizeof(what), "apply A%" PRIu64, operation->id);
			say(operation, "changing the GPUs");
			txn_start(daemon, what, plan.step, plan.n_steps, on_progress, on_steps_done,
				operation);
		}
	}
	plan_done(&plan);
}

static void stop_next_unit(struct operation *operation);

static void on_unit_stopped(void *context, int status)
{
	struct operation *operation = context;
	const char *unit = operation->unit[operation->next_unit++];

	if (status != 0) {
		operation->error =
			must_asprintf("the service %s could not be stopped (systemctl stop %s: %s)",
				unit, unit, status < 0 ? strerror(-status) : "refused");
		start_next_unit(operation);
		return;
	}
	stop_next_unit(operation);
}

static void stop_next_unit(struct operation *operation)
{
	if (operation->next_unit == operation->n_units) {
		do_steps(operation);
		return;
	}
	say(operation, "stopping %s", operation->unit[operation->next_unit]);
	ledger_service_put(operation->daemon->ledger, operation->unit[operation->next_unit]);
	child_run(operation->daemon->loop,
		(const char *const[]){
			"systemctl", "stop", operation->unit[operation->next_unit], NULL },
		SERVICE_DEADLINE_NS, on_unit_stopped, operation);
}

int operation_start(struct daemon *daemon, struct layout *layout, const struct plan *plan,
	json_t *plan_json, char **units, unsigned n_units, bool may_reset,
	struct operation **ret_operation, struct error *err)
{
	struct operation *operation;
	int r = check_plan(daemon, plan, may_reset, err);

	if (r < 0)
		return r;
	operation = must_alloc(1, sizeof(*operation));
	operation->daemon = daemon;
	operation->id = ++daemon->last_operation;
	operation->layout = *layout;
	*layout = (struct layout){ 0 };
	operation->may_reset = may_reset;
	operation->n_steps = plan->n_steps;
	operation->plan = json_incref(plan_json);
	operation->unit = must_alloc(n_units, sizeof(*operation->unit));
	operation->n_units = n_units;
	for (unsigned i = 0; i < n_units; i++)
		operation->unit[i] = must_strdup(units[i]);
	list_add_tail(&daemon->operations, &operation->link);
	event_add(daemon, "apply-started", -1, 0, "A%" PRIu64 " has %u steps", operation->id,
		operation->n_steps);
	*ret_operation = operation;
	stop_next_unit(operation);
	return 0;
}

struct operation *operation_find(struct daemon *daemon, uint64_t id)
{
	struct operation *operation;

	list_for_each (operation, &daemon->operations, link)
		if (operation->id == id)
			return operation;
	return NULL;
}

json_t *operation_render(const struct operation *operation)
{
	static const char *const states[] = { "running", "done", "failed" };

	return json_pack("{s:o, s:s, s:i, s:i, s:s?, s:s?, s:O}", "id",
		json_sprintf("A%" PRIu64, operation->id), "state", states[operation->state],
		"steps_done", (int)operation->steps_done, "steps", (int)operation->n_steps, "text",
		operation->text, "error", operation->error, "plan", operation->plan);
}

void operations_done(struct daemon *daemon)
{
	struct operation *operation, *after;

	list_for_each_safe (operation, after, &daemon->operations, link)
		operation_free(operation);
}

struct revived {
	struct daemon *daemon;
	char *unit;
};

static void on_revived(void *context, int status)
{
	struct revived *revived = context;

	if (status == 0)
		ledger_service_drop(revived->daemon->ledger, revived->unit);
	event_add(revived->daemon, "service", -1, 0,
		status == 0
			? "%s, stopped for an apply that was cut off, runs again"
			: "%s, stopped for an apply that was cut off, could not be started again",
		revived->unit);
	free(revived->unit);
	free(revived);
}

static void revive(void *context, const char *unit)
{
	struct daemon *daemon = context;
	struct revived *revived = must_alloc(1, sizeof(*revived));

	*revived = (struct revived){ daemon, must_strdup(unit) };
	child_run(daemon->loop, (const char *const[]){ "systemctl", "start", revived->unit, NULL },
		SERVICE_DEADLINE_NS, on_revived, revived);
}

void services_recover(struct daemon *daemon)
{
	ledger_services(daemon->ledger, revive, daemon);
}

static void layout_remember(struct daemon *daemon, const struct remembered *layout)
{
	store_put(daemon->ledger, "layout/file", layout->file);
	store_put(daemon->ledger, "layout/name", layout->name);
	store_put(daemon->ledger, "layout/text", layout->text);
}

void operation_remembers(
	struct operation *operation, const char *file, const char *text, const char *name)
{
	struct remembered *layout = &operation->remembered;

	*layout = (struct remembered){ must_strdup(file), must_strdup(text),
		name ? must_strdup(name) : NULL };
	if (operation->state == OPERATION_DONE)
		layout_remember(operation->daemon, layout);
}

/* Starts making it; true while that is under way. */
static bool restore(struct daemon *daemon, const char *file, const char *text, const char *name)
{
	struct operation *operation = NULL;
	struct error err = ERROR_NONE;
	struct layout layout = { 0 };
	struct plan plan = { 0 };
	json_t *none = json_object();
	int r = layout_parse(
		file, text, strlen(text), name, daemon->gpus, daemon->n_gpus, &layout, &err);

	if (r == 0)
		r = plan_layout(daemon->gpus, daemon->n_gpus, &layout, &plan, &err);
	if (r == 0 && (plan.n_steps || plan.n_repins || plan.n_blockers))
		r = operation_start(daemon, &layout, &plan, none, NULL, 0, false, &operation, &err);
	if (r < 0)
		event_add(daemon, "apply-failed", -1, 0,
			"the layout of %s could not be made again at the start: %s", file,
			err.text);
	if (r == 0 && operation)
		operation->is_restore = operation->state == OPERATION_RUNNING;
	json_decref(none);
	layout_done(&layout);
	plan_done(&plan);
	return r == 0 && operation && operation->is_restore;
}

void layout_restore(struct daemon *daemon)
{
	AUTO_FREE char *text = store_get(daemon->ledger, "layout/text");
	AUTO_FREE char *file = store_get(daemon->ledger, "layout/file");
	AUTO_FREE char *name = store_get(daemon->ledger, "layout/name");

	if (ledger_layout_is_made(daemon->ledger))
		return;
	if (!text || !restore(daemon, file ?: "the last apply", text, name))
		ledger_layout_made(daemon->ledger);
}
