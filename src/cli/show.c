/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "cli/details.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/http.h"
#include "client/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum thing { THING_GPU, THING_SHARE, THING_LEASE, THING_N };

static const struct {
	const char *list, *key;
	void (*print)(const json_t *thing, const json_t *node, const struct terminal *terminal,
		FILE *out);
} things[THING_N] = {
	[THING_GPU] = { "gpus", "gpu", gpu_details },
	[THING_SHARE] = { "shares", "share", share_details },
	[THING_LEASE] = { "leases", "lease", lease_details },
};

/* What an ID looks like, so that it is usually found with one question. */
static enum thing guess(const char *id)
{
	if (text_starts(id, "MIG-") || strchr(id, '@') || strstr(id, ":mps"))
		return THING_SHARE;
	if (text_starts(id, "GPU-") || isdigit((unsigned char)id[0]))
		return THING_GPU;
	return THING_LEASE;
}

static int find(struct invocation *invocation, const char *id, enum thing *ret_thing,
	json_t **ret_answer, struct error *err)
{
	enum thing first = guess(id);
	char segment[512];
	int r;

	if (http_segment_encode(segment, sizeof(segment), id) < 0)
		return error_set(err, -ENAMETOOLONG, "'%.40s...' is too long for a name", id);
	for (unsigned i = 0; i < THING_N; i++) {
		enum thing thing = i == 0 ? first : i <= first ? i - 1 : i;

		r = client_get(&invocation->client, ret_answer, err, "/v1/%s/%s",
			things[thing].list, segment);
		if (r == 0)
			*ret_thing = thing;
		if (r != CARVE_NOT_FOUND)
			return r;
	}
	return error_set(err, CARVE_NOT_FOUND,
		"there is no GPU, share or lease '%s': 'carve list' shows what there is", id);
}

/* Who holds the limits of an MPS share hangs on all that is on its GPU: then the whole node is
 * asked for. */
static int find_node(struct invocation *invocation, enum thing kind, const json_t *thing,
	json_t **ret_node, struct error *err)
{
	const json_t *got = json_array_get(json_object_get(thing, "got"), 0);

	if (!text_eq(json_text(kind == THING_LEASE ? got : thing, "mechanism"), "mps"))
		return 0;
	return client_get(&invocation->client, ret_node, err, "/v1/node");
}

/* NAME=value lines: for eval, --env-file and EnvironmentFile=. */
static int show_env(const json_t *lease, struct error *err)
{
	if (!text_eq(json_text(lease, "state"), "active")) {
		error_set(err, -EINVAL, "lease %s is %s: only an active lease has an environment",
			json_text(lease, "id"), json_text(lease, "state"));
		return EXIT_FAILED;
	}
	env_print(lease, stdout);
	return EXIT_DONE;
}

int verb_show(struct invocation *invocation, struct error *err)
{
	const char *format = said(invocation, "json") ? "json" : said_value(invocation, "as");
	struct terminal terminal;
	AUTO_JSON *answer = NULL, *node = NULL;
	const json_t *thing;
	enum thing kind;
	int r;

	if (format && !text_eq(format, "json") && !text_eq(format, "env")) {
		error_set(err, -EINVAL, "'%s' is no format: --as env or --as json", format);
		return EXIT_USAGE;
	}
	r = find(invocation, invocation->args[0], &kind, &answer, err);
	if (r != 0)
		return status_of(invocation, r);
	thing = json_object_get(answer, things[kind].key);
	if (text_eq(format, "json")) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		return EXIT_DONE;
	}
	if (format && kind != THING_LEASE) {
		error_set(err, -EINVAL, "only a lease has an environment, and '%s' is a %s",
			invocation->args[0], things[kind].key);
		return EXIT_FAILED;
	}
	if (format)
		return show_env(thing, err);
	r = find_node(invocation, kind, thing, &node, err);
	if (r != 0)
		return status_of(invocation, r);
	terminal = terminal_look(STDOUT_FILENO);
	things[kind].print(thing, node, &terminal, stdout);
	return EXIT_DONE;
}
