/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as JSON. Every value is turned into the words of the option of that name and goes the
 * way of request_option, so that the API and the command line cannot drift apart; only times are
 * numbers of seconds here.
 */
#include "base/error.h"
#include "base/text.h"
#include "model/request.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* The types that a key's value may have. */
enum {
	IS_NUMBER = 1 << 0, /* whole */
	IS_SECONDS = 1 << 1,
	IS_TEXT = 1 << 2,
	IS_TRUTH = 1 << 3,
	IS_NULL = 1 << 4,
};

static const struct json_key {
	const char *name;
	unsigned types;
	const char *must_be;
} json_keys[] = {
	{ "gpus", IS_NUMBER, "a whole number" },
	{ "memory", IS_NUMBER | IS_TEXT, "a number of bytes or a text such as \"10G\"" },
	{ "compute", IS_NUMBER | IS_TEXT, "a whole percentage: 25 or \"25%\"" },
	{ "profile", IS_TEXT, "a text such as \"1g.10gb\"" },
	{ "gpu", IS_NUMBER | IS_TEXT, "a GPU's index, uuid or PCI address" },
	{ "mechanism", IS_TEXT, "a text: auto, mig, mps, vf or whole" },
	{ "isolation", IS_TEXT, "a text: none, memory, fault or security" },
	{ "tenants", IS_TEXT, "a text: strangers, trusted or same" },
	{ "workload", IS_TEXT, "a text: inference, training, interactive, rendering, hpc or vdi" },
	{ "latency", IS_NUMBER | IS_TEXT, "milliseconds: 20 or \"20@p99\"" },
	{ "priority", IS_NUMBER, "a whole number" },
	{ "time", IS_SECONDS, "a number of seconds" },
	{ "wait", IS_SECONDS | IS_NULL, "a number of seconds, or null for ever" },
	{ "vm", IS_TRUTH, "true or false" },
	{ "explain", IS_TRUTH, "true or false" },
};

static const struct json_key *key_find(const char *name, struct error *err)
{
	const char *names[ARRAY_SIZE(json_keys)], *nearest;

	for (size_t i = 0; i < ARRAY_SIZE(json_keys); i++) {
		if (text_eq(json_keys[i].name, name))
			return &json_keys[i];
		names[i] = json_keys[i].name;
	}
	nearest = text_nearest(name, names, ARRAY_SIZE(names));
	if (text_eq(name, "no-wait"))
		error_set(err, -EINVAL, "a request has no key 'no-wait': write \"wait\": 0");
	else if (nearest)
		error_set(err, -EINVAL, "a request has no key '%.60s': did you mean '%s'?", name,
			nearest);
	else
		error_set(err, -EINVAL,
			"a request has no key '%.60s': it has gpus, memory, compute, profile, gpu, "
			"mechanism, isolation, tenants, workload, latency, priority, time, wait, "
			"vm "
			"and explain",
			name);
	return NULL;
}

static int wrong_type(const struct json_key *key, struct error *err)
{
	return error_set(err, -EINVAL, "%s: must be %s", key->name, key->must_be);
}

/* Seconds in nanoseconds; times are kept to the microsecond, which doubles hold exactly. */
static int take_seconds(
	struct request *request, const struct json_key *key, double seconds, struct error *err)
{
	uint64_t ns;

	if (!(seconds >= 0 && seconds <= 3650 * 86400.0))
		return error_set(err, -EINVAL,
			"%s: must be a number of seconds from 0 to ten years", key->name);
	ns = (uint64_t)llround(seconds * 1e6) * 1000;
	if (text_eq(key->name, "wait")) {
		request->wait_ns = ns;
		return 0;
	}
	if (ns == 0)
		return error_set(err, -EINVAL, "%s: must be more than 0 seconds", key->name);
	request->time_ns = ns;
	return 0;
}

static int take_number(
	struct request *request, const struct json_key *key, const json_t *value, struct error *err)
{
	double number = json_number_value(value);
	char text[32];

