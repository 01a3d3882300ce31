/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cell_text.h"

#include "base/text.h"
#include "cli/gpu_cells.h"
#include "cli/node.h"
#include "cli/terminal.h"

#include <stdlib.h>

enum { CUT_MIN = 6 }; /* a command is worth beginning where this much of it can be seen */

/* Says the same thing in several lengths: the first that fits is taken, else the last. */
struct choice {
	const struct terminal *terminal;
	unsigned width;
	char *text; /* the one chosen; NULL: none yet */
	bool fits;
};

static void choice_offer(struct choice *choice, char *text, unsigned may_cut)
{
	unsigned columns = terminal_columns(choice->terminal, text);

	if (choice->fits) {
		free(text);
		return;
	}
	free(choice->text);
	choice->text = text;
	choice->fits = columns <= choice->width + may_cut;
}

/* "3g" of "3g.40gb+me", "whole" of "whole GPU" */
static int short_length(const char *profile)
{
	return (int)strcspn(profile, ". ");
}

/* What is known of one holder, in pieces. */
struct holder_text {
	const char *id, *user, *command;
};

static struct holder_text holder_of(const struct gpu_cell *cell)
{
	const json_t *lease = cell->lease[0];

	if (cell->kind == CELL_LEASED)
		return (struct holder_text){ json_text(lease, "id"), lease_user(lease),
			lease_command(lease) };
	return (struct holder_text){ "in use", json_text(cell->process, "user"),
		json_text(cell->process, "command") };
}

/* "L3 alice: python train.py" in the length that fits, behind `before`. */
static void offer_holder(struct choice *choice, const char *before, struct holder_text who)
{
	unsigned rest = terminal_columns(choice->terminal, who.command);

	if (*who.command)
		choice_offer(choice,
			must_asprintf("%s%s %s: %s", before, who.id, who.user, who.command),
			rest > CUT_MIN ? rest - CUT_MIN : 0);
	choice_offer(choice, must_asprintf("%s%s %s", before, who.id, who.user), 0);
}

/* "L3 alice, L4 bob" where compute instances have holders of their own. */
static char *several_holders(const struct gpu_cell *cell, const char *before)
{
	AUTO_BUF buf = { 0 };

	buf_add(&buf, before);
	for (unsigned i = 0; i < cell->n_leases; i++)
		buf_addf(&buf, "%s%s", i ? " " : "", json_text(cell->lease[i], "id"));
	return buf_take(&buf);
}

static char *holder_line(
	const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	struct choice choice = { .terminal = terminal, .width = width };
	struct holder_text who;

	if (cell->n_leases > 1)
		return several_holders(cell, "");
	who = holder_of(cell);
	offer_holder(&choice, "", who);
	return choice.text;
}

static const char *idle_word(const struct gpu_cell *cell)
{
	switch (cell->kind) {
	case CELL_CACHE:
		return "cache";
	case CELL_PINNED:
		return "pinned";
	case CELL_FOREIGN:
		return "foreign";
	default:
		return "";
	}
}

static char *only_line(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	struct choice choice = { .terminal = terminal, .width = width };
	AUTO_BUF full = { 0 }, brief = { 0 };

	buf_addf(&full, "%s ", cell->profile);
	buf_addf(&brief, "%.*s ", short_length(cell->profile), cell->profile);
	if (cell->kind != CELL_LEASED && cell->kind != CELL_USED) {
		choice_offer(&choice, must_asprintf("%s%s", full.text, idle_word(cell)), 0);
		choice_offer(&choice, must_asprintf("%s%s", brief.text, idle_word(cell)), 0);
		choice_offer(&choice, must_strdup(idle_word(cell)), 0);
	} else if (cell->n_leases > 1) {
		choice_offer(&choice, several_holders(cell, full.text), 0);
		choice_offer(&choice, several_holders(cell, brief.text), 0);
	} else {
		struct holder_text who = holder_of(cell);

		offer_holder(&choice, full.text, who);
		offer_holder(&choice, brief.text, who);
		choice_offer(&choice, must_asprintf("%s%s", brief.text, who.id), 0);
		choice_offer(&choice, must_strdup(who.id), 0);
	}
	return choice.text;
}

/* "10G 25% -> 19.6Gi 29%": asked and got. */
static char *asked_line(
	const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	const char *arrow = terminal->has_unicode ? "\xe2\x86\x92" : "->";
	struct choice choice = { .terminal = terminal, .width = width };
	AUTO_BUF asked = { 0 }, got = { 0 };

	if (cell->n_leases != 1)
		return must_strdup("");
	lease_add_asked(&asked, cell->lease[0]);
	lease_add_got(&got, cell->lease[0]);
	choice_offer(
		&choice, must_asprintf("asked %s, got %s", buf_text(&asked), buf_text(&got)), 0);
	choice_offer(
		&choice, must_asprintf("%s %s %s", buf_text(&asked), arrow, buf_text(&got)), 0);
	choice_offer(&choice, must_asprintf("%s%s%s", buf_text(&asked), arrow, buf_text(&got)), 0);
	choice_offer(&choice, must_strdup(buf_text(&asked)), 0);
	return choice.text;
}

static char *first_line(
	const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	struct choice choice = { .terminal = terminal, .width = width };

	if (cell->is_pinned && cell->kind == CELL_LEASED)
		choice_offer(&choice, must_asprintf("%s pinned", cell->profile), 0);
	choice_offer(&choice, must_strdup(cell->profile), 0);
	choice_offer(&choice, must_asprintf("%.*s", short_length(cell->profile), cell->profile), 0);
	return choice.text;
}

static char *free_line(const struct gpu_cell *cell)
{
	if (cell->kind == CELL_USELESS)
		return must_strdup("no fit");
	return must_strdup(*cell->profile ? "whole GPU, free" : "free");
}

void cell_lines(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width,
	unsigned n, char **ret_lines)
{
	bool is_held = cell->kind == CELL_LEASED || cell->kind == CELL_USED;

	for (unsigned i = 0; i < n; i++)
		ret_lines[i] = NULL;
	if (cell->kind == CELL_FREE || cell->kind == CELL_USELESS) {
		ret_lines[0] = free_line(cell);
	} else if (n == 1) {
		ret_lines[0] = only_line(cell, terminal, width);
	} else {
		ret_lines[0] = first_line(cell, terminal, width);
		ret_lines[1] =
			is_held ? holder_line(cell, terminal, width) : must_strdup(idle_word(cell));
		if (n > 2)
			ret_lines[2] = asked_line(cell, terminal, width);
	}
	for (unsigned i = 0; i < n; i++)
		ret_lines[i] = ret_lines[i] ?: must_strdup("");
}

unsigned cell_lines_needed(
	const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	switch (cell->kind) {
	case CELL_FREE:
	case CELL_USELESS:
		return 1;
	case CELL_LEASED:
		return 3;
	case CELL_USED:
		return 2;
	default:
		return terminal_columns(terminal, cell->profile) + 1 +
					       terminal_columns(terminal, idle_word(cell)) <=
				       width
			       ? 1
			       : 2;
	}
}
