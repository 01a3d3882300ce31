/* SPDX-License-Identifier: Apache-2.0 */
/* The answer for people: a table of the ways that are possible, what each means, and why not the
 * others. */
#include "cli/advise.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/node.h"
#include "cli/table.h"
#include "model/product.h"

#include <stdarg.h>
#include <stdlib.h>

enum { INDENT = 14 };

static const struct column columns[] = {
	{ "", true, false, false },
	{ "WAY", false, false, false },
	{ "POSSIBLE", false, false, false },
	{ "SHARE", false, true, false },
	{ "FIT", true, false, true },
	{ "HELD BY", false, true, false },
	{ "SPEED", false, false, false },
};

/* "hardware", or "mps, mps, nobody": memory, compute, faults. */
static char *held_text(const struct advice_item *item)
{
	const struct advice_enforcers *by = advice_enforcers_of(item->option, &item->share);

	if (by->memory == by->compute && by->compute == by->faults)
		return must_strdup(enforcer_names[by->memory]);
	return must_asprintf("%s, %s, %s", enforcer_names[by->memory], enforcer_names[by->compute],
		enforcer_names[by->faults]);
}

static char *speed_text(const struct advice_estimate *estimate)
{
	const struct advice_span *span = &estimate->throughput;

	return span->low == span->high ? must_asprintf("%u %%", span->low)
				       : must_asprintf("%u-%u %%", span->low, span->high);
}

/* "1g.20gb@2 of GPU 1" */
static char *short_share(const struct advice_item *item, const struct advice_gpu *gpus)
{
	const struct advice_share *share = &item->share;
	char where[ADVICE_GPU_TEXT_MAX], memory[32];
	AUTO_BUF text = { 0 };

	if (item->option == ADVICE_MPS || item->option == ADVICE_MPS_IN_MIG)
		buf_addf(&text, "%s %u %%%s%s", memory_text((double)share->memory_bytes, memory),
			share->percent, *share->profile ? " in a " : "", share->profile);
	else if (*share->profile)
		buf_add(&text, text_starts(share->profile, "NVIDIA ") ? share->profile + 7
								      : share->profile);
	else if (share->memory_bytes)
		buf_add(&text, memory_text((double)share->memory_bytes, memory));
	else
		buf_add(&text, "a VF");
	if (share->start >= 0)
		buf_addf(&text, "@%d", share->start);
	if (gpus[item->gpu].is_here)
		buf_addf(&text, " of %s", advice_gpu_text(&gpus[item->gpu], where));
	return buf_take(&text);
}

static void print_table(const struct advice *advice, const struct advice_gpu *gpus,
	const struct terminal *terminal, FILE *out)
{
	AUTO_TABLE table = table_new(columns, ARRAY_SIZE(columns));

	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];
		AUTO_FREE char *share = NULL, *held = NULL, *speed = NULL;

		if (item->verdict == VERDICT_NO)
			continue;
		share = short_share(item, gpus);
		held = held_text(item);
		speed = speed_text(&item->estimate);
		table_row(&table, i == 0 ? PAINT_BOLD : PAINT_PLAIN);
		table_cell(&table, 0, "%u", i + 1);
		table_cell(&table, 1, "%s", advice_option_names[item->option]);
		table_cell(&table, 2, "%s", advice_verdict_names[item->verdict]);
		table_cell(&table, 3, "%s", share);
		table_cell(&table, 4, "%u", item->share.fit_empty);
		table_cell(&table, 5, "%s", held);
		table_cell(&table, 6, "%s", speed);
	}
	table_print(&table, terminal, out);
}

/* "  shared      ..." with the text wrapped beside its word. */
static void print_line(
	const struct terminal *terminal, FILE *out, const char *word, const char *text)
{
	AUTO_BUF line = { 0 };

	buf_addf(&line, "  %-*s%s", INDENT - 2, word, text);
	terminal_print_wrapped(terminal, out, INDENT, buf_text(&line));
}

