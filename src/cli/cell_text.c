/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cell_text.h"

#include "base/cleanup.h"
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

/* What is known of one holder, in pieces. */
struct holder_text {
	const char *id, *user, *command;
};

static struct holder_text holder_of(const struct gpu_cell *cell)
{
	const json_t *lease = cell->lease[0];

	if (cell->kind != CELL_USED)
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

static const char *state_word(const struct gpu_cell *cell)
{
	return cell->kind == CELL_FAULTY ? "faulty " : "";
}

static char *only_line(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	struct choice choice = { .terminal = terminal, .width = width };
	const char *state = state_word(cell);
	struct holder_text who;

	for (unsigned i = 0; i < CELL_NAMES; i++) {
		AUTO_FREE char *name = must_asprintf("%s %s", cell->name[i], state);

		if (!cell_is_held(cell))
			choice_offer(&choice, must_asprintf("%s%s", name, idle_word(cell)), 0);
		else if (cell->n_leases > 1)
			choice_offer(&choice, several_holders(cell, name), 0);
		else
			offer_holder(&choice, name, holder_of(cell));
	}
	if (!cell_is_held(cell)) {
		choice_offer(&choice, must_strdup(idle_word(cell)), 0);
	} else if (cell->n_leases <= 1) {
		who = holder_of(cell);
		choice_offer(&choice,
			must_asprintf("%s %s%s", cell->name[CELL_NAMES - 1], state, who.id), 0);
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
		return cell->tenant ? must_asprintf("MPS of %s", cell->tenant) : must_strdup("");
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
	bool is_faulty = cell->kind == CELL_FAULTY;

	if (cell->is_pinned && cell->kind == CELL_LEASED)
		choice_offer(&choice, must_asprintf("%s pinned", cell->name[0]), 0);
	for (unsigned i = 0; i < CELL_NAMES; i++)
		choice_offer(&choice,
			must_asprintf("%s%s", cell->name[i], is_faulty ? " faulty" : ""), 0);
	if (is_faulty)
		choice_offer(&choice, must_strdup("faulty"), 0);
	return choice.text;
}

static char *free_line(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width)
{
	struct choice choice = { .terminal = terminal, .width = width };

	for (unsigned i = 0; i < CELL_NAMES; i++)
		choice_offer(&choice, must_strdup(cell->name[i]), 0);
	return choice.text;
}

void cell_lines(const struct gpu_cell *cell, const struct terminal *terminal, unsigned width,
	unsigned n, char **ret_lines)
{
	for (unsigned i = 0; i < n; i++)
		ret_lines[i] = NULL;
	if (cell->kind == CELL_FREE || cell->kind == CELL_USELESS) {
		ret_lines[0] = free_line(cell, terminal, width);
	} else if (n == 1) {
		ret_lines[0] = only_line(cell, terminal, width);
	} else {
		ret_lines[0] = first_line(cell, terminal, width);
		ret_lines[1] = cell_is_held(cell) ? holder_line(cell, terminal, width)
						  : must_strdup(idle_word(cell));
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
	case CELL_FAULTY:
		return 3;
	case CELL_USED:
		return 2;
	default:
		return terminal_columns(terminal, cell->name[0]) + 1 +
					       terminal_columns(terminal, idle_word(cell)) <=
				       width
			       ? 1
			       : 2;
	}
}
