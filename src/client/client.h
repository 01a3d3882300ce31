/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Calls of carved's API: JSON in, JSON out, over a connection that survives carved's restart. */

#include "carve/carve.h"
#include "client/address.h"
#include "client/connection.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

struct client {
	char socket[ADDRESS_MAX];
	struct connection connection;
	bool has_met;	      /* carved has answered this client before */
	uint64_t patience_ns; /* how long a carved that went away is waited for */
};

/* `socket` NULL: the usual one. Nothing is connected yet. -ENAMETOOLONG. */
int client_init(struct client *client, const char *socket, struct error *err);
void client_done(struct client *client);

struct call {
	const char *method;
	const char *path;
	const json_t *body; /* borrowed; NULL: none */
	bool may_repeat;    /* asking twice does no more than asking once; every GET */
	double wait_s;	    /* how long carved was asked to wait with its answer */
	int *ret_status;    /* the answer's HTTP status; NULL: not wanted */
};

/*
 * Asks. 0 with the answer (NULL allowed; a new reference), a positive enum carve_refusal with
 * carved's sentence, or a negative errno with ours.
 */
int client_call(
	struct client *client, const struct call *call, json_t **ret_answer, struct error *err);

/* GET, and POST of something that may be repeated; `format` as printf's: the path. */
int client_get(struct client *client, json_t **ret_answer, struct error *err, const char *format,
	...) __attribute__((format(printf, 4, 5)));
int client_post(struct client *client, const json_t *body, json_t **ret_answer, struct error *err,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Reads an answer: as client_call, for who sends and receives by himself. */
int client_read_answer(const struct answer *answer, json_t **ret_answer, struct error *err);

/* The refusal of that name in the API ("no-room"), CARVE_REFUSED if it is none. */
int refusal_find(const char *name);