static void print_linef(const struct terminal *terminal, FILE *out, const char *word,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

static void print_linef(
	const struct terminal *terminal, FILE *out, const char *word, const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	print_line(terminal, out, word, text ?: "");
}

static void print_title(
	const struct terminal *terminal, FILE *out, const char *title, const char *rest)
{
	fputc('\n', out);
	terminal_paint(terminal, out, PAINT_BOLD);
	fputs(title, out);
	terminal_paint(terminal, out, PAINT_PLAIN);
	terminal_print_safe(terminal, out, rest);
	fputc('\n', out);
}

static void print_first(const struct advice_item *item, const struct terminal *terminal, FILE *out)
{
	AUTO_BUF text = { 0 };

	for (unsigned i = 0; i < item->n_rules; i++) {
		const struct advice_rule *rule = &advice_rules[item->rule[i]];

		if (rule->effect == RULE_AFTER || rule->effect == RULE_EMPTIES)
			buf_addf(&text, "%s%s", text.length ? "; " : "", rule->way);
	}
	if (!text.length)
		return;
	print_line(terminal, out, "first", buf_text(&text));
	print_line(terminal, out, "disturbs", *item->whom ? item->whom : "nobody");
}

static void print_notes(const struct advice_item *item, const struct terminal *terminal, FILE *out)
{
	for (unsigned i = 0; i < item->n_rules; i++)
		if (advice_rules[item->rule[i]].effect == RULE_NOTE)
			print_line(terminal, out, "note", advice_rules[item->rule[i]].reason);
}

/* What is as with the first way is not said again. */
static void print_topic(const struct advice_item *item, const struct advice_item *first,
	enum advice_topic topic, const char *word, const struct terminal *terminal, FILE *out)
{
	const char *text = advice_about[item->option][topic].text;

	if (item == first || !text_eq(text, advice_about[first->option][topic].text))
		print_line(terminal, out, word, text);
}

static void print_about(const struct advice_item *item, const struct advice_item *first,
	const struct terminal *terminal, FILE *out)
{
	static const struct {
		enum advice_topic topic;
		const char *word;
	} lines[] = {
		{ TOPIC_INSTALL, "drivers" },
		{ TOPIC_PAIRING, "versions" },
		{ TOPIC_UPGRADE, "upgrade" },
		{ TOPIC_LOSES, "loses" },
		{ TOPIC_MIGRATION, "moving" },
		{ TOPIC_RESIZE, "resizing" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		print_topic(item, first, lines[i].topic, lines[i].word, terminal, out);
}

static void print_fit(const struct advice_item *item, const struct advice_need *need,
	const struct terminal *terminal, FILE *out)
{
	const struct advice_share *share = &item->share;
	unsigned each = share->fit_empty ?: 1;
	unsigned units = (need->count * need->request.n_gpus + each - 1) / each;

	print_linef(terminal, out, "fit", "%u on this GPU now, %u on an empty one%s", share->fit,
		share->fit_empty,
		item->option == ADVICE_MPS_IN_MIG ? ", in one such instance" : "");
	if (item->fit_node > share->fit_empty)
		print_linef(terminal, out, "", "%u on all GPUs that could have it, were they empty",
			item->fit_node);
	if (need->count > 1)
		print_linef(terminal, out, "", "%u of them take %u %s%s", need->count, units,
			item->option == ADVICE_MPS_IN_MIG ? "instance" : "GPU",
			units == 1 ? "" : "s");
}

static void print_item(const struct advice *advice, unsigned rank, const struct advice_need *need,
	const struct advice_gpu *gpus, const struct terminal *terminal, FILE *out)
{
	const struct advice_item *first = &advice->item[0], *item = &advice->item[rank - 1];
	const struct advice_enforcers *by = advice_enforcers_of(item->option, &item->share);
	AUTO_FREE char *share = advice_share_text(item, gpus);
	AUTO_FREE char *speed = advice_estimate_text(&item->estimate);
	AUTO_FREE char *title = must_asprintf("%u %s", rank, advice_option_names[item->option]);

	print_title(terminal, out, title, "");
	print_line(terminal, out, "share", share);
	print_fit(item, need, terminal, out);
	print_first(item, terminal, out);
	if (by->memory != by->compute || by->compute != by->faults)
		print_linef(terminal, out, "held by", "memory: %s, compute: %s, faults: %s",
			enforcer_names[by->memory], enforcer_names[by->compute],
			enforcer_names[by->faults]);
	else
		print_linef(terminal, out, "held by", "%s: memory, compute and faults",
			enforcer_names[by->memory]);
	print_topic(item, first, TOPIC_SHARED, "shared", terminal, out);
	print_linef(terminal, out, "speed", "%s (%s: %s)", speed,
		advice_source_names[item->estimate.source], item->estimate.text);
	print_line(terminal, out, "licence", *item->share.licence ? item->share.licence : "none");
	print_about(item, first, terminal, out);
	print_notes(item, terminal, out);
}

static void print_impossible(
	const struct advice *advice, const struct terminal *terminal, FILE *out)
{
	bool is_first = true;

	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];

		if (item->verdict != VERDICT_NO)
			continue;
		if (is_first)
			print_title(terminal, out, "Not possible", "");
		is_first = false;
		print_linef(terminal, out, advice_option_names[item->option],
			"%s Possible with: %s.", advice_why_not(item), advice_way_out(item));
	}
}

static void print_rules(const struct advice *advice, const struct terminal *terminal, FILE *out)
{
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];
		AUTO_FREE char *title = NULL;

		if (item->verdict == VERDICT_NO)
			title = must_asprintf("Rules for %s", advice_option_names[item->option]);
		else
			title = must_asprintf(
				"Rules for %s: %d", advice_option_names[item->option], item->score);
		print_title(
			terminal, out, title, *item->whom ? " (30 off for whom it disturbs)" : "");
		for (unsigned r = 0; r < item->n_rules; r++) {
			const struct advice_rule *rule = &advice_rules[item->rule[r]];
			int sign = rule->effect == RULE_FAVOURS ? 1 : -1;
			AUTO_FREE char *word =
				rule->weight ? must_asprintf("%+d", sign * (int)rule->weight)
					     : must_strdup(rule_effect_names[rule->effect]);

			print_linef(terminal, out, word, "%s: %s [%s]", rule->id, rule->reason,
				rule->source);
		}
	}
}

