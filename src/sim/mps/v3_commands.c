/* SPDX-License-Identifier: Apache-2.0 */
/* The command lines of v3: "MODULE VERB [WORD...] [--KEY=VALUE...] [--FLAG...]". */
#include "sim/mps/v3.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "sim/mps/journal.h"
#include "sim/mps/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORCE_NS 2000000000ull /* so long a server has to end by itself */

struct words {
	const char *module, *verb, *at[3];
	unsigned n;
	struct {
		const char *key, *value; /* NULL: a flag */
	} options[8];
	unsigned n_options;
};

struct v3_command {
	const char *module, *verb;
	void (*run)(struct control *control, struct visitor *visitor, const struct words *words);
};

static void fail(struct visitor *visitor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct visitor *visitor, const char *format, ...)
{
	char line[700];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	visitor->has_failed = true;
	answer(visitor, "%s", line);
}

static const char *option(const struct words *words, const char *key)
{
	for (unsigned i = 0; i < words->n_options; i++)
		if (text_eq(words->options[i].key, key))
			return words->options[i].value ?: "";
	return NULL;
}

static struct named *named_or_say(
	struct control *control, struct visitor *visitor, const char *name)
{
	struct named *named = name ? named_find(control, name) : NULL;

	if (!name)
		fail(visitor, "A server name is required");
	else if (!named)
		fail(visitor, "Server '%s' not found", name);
	return named;
}

static bool may_change(struct visitor *visitor, uid_t owner)
{
	if (visitor->uid == 0 || visitor->uid == owner || visitor->uid == geteuid())
		return true;
	fail(visitor, "Insufficient privileges for UID %u.", (unsigned)visitor->uid);
	return false;
}

static const char *status_of(const struct named *named)
{
	if (!named->process)
		return "Stopped";
	if (!named->process->is_ready)
		return "Initializing";
	return named->process->is_fault ? "Fault" : "Ready";
}

/* Commas would part columns. */
static void allowed_text(const struct named *named, char ret_text[1024])
{
	text_copy(ret_text, 1024, named->allowed[0] ? named->allowed : "-");
	for (char *at = ret_text; (at = strchr(at, ','));)
		*at = ';';
}

/* "--format=csv,noheader" and the like. */
static void shape_read(struct visitor *visitor, const struct words *words, const char *header)
{
	const char *format = option(words, "format") ?: "table";

	visitor->is_table = !text_starts(format, "csv");
	visitor->is_list = true;
	visitor->has_header = !strstr(format, "noheader");
	if (visitor->has_header)
		buf_addf(&visitor->answer, "%s\n", header);
}

/* ---- server ---- */

static void server_create(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *uid_text = option(words, "uid"), *allowed = option(words, "allowed-devices");
	struct error err = ERROR_NONE;
	uint32_t uid = visitor->uid;
	char name[V3_NAME_MAX + 8];
	struct named *named;

	if (!words->n && !uid_text) {
		fail(visitor, "A server name or --uid is required");
		return;
	}
	if (uid_text && parse_u32(uid_text, &uid) < 0) {
		fail(visitor, "Invalid uid '%s'", uid_text);
		return;
	}
	if (!may_change(visitor, uid))
		return;
	snprintf(name, sizeof(name), "uid_%u", uid);
	named = named_new(control, words->n ? words->at[0] : name, uid, &err);
	if (!named) {
		fail(visitor, "%s", err.text);
		return;
	}
	text_copy(named->allowed, sizeof(named->allowed), allowed ?: "");
	server_launch(control, uid, named);
}

/* The answer waits until the process has ended. */
static void server_delete(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, words->at[0]);
	struct mps_server *process;

	if (!named || !may_change(visitor, named->uid))
		return;
	if (named_clients(named) && !option(words, "force")) {
		fail(visitor, "Server '%s' has active clients", named->name);
		return;
	}
	process = named->process;
	named_free(control, named);
	if (!process)
		return;
	wire_send(process->fd, "END", -1);
	process->force_at_ns = now_ns() + FORCE_NS;
	visitor->n_awaited++;
	visitor->awaited = process->pid;
}

static void server_row(struct control *control, struct visitor *visitor, struct named *named)
{
	char allowed[1024];

	allowed_text(named, allowed);
	if (named->process && named->process->is_ready)
		ask(visitor, named->process, "row %s,%u,%d,*,%s,%s", named->name,
			(unsigned)named->uid, (int)named->process->pid, named->dir, allowed);
	else
		buf_addf(&visitor->answer, "%s,%u,%d,%s,%s,%s,-\n", named->name,
			(unsigned)named->uid, named->process ? (int)named->process->pid : 0,
			status_of(named), named->dir, allowed);
}

static void server_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = words->n ? named_or_say(control, visitor, words->at[0]) : NULL;

	if (words->n && !named)
		return;
	shape_read(
		visitor, words, "name,uid,pid,status,pipe-directory,allowed-devices,context-ids");
	if (named) {
		server_row(control, visitor, named);
		return;
	}
	list_for_each (named, &control->named, item)
		server_row(control, visitor, named);
}

static void set_all(struct visitor *visitor, struct space *space, const struct words *words)
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
			fail(visitor, "%s", err.text);
			return;
		}
	}
	if (!n) {
		fail(visitor, "At least one option is required");
		return;
	}
	space->memory = wanted.memory;
	space->percentage = wanted.percentage;
	space->priority = wanted.priority;
}

