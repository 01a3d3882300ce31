/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "carve/carve.h"
#include "client/carve_private.h"
#include "client/json.h"
#include "client/lease.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_S 60.0 /* how long one question waits; many make up the whole wait */

/* Puts what carved said now in the place of what it said before. */
static void lease_update(struct carve_lease *lease, json_t *json)
{
	json_decref(lease->json);
	lease->json = json;
	free(lease->dump);
	lease->dump = NULL;
}

static int lease_new(struct carve *carve, json_t *json, struct carve_lease **ret_lease)
{
	struct carve_lease *lease = calloc(1, sizeof(*lease));

	if (!lease) {
		json_decref(json);
		return error_set(&carve->error, -ENOMEM, "no memory for the lease");
	}
	*lease = (struct carve_lease){ .carve = carve, .json = json };
	*ret_lease = lease;
	return 0;
}

struct carve_lease *carve_lease_free(struct carve_lease *lease)
{
	if (lease) {
		lease_update(lease, NULL);
		free(lease);
	}
	return NULL;
}

int carve_lease_ask(struct carve *carve, const struct carve_request *request, double seconds,
	struct carve_lease **ret_lease)
{
	struct holder holder = { .kind = request->kind, .pid = request->pid };
	json_t *json = NULL;
	int r = carve_begin(carve);

	if (r < 0)
		return r;
	r = request_check(&request->request, &carve->error);
	if (r < 0)
		return CARVE_BAD_REQUEST;
	/* a virtual machine's lease is held by its name, and is another thing than a name's */
	if (request->request.is_vm && text_eq(request->kind, "name"))
		holder.kind = "vm";
	if (text_eq(request->kind, "cgroup"))
		holder.cgroup = request->text;
	else
		holder.name = request->text;
	r = lease_ask(&carve->client, &request->request, &holder, seconds, &json, &carve->error);
	return r != 0 ? r : lease_new(carve, json, ret_lease);
}

int carve_lease_acquire(
	struct carve *carve, const struct carve_request *request, struct carve_lease **ret_lease)
{
	struct carve_lease *lease = NULL;
	int r = carve_lease_ask(carve, request, LOOK_S, &lease);

	if (r != 0)
		return r;
	do
		r = carve_lease_wait(lease, LOOK_S);
	while (r == CARVE_NOT_YET);
	if (r != 0) {
		carve_lease_free(lease);
		return r;
	}
	*ret_lease = lease;
	return 0;
}

/* What a lease in this state means for who waits. */
static int lease_verdict(struct carve_lease *lease)
{
	if (lease_json_is_active(lease->json))
		return 0;
	if (!lease_json_is_over(lease->json))
		return CARVE_NOT_YET;
	return error_set(&lease->carve->error, CARVE_OVER, "lease %s is over: %s",
		carve_lease_id(lease), carve_lease_why_over(lease));
}

int carve_lease_wait(struct carve_lease *lease, double seconds)
{
	struct carve *carve = lease->carve;
	json_t *json = NULL;
	int r = carve_begin(carve);

	if (r < 0 || lease_verdict(lease) != CARVE_NOT_YET)
		return r < 0 ? r : lease_verdict(lease);
	r = lease_get(&carve->client, carve_lease_id(lease), carve_lease_state(lease), seconds,
		&json, &carve->error);
	if (r != 0)
		return r;
	lease_update(lease, json);
	return lease_verdict(lease);
}

int carve_lease_find(struct carve *carve, const char *id, struct carve_lease **ret_lease)
{
	json_t *json = NULL;
	int r = carve_begin(carve);

	if (r < 0)
		return r;
	r = lease_get(&carve->client, id, NULL, 0, &json, &carve->error);
	return r != 0 ? r : lease_new(carve, json, ret_lease);
}

int carve_lease_refresh(struct carve_lease *lease)
{
	json_t *json = NULL;
	int r = carve_begin(lease->carve);

	if (r < 0)
		return r;
	r = lease_get(
		&lease->carve->client, carve_lease_id(lease), NULL, 0, &json, &lease->carve->error);
	if (r == 0)
		lease_update(lease, json);
	return r;
}

/* POSTs with one number in the body; negative: none. */
static int lease_do(struct carve_lease *lease, const char *verb, const char *key, double value)
{
	struct carve *carve = lease->carve;
	AUTO_JSON *body = value >= 0 ? json_pack("{sf}", key, value) : NULL;
	json_t *json = NULL;
	int r = carve_begin(carve);

	if (r < 0)
		return r;
	r = lease_post(&carve->client, carve_lease_id(lease), verb, body, &json, &carve->error);
	if (r == 0)
		lease_update(lease, json);
	return r;
}

int carve_lease_extend(struct carve_lease *lease, double seconds)
{
	if (!(seconds >= 0))
		return error_set(&lease->carve->error, CARVE_BAD_REQUEST,
			"a lease cannot be extended into the past");
	return lease_do(lease, "extend", "time", seconds);
}

int carve_lease_release(struct carve_lease *lease, double grace)
{
	return lease_do(lease, "release", "grace", grace);
}
