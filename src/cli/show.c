/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/handover.h"
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
	if (text_starts(id, "MIG-") || strchr(id, '@') || strstr(id, ":mps") || strstr(id, ":vf"))
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

/* Who holds the limits of an MPS share hangs on all that is on its GPU, and whether a leased VF is
 * in use stands with its share: then the whole node is asked for. */
static int find_node(struct invocation *invocation, enum thing kind, const json_t *thing,
	json_t **ret_node, struct error *err)
{
	const json_t *got = json_array_get(json_object_get(thing, "got"), 0);

	const char *mechanism = json_text(kind == THING_LEASE ? got : thing, "mechanism");

	if (!text_eq(mechanism, "mps") && !(kind == THING_LEASE && text_eq(mechanism, "vf")))
		return 0;
	return client_get(&invocation->client, ret_node, err, "/v1/node");
}

/* What `format` is, if it is one: NULL for JSON. */
static int find_format(const char *format, const struct adapter **ret_adapter, struct error *err)
{
	AUTO_BUF names = { 0 };

	*ret_adapter = NULL;
	if (!format || text_eq(format, "json"))
		return 0;
	*ret_adapter = adapter_find(format);
	if (*ret_adapter)
		return 0;
	for (unsigned i = 0; i < adapters_n; i++)
		buf_addf(&names, "%s, ", adapters[i].name);
	return error_set(
		err, -EINVAL, "'%s' is no format: --as takes %sjson", format, buf_text(&names));
}

/* A lease in the words of another program. */
static int show_as(const json_t *lease, const struct adapter *adapter, struct error *err)
{
	bool is_for_vm = text_eq(json_text(json_object_get(lease, "holder"), "kind"), "vm");
	struct handover handover = { .lease = lease };
	AUTO_BUF text = { 0 };

	if (!text_eq(json_text(lease, "state"), "active")) {
		error_set(err, -EINVAL,
			"lease %s is %s: only an active lease has %s; 'carve show %s' says how it "
			"is with it",
			json_text(lease, "id"), json_text(lease, "state"),
			adapter->needs_vf ? "a VF to hand over" : "an environment",
			json_text(lease, "id"));
		return EXIT_FAILED;
	}
	/* Whoever starts a virtual machine by its environment needs the VF as well. */
	if ((adapter->needs_vf || is_for_vm) && handover_read(lease, &handover, err) < 0)
		return EXIT_FAILED;
	adapter->write(&handover, &text);
	fputs(buf_text(&text), stdout);
	return EXIT_DONE;
}

int verb_show(struct invocation *invocation, struct error *err)
{
	const char *format = said(invocation, "json") ? "json" : said_value(invocation, "as");
	AUTO_JSON *answer = NULL, *node = NULL;
	const struct adapter *adapter;
	struct terminal terminal;
	const json_t *thing;
	enum thing kind;
	int r;

	if (find_format(format, &adapter, err) < 0)
		return EXIT_USAGE;
	r = find(invocation, invocation->args[0], &kind, &answer, err);
	if (r != 0)
		return status_of(invocation, r);
	thing = json_object_get(answer, things[kind].key);
	if (format && !adapter) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		return EXIT_DONE;
	}
	if (adapter && kind != THING_LEASE) {
		error_set(err, -EINVAL, "only a lease is handed over (--as %s), and '%s' is a %s",
			format, invocation->args[0], things[kind].key);
		return EXIT_FAILED;
	}
	if (adapter)
		return show_as(thing, adapter, err);
	r = find_node(invocation, kind, thing, &node, err);
	if (r != 0)
		return status_of(invocation, r);
	terminal = terminal_look(STDOUT_FILENO);
	things[kind].print(thing, node, &terminal, stdout);
	return EXIT_DONE;
}