static void server_set(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, words->at[0]);

	if (named && may_change(visitor, named->uid))
		set_all(visitor, space_find(named, V3_DEFAULT), words);
}

static void server_get(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, words->at[0]);
	const char *field = words->at[1] ?: "";

	if (!named)
		return;
	if (text_eq(field, "name"))
		answer(visitor, "%s", named->name);
	else if (text_eq(field, "uid"))
		answer(visitor, "%u", (unsigned)named->uid);
	else if (text_eq(field, "pid"))
		answer(visitor, "%d", named->process ? (int)named->process->pid : 0);
	else if (text_eq(field, "status"))
		answer(visitor, "%s", status_of(named));
	else if (text_eq(field, "pipe-directory"))
		answer(visitor, "%s", named->dir);
	else if (text_eq(field, "allowed-devices"))
		answer(visitor, "%s", named->allowed[0] ? named->allowed : "-");
	else
		fail(visitor, "Unknown field '%s'", field);
}

/* ---- namespace ---- */

static struct space *space_or_say(
	struct visitor *visitor, struct named *named, const struct words *words)
{
	struct space *space = words->n ? space_find(named, words->at[0]) : NULL;

	if (!words->n)
		fail(visitor, "A namespace name is required");
	else if (!space)
		fail(visitor, "Namespace '%s' not found on server '%s'", words->at[0], named->name);
	return space;
}

static void space_create(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, option(words, "server"));
	struct error err = ERROR_NONE;

	if (named && may_change(visitor, named->uid) && !space_new(named, words->at[0] ?: "", &err))
		fail(visitor, "%s", err.text);
}

static void space_delete(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;

	if (!space || !may_change(visitor, named->uid))
		return;
	if (text_eq(space->name, V3_DEFAULT))
		fail(visitor, "The default namespace cannot be deleted");
	else if (space->n_clients && !option(words, "force"))
		fail(visitor, "Namespace '%s' has active clients", space->name);
	else
		space_free(control, space);
}

static void space_row(struct visitor *visitor, const struct named *named, const struct space *space)
{
	char memory[LIMITS_TEXT_MAX], percentage[LIMITS_TEXT_MAX];

	space_get(space, "pinned-memory-limit", memory);
	space_get(space, "active-thread-percentage", percentage);
	buf_addf(&visitor->answer, "%s,%s,%s,%s,%s,%u,%s\n", space->name, named->name,
		status_of(named), memory, percentage, space->priority, space->dir);
}

static void space_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *server = option(words, "server");
	const struct named *named;
	const struct space *space;

	if (server && !named_or_say(control, visitor, server))
		return;
	shape_read(visitor, words,
		"name,server,server-status,pinned-memory-limit,active-thread-percentage,"
		"client-priority,pipe-directory");
	list_for_each (named, &control->named, item) {
		if (server && !text_eq(named->name, server))
			continue;
		list_for_each (space, &named->spaces, item)
			if (!words->n || text_eq(space->name, words->at[0]))
				space_row(visitor, named, space);
	}
}

static void space_set_limits(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = named_or_say(control, visitor, option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;

	if (space && may_change(visitor, named->uid))
		set_all(visitor, space, words);
}

static void space_get_field(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named =
		named_or_say(control, visitor, words->at[1] ?: option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;
	const char *field = words->at[2] ?: "";
	char value[LIMITS_TEXT_MAX];

	if (!space)
		return;
	if (text_eq(field, "name"))
		answer(visitor, "%s", space->name);
	else if (text_eq(field, "server"))
		answer(visitor, "%s", named->name);
	else if (text_eq(field, "server-status"))
		answer(visitor, "%s", status_of(named));
	else if (text_eq(field, "pipe-directory"))
		answer(visitor, "%s", space->dir);
	else if (space_get(space, field, value))
		answer(visitor, "%s", value);
	else
		fail(visitor, "Unknown field '%s'", field);
}

/* ---- client ---- */

static void client_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *server = option(words, "server");
	const struct named *named;

	if (server && !named_or_say(control, visitor, server))
		return;
	shape_read(visitor, words, "pid,server,device,namespace,cmd");
	list_for_each (named, &control->named, item)
		if (named->process && named->process->is_ready &&
			(!server || text_eq(named->name, server)))
			ask(visitor, named->process, "rows %s", named->name);
}

static void client_terminate(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	const struct named *named;
	uint32_t pid;
	bool asked = false;

	if (!words->n || parse_u32(words->at[0], &pid) < 0) {
		fail(visitor, "A client PID is required");
		return;
	}
	list_for_each (named, &control->named, item) {
		if (!named->process || !named->process->is_ready ||
			!may_change(visitor, named->uid))
			continue;
		ask(visitor, named->process, "end %u", pid);
		asked = true;
	}
	if (!asked)
		fail(visitor, "Client %u not found", pid);
}

static const struct v3_command commands[] = {
	{ "server", "create", server_create },
	{ "server", "delete", server_delete },
	{ "server", "list", server_list },
	{ "server", "set", server_set },
	{ "server", "get", server_get },
	{ "namespace", "create", space_create },
	{ "namespace", "delete", space_delete },
	{ "namespace", "list", space_list },
	{ "namespace", "set", space_set_limits },
	{ "namespace", "get", space_get_field },
	{ "client", "list", client_list },
	{ "client", "terminate", client_terminate },
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
		server->force_at_ns = now_ns() + FORCE_NS;
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
	fail(visitor, "Unknown command '%s %s'", words.module, words.verb);
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
