/* SPDX-License-Identifier: Apache-2.0 */
#include "carve/carve.h"

#include "base/io.h"
#include "client/carve_private.h"
#include "client/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct carve *carve_new(const char *socket)
{
	struct carve *carve = calloc(1, sizeof(*carve));

	if (!carve)
		return NULL;
	/* A path that is none is told by the first call: the object is there to say it. */
	carve->fault = client_init(&carve->client, socket, &carve->error);
	return carve;
}

struct carve *carve_free(struct carve *carve)
{
	if (carve) {
		client_done(&carve->client);
		free(carve);
	}
	return NULL;
}

int carve_begin(struct carve *carve)
{
	if (carve->fault == 0)
		carve->error = ERROR_NONE;
	return carve->fault;
}

int carve_connect(struct carve *carve)
{
	int r = carve_begin(carve);

	return r < 0 ? r : client_get(&carve->client, NULL, &carve->error, "/v1/health");
}

const char *carve_socket(const struct carve *carve)
{
	return carve->client.socket;
}

void carve_set_patience(struct carve *carve, double seconds)
{
	if (!(seconds > 0))
		seconds = 0;
	carve->client.patience_ns = seconds < 1e9 ? (uint64_t)(seconds * 1e9) : UINT64_MAX;
}

const char *carve_error(const struct carve *carve)
{
	return carve->error.text;
}

int carve_call(struct carve *carve, const char *method, const char *path, const char *body,
	char **ret_json)
{
	AUTO_JSON *question = NULL, *answer = NULL;
	struct call call = { .method = method, .path = path };
	json_error_t where;
	int r = carve_begin(carve);

	if (r < 0)
		return r;
	if (body) {
		question = json_loads(body, JSON_REJECT_DUPLICATES, &where);
		if (!question)
			return error_set(&carve->error, CARVE_BAD_REQUEST,
				"the body is not JSON: line %d, column %d: %s", where.line,
				where.column, where.text);
		call.body = question;
	}
	call.may_repeat = strcmp(method, "GET") == 0;
	r = client_call(&carve->client, &call, &answer, &carve->error);
	if (r != 0 || !ret_json)
		return r;
	return carve_dump(carve, answer, ret_json);
}

int carve_dump(struct carve *carve, const json_t *json, char **ret_text)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (!text)
		return error_set(&carve->error, -ENOMEM, "no memory for the answer");
	*ret_text = text;
	return 0;
}

int carve_node(struct carve *carve, char **ret_json)
{
	return carve_call(carve, "GET", "/v1/node", NULL, ret_json);
}