static void print_head(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct terminal *terminal, FILE *out)
{
	char text[ADVICE_NEED_TEXT_MAX], where[ADVICE_GPU_TEXT_MAX];
	AUTO_BUF on = { 0 };

	if (!gpus[0].is_here)
		buf_addf(&on, "on %s (%s)", advice_gpu_text(&gpus[0], where),
			gpus[0].gpu.facts.product);
	else if (n == 1)
		buf_addf(&on, "on %s (%s)", advice_gpu_text(&gpus[0], where),
			gpus[0].gpu.facts.product);
	else
		buf_addf(&on, "on the best of %u GPUs for each way", n);
	terminal_paint(terminal, out, PAINT_BOLD);
	terminal_print_wrapped(terminal, out, 0, advice_need_text(need, text));
	terminal_paint(terminal, out, PAINT_PLAIN);
	terminal_print_wrapped(terminal, out, 0, buf_text(&on));
	fputc('\n', out);
}

void advise_print(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice *advice, bool explain, const struct terminal *terminal, FILE *out)
{
	print_head(need, gpus, n, terminal, out);
	if (advice->item[0].verdict != VERDICT_NO) {
		print_table(advice, gpus, terminal, out);
		fputc('\n', out);
	}
	terminal_print_wrapped(terminal, out, 0, advice->because);
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++)
		if (advice->item[i].verdict != VERDICT_NO)
			print_item(advice, i + 1, need, gpus, terminal, out);
	print_impossible(advice, terminal, out);
	if (explain)
		print_rules(advice, terminal, out);
}

void advise_print_products(const struct terminal *terminal, FILE *out)
{
	static const struct column product_columns[] = {
		{ "PRODUCT", false, false, false },
		{ "NAME", false, true, false },
		{ "MEMORY", true, false, false },
		{ "MIG", false, false, false },
		{ "VFS", true, false, false },
		{ "REMARK", false, true, true },
	};
	AUTO_TABLE table = table_new(product_columns, ARRAY_SIZE(product_columns));

	for (unsigned i = 0; i < products_n; i++) {
		const struct product *product = &products[i];
		char memory[32];

		table_row(&table, PAINT_PLAIN);
		table_cell(&table, 0, "%s", product->key);
		table_cell(&table, 1, "%s", product->name);
		table_cell(&table, 2, "%s",
			memory_text((double)product->memory_mib * 1048576, memory));
		table_cell(&table, 3, "%s", product->mig == PRODUCT_NO_MIG ? "no" : "yes");
		if (product->vf == VF_KIND_NONE)
			table_cell(&table, 4, "no");
		else if (product->total_vfs)
			table_cell(&table, 4, "%u", product->total_vfs);
		else
			table_cell(&table, 4, "yes");
		table_cell(&table, 5, "%s", product->remark);
	}
	table_print(&table, terminal, out);
}
