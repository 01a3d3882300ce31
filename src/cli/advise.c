/* SPDX-License-Identifier: Apache-2.0 */
/* Which way of sharing suits a workload: on this node, or on a product that is not here. */
#include "cli/advise.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "cli/measured.h"
#include "cli/saved.h"
#include "cli/verb.h"
#include "model/product.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int advise_options(const struct invocation *invocation, struct advice_need *need, struct error *err)
{
	for (unsigned i = 0; i < invocation->n_said; i++) {
		struct error why = ERROR_NONE;
		int r = advice_need_option(
			need, invocation->said[i].name, invocation->said[i].value, &why);

		if (r < 0)
			return error_set(err, r, "--%s", why.text);
	}
	return 0;
}

/* What the options say; the request's own are read already. */
static int read_need(
	const struct invocation *invocation, struct advice_need *ret_need, struct error *err)
{
	advice_need_init(ret_need);
	ret_need->request = invocation->request;
	/* the way that a profile proposed is one to be ranked, not one that was asked for */
	if (said(invocation, "like") && !said(invocation, "mechanism"))
		ret_need->request.mechanism = REQUEST_ANY_MECHANISM;
	return advise_options(invocation, ret_need, err);
}

/* An index, uuid or PCI address is of a GPU that is here; all else is a product's name. */
static bool is_gpu_here(const char *name)
{
	return strchr(name, ':') || text_starts(name, "GPU-") || text_starts(name, "PCI-") ||
	       strspn(name, "0123456789") == strlen(name);
}

static int look_at_product(
	const char *name, struct advice_gpu **ret_gpus, unsigned *ret_n, struct error *err)
{
	const struct product *product;
	int r = product_find(name, &product, err);

	if (r < 0)
		return r;
	*ret_gpus = must_alloc(1, sizeof(**ret_gpus));
	(*ret_gpus)->product = product;
	product_gpu(product, &(*ret_gpus)->gpu);
	*ret_n = 1;
	return 0;
}

/* Keeps the one that was named. */
static int keep_named(struct advice_gpu *gpus, unsigned *n, const char *name, struct error *err)
{
	unsigned g;
	int r = advise_find(gpus, *n, name, &g, err);

	if (r < 0)
		return r;
	gpus[0] = gpus[g];
	*n = 1;
	return 0;
}

static int look_at_node(struct invocation *invocation, json_t **ret_node,
	struct advice_gpu **ret_gpus, unsigned *ret_n, struct error *err)
{
	AUTO_FREE struct advice_gpu *gpus = NULL;
	const char *name = invocation->request.gpu;
	AUTO_JSON *node = NULL;
	struct error why = ERROR_NONE;
	int r = client_get(&invocation->client, &node, &why, "/v1/node");

	if (r != 0)
		return error_set(err, r,
			"%.480s; or name a product: 'carve advise --gpu h100-80gb'", why.text);
	r = advise_node(node, &gpus, ret_n, err);
	if (r == 0 && *name)
		r = keep_named(gpus, ret_n, name, err);
	if (r < 0)
		return r;
	*ret_gpus = TAKE_PTR(gpus);
	*ret_node = TAKE_PTR(node);
	return 0;
}

/* More than any GPU has is a mistake rather than a question. */
static int check_memory(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	struct error *err)
{
	uint64_t asked = need->request.memory_bytes, most = 0;
	const char *product = "";
	char size[SIZE_TEXT_MAX], largest[SIZE_TEXT_MAX];

	for (unsigned i = 0; i < n; i++) {
		if (gpus[i].gpu.facts.memory_bytes <= most)
			continue;
		most = gpus[i].gpu.facts.memory_bytes;
		product = gpus[i].gpu.facts.product;
	}
	if (asked <= most)
		return 0;
	return error_set(err, -ENOSPC,
		"no GPU has %s: the most is %s (%s); ask for less on each of several GPUs "
		"(--gpus), "
		"or for a larger product (--gpu)",
		size_text(asked, size), size_text(most, largest), product);
}

