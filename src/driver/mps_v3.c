/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The third language of NVIDIA's control daemon: "MODULE VERB NAME --key=value" on the command line
 * (R615 on).
 *
 * One server, called "carve", serves the tenant; each share is a namespace of it, with limits that
 * the server holds and that can be changed while clients run. A client gets into a namespace by the
 * directory that it is given for its pipe; without one it is in the namespace "default", which has
 * the server's own limits.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "driver/mps_calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SERVER "carve"

enum { WORDS_MAX = 8 };

/* Asks with words, NULL at their end. */
static int ask(struct mps_control *control, struct buf *answer, struct error *err, ...)
{
	const char *words[WORDS_MAX + 1] = { 0 };
	va_list args;

	va_start(args, err);
	for (unsigned i = 0; i < WORDS_MAX; i++) {
		words[i] = va_arg(args, const char *);
		if (!words[i])
			break;
	}
	va_end(args);
	return mps_ask(control, NULL, words, answer, err);
}

/* A line of CSV to its fields, in place: how many. */
static unsigned fields(char *line, char **ret_field, unsigned max)
{
	unsigned n = 0;

	while (line && n < max) {
		ret_field[n] = strsep(&line, ",");
		ret_field[n] += strspn(ret_field[n], " ");
		n++;
	}
	return n;
}

static enum mps_seen_state state_of(const char *status)
{
	static const struct {
		const char *word;
		enum mps_seen_state state;
	} states[] = {
		{ "ready", MPS_SEEN_READY },
		{ "active", MPS_SEEN_READY },
		{ "running", MPS_SEEN_READY },
		{ "fault", MPS_SEEN_FAULT },
		{ "fail", MPS_SEEN_FAULT },
		{ "stopped", MPS_SEEN_NO_SERVER },
		{ "not running", MPS_SEEN_NO_SERVER },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		if (strncasecmp(status, states[i].word, strlen(states[i].word)) == 0)
			return states[i].state;
	}
	return MPS_SEEN_STARTING;
}

static int look_clients(struct mps_control *control, struct mps_seen *seen, struct error *err)
{
	AUTO_BUF answer = { 0 };
	char *rest, *line;
	int r = ask(control, &answer, err, "client", "list", "--server=" SERVER,
		"--format=csv,noheader", NULL);

	rest = answer.text;
	while (r == 0 && (line = strsep(&rest, "\n")) && seen->n_clients < MPS_CLIENTS_MAX) {
		char *field[1] = { line };
		uint32_t pid;

		/* a client on two devices has two lines */
		if (fields(line, field, 1) == 1 && parse_u32(field[0], &pid) == 0 &&
			(seen->n_clients == 0 || seen->client[seen->n_clients - 1] != (int32_t)pid))
			seen->client[seen->n_clients++] = (int32_t)pid;
	}
	return r;
}

static int v3_look(struct mps_control *control, struct mps_seen *seen, struct error *err)
{
	AUTO_BUF answer = { 0 };
	char *rest, *line;
	int r = ask(control, &answer, err, "server", "list", "--format=csv,noheader", NULL);

	if (r < 0)
		return r;
	seen->state = MPS_SEEN_NO_SERVER;
	rest = answer.text;
	while ((line = strsep(&rest, "\n"))) {
		char *field[4];
		uint32_t pid;

		if (fields(line, field, 4) < 4 || !text_eq(field[0], SERVER) ||
			parse_u32(field[2], &pid) < 0 || pid == 0)
			continue;
		seen->server.pid = (int32_t)pid;
		seen->state = state_of(field[3]);
	}
	return seen->server.pid > 0 ? look_clients(control, seen, err) : 0;
}

/* ---- limits ---- */

static int check(struct mps_control *control, const char *space, const struct mps_limits *limits,
	struct error *err)
{
	AUTO_BUF answer = { 0 };
	char text[16];
	int r = ask(control, &answer, err, "namespace", "get", space, SERVER, "pinned-memory-limit",
		NULL);

	if (r == 0 && !mps_memory_is(buf_text(&answer), limits->memory_mib))
		return mps_refused(&answer, err, "a device memory limit of %s was not taken",
			mps_memory_text(limits->memory_mib, text));
	if (r == 0)
		r = ask(control, &answer, err, "namespace", "get", space, SERVER,
			"active-thread-percentage", NULL);
	if (r == 0 && !mps_percent_is(buf_text(&answer), limits->millipercent))
		return mps_refused(&answer, err, "an active thread percentage of %s was not taken",
			mps_percent_text(limits->millipercent ?: 100000, text));
	return r;
}

