/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tables.h"

#include "base/text.h"
#include "cli/node.h"
#include "cli/table.h"

void shares_print(const json_t *shares, const struct terminal *terminal, FILE *out)
{
	static const struct column columns[] = {
		{ "SHARE", .may_shrink = true },
		{ "BY" },
		{ "MEMORY", .is_right = true },
		{ "COMPUTE", .is_right = true },
		{ "ORIGIN" },
		{ "LEASE" },
		{ "IN USE" },
		{ "SERVER" },
		{ "LIMITS KEPT BY", .may_shrink = true, .may_go = true },
		{ "UUID", .may_go = true },
	};
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	const json_t *share;
	char text[32];
	size_t i;

	json_array_foreach(shares, i, share)
	{
		const json_t *by = json_object_get(share, "enforced_by");

		const char *server = json_text(share, "server");

		table_row(&table, text_eq(server, "faulty")		 ? PAINT_RED
				  : !*server || text_eq(server, "ready") ? PAINT_PLAIN
									 : PAINT_YELLOW);
		table_cell(&table, 0, "%s", json_text(share, "id"));
		table_cell(&table, 1, "%s", json_text(share, "mechanism"));
		table_cell(&table, 2, "%s", memory_text(json_number(share, "memory"), text));
		table_cell(&table, 3, "%.1f%%", json_number(share, "compute"));
		table_cell(&table, 4, "%s", json_text(share, "origin"));
		table_cell(&table, 5, "%s", json_text(share, "lease"));
		table_cell(&table, 6, "%s", json_flag(share, "has_users") ? "yes" : "no");
		table_cell(&table, 7, "%s", server);
		if (text_eq(json_text(by, "memory"), json_text(by, "compute")))
			table_cell(&table, 8, "%s", json_text(by, "memory"));
		else
			table_cell(&table, 8, "memory %s, compute %s", json_text(by, "memory"),
				json_text(by, "compute"));
		table_cell(&table, 9, "%s", json_text(share, "uuid"));
	}
	table_print(&table, terminal, out);
}

/* What a lease is about to do, or how long it has been so. */
static void lease_time_cell(struct table *table, unsigned column, const json_t *lease)
{
	char text[32];

	if (json_is_number(json_object_get(lease, "ends")))
		table_cell(table, column, "%s left", age_text(json_number(lease, "ends"), text));
	else if (json_is_number(json_object_get(lease, "active")))
		table_cell(table, column, "%s", age_text(json_number(lease, "active"), text));
	else
		table_cell(table, column, "%s", age_text(json_number(lease, "created"), text));
}

static void lease_holder_cell(struct table *table, unsigned column, const json_t *lease)
{
	const char *reason = json_text(lease, "reason"), *waits = json_text(lease, "waits_for");
	const char *kind = json_text(json_object_get(lease, "holder"), "kind");
	/* A name cannot be fenced, and everybody knows. */
	bool is_unfenced = !json_flag(lease, "fenced") && !text_eq(kind, "name") &&
			   text_eq(json_text(lease, "state"), "active");

	if (*reason)
		table_cell(table, column, "%s", reason);
	else if (json_whole(lease, "queue_position") > 0)
		table_cell(table, column, "number %lld in the queue%s%s",
			json_whole(lease, "queue_position"), *waits ? ": " : "", waits);
	else
		table_cell(table, column, "%s%s",
			text_eq(kind, "name") ? "held by its name" : lease_command(lease),
			is_unfenced ? " (not fenced)" : "");
}

static enum paint lease_paint(const json_t *lease)
{
	const char *state = json_text(lease, "state");

	if (text_eq(state, "active"))
		return PAINT_GREEN;
	return text_eq(state, "failed") ? PAINT_RED : PAINT_YELLOW;
}

void leases_print(const json_t *leases, const struct terminal *terminal, FILE *out)
{
	static const struct column columns[] = {
		{ "LEASE" },
		{ "STATE" },
		{ "USER", .may_shrink = true },
		{ "WHERE", .may_shrink = true },
		{ "ASKED", .may_shrink = true },
		{ "GOT" },
		{ "TIME", .is_right = true },
		{ "NAME", .may_shrink = true },
		{ "WHAT", .may_shrink = true },
	};
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	const json_t *lease;
	size_t i;

	json_array_foreach(leases, i, lease)
	{
		AUTO_BUF where = { 0 }, asked = { 0 }, got = { 0 };

		lease_add_where(&where, lease);
		lease_add_asked(&asked, lease);
		lease_add_got(&got, lease);
		table_row(&table, lease_paint(lease));
		table_cell(&table, 0, "%s", json_text(lease, "id"));
		table_cell(&table, 1, "%s", json_text(lease, "state"));
		table_cell(&table, 2, "%s", lease_user(lease));
		table_cell(&table, 3, "%s", buf_text(&where));
		table_cell(&table, 4, "%s", buf_text(&asked));
		table_cell(&table, 5, "%s", buf_text(&got));
		lease_time_cell(&table, 6, lease);
		table_cell(&table, 7, "%s", json_text(lease, "name"));
		lease_holder_cell(&table, 8, lease);
	}
	table_print(&table, terminal, out);
}