	if (!(number == rint(number) && fabs(number) < 1e18))
		return wrong_type(key, err);
	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
		json_is_integer(value) ? json_integer_value(value) : (json_int_t)number);
	if (text_eq(key->name, "gpu") && number < 0)
		return wrong_type(key, err);
	return request_option(request, key->name, text, err);
}

static int take_value(
	struct request *request, const struct json_key *key, const json_t *value, struct error *err)
{
	if (json_is_number(value) && key->types & IS_SECONDS)
		return take_seconds(request, key, json_number_value(value), err);
	if (json_is_number(value) && key->types & IS_NUMBER)
		return take_number(request, key, value, err);
	if (json_is_string(value) && key->types & IS_TEXT) {
		if (strlen(json_string_value(value)) != json_string_length(value))
			return wrong_type(key, err);
		return request_option(request, key->name, json_string_value(value), err);
	}
	if (json_is_boolean(value) && key->types & IS_TRUTH) {
		return json_is_true(value) ? request_option(request, key->name, NULL, err) : 0;
	}
	if (json_is_null(value) && key->types & IS_NULL) {
		request->wait_ns = REQUEST_WAIT_FOREVER;
		return 0;
	}
	return wrong_type(key, err);
}

int request_from_json(const json_t *json, struct request *ret_request, struct error *err)
{
	struct request request;
	const char *name;
	json_t *value;
	int r;

	if (!json_is_object(json))
		return error_set(err, -EINVAL,
			"a request must be an object, for example {\"memory\":\"10G\"}");
	request_init(&request);
	json_object_foreach((json_t *)json, name, value)
	{
		const struct json_key *key = key_find(name, err);

		if (!key)
			return -EINVAL;
		r = take_value(&request, key, value, err);
		if (r < 0)
			return r;
	}
	r = request_check(&request, err);
	if (r < 0)
		return r;
	*ret_request = request;
	return 0;
}

static json_t *seconds_json(uint64_t ns)
{
	if (ns == REQUEST_WAIT_FOREVER)
		return json_null();
	if (ns % 1000000000 == 0)
		return json_integer((json_int_t)(ns / 1000000000));
	return json_real((double)(ns / 1000) / 1e6);
}

json_t *request_to_json(const struct request *request)
{
	json_t *json = json_object();

	if (request->has_n_gpus)
		json_object_set_new(json, "gpus", json_integer(request->n_gpus));
	if (request->memory_label)
		json_object_set_new(json, "memory", json_sprintf("%uG", request->memory_label));
	else if (request->memory_bytes)
		json_object_set_new(
			json, "memory", json_integer((json_int_t)request->memory_bytes));
	if (request->compute_percent)
		json_object_set_new(json, "compute", json_integer(request->compute_percent));
	if (request->profile[0])
		json_object_set_new(json, "profile", json_string(request->profile));
	if (request->gpu[0])
		json_object_set_new(json, "gpu", json_string(request->gpu));
	if (request->mechanism != REQUEST_ANY_MECHANISM)
		json_object_set_new(
			json, "mechanism", json_string(mechanism_names[request->mechanism]));
	if (request->isolation != ISOLATION_NONE)
		json_object_set_new(
			json, "isolation", json_string(isolation_names[request->isolation]));
	if (request->tenants != TENANTS_STRANGERS)
		json_object_set_new(json, "tenants", json_string(tenants_names[request->tenants]));
	if (request->workload != WORKLOAD_ANY)
		json_object_set_new(
			json, "workload", json_string(workload_names[request->workload]));
	if (request->latency_ns)
		json_object_set_new(json, "latency",
			json_sprintf("%.9g@p%.9g", (double)request->latency_ns / 1e6,
				request->percentile));
	if (request->priority)
		json_object_set_new(json, "priority", json_integer(request->priority));
	if (request->time_ns)
		json_object_set_new(json, "time", seconds_json(request->time_ns));
	json_object_set_new(json, "wait", seconds_json(request->wait_ns));
	if (request->is_vm)
		json_object_set_new(json, "vm", json_true());
	if (request->explain)
		json_object_set_new(json, "explain", json_true());
	return json;
}
