/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of `carve profile`: what was seen and what is proposed, for people and as JSON. */

#include "cli/terminal.h"
#include "model/advice.h"
#include "model/proposal.h"

struct report {
	const char *command;
	double seconds;	   /* that it took */
	int status;	   /* its exit status, or */
	int signal;	   /* what ended it; 0 none */
	const json_t *got; /* the share that it ran in */
	char product[96];  /* of its GPU; "" not known */
	unsigned margin;
	struct usage usage;
	struct proposal proposal;

	/* by advise(), for what is proposed; item NULL where nothing is possible or nothing known
	 */
	struct advice_gpu *gpus;
	unsigned n_gpus;
	struct advice advice;
	const struct advice_item *item;
	char because[600]; /* why this one; or why item is NULL */
	bool has_request;
	struct request request;
	const char *saved_as; /* NULL: it is not */
};

void report_print(const struct report *report, const struct terminal *terminal, FILE *out);
json_t *report_to_json(const struct report *report);
