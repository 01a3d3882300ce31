/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs and what each can do by each mechanism: a matrix, and below it the reasons. */
#include "base/list.h"
#include "base/text.h"
#include "cli/mps_text.h"
#include "cli/node.h"
#include "cli/table.h"
#include "cli/tables.h"
#include "cli/vf_text.h"
#include "model/gpu.h"

enum { COLUMN_MECHANISM = 3, COLUMN_STATE = COLUMN_MECHANISM + MECHANISM_N };

static const json_t *capability_of(const json_t *gpu, const char *mechanism)
{
	const json_t *capability;
	size_t i;

	json_array_foreach(json_object_get(gpu, "capabilities"), i,
		capability) if (text_eq(json_text(capability, "mechanism"),
					mechanism)) return capability;
	return NULL;
}

static void add_state(struct buf *buf, const json_t *gpu)
{
	AUTO_BUF tenants = { 0 };

	buf_add(buf, json_flag(gpu, "managed") ? "managed" : "observed");
	if (json_flag(gpu, "drained"))
		buf_add(buf, ", drained");
	buf_addf(buf, ", %s", json_text(gpu, "health"));
	if (mps_add_tenants(&tenants, gpu, " ") > 0)
		buf_addf(buf, ", MPS of %s", buf_text(&tenants));
	if (mps_server_in_trouble(gpu))
		buf_addf(buf, " (%s)", json_text(mps_server_in_trouble(gpu), "state"));
	if (vf_is_on(gpu)) {
		buf_add(buf, ", ");
		vf_add_count(buf, gpu);
	}
}

static void gpu_row(struct table *table, const json_t *gpu)
{
	bool is_well = text_eq(json_text(gpu, "health"), "healthy");
	AUTO_BUF state = { 0 };
	char text[32];

	add_state(&state, gpu);
	table_row(table, is_well ? PAINT_PLAIN : PAINT_RED);
	table_cell(table, 0, "%lld", json_whole(gpu, "index"));
	table_cell(table, 1, "%s", gpu_product(gpu));
	if (json_number(gpu, "memory") > 0)
		table_cell(table, 2, "%s", memory_text(json_number(gpu, "memory"), text));
	for (unsigned i = 0; i < MECHANISM_N; i++) {
		const json_t *capability = capability_of(gpu, mechanism_names[i]);

		table_cell(table, COLUMN_MECHANISM + i, "%s",
			capability ? json_text(capability, "answer") : "?");
	}
	table_cell(table, COLUMN_STATE, "%s", buf_text(&state));
	table_cell(table, COLUMN_STATE + 1, "%s", json_text(gpu, "pci"));
	table_cell(table, COLUMN_STATE + 2, "%s", json_text(gpu, "uuid"));
}

/* One reason and the GPUs that share it. */
struct reason {
	const char *answer, *text;
	struct buf gpus;
};

static struct reason *reason_find(struct reason *reasons, size_t n, const json_t *capability)
{
	for (size_t i = 0; i < n; i++)
		if (text_eq(reasons[i].answer, json_text(capability, "answer")) &&
			text_eq(reasons[i].text, json_text(capability, "text")))
			return &reasons[i];
	return NULL;
}

static void reasons_print(
	const json_t *gpus, const char *mechanism, const struct terminal *terminal, FILE *out)
{
	VEC(struct reason) reasons = { 0 };
	struct reason *reason;
	const json_t *gpu;
	size_t i;

	json_array_foreach(gpus, i, gpu)
	{
		const json_t *capability = capability_of(gpu, mechanism);

		if (!*json_text(capability, "text"))
			continue;
		reason = reason_find(reasons.at, reasons.n, capability);
		if (!reason) {
			reason = vec_add(&reasons);
			reason->answer = json_text(capability, "answer");
			reason->text = json_text(capability, "text");
		}
		buf_addf(&reason->gpus, "%s%lld", reason->gpus.length ? "," : "",
			json_whole(gpu, "index"));
	}
	vec_for_each (reason, &reasons) {
		AUTO_BUF line = { 0 };

		buf_addf(&line, "%-5s ", mechanism);
		if (reasons.n > 1)
			buf_addf(&line, "GPU %s: ", buf_text(&reason->gpus));
		buf_addf(&line, "%s%s %s", reason->answer,
			text_eq(reason->answer, "after") ? "" : ":", reason->text);
		terminal_print_wrapped(terminal, out, 6, buf_text(&line));
		buf_done(&reason->gpus);
	}
	vec_done(&reasons);
}

void gpus_print(const json_t *gpus, const json_t *node, const struct terminal *terminal, FILE *out)
{
	static const struct column columns[] = {
		{ "GPU", .is_right = true },
		{ "PRODUCT", .may_shrink = true },
		{ "MEMORY", .is_right = true },
		{ "mig" },
		{ "mps" },
		{ "vf" },
		{ "time" },
		{ "whole" },
		{ "STATE" },
		{ "PCI", .may_go = true },
		{ "UUID", .may_go = true },
	};
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));
	const json_t *gpu;
	size_t i;

	_Static_assert(COLUMN_STATE + 3 == ARRAY_SIZE(columns), "one column per mechanism");
	json_array_foreach(gpus, i, gpu) gpu_row(&table, gpu);
	table_print(&table, terminal, out);
	fputc('\n', out);
	for (unsigned m = 0; m < MECHANISM_N; m++)
		reasons_print(gpus, mechanism_names[m], terminal, out);
}
