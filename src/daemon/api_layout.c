/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts over the API: export, plan, apply, and following an apply. */
#include "base/cleanup.h"
#include "base/error.h"
#include "daemon/api.h"
#include "daemon/apply.h"
#include "daemon/render.h"

#include <errno.h>
#include <inttypes.h>

void api_get_layout(struct call *call)
{
	const char *name = call_query(call, "name");
	AUTO_FREE char *text =
		layout_export(call->daemon->gpus, call->daemon->n_gpus, name ?: "now");

	call_reply(call, API_OK, json_pack("{s:o}", "layout", render_text(text)));
}

/* Reads the body's layout and plans it; false: the call was answered. */
static bool plan_of(struct call *call, struct layout *layout, struct plan *plan)
{
	struct daemon *daemon = call->daemon;
	const char *file = json_string_value(json_object_get(call->body, "file"));
	const char *name = json_string_value(json_object_get(call->body, "layout"));
	const json_t *text = json_object_get(call->body, "text");
	struct error err = ERROR_NONE;
	int r;

	if (!json_is_string(text)) {
		call_fail(call, API_BAD_REQUEST, "a plan needs {\"text\": the layout file's text}");
		return false;
	}
	r = layout_parse(file ?: "layout", json_string_value(text), json_string_length(text), name,
		daemon->gpus, daemon->n_gpus, layout, &err);
	if (r == 0)
		r = plan_layout(daemon->gpus, daemon->n_gpus, layout, plan, &err);
	if (r == 0)
		return true;
	layout_done(layout);
	call_fail_error(call,
		r == -EPERM    ? API_CONFLICT
		: r == -ENODEV ? API_NOT_FOUND
			       : API_BAD_REQUEST,
		&err);
	return false;
}

void api_post_plan(struct call *call)
{
	struct layout layout = { 0 };
	struct plan plan = { 0 };
	json_t *json;

	if (!plan_of(call, &layout, &plan))
		return;
	json = render_plan(call->daemon, &plan, &call->peer);
	json_object_set_new(json, "needs_reset", json_boolean(plan.needs_reset != 0));
	plan_done(&plan);
	layout_done(&layout);
	call_reply(call, API_OK, json);
}

static bool units_of(struct call *call, char ***ret_units, unsigned *ret_n)
{
	const json_t *list = json_object_get(call->body, "stop_services");
	size_t i, n = json_array_size(list);
	char **units = must_alloc(n, sizeof(*units));
	json_t *unit;

	json_array_foreach(list, i, unit)
	{
		const char *name = json_string_value(unit);

		/* the name goes to systemctl as an argument: no options, no paths */
		if (!name || name[0] == '-' || strchr(name, '/') || strlen(name) > 255) {
			free(units);
			call_fail(call, API_BAD_REQUEST,
				"stop_services: '%s' is not the name of a unit",
				name ?: "(not a string)");
			return false;
		}
		units[i] = (char *)name;
	}
	*ret_units = units;
	*ret_n = (unsigned)n;
	return true;
}

void api_post_apply(struct call *call)
{
	struct daemon *daemon = call->daemon;
	struct layout layout = { 0 };
	struct plan plan = { 0 };
	struct operation *operation;
	struct error err = ERROR_NONE;
	AUTO_FREE char **units = NULL;
	unsigned n_units;
	json_t *json;
	int r;

	if (call_refuse_unless_admin(call, "apply layouts") || !units_of(call, &units, &n_units) ||
		!plan_of(call, &layout, &plan))
		return;
	json = render_plan(daemon, &plan, &call->peer);
	r = operation_start(daemon, &layout, &plan, json, units, n_units,
		json_is_true(json_object_get(call->body, "reset")), &operation, &err);
	if (r == 0 && !json_is_false(json_object_get(call->body, "remember")))
		operation_remembers(operation,
			json_string_value(json_object_get(call->body, "file")) ?: "layout",
			json_string_value(json_object_get(call->body, "text")),
			json_string_value(json_object_get(call->body, "layout")));
	if (r < 0)
		call_fail_error(call, API_CONFLICT, &err);
	else
		call_reply(call, API_ACCEPTED,
			json_pack("{s:o}", "operation", operation_render(operation)));
	json_decref(json);
	layout_done(&layout);
	plan_done(&plan);
}

void api_answer_operation(struct call *call)
{
	struct operation *operation = operation_find(call->daemon, call->id);

	if (!operation)
		call_fail(call, API_NOT_FOUND, "there is no operation A%" PRIu64 " (any more)",
			call->id);
	else
		call_reply(
			call, API_OK, json_pack("{s:o}", "operation", operation_render(operation)));
}

void api_get_operation(struct call *call)
{
	struct operation *operation;
	uint64_t wait_ns = call_wait_ns(call, "wait", 0);
	const char *seen = call_query(call, "seen");

	if (call->arg[0] != 'A' || parse_u64(call->arg + 1, &call->id) < 0)
		call->id = 0;
	operation = operation_find(call->daemon, call->id);
	if (seen && parse_u64(seen, &call->seen) < 0) {
		call_fail(call, API_BAD_REQUEST, "seen=%s is not a number of steps", seen);
		return;
	}
	if (operation && wait_ns && operation->state == OPERATION_RUNNING &&
		(!seen || operation->steps_done == call->seen)) {
		call->seen = operation->steps_done;
		call_wait(call, CALL_WAITS_OPERATION, wait_ns);
		return;
	}
	api_answer_operation(call);
}
