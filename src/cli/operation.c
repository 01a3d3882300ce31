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

/* One line when something was done or begun that was not said before. */
static void say_progress(const json_t *operation, const struct terminal *terminal, char **said_last)
{
	char *text = must_asprintf("%3lld/%lld  %s", json_whole(operation, "steps_done"),
		json_whole(operation, "steps"), json_text(operation, "text"));

	if (*json_text(operation, "text") && !text_eq(text, *said_last)) {
		terminal_print_safe(terminal, stdout, text);
		putchar('\n');
		fflush(stdout);
	}
	free(*said_last);
	*said_last = text;
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
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *answer = json_pack("{sO}", "operation", operation);
	char *said_last = NULL;
	int r = 0;

	for (;;) {
		operation = json_object_get(answer, "operation");
		say_progress(operation, &terminal, &said_last);
		if (!text_eq(json_text(operation, "state"), "running"))
			break;
		r = ask_again(invocation, &answer, err);
		if (r != 0)
			break;
	}
	free(said_last);
	if (r == 0 && !text_eq(json_text(operation, "state"), "done"))
		r = error_set(err, CARVE_CONFLICT, "%s",
			*json_text(operation, "error") ? json_text(operation, "error")
						       : "it failed and carved does not say why");
	return r;
}
