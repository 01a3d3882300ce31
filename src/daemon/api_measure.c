/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured: read by everyone, kept and dropped for administrators. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/api.h"
#include "daemon/daemon.h"
#include "daemon/measurements.h"

#include <errno.h>
#include <stdlib.h>

/* Of one GPU, or (uuid NULL) of all. */
static void reply(struct call *call, int status, const char *uuid)
{
	json_t *list = json_array();
	unsigned n;
	const struct measured *all = measurements_all(call->daemon, &n);

	for (unsigned i = 0; i < n; i++)
		if (!uuid || text_eq(all[i].gpu, uuid))
			json_array_append_new(list, measured_to_json(&all[i]));
	call_reply(call, status, json_pack("{s:o}", "measurements", list));
}

void api_get_measurements(struct call *call)
{
	reply(call, API_OK, NULL);
}

/* The GPU that the body names; false: the call was answered. */
static bool gpu_of(struct call *call, unsigned *ret_gpu)
{
	const char *name = json_string_value(json_object_get(call->body, "gpu"));
	struct error err = ERROR_NONE;

	if (!name) {
		call_fail(call, API_BAD_REQUEST, "gpu: which one? Its index, uuid or PCI address");
		return false;
	}
	if (gpu_find(call->daemon->gpus, call->daemon->n_gpus, name, ret_gpu, &err) < 0) {
		call_fail_error(call, API_NOT_FOUND, &err);
		return false;
	}
	return true;
}

static int read_figures(
	const json_t *list, struct measured *figures, unsigned *ret_n, struct error *err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > MEASUREMENTS_MAX)
		return error_set(
			err, -EINVAL, "figures: a list of at most %d is wanted", MEASUREMENTS_MAX);
	for (size_t i = 0; i < n; i++) {
		int r = measured_from_json(json_array_get(list, i), &figures[i], err);

		const struct measured *one = &figures[i];

		if (r == 0 && (*one->gpu || *one->product || *one->driver || one->time_s))
			r = error_set(err, -EINVAL,
				"figure: gpu, product, driver and time are carved's to say");
		if (r < 0)
			return error_prefix(err, r, "figures[%zu]", i);
	}
	*ret_n = (unsigned)n;
	return 0;
}

void api_post_measurements(struct call *call)
{
	struct daemon *daemon = call->daemon;
	AUTO_FREE struct measured *figures = NULL;
	struct error err = ERROR_NONE;
	unsigned gpu, n;

	if (call_refuse_unless_admin(call, "keep what was measured") || !gpu_of(call, &gpu))
		return;
	figures = must_alloc(MEASUREMENTS_MAX, sizeof(*figures));
	if (read_figures(json_object_get(call->body, "figures"), figures, &n, &err) < 0) {
		call_fail_error(call, API_BAD_REQUEST, &err);
		return;
	}
	if (n && measurements_keep(daemon, gpu, figures, n) < 0) {
		call_fail(call, API_CONFLICT,
			"GPU %u would have more than %d figures: forget those of before (carve "
			"measure --forget --gpu %u)",
			gpu, MEASUREMENTS_MAX, gpu);
		return;
	}
	if (n)
		event_add(
			daemon, "measured", (int)gpu, 0, "GPU %u was measured: %u figures", gpu, n);
	reply(call, API_OK, daemon->gpus[gpu].facts.uuid);
}

/* Whose figures the body wants dropped (NULL: all GPUs'); false: the call was answered. One that is
 * not here any more is known by its uuid alone. */
static bool forgotten_gpu(struct call *call, const char **ret_uuid)
{
	const char *name = json_string_value(json_object_get(call->body, "gpu"));
	unsigned gpu, n;
	const struct measured *kept = measurements_all(call->daemon, &n);

	*ret_uuid = NULL;
	if (!json_object_get(call->body, "gpu"))
		return true;
	for (unsigned i = 0; i < n && !*ret_uuid; i++)
		if (text_eq(kept[i].gpu, name))
			*ret_uuid = name;
	if (!*ret_uuid && gpu_of(call, &gpu))
		*ret_uuid = call->daemon->gpus[gpu].facts.uuid;
	return *ret_uuid != NULL;
}

void api_forget_measurements(struct call *call)
{
	const char *uuid;

	if (call_refuse_unless_admin(call, "forget what was measured") ||
		!forgotten_gpu(call, &uuid))
		return;
	call_reply(call, API_OK,
		json_pack("{s:i}", "forgotten", (int)measurements_forget(call->daemon, uuid)));
}
