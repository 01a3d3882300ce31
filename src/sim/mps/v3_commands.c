/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of v3: "MODULE VERB [WORD...] [--KEY=VALUE...] [--FLAG...]". */
#include "sim/mps/v3_words.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct v3_command {
	const char *module, *verb;
	void (*run)(struct control *control, struct visitor *visitor, const struct words *words);
};

void v3_fail(struct visitor *visitor, const char *format, ...)
{
	char line[700];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	visitor->has_failed = true;
	answer(visitor, "%s", line);
}

const char *v3_option(const struct words *words, const char *key)
{
	for (unsigned i = 0; i < words->n_options; i++)
		if (text_eq(words->options[i].key, key))
			return words->options[i].value ?: "";
	return NULL;
}

struct named *v3_named(struct control *control, struct visitor *visitor, const char *name)
{
	struct named *named = name ? named_find(control, name) : NULL;

	if (!name)
		v3_fail(visitor, "A server name is required");
	else if (!named)
		v3_fail(visitor, "Server '%s' not found", name);
	return named;
}

bool v3_may_change(struct visitor *visitor, uid_t owner)
{
	if (visitor->uid == 0 || visitor->uid == owner || visitor->uid == geteuid())
		return true;
	v3_fail(visitor, "Insufficient privileges for UID %u.", (unsigned)visitor->uid);
	return false;
}

const char *v3_status(const struct named *named)
{
	if (!named->process)
		return "Stopped";
	if (!named->process->is_ready)
		return "Initializing";
	return named->process->is_fault ? "Fault" : "Ready";
}

/* "--format=csv,noheader" and the like. */
void v3_list_begin(struct visitor *visitor, const struct words *words, const char *header)
{
	const char *format = v3_option(words, "format") ?: "table";

	visitor->is_table = !text_starts(format, "csv");
	visitor->is_list = true;
	visitor->has_header = !strstr(format, "noheader");
	if (visitor->has_header)
		buf_addf(&visitor->answer, "%s\n", header);
}

void v3_set_limits(struct visitor *visitor, struct space *space, const struct words *words)
{
	struct space wanted = *space;
	struct error err = ERROR_NONE;
	unsigned n = 0;

	for (unsigned i = 0; i < words->n_options; i++) {
		if (text_eq(words->options[i].key, "server"))
			continue;
		n++;
		if (space_set(&wanted, words->options[i].key, words->options[i].value ?: "", &err) <
			0) {
			v3_fail(visitor, "%s", err.text);
			return;
		}
	}
	if (!n) {
		v3_fail(visitor, "At least one option is required");
		return;
	}
	space->memory = wanted.memory;
	space->percentage = wanted.percentage;
	space->priority = wanted.priority;
}

static const struct v3_command commands[] = {
	{ "server", "create", v3_server_create },
	{ "server", "delete", v3_server_delete },
	{ "server", "list", v3_server_list },
	{ "server", "set", v3_server_set },
	{ "server", "get", v3_server_get },
	{ "namespace", "create", v3_space_create },
	{ "namespace", "delete", v3_space_delete },
	{ "namespace", "list", v3_space_list },
	{ "namespace", "set", v3_space_set_limits },
	{ "namespace", "get", v3_space_get_field },
	{ "client", "list", v3_client_list },
	{ "client", "terminate", v3_client_terminate },
};

static void words_read(char *line, const char *separators, struct words *ret_words)
{
	char *rest = line, *word;

	*ret_words = (struct words){ .module = "", .verb = "" };
	while ((word = strsep(&rest, separators))) {
		char *equals = strchr(word, '=');

		if (!*word)
			continue;
		if (!ret_words->module[0]) {
			ret_words->module = word;
		} else if (!ret_words->verb[0]) {
			ret_words->verb = word;
		} else if (text_starts(word, "--") || equals) {
			if (ret_words->n_options == ARRAY_SIZE(ret_words->options))
				continue;
			if (equals)
				*equals++ = '\0';
			ret_words->options[ret_words->n_options].key =
				word + (text_starts(word, "--") ? 2 : 0);
			ret_words->options[ret_words->n_options++].value = equals;
		} else if (ret_words->n < ARRAY_SIZE(ret_words->at)) {
			ret_words->at[ret_words->n++] = word;
		}
	}
}

/* All servers are to end, and then the daemon. */
static void quit(struct control *control, struct visitor *visitor)
{
	struct mps_server *server;

	command_quit(control, visitor, "");
	if (!control->is_ending)
		return;
	list_for_each (server, &control->servers, item) {
		wire_send(server->fd, "END", -1);
		server->force_at_ns = now_ns() + V3_FORCE_NS;
	}
}

void v3_run(
	struct control *control, struct visitor *visitor, const char *line, const char *separators)
{
	AUTO_FREE char *text = must_strdup(line);
	struct words words;

	visitor->has_failed = visitor->is_list = false;
	words_read(text, separators, &words);
	if (text_eq(words.module, "quit")) {
		quit(control, visitor);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		if (text_eq(commands[i].module, words.module) &&
			text_eq(commands[i].verb, words.verb)) {
			commands[i].run(control, visitor, &words);
			return;
		}
	v3_fail(visitor, "Unknown command '%s %s'", words.module, words.verb);
}

/* Lines of CSV as columns; the last one is as wide as it is. */
static void columns(const char *csv, struct buf *table)
{
	unsigned widths[16] = { 0 }, column = 0;
	const char *at;
	size_t n;

	for (at = csv; *at; at += n + 1) {
		n = strcspn(at, ",\n");
		if (column < ARRAY_SIZE(widths) && n > widths[column])
			widths[column] = (unsigned)n;
		column = at[n] == '\n' ? 0 : column + 1;
		if (!at[n])
			break;
	}
	column = 0;
	for (at = csv; *at; at += n + 1) {
		n = strcspn(at, ",\n");
		if (at[n] == ',' && column < ARRAY_SIZE(widths))
			buf_addf(table, "%-*.*s ", (int)widths[column], (int)n, at);
		else
			buf_addf(table, "%.*s\n", (int)n, at);
		column = at[n] == '\n' ? 0 : column + 1;
		if (!at[n])
			break;
	}
}

static int line_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The servers answered in any order. */
static void sort_rows(struct visitor *visitor)
{
	AUTO_FREE char *text = buf_take(&visitor->answer);
	VEC(char *) rows = { 0 };
	char *rest = text, *line, **row;
	size_t first = visitor->has_header;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			*vec_add(&rows) = line;
	if (rows.n > first)
		qsort(rows.at + first, rows.n - first, sizeof(rows.at[0]), line_order);
	vec_for_each (row, &rows)
		buf_addf(&visitor->answer, "%s\n", *row);
	vec_done(&rows);
}

void v3_shape(struct visitor *visitor)
{
	AUTO_BUF table = { 0 };

	if (!visitor->is_list)
		return;
	sort_rows(visitor);
	if (!visitor->is_table)
		return;
	columns(buf_text(&visitor->answer), &table);
	buf_clear(&visitor->answer);
	buf_add(&visitor->answer, buf_text(&table));
}
