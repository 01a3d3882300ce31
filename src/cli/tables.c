/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tables.h"

#include "base/text.h"
#include "cli/node.h"
#include "cli/table.h"
#include "cli/vf_text.h"

static void share_size_cells(struct table *table, const json_t *share)
{
	const json_t *compute = json_object_get(share, "compute");
	double memory = json_number(share, "memory");
	char text[32];

	if (memory > 0)
		table_cell(table, 3, "%s", memory_text(memory, text));
	if (json_is_number(compute))
		table_cell(table, 4, "%.1f%%", json_number_value(compute));
}

static void share_use_cells(struct table *table, const json_t *share)
{
	table_cell(table, 5, "%s", json_text(share, "origin"));
	table_cell(table, 7, "%s", json_flag(share, "has_users") ? "yes" : "no");
}

/* Of a VF it is known who has it. */
static void vf_share_cells(struct table *table, const json_t *share)
{
	const json_t *vf = json_object_get(share, "vf");
	const char *owner = json_text(vf, "owner");
	AUTO_BUF user = { 0 };

	vf_add_user(&user, share);
	table_cell(table, 2, "%s", vf_type_text(json_text(share, "profile")));
	table_cell(table, 5, "%s%s%s", json_text(share, "origin"), *owner ? ": " : "", owner);
	table_cell(table, 7, "%s",
		user.length			? buf_text(&user)
		: json_flag(share, "has_users") ? "yes"
						: "no");
	table_cell(table, 11, "%s", json_text(vf, "pci"));
}

void shares_print(
	const json_t *shares, const json_t *node, const struct terminal *terminal, FILE *out)
{
	static const struct column columns[] = {
		{ "SHARE", .may_shrink = true },
		{ "BY" },
		{ "TYPE", .may_shrink = true },
		{ "MEMORY", .is_right = true },
		{ "COMPUTE", .is_right = true },
		{ "ORIGIN", .may_shrink = true },
		{ "LEASE" },
		{ "IN USE", .may_shrink = true },
		{ "SERVER" },
		{ "LIMITS KEPT BY", .may_shrink = true, .may_go = true },
		{ "UUID", .may_go = true },
		{ "PCI", .may_go = true },
	};
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	const json_t *share;
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
		if (json_is_object(json_object_get(share, "vf")))
			vf_share_cells(&table, share);
		else
			share_use_cells(&table, share);
		share_size_cells(&table, share);
		table_cell(&table, 6, "%s", json_text(share, "lease"));
		table_cell(&table, 8, "%s", server);
		if (text_eq(json_text(by, "memory"), json_text(by, "compute")))
			table_cell(&table, 9, "%s", json_text(by, "memory"));
		else
			table_cell(&table, 9, "memory %s, compute %s", json_text(by, "memory"),
				json_text(by, "compute"));
		table_cell(&table, 10, "%s", json_text(share, "uuid"));
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

/* A virtual machine's lease stays whether or not that runs. */
static void lease_vm_cell(
	struct table *table, unsigned column, const json_t *lease, const json_t *node)
{
	const json_t *got = json_array_get(json_object_get(lease, "got"), 0);
	const json_t *share = node_share(node, json_text(got, "share"));
	AUTO_BUF user = { 0 };

	vf_add_user(&user, share);
	if (user.length)
		table_cell(table, column, "for a VM, in use by %s", buf_text(&user));
	else
		table_cell(table, column, "for a VM%s", share ? ", not in use" : "");
}

static void lease_holder_cell(
	struct table *table, unsigned column, const json_t *lease, const json_t *node)
{
	const char *reason = json_text(lease, "reason"), *waits = json_text(lease, "waits_for");
	const char *kind = json_text(json_object_get(lease, "holder"), "kind");
	/* A name cannot be fenced, and everybody knows. */
	bool is_unfenced = !json_flag(lease, "fenced") && !text_eq(kind, "name") &&
			   !text_eq(kind, "vm") && text_eq(json_text(lease, "state"), "active");

	if (*reason)
		table_cell(table, column, "%s", reason);
	else if (json_whole(lease, "queue_position") > 0)
		table_cell(table, column, "number %lld in the queue%s%s",
			json_whole(lease, "queue_position"), *waits ? ": " : "", waits);
	else if (text_eq(kind, "vm"))
		lease_vm_cell(table, column, lease, node);
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

void leases_print(
	const json_t *leases, const json_t *node, const struct terminal *terminal, FILE *out)
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
		{ "WHY", .may_shrink = true, .may_go = true },
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
		lease_holder_cell(&table, 8, lease, node);
		table_cell(&table, 9, "%s", json_text(lease, "choice"));
	}
	table_print(&table, terminal, out);
}
