/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/json.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_S 30

static const struct column columns[] = {
	{ "TIME" },
	{ "WHAT" },
	{ "GPU", .is_right = true },
	{ "LEASE" },
	{ "", .may_shrink = true },
};

static void time_text(double seconds, char *ret_text, size_t size)
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&time, &tm) || strftime(ret_text, size, "%F %T", &tm) == 0)
		ret_text[0] = '\0';
}

static void print_table(const json_t *events, const struct terminal *terminal)
{
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	const json_t *event;
	char text[32];
	size_t i;

	json_array_foreach(events, i, event)
	{
		time_text(json_number(event, "time"), text, sizeof(text));
		table_row(&table, PAINT_PLAIN);
		table_cell(&table, 0, "%s", text);
		table_cell(&table, 1, "%s", json_text(event, "kind"));
		if (json_is_number(json_object_get(event, "gpu")))
			table_cell(&table, 2, "%lld", json_whole(event, "gpu"));
		table_cell(&table, 3, "%s", json_text(event, "lease"));
		table_cell(&table, 4, "%s", json_text(event, "text"));
	}
	table_print(&table, terminal, stdout);
}

/* One line per event, for what is still coming: its columns cannot be measured beforehand. */
static void print_lines(const json_t *events, const struct terminal *terminal)
{
	const json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
	{
		AUTO_BUF line = { 0 };
		char text[32];

		time_text(json_number(event, "time"), text, sizeof(text));
		buf_addf(&line, "%s  %-16s ", text, json_text(event, "kind"));
		if (json_is_number(json_object_get(event, "gpu")))
			buf_addf(&line, "GPU %lld  ", json_whole(event, "gpu"));
		if (*json_text(event, "lease"))
			buf_addf(&line, "%s  ", json_text(event, "lease"));
		buf_add(&line, json_text(event, "text"));
		terminal_print_safe(terminal, stdout, buf_text(&line));
		putchar('\n');
	}
}

static void print_json_lines(const json_t *events)
{
	const json_t *event;
	size_t i;

	json_array_foreach(events, i, event)
	{
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	}
}

/* Events as they come, until the reader goes away. */
static int follow(struct invocation *invocation, const struct terminal *terminal, long long since,
	struct error *err)
{
	for (;;) {
		char path[128];
		struct call call = {
			.method = "GET", .path = path, .may_repeat = true, .wait_s = LOOK_S
		};
		AUTO_JSON *answer = NULL;
		long long next;
		int r;

		snprintf(path, sizeof(path), "/v1/events?since=%lld&wait=%d", since, LOOK_S);
		r = client_call(&invocation->client, &call, &answer, err);
		if (r != 0)
			return r;
		next = json_whole(answer, "next");
		if (said(invocation, "json"))
			print_json_lines(json_object_get(answer, "events"));
		else
			print_lines(json_object_get(answer, "events"), terminal);
		if (fflush(stdout) != 0)
			return 0;
		since = next < since ? 0 : next;
	}
}

int verb_events(struct invocation *invocation, struct error *err)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *answer = NULL;
	const json_t *events;
	int r = client_get(&invocation->client, &answer, err, "/v1/events");

	if (r != 0)
		return status_of(invocation, r);
	events = json_object_get(answer, "events");
	if (said(invocation, "follow")) {
		if (said(invocation, "json"))
			print_json_lines(events);
		else
			print_lines(events, &terminal);
		fflush(stdout);
		return status_of(
			invocation, follow(invocation, &terminal, json_whole(answer, "next"), err));
	}
	if (said(invocation, "json")) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_array_size(events) == 0) {
		printf("No events yet.\n");
	} else {
		print_table(events, &terminal);
	}
	return EXIT_DONE;
}
