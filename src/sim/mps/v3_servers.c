/* SPDX-License-Identifier: Apache-2.0 */
/* Named servers, and the clients of all of them. */
#include "sim/mps/v3_words.h"

#include "base/error.h"
#include "base/io.h"
#include "sim/mps/wire.h"

#include <stdio.h>

/* Commas would part columns. */
static void allowed_text(const struct named *named, char ret_text[1024])
{
	text_copy(ret_text, 1024, named->allowed[0] ? named->allowed : "-");
	for (char *at = ret_text; (at = strchr(at, ','));)
		*at = ';';
}

void v3_server_create(struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *uid_text = v3_option(words, "uid"),
		   *allowed = v3_option(words, "allowed-devices");
	struct error err = ERROR_NONE;
	uint32_t uid = visitor->uid;
	char name[V3_NAME_MAX + 8];
	struct named *named;

	if (!words->n && !uid_text) {
		v3_fail(visitor, "A server name or --uid is required");
		return;
	}
	if (uid_text && parse_u32(uid_text, &uid) < 0) {
		v3_fail(visitor, "Invalid uid '%s'", uid_text);
		return;
	}
	if (!v3_may_change(visitor, uid))
		return;
	snprintf(name, sizeof(name), "uid_%u", uid);
	named = named_new(control, words->n ? words->at[0] : name, uid, &err);
	if (!named) {
		v3_fail(visitor, "%s", err.text);
		return;
	}
	text_copy(named->allowed, sizeof(named->allowed), allowed ?: "");
	server_launch(control, uid, named);
}

/* The answer waits until the process has ended. */
void v3_server_delete(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, words->at[0]);
	struct mps_server *process;

	if (!named || !v3_may_change(visitor, named->uid))
		return;
	if (named_clients(named) && !v3_option(words, "force")) {
		v3_fail(visitor, "Server '%s' has active clients", named->name);
		return;
	}
	process = named->process;
	named_free(control, named);
	if (!process)
		return;
	wire_send(process->fd, "END", -1);
	process->force_at_ns = now_ns() + V3_FORCE_NS;
	visitor_await(visitor, process->pid);
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
			v3_status(named), named->dir, allowed);
}

void v3_server_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = words->n ? v3_named(control, visitor, words->at[0]) : NULL;

	if (words->n && !named)
		return;
	v3_list_begin(
		visitor, words, "name,uid,pid,status,pipe-directory,allowed-devices,context-ids");
	if (named) {
		server_row(control, visitor, named);
		return;
	}
	list_for_each (named, &control->named, item)
		server_row(control, visitor, named);
}

void v3_server_set(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, words->at[0]);

	if (named && v3_may_change(visitor, named->uid))
		v3_set_limits(visitor, space_find(named, V3_DEFAULT), words);
}

void v3_server_get(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, words->at[0]);
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
		answer(visitor, "%s", v3_status(named));
	else if (text_eq(field, "pipe-directory"))
		answer(visitor, "%s", named->dir);
	else if (text_eq(field, "allowed-devices"))
		answer(visitor, "%s", named->allowed[0] ? named->allowed : "-");
	else
		v3_fail(visitor, "Unknown field '%s'", field);
}

/* ---- client ---- */

void v3_client_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *server = v3_option(words, "server");
	const struct named *named;

	if (server && !v3_named(control, visitor, server))
		return;
	v3_list_begin(visitor, words, "pid,server,device,namespace,cmd");
	list_for_each (named, &control->named, item)
		if (named->process && named->process->is_ready &&
			(!server || text_eq(named->name, server)))
			ask(visitor, named->process, "rows %s", named->name);
}

void v3_client_terminate(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	const struct named *named;
	uint32_t pid;
	bool asked = false;

	if (!words->n || parse_u32(words->at[0], &pid) < 0) {
		v3_fail(visitor, "A client PID is required");
		return;
	}
	list_for_each (named, &control->named, item) {
		if (!named->process || !named->process->is_ready ||
			!v3_may_change(visitor, named->uid))
			continue;
		ask(visitor, named->process, "end %u", pid);
		asked = true;
	}
	if (!asked)
		v3_fail(visitor, "Client %u not found", pid);
}
