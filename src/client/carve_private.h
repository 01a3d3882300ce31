/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The objects of the public interface, as its own files see them. */

#include "base/error.h"
#include "client/client.h"
#include "model/request.h"

struct carve {
	struct client client;
	struct error error;
	int fault; /* of client_init: every call answers it */
};

struct carve_request {
	struct request request;
	struct error error;
	char kind[8];
	pid_t pid;
	char *text; /* the cgroup or the name */
};

struct carve_lease {
	struct carve *carve; /* borrowed */
	json_t *json;
	char *dump; /* what carve_lease_json() gave out */
};

/* Every public call begins with it: forgets the last failure. */
int carve_begin(struct carve *carve);
int carve_dump(struct carve *carve, const json_t *json, char **ret_text);