/* What was measured here; a carved that keeps none has none. */
static void look_at_measured(struct invocation *invocation, const json_t *node,
	struct figures *figures, struct measured_rows *rows)
{
	if (node && figures_fetch(&invocation->client, figures, NULL, NULL) == 0)
		measured_rows_make(figures->list, figures->n, json_text(node, "driver"), rows);
}

static void answer(struct invocation *invocation, const struct advice_need *needs, unsigned n_needs,
	const json_t *node, const struct advice_gpu *gpus, unsigned n)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_FREE struct advice *advice = must_alloc(1, sizeof(*advice));
	struct figures figures = { 0 };
	struct measured_rows rows = { 0 };
	json_t *list = json_array();

	look_at_measured(invocation, node, &figures, &rows);
	for (unsigned i = 0; i < n_needs; i++) {
		advise(&needs[i], gpus, n, rows.row, rows.n, advice);
		if (node)
			advise_name(node, advice);
		if (said(invocation, "json")) {
			json_array_append_new(list, advice_to_json(&needs[i], gpus, n, advice));
			continue;
		}
		if (i > 0)
			fputs("\n\n", stdout);
		advise_print(
			&needs[i], gpus, n, advice, invocation->request.explain, &terminal, stdout);
	}
	if (said(invocation, "json")) {
		AUTO_JSON *all = json_pack("{s:i, s:O}", "version", 1, "workloads", list);

		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(list);
	measured_rows_done(&rows);
	free(figures.list);
}

/* The needs: a file's, those of the options, or what a person answers. */
static int find_needs(struct invocation *invocation, struct advice_need **ret_needs,
	unsigned *ret_n, struct error *err)
{
	AUTO_FREE struct advice_need *need = NULL;
	bool is_bare = invocation->n_said == 0 && invocation->n_args == 0;
	int r;

	for (unsigned i = 0; i < invocation->n_said && invocation->n_args == 1; i++) {
		const char *option = invocation->said[i].name;

		if (!text_eq(option, "json") && !text_eq(option, "explain") &&
			!text_eq(option, "gpu"))
			return error_set(err, -EINVAL,
				"%s says what is wanted, and --%s too: leave one of them out",
				invocation->args[0], option);
	}
	if (invocation->n_args == 1)
		return advise_file(invocation->args[0], ret_needs, ret_n, err);
	need = must_alloc(1, sizeof(*need));
	r = read_need(invocation, need, err);
	if (r == 0 && is_bare && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		r = advise_ask(need, err);
	if (r == 0)
		r = advice_need_check(need, err);
	if (r < 0)
		return r;
	*ret_n = 1;
	*ret_needs = TAKE_PTR(need);
	return 0;
}

int verb_advise(struct invocation *invocation, struct error *err)
{
	AUTO_FREE struct advice_need *needs = NULL;
	AUTO_FREE struct advice_gpu *gpus = NULL;
	AUTO_JSON *node = NULL;
	const char *name = invocation->request.gpu;
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	unsigned n_needs = 0, n = 0;
	int r;

	if (text_eq(name, "list")) {
		advise_print_products(&terminal, stdout);
		return EXIT_DONE;
	}
	if (find_needs(invocation, &needs, &n_needs, err) < 0)
		return EXIT_USAGE;
	if (*name && !is_gpu_here(name))
		r = look_at_product(name, &gpus, &n, err);
	else
		r = look_at_node(invocation, &node, &gpus, &n, err);
	if (r != 0)
		return EXIT_FAILED;
	if (invocation->n_args == 0 && check_memory(needs, gpus, n, err) < 0)
		return EXIT_FAILED;
	saved_warn(invocation, gpus[0].gpu.facts.product);
	answer(invocation, needs, n_needs, node, gpus, n);
	return EXIT_DONE;
}
