/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles that are saved, for people, programs and completions. */
#include "base/error.h"
#include "base/text.h"
#include "cli/node.h"
#include "cli/saved.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "client/json.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct column columns[] = {
	{ "NAME", false, false, false },
	{ "ASKS FOR", false, false, false },
	{ "MEASURED ON", false, true, true },
	{ "SAVED", false, false, true },
	{ "COMMAND", false, true, true },
};

static void add_row(struct table *table, const char *name)
{
	char asks[REQUEST_TEXT_MAX], ago[32];
	struct error why = ERROR_NONE;
	AUTO_JSON *report = NULL;
	const json_t *profile;
	struct request request;
	char product[96];

	table_row(table, PAINT_PLAIN);
	table_cell(table, 0, "%s", name);
	if (saved_request(name, &request, product, sizeof(product), &why) < 0) {
		table_cell(table, 1, "nothing: %s",
			why.code == -ENODATA ? "its memory was not seen" : "cannot be read");
	} else {
		table_cell(table, 1, "%s", request_text(&request, asks));
		table_cell(table, 2, "%s", product);
	}
	if (saved_read(name, &report, NULL) < 0)
		return;
	profile = json_object_get(report, "profile");
	if (json_number(profile, "saved") > 0)
		table_cell(table, 3, "%s ago", age_text(json_number(profile, "saved"), ago));
	table_cell(table, 4, "%s", json_text(profile, "command"));
}

static void print_json(const struct saved_names *names)
{
	json_t *list = json_array();
	AUTO_JSON *all = json_pack("{s:i, s:o}", "version", SAVED_VERSION, "profiles", list);

	for (size_t i = 0; i < names->n; i++) {
		AUTO_JSON *report = NULL;

		if (saved_read(names->at[i], &report, NULL) == 0) {
			json_t *profile = json_object_get(report, "profile");

			json_object_set_new(profile, "name", json_string(names->at[i]));
			json_array_append(list, profile);
		}
	}
	json_dumpf(all, stdout, REPORT_JSON);
	putchar('\n');
}

void saved_list(const struct invocation *invocation)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	struct saved_names names = saved_names();

	if (said(invocation, "json")) {
		print_json(&names);
	} else if (said(invocation, "ids")) {
		for (size_t i = 0; i < names.n; i++)
			puts(names.at[i]);
	} else if (!names.n) {
		puts("No profile is saved yet: 'carve profile --save NAME -- COMMAND' makes one.");
	} else {
		for (size_t i = 0; i < names.n; i++)
			add_row(&table, names.at[i]);
		table_print(&table, &terminal, stdout);
	}
	saved_names_done(&names);
}

void saved_warn(const struct invocation *invocation, const char *product)
{
	struct terminal terminal = terminal_look(STDERR_FILENO);
	const char *measured = invocation->like_product;
	AUTO_BUF line = { 0 };

	if (!*measured || !product || !*product || text_eq(product, measured))
		return;
	buf_addf(&line,
		"carve: warning: '%s' was measured on %s and this is %s: its compute is not "
		"comparable",
		said_value(invocation, "like"), measured, product);
	terminal_print_safe(&terminal, stderr, buf_text(&line));
	fputc('\n', stderr);
}
