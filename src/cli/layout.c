/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts: what one would change (plan), changing it (apply), what is (export). */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/operation.h"
#include "cli/plan_text.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/http.h"
#include "client/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_MAX = 512 * 1024, QUOTE_MAX = 90 };

/* The text of a file, "-" for standard input; UTF-8 or refused. */
static int read_text(const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
	bool is_input = text_eq(path, "-");
	int r = read_file_at(
		AT_FDCWD, is_input ? "/dev/stdin" : path, FILE_MAX, ret_text, ret_length);

	if (r == -EFBIG)
		return error_set(err, r, "%s is larger than %d KiB: that is no layout", path,
			FILE_MAX / 1024);
	return r < 0 ? error_set(err, r, "cannot read %s: %s", path, strerror(-r)) : 0;
}

/*
 * Shows the line that a refusal is about, above its sentence: carved says "FILE:LINE:COLUMN: ...",
 * and the file is here.
 */
static void quote_line(const json_t *body, const struct error *err)
{
	const char *file = json_text(body, "file"), *text = json_text(body, "text");
	struct terminal terminal = terminal_look(STDERR_FILENO);
	AUTO_FREE char *line = NULL;
	unsigned number, column;
	AUTO_BUF safe = { 0 };
	size_t n;

	if (!text_starts(err->text, file) ||
		sscanf(err->text + strlen(file), ":%u:%u:", &number, &column) != 2)
		return;
	for (unsigned i = 1; i < number && *text; i++) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	n = strcspn(text, "\n");
	if (strspn(text, " \t\r") >= n || column == 0 || column > n)
		return;
	line = must_asprintf("%.*s", (int)n, text);
	for (char *tab = line; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	terminal_add_safe(&terminal, &safe, line, QUOTE_MAX);
	fprintf(stderr, "%5u | %s\n", number, buf_text(&safe));
	if (column <= QUOTE_MAX)
		fprintf(stderr, "      | %*s\n", (int)column, "^");
}

/* The body of plan and apply. */
static int layout_body(const struct invocation *invocation, json_t **ret_body, struct error *err)
{
	const char *path = invocation->args[0], *name = said_value(invocation, "layout");
	AUTO_FREE char *text = NULL;
	json_t *body, *file_text;
	size_t length;
	int r = read_text(path, &text, &length, err);

	if (r < 0)
		return r;
	file_text = json_stringn(text, length);
	if (!file_text)
		return error_set(err, -EINVAL, "%s is not a text in UTF-8", path);
	body = json_object();
	json_object_set_new(body, "file",
		json_string(text_eq(path, "-") ? "standard input" : path) ?: json_string("layout"));
	json_object_set_new(body, "text", file_text);
	json_object_set_new(body, "layout", name ? json_string(name) : json_null());
	json_object_set_new(body, "reset", json_boolean(said(invocation, "reset")));
	*ret_body = body;
	return 0;
}

int verb_plan(struct invocation *invocation, struct error *err)
{
	struct terminal terminal;
	AUTO_JSON *body = NULL, *plan = NULL;
	int r = layout_body(invocation, &body, err);

	if (r == 0) {
		r = client_post(&invocation->client, body, &plan, err, "/v1/plan");
		if (r != 0)
			quote_line(body, err);
	}
	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "json")) {
		json_dumpf(plan, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		terminal = terminal_look(STDOUT_FILENO);
		plan_print(plan, &terminal, stdout);
	}
	if (text_eq(json_text(plan, "verdict"), "nothing"))
		return EXIT_DONE;
	return text_eq(json_text(plan, "verdict"), "changes") ? EXIT_CHANGES : EXIT_FAILED;
}

/* Unit names, one per line; "#" begins a comment. */
static int read_services(const char *path, json_t **ret_services, struct error *err)
{
	AUTO_JSON *services = json_array();
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	size_t length;
	int r = read_text(path, &text, &length, err);

	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "#")] = '\0';
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r")] = '\0';
		if (*line && json_array_append_new(services, json_string(line)) < 0)
			return error_set(err, -EINVAL, "%s is not a text in UTF-8", path);
	}
	*ret_services = json_incref(services);
	return 0;
}

/* What a plan of the same body finds in the way: for a refused apply. */
static void show_blockers(struct invocation *invocation, const json_t *body)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *plan = NULL;

	if (client_post(&invocation->client, body, &plan, NULL, "/v1/plan") == 0)
		plan_print_blockers(plan, &terminal, stdout);
}

/* Asks for the apply and follows it; `plan` is the body that asks for its plan alone. */
static int apply(
	struct invocation *invocation, const json_t *plan, const json_t *body, struct error *err)
{
	struct call call = { .method = "POST", .path = "/v1/apply", .body = body };
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *answer = NULL;
	const json_t *operation;
	int r = client_call(&invocation->client, &call, &answer, err);

	if (r == CARVE_CONFLICT)
		show_blockers(invocation, plan);
	if (r != 0) {
		quote_line(body, err);
		return r;
	}
	operation = json_object_get(answer, "operation");
	plan_print(json_object_get(operation, "plan"), &terminal, stdout);
	if (text_eq(json_text(json_object_get(operation, "plan"), "verdict"), "nothing") &&
		text_eq(json_text(operation, "state"), "done"))
		return 0;
	return operation_follow(invocation, operation, err);
}

int verb_apply(struct invocation *invocation, struct error *err)
{
	const char *services = said_value(invocation, "stop-services");
	AUTO_JSON *plan = NULL;
	AUTO_JSON *body = NULL;
	json_t *list = NULL;
	int r = layout_body(invocation, &plan, err);

	if (r == 0 && services)
		r = read_services(services, &list, err);
	if (r == 0) {
		body = json_copy(plan);
		json_object_set_new(
			body, "remember", json_boolean(!said(invocation, "no-remember")));
		if (list)
			json_object_set_new(body, "stop_services", list);
		r = apply(invocation, plan, body, err);
	}
	return status_of(invocation, r);
}

int verb_export(struct invocation *invocation, struct error *err)
{
	const char *name = said_value(invocation, "name") ?: "now";
	AUTO_JSON *answer = NULL;
	char segment[256];
	int r = http_segment_encode(segment, sizeof(segment), name);

	if (r < 0)
		r = error_set(err, r, "'%.40s...' is too long for a layout's name", name);
	else
		r = client_get(&invocation->client, &answer, err, "/v1/layout?name=%s", segment);
	if (r != 0)
		return status_of(invocation, r);
	fputs(json_text(answer, "layout"), stdout);
	return EXIT_DONE;
}
