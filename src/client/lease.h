/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A lease's calls, on JSON: asked for, followed, acted on. */

#include "carve/carve.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct client;
struct error;
struct request;

/* Who is to hold it; kind is the word of the API, the others as it takes. */
struct holder {
	const char *kind; /* "run", "pid", "cgroup", "name", "vm" */
	pid_t pid;	  /* of "run" and "pid" */
	const char *cgroup, *name, *command;
	bool is_watched; /* what it uses is to be told: the lease's `profile` */
};

/*
 * Asks for a lease; the answer is the lease object, active or, after `wait_s`, as it stands. Where
 * carved is lost in the middle, a lease of the kind "run" is looked for by its pid before it is
 * asked for again, so that none is asked for twice.
 */
int lease_ask(struct client *client, const struct request *request, const struct holder *holder,
	double wait_s, json_t **ret_lease, struct error *err);

/* The lease once it is not in `state` any more, or after `wait_s`. `state` NULL: at once. */
int lease_get(struct client *client, const char *id, const char *state, double wait_s,
	json_t **ret_lease, struct error *err);

/* POST /v1/leases/ID/VERB; `body` and `ret_lease` may be NULL. */
int lease_post(struct client *client, const char *id, const char *verb, const json_t *body,
	json_t **ret_lease, struct error *err);

/* What the lease object says of its state. */
bool lease_json_is_active(const json_t *lease);
bool lease_json_is_over(const json_t *lease);
