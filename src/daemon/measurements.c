/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/measurements.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/list.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/ledger.h"

#include <errno.h>
#include <stdlib.h>

#define KEY "measured/"

struct measurements {
	VEC(struct measured) all; /* those of a GPU stand together */
};

static struct measurements *measurements(struct daemon *daemon)
{
	if (!daemon->measurements)
		daemon->measurements = must_alloc(1, sizeof(*daemon->measurements));
	return daemon->measurements;
}

/* ---- on disk: a list of figures for each GPU ---- */

static void recall(void *context, const char *key, const char *value)
{
	struct measurements *kept = context;
	json_t *list = json_loads(value, 0, NULL), *json;
	struct error err = ERROR_NONE;
	size_t i;

	if (!json_is_array(list))
		log_error("what was measured (%s) cannot be read; it is left out", key);
	json_array_foreach(list, i, json)
	{
		struct measured one;

		if (measured_from_json(json, &one, &err) == 0)
			*vec_add(&kept->all) = one;
		else
			log_error("what was measured (%s) is left out: %s", key, err.text);
	}
	json_decref(list);
}

void measurements_recall(struct daemon *daemon)
{
	store_each(daemon->ledger, KEY, recall, measurements(daemon));
}

void measurements_done(struct daemon *daemon)
{
	if (!daemon->measurements)
		return;
	vec_done(&daemon->measurements->all);
	free(daemon->measurements);
	daemon->measurements = NULL;
}

static void store(struct daemon *daemon, const char *uuid)
{
	const struct measurements *kept = measurements(daemon);
	AUTO_FREE char *key = must_asprintf(KEY "%s", uuid), *text = NULL;
	json_t *list = json_array();
	const struct measured *one;

	vec_for_each (one, &kept->all)
		if (text_eq(one->gpu, uuid))
			json_array_append_new(list, measured_to_json(one));
	if (json_array_size(list))
		text = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(14));
	json_decref(list);
	store_put(daemon->ledger, key, text);
}

/* ---- in memory ---- */

const struct measured *measurements_all(const struct daemon *daemon, unsigned *ret_n)
{
	*ret_n = daemon->measurements ? (unsigned)daemon->measurements->all.n : 0;
	return daemon->measurements ? daemon->measurements->all.at : NULL;
}

/* Drops those of a GPU (NULL: of all) that are of these ways: how many. */
static unsigned drop(struct measurements *kept, const char *uuid, uint32_t options)
{
	size_t n = 0, before = kept->all.n;

	for (size_t i = 0; i < before; i++) {
		const struct measured *one = &kept->all.at[i];

		if ((uuid && !text_eq(one->gpu, uuid)) || !(options & 1U << one->option))
			kept->all.at[n++] = *one;
	}
	kept->all.n = n;
	return (unsigned)(before - n);
}

static unsigned count_of(const struct measurements *kept, const char *uuid, uint32_t not_options)
{
	const struct measured *one;
	unsigned n = 0;

	vec_for_each (one, &kept->all)
		n += text_eq(one->gpu, uuid) && !(not_options & 1U << one->option);
	return n;
}

/* The GPU measured longest ago, if there are more of them than are kept. */
static const char *one_too_many(const struct measurements *kept)
{
	const struct measured *one, *oldest = NULL, *before = NULL;
	unsigned n = 0;

	vec_for_each (one, &kept->all) {
		n += !before || !text_eq(before->gpu, one->gpu);
		before = one;
		if (!oldest || one->time_s < oldest->time_s)
			oldest = one;
	}
	return n > MEASUREMENTS_GPUS_MAX ? oldest->gpu : NULL;
}

/* Sorts by GPU, and otherwise leaves the order. */
static void add_behind(struct measurements *kept, const struct measured *one)
{
	size_t at = kept->all.n;

	(void)vec_add(&kept->all);
	for (size_t i = kept->all.n - 1; i > 0; i--)
		if (text_eq(kept->all.at[i - 1].gpu, one->gpu)) {
			at = i;
			break;
		}
	memmove(&kept->all.at[at + 1], &kept->all.at[at],
		(kept->all.n - 1 - at) * sizeof(kept->all.at[0]));
	kept->all.at[at] = *one;
}

int measurements_keep(struct daemon *daemon, unsigned gpu, const struct measured *list, unsigned n)
{
	struct measurements *kept = measurements(daemon);
	const struct gpu_facts *facts = &daemon->gpus[gpu].facts;
	uint64_t time_s = wall_ns() / 1000000000;
	uint32_t options = 0;
	const char *oldest;

	for (unsigned i = 0; i < n; i++)
		options |= 1U << list[i].option;
	if (count_of(kept, facts->uuid, options) + n > MEASUREMENTS_MAX)
		return -E2BIG;
	drop(kept, facts->uuid, options);
	for (unsigned i = 0; i < n; i++) {
		struct measured one = list[i];

		text_copy(one.gpu, sizeof(one.gpu), facts->uuid);
		text_copy(one.product, sizeof(one.product), facts->product);
		text_copy(one.driver, sizeof(one.driver), daemon->driver_version);
		one.time_s = time_s;
		add_behind(kept, &one);
	}
	store(daemon, facts->uuid);
	oldest = one_too_many(kept);
	if (oldest)
		measurements_forget(daemon, oldest);
	return 0;
}

unsigned measurements_forget(struct daemon *daemon, const char *uuid)
{
	struct measurements *kept = measurements(daemon);
	char gpu[MEASURED_GPU_MAX];
	unsigned n = 0;

	if (uuid && text_copy(gpu, sizeof(gpu), uuid) < 0)
		return 0; /* no GPU has such a one */
	do {
		if (!uuid && kept->all.n == 0)
			break;
		/* a copy: what it comes from is dropped */
		if (!uuid)
			text_copy(gpu, sizeof(gpu), kept->all.at[0].gpu);
		n += drop(kept, gpu, UINT32_MAX);
		store(daemon, gpu);
	} while (!uuid);
	return n;
}