/* Sets a namespace's limits and reads them back. It takes whole percents. */
static int set(struct mps_control *control, const char *space, const struct mps_limits *wanted,
	struct error *err)
{
	uint32_t percent = ((wanted->millipercent ?: 100000) + 500) / 1000;
	struct mps_limits limits = { wanted->memory_mib, (percent ?: 1) * 1000 };
	AUTO_FREE char *memory = must_asprintf("--pinned-memory-limit=%uM", limits.memory_mib);
	AUTO_FREE char *compute = must_asprintf("--active-thread-percentage=%u", percent ?: 1);
	AUTO_BUF answer = { 0 };
	int r = ask(control, &answer, err, "namespace", "set", space, "--server=" SERVER, compute,
		limits.memory_mib ? memory : NULL, NULL);

	return r < 0 ? r : check(control, space, &limits, err);
}

static int v3_set_limits(struct mps_control *control, int32_t server, struct error *err)
{
	return server > 0 ? set(control, "default", &control->spec->limits, err) : 0;
}

static int v3_start_server(struct mps_control *control, struct error *err)
{
	AUTO_FREE char *uid = must_asprintf("--uid=%u", control->spec->uid);
	AUTO_FREE char *devices = must_asprintf("--allowed-devices=%s", control->spec->device);
	AUTO_BUF answer = { 0 };

	int r = ask(control, &answer, err, "server", "create", SERVER, uid, devices, NULL);

	/* before any client can come */
	return r < 0 ? r : set(control, "default", &control->spec->limits, err);
}

/* ---- shares ---- */

static bool is_name(const char *name)
{
	return name[0] && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) &&
	       !text_eq(name, "default");
}

static int delete (struct mps_control *control, const char *name, bool by_force, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "namespace", "delete", name, "--server=" SERVER,
		by_force ? "--force" : NULL, NULL);
}

static bool is_there(struct mps_control *control, const char *name)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, NULL, "namespace", "get", name, SERVER, "name", NULL) == 0 &&
	       text_eq(buf_text(&answer), name);
}

static int create(struct mps_control *control, const char *name, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "namespace", "create", name, "--server=" SERVER, NULL);
}

static int v3_add(struct mps_control *control, struct mps_part *part, struct buf *environment,
	struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r;

	if (!is_name(part->name))
		return error_set(err, -EINVAL, "'%s' is no name for an MPS namespace", part->name);
	r = create(control, part->name, err);
	/* one that nobody was told of: who made it was killed in the middle */
	if (r == -EIO && is_there(control, part->name)) {
		delete (control, part->name, false, NULL);
		r = create(control, part->name, err);
	}
	if (r < 0)
		return r;
	r = set(control, part->name, &part->limits, err);
	if (r == 0)
		r = ask(control, &answer, err, "namespace", "get", part->name, SERVER,
			"pipe-directory", NULL);
	if (r == 0 && !text_starts(buf_text(&answer), control->pipe))
		r = mps_refused(&answer, err, "the MPS namespace %s has no directory", part->name);
	if (r < 0)
		delete (control, part->name, true, NULL);
	else
		buf_addf(environment, "CUDA_MPS_PIPE_DIRECTORY=%s\n", answer.text);
	return r;
}

static int v3_remove(struct mps_control *control, const struct mps_part *part, struct error *err)
{
	int r;

	if (!is_there(control, part->name))
		return error_set(err, -ENOENT, "there is no MPS namespace %s", part->name);
	r = delete (control, part->name, false, err);
	if (r != -ETIMEDOUT && is_there(control, part->name))
		return error_set(err, -EBUSY, "the MPS namespace %s still has clients", part->name);
	return r == -EIO ? 0 : r;
}

/* ---- the end ---- */

static int v3_terminate(
	struct mps_control *control, int32_t server, int32_t client, struct error *err)
{
	char pid[16];
	AUTO_BUF answer = { 0 };

	snprintf(pid, sizeof(pid), "%d", (int)client);
	return ask(control, &answer, err, "client", "terminate", pid, NULL);
}

static int v3_quit(struct mps_control *control, unsigned seconds, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "-q", NULL);
}

static int v3_shut(struct mps_control *control, int32_t server, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "server", "delete", SERVER, "--force", NULL);
}

const struct mps_dialect mps_dialect_v3 = {
	.interface = MPS_V3,
	.option = { "-p", "3" },
	.holds_memory = true,
	.holds_compute = true,
	.start_server = v3_start_server,
	.set_limits = v3_set_limits,
	.look = v3_look,
	.add = v3_add,
	.remove = v3_remove,
	.terminate = v3_terminate,
	.quit = v3_quit,
	.shut = v3_shut,
};
