/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "cli/node.h"
#include "cli/overview.h"
#include "cli/tables.h"
#include "cli/terminal.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
	const char *name;
	void (*print)(
		const json_t *list, const json_t *node, const struct terminal *terminal, FILE *out);
} lists[] = {
	{ "gpus", gpus_print },
	{ "shares", shares_print },
	{ "leases", leases_print },
};

/* GPUs go by their index, everything else by its id. */
static void print_ids(const json_t *list)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (*json_text(item, "id"))
			terminal_print_safe(&terminal, stdout, json_text(item, "id"));
		else
			printf("%lld", json_whole(item, "index"));
		putchar('\n');
	}
}

/* Whether a VF is in use stands with the shares: only then they are asked for. */
static int find_shares(
	struct invocation *invocation, const json_t *list, json_t **ret_shares, struct error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(
		list, i, item) if (text_eq(json_text(json_object_get(item, "holder"), "kind"),
					   "vm")) return client_get(&invocation->client, ret_shares,
		err, "/v1/shares");
	return 0;
}

static int list_one(struct invocation *invocation, unsigned which, struct error *err)
{
	AUTO_JSON *answer = NULL, *shares = NULL;
	struct terminal terminal;
	const json_t *list;
	int r = client_get(&invocation->client, &answer, err, "/v1/%s", lists[which].name);

	if (r != 0)
		return status_of(invocation, r);
	list = json_object_get(answer, lists[which].name);
	if (said(invocation, "json")) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (said(invocation, "ids")) {
		print_ids(list);
	} else if (json_array_size(list) == 0) {
		printf("No %s.\n", lists[which].name);
	} else {
		r = find_shares(invocation, list, &shares, err);
		if (r != 0)
			return status_of(invocation, r);
		terminal = terminal_look(STDOUT_FILENO);
		lists[which].print(list, shares, &terminal, stdout);
	}
	return EXIT_DONE;
}

static int list_all(struct invocation *invocation, struct error *err)
{
	struct terminal terminal;
	AUTO_JSON *node = NULL;
	int r;

	if (said(invocation, "ids")) {
		error_set(err, -EINVAL, "--ids of what: carve list gpus, shares or leases --ids");
		return EXIT_USAGE;
	}
	r = client_get(&invocation->client, &node, err, "/v1/node");
	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "json")) {
		json_dumpf(node, stdout, JSON_INDENT(2));
		putchar('\n');
		return EXIT_DONE;
	}
	terminal = terminal_look(STDOUT_FILENO);
	overview_print(node, &terminal, stdout);
	return EXIT_DONE;
}

int verb_list(struct invocation *invocation, struct error *err)
{
	const char *names[ARRAY_SIZE(lists)], *near;

	if (invocation->n_args == 0)
		return list_all(invocation, err);
	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		if (text_eq(invocation->args[0], lists[i].name))
			return list_one(invocation, i, err);
		names[i] = lists[i].name;
	}
	near = text_nearest(invocation->args[0], names, ARRAY_SIZE(lists));
	error_set(err, -EINVAL, "there is no list '%s': %s%s", invocation->args[0],
		near ? "did you mean " : "gpus, shares or leases", near ?: "");
	return EXIT_USAGE;
}
