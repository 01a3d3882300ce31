/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a share at once sees nothing of the waiting. After a moment one line says what is waited
 * for; on a terminal it is renewed in place, elsewhere a line is printed when something changes.
 */
#include "cli/acquire.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/saved.h"
#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/json.h"

#include <stdio.h>
#include <unistd.h>

#define SILENT_S    0.3
#define LOOK_LIVE_S 1.0
#define LOOK_S	    10.0
#define SECOND_NS   1000000000ULL

struct waiting {
	struct terminal terminal;
	uint64_t since_ns;
	char *said; /* the line that was printed last */
};

/* `for_s`: for how long now; "" where nobody sees it change. */
static char *progress_text(const json_t *lease, const char *for_s)
{
	const char *waits_for = json_text(lease, "waits_for"), *state = json_text(lease, "state");
	long long position = json_whole(lease, "queue_position");
	AUTO_BUF buf = { 0 };

	if (text_eq(state, "placed"))
		buf_addf(&buf, "preparing %s", json_text(lease, "asked_text"));
	else
		buf_addf(&buf, "waiting%s for %s", for_s, json_text(lease, "asked_text"));
	if (position > 0)
		buf_addf(&buf, ", number %lld in the queue", position);
	if (*waits_for)
		buf_addf(&buf, ": %s", waits_for);
	return buf_take(&buf);
}

static void say_progress(struct waiting *waiting, const json_t *lease)
{
	bool is_live = waiting->terminal.is_terminal;
	AUTO_BUF line = { 0 }, safe = { 0 };
	char for_s[32] = "", *text;

	if (is_live)
		snprintf(for_s, sizeof(for_s), " %llu s",
			(unsigned long long)((now_ns() - waiting->since_ns) / SECOND_NS));
	text = progress_text(lease, for_s);

	if (!is_live && text_eq(text, waiting->said)) {
		free(text);
		return;
	}
	free(waiting->said);
	waiting->said = text;
	buf_addf(&line, "carve: %s", text);
	terminal_add_safe(&waiting->terminal, &safe, buf_text(&line),
		is_live ? waiting->terminal.width - 1 : UINT32_MAX);
	fprintf(stderr, is_live ? "\r%s\033[K" : "%s\n", buf_text(&safe));
}

static void end_progress(struct waiting *waiting)
{
	if (waiting->said && waiting->terminal.is_terminal)
		fputs("\r\033[K", stderr);
	free(waiting->said);
}

/* Why there is no lease, now that it is over before it was active. */
static int say_over(const struct invocation *invocation, const json_t *lease, uint64_t since_ns,
	struct error *err)
{
	uint64_t wait_ns = invocation->request.wait_ns;
	bool is_late = wait_ns != REQUEST_WAIT_FOREVER && wait_ns > 0 &&
		       now_ns() - since_ns + SECOND_NS / 10 >= wait_ns;
	const char *reason = json_text(lease, "reason");

	return error_set(err, is_late ? CARVE_TIMEOUT : CARVE_OVER, "no lease: %s",
		*reason ? reason : "it ended before it began");
}

static int follow(
	struct invocation *invocation, struct waiting *waiting, json_t **lease, struct error *err)
{
	double look_s = waiting->terminal.is_terminal ? LOOK_LIVE_S : LOOK_S;

	while (!lease_json_is_active(*lease)) {
		json_t *now = NULL;
		int r;

		if (lease_json_is_over(*lease))
			return say_over(invocation, *lease, waiting->since_ns, err);
		say_progress(waiting, *lease);
		r = lease_get(&invocation->client, json_text(*lease, "id"),
			json_text(*lease, "state"), look_s, &now, err);
		if (r != 0)
			return r;
		json_decref(*lease);
		*lease = now;
	}
	return 0;
}

/* Where what --like names was measured somewhere else. */
static void warn_of_product(struct invocation *invocation, const json_t *lease)
{
	const json_t *got = json_array_get(json_object_get(lease, "got"), 0);
	AUTO_JSON *answer = NULL;

	if (!*invocation->like_product || !got)
		return;
	if (client_get(&invocation->client, &answer, NULL, "/v1/gpus/%lld",
		    json_whole(got, "gpu")) == 0)
		saved_warn(invocation, json_text(json_object_get(answer, "gpu"), "product"));
}

int acquire_lease(struct invocation *invocation, const struct holder *holder, json_t **ret_lease,
	struct error *err)
{
	struct waiting waiting = { .since_ns = now_ns() };
	AUTO_JSON *lease = NULL;
	int r = lease_ask(&invocation->client, &invocation->request, holder, SILENT_S, &lease, err);

	if (r != 0)
		return r;
	if (!lease_json_is_active(lease)) {
		waiting.terminal = terminal_look(STDERR_FILENO);
		r = follow(invocation, &waiting, &lease, err);
		end_progress(&waiting);
	}
	if (r == 0) {
		warn_of_product(invocation, lease);
		*ret_lease = json_incref(lease);
	}
	return r;
}

/* Text of several lines, each behind "carve: ". */
static void say_lines(const char *text)
{
	struct terminal terminal = terminal_look(STDERR_FILENO);

	while (*text) {
		size_t n = strcspn(text, "\n");
		AUTO_BUF line = { 0 };

		buf_add_n(&line, text, n);
		fputs("carve: ", stderr);
		terminal_print_safe(&terminal, stderr, buf_text(&line));
		fputc('\n', stderr);
		text += n + (text[n] != '\0');
	}
}

void acquire_remarks(const struct invocation *invocation, const json_t *lease)
{
	const char *fence_text = json_text(lease, "fence_text");
	AUTO_BUF warning = { 0 };

	if (invocation->request.explain && *json_text(lease, "why"))
		say_lines(json_text(lease, "why"));
	/* VFIO keeps a virtual machine to what it has. */
	if (json_flag(lease, "fenced") ||
		text_eq(json_text(json_object_get(lease, "holder"), "kind"), "vm"))
		return;
	buf_addf(&warning, "warning: lease %s: %s", json_text(lease, "id"),
		*fence_text ? fence_text : "not fenced");
	say_lines(buf_text(&warning));
}
