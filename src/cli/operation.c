/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operation.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/http.h"
#include "client/json.h"

#include <stdio.h>
#include <unistd.h>

#define LOOK_S 30

/*
 * What was done last. On a terminal one line is renewed in place; elsewhere there is a line for
 * each thing done, for whoever reads a log of it later.
 */
struct progress {
	struct terminal terminal;
	char *said;
};

static void say_progress(struct progress *progress, const json_t *operation)
{
	const struct terminal *terminal = &progress->terminal;
	const char *doing = json_text(operation, "text");
	AUTO_BUF safe = { 0 };
	char *text;

	if (!*doing)
		return;
	text = must_asprintf("%3lld/%lld  %s", json_whole(operation, "steps_done"),
		json_whole(operation, "steps"), doing);
	if (!text_eq(text, progress->said)) {
		terminal_add_safe(terminal, &safe, text,
			terminal->is_terminal ? terminal->width - 1 : UINT32_MAX);
		printf(terminal->is_terminal ? "\r%s\033[K" : "%s\n", buf_text(&safe));
		fflush(stdout);
	}
	free(progress->said);
	progress->said = text;
}

static void end_progress(struct progress *progress, const json_t *operation)
{
	if (progress->terminal.is_terminal && progress->said)
		fputs("\r\033[K", stdout);
	if (text_eq(json_text(operation, "state"), "done"))
		puts("Done.");
	free(progress->said);
}

static int ask_again(struct invocation *invocation, json_t **answer, struct error *err)
{
	const json_t *operation = json_object_get(*answer, "operation");
	char segment[64], path[256];
	struct call call = { .method = "GET", .path = path, .may_repeat = true, .wait_s = LOOK_S };
	json_t *next = NULL;
	int r = http_segment_encode(segment, sizeof(segment), json_text(operation, "id"));

	if (r < 0)
		return error_set(err, r, "carved gave the operation no proper name");
	snprintf(path, sizeof(path), "/v1/operations/%s?wait=%d&seen=%lld", segment, LOOK_S,
		json_whole(operation, "steps_done"));
	r = client_call(&invocation->client, &call, &next, err);
	if (r == CARVE_NOT_FOUND)
		return error_set(err, r,
			"carved was restarted in the middle: what was begun has been put back or "
			"finished; 'carve plan' says what is left to do");
	if (r != 0)
		return r;
	json_decref(*answer);
	*answer = next;
	return 0;
}

int operation_follow(struct invocation *invocation, const json_t *operation, struct error *err)
{
	struct progress progress = { .terminal = terminal_look(STDOUT_FILENO) };
	AUTO_JSON *answer = json_pack("{sO}", "operation", operation);
	int r = 0;

	for (;;) {
		operation = json_object_get(answer, "operation");
		if (!text_eq(json_text(operation, "state"), "running"))
			break;
		say_progress(&progress, operation);
		r = ask_again(invocation, &answer, err);
		if (r != 0)
			break;
	}
	end_progress(&progress, operation);
	if (r == 0 && !text_eq(json_text(operation, "state"), "done"))
		r = error_set(err, CARVE_CONFLICT, "%s",
			*json_text(operation, "error") ? json_text(operation, "error")
						       : "it failed and carved does not say why");
	return r;
}
