/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What carved keeps of what was measured. */

#include "model/measured.h"

struct client;
struct error;

struct figures {
	unsigned n;
	struct measured *list; /* free */
};

/* Reads the list "measurements" of an answer; what this version does not know is left out. */
void figures_read(const json_t *answer, struct figures *ret_figures);
/* Asks for them. A result of client_call()'s; `ret_answer` may be NULL. */
int figures_fetch(
	struct client *client, struct figures *ret_figures, json_t **ret_answer, struct error *err);
