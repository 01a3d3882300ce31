/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of `carve advise`: from JSON, files and people to the model's needs and GPUs, and back.
 */

#include "cli/terminal.h"
#include "client/json.h"
#include "model/advice.h"

struct error;
struct invocation;

/* The node's GPUs, as the answer of GET /v1/node tells them; *ret_gpus is freed by the caller. */
int advise_node(
	const json_t *node, struct advice_gpu **ret_gpus, unsigned *ret_n, struct error *err);

/* Which of them the name means: as gpu_find(). */
int advise_find(const struct advice_gpu *gpus, unsigned n, const char *name, unsigned *ret_g,
	struct error *err);

/* Takes the options of the invocation that are a need's own: -EINVAL with the sentence. */
int advise_options(
	const struct invocation *invocation, struct advice_need *need, struct error *err);

/* Says of those who are in the way ("L3, process 4711") whose they are and what they run. */
void advise_name(const json_t *node, struct advice *advice);

/* The workloads of a file ("-": standard input); *ret_needs is freed by the caller. */
int advise_file(
	const char *path, struct advice_need **ret_needs, unsigned *ret_n, struct error *err);

/* The few questions that matter, on the terminal. -ECANCELED where nobody answers. */
int advise_ask(struct advice_need *need, struct error *err);

/* One workload's answer; with `explain` each rule that holds too. */
void advise_print(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice *advice, bool explain, const struct terminal *terminal, FILE *out);
/* The products that can be asked about. */
void advise_print_products(const struct terminal *terminal, FILE *out);
