/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second language of NVIDIA's control daemon: commands on standard input, one a line (R470 on).
 *
 * A server holds one pair of limits, for each of its clients the same. They are set twice: as
 * defaults for servers to come, and for the server that runs. A static partition (the daemon's -S)
 * is a part of the SMs that a client must name to be let in.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "driver/mps_calls.h"
#include "driver/mps_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* How much of the logs is looked at where the daemon does not tell a server's state (R535). */
enum { LOG_TAIL = 1 << 20 };

static int ask(struct mps_control *control, struct buf *answer, struct error *err,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
static int ask(
	struct mps_control *control, struct buf *answer, struct error *err, const char *format, ...)
{
	AUTO_FREE char *line = NULL;
	char command[300];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	line = must_asprintf("%s\n", command);
	return mps_ask(control, line, NULL, answer, err);
}

static const char *last_line(const struct buf *answer)
{
	const char *newline = strrchr(buf_text(answer), '\n');

	return newline ? newline + 1 : buf_text(answer);
}

/* ---- what runs ---- */

/* Numbers, one a line; other words end them. */
static unsigned numbers(const struct buf *answer, int32_t *ret_numbers, unsigned max)
{
	const char *at = buf_text(answer);
	unsigned n = 0;

	while (n < max) {
		char *end;
		long value = strtol(at, &end, 10);

		if (end == at || value <= 0 || value > INT32_MAX || (*end && *end != '\n'))
			break;
		ret_numbers[n++] = (int32_t)value;
		at = end;
	}
	return n;
}

/* The state that the logs tell of a server, for daemons that have no word for it. */
static enum mps_seen_state logged_state(const struct mps_control *control, int32_t server)
{
	enum mps_seen_state state = MPS_SEEN_STARTING;
	struct mps_log_event event;
	struct mps_log log;

	mps_log_init_tail(&log, control->spec->dir, LOG_TAIL);
	/* its start is no longer in what is looked at */
	if (log.file[0].offset > 0)
		state = MPS_SEEN_READY;
	while (mps_log_next(&log, &event) > 0) {
		if (event.server != server && event.server != 0)
			continue;
		if (event.kind == MPS_LOG_SERVER_READY)
			state = MPS_SEEN_READY;
		else if (event.kind == MPS_LOG_FAULT)
			state = MPS_SEEN_FAULT;
	}
	mps_log_done(&log);
	return state;
}

static int look_state(
	struct mps_control *control, struct mps_seen *seen, struct buf *answer, struct error *err)
{
	int r = ask(control, answer, err, "get_server_status %d", (int)seen->server.pid);

	if (r < 0)
		return r;
	if (text_starts(buf_text(answer), "Unknown command"))
		seen->state = logged_state(control, seen->server.pid);
	else if (text_starts(buf_text(answer), "ACTIVE"))
		seen->state = MPS_SEEN_READY;
	else if (text_starts(buf_text(answer), "FAULT"))
		seen->state = MPS_SEEN_FAULT;
	else if (text_starts(buf_text(answer), "Server"))
		seen->state = MPS_SEEN_NO_SERVER; /* "Server 123 not found": gone since the list */
	else
		seen->state = MPS_SEEN_STARTING;
	return 0;
}

static int v2_look(struct mps_control *control, struct mps_seen *seen, struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r = ask(control, &answer, err, "get_server_list");

	if (r < 0)
		return r;
	seen->state = MPS_SEEN_NO_SERVER;
	if (numbers(&answer, &seen->server.pid, 1) == 0)
		return 0;
	r = look_state(control, seen, &answer, err);
	if (r == 0 && seen->state != MPS_SEEN_NO_SERVER)
		r = ask(control, &answer, err, "get_client_list %d", (int)seen->server.pid);
	else
		seen->server.pid = 0;
	if (r == 0 && seen->server.pid > 0)
		seen->n_clients = numbers(&answer, seen->client, MPS_CLIENTS_MAX);
	return r;
}

static int v2_start_server(struct mps_control *control, struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r = ask(control, &answer, err, "start_server -uid %u", control->spec->uid);

	if (r == 0 && answer.length > 0)
		return mps_refused(&answer, err, "no MPS server for user %u", control->spec->uid);
	return r;
}

/* ---- limits ---- */

/* Sets and reads back: "set_WORDS VALUE", "get_WORDS". */
static int set(struct mps_control *control, const char *words, const char *value,
	struct buf *answer, struct error *err)
{
	return ask(control, answer, err, "set_%s %s\nget_%s", words, value, words);
}

static int set_percent(struct mps_control *control, const char *words, struct error *err)
{
	uint32_t millipercent = control->spec->limits.millipercent;
	AUTO_BUF answer = { 0 };
	char text[16];
	int r = set(control, words, mps_percent_text(millipercent ?: 100000, text), &answer, err);

	if (r == 0 && !mps_percent_is(last_line(&answer), millipercent))
		return mps_refused(&answer, err, "an active thread percentage of %s was not taken",
			mps_percent_text(millipercent ?: 100000, text));
	return r;
}

static int set_memory(struct mps_control *control, const char *words, struct error *err)
{
	uint32_t mib = control->spec->limits.memory_mib;
	AUTO_BUF answer = { 0 };
	char text[16];
	int r = set(control, words, mps_memory_text(mib, text), &answer, err);

	if (r == 0 && !mps_memory_is(last_line(&answer), mib))
		return mps_refused(&answer, err, "a device memory limit of %s was not taken",
			mps_memory_text(mib, text));
	return r;
}

static int v2_set_limits(struct mps_control *control, int32_t server, struct error *err)
{
	/* the daemon's only device is its device 0 */
	AUTO_FREE char *percent = must_asprintf("active_thread_percentage %d", (int)server);
	AUTO_FREE char *memory = must_asprintf("device_pinned_mem_limit %d 0", (int)server);
	bool has_percent = control->dialect != &mps_dialect_static;
	int r = has_percent ? set_percent(control, "default_active_thread_percentage", err) : 0;

	if (r == 0)
		r = set_memory(control, "default_device_pinned_mem_limit 0", err);
	if (r == 0 && server > 0 && has_percent)
		r = set_percent(control, percent, err);
	if (r == 0 && server > 0)
		r = set_memory(control, memory, err);
	return r;
}

/* ---- shares ---- */

static void add_environment(const struct mps_control *control, const struct mps_part *part,
	bool has_percent, struct buf *environment)
{
	char text[16];

	buf_addf(environment, "CUDA_MPS_PIPE_DIRECTORY=%s\n", control->pipe);
	if (has_percent && part->limits.millipercent)
		buf_addf(environment, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=%s\n",
			mps_percent_text(part->limits.millipercent, text));
	if (part->limits.memory_mib)
		buf_addf(environment, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=%s\n",
			mps_memory_text(part->limits.memory_mib, text));
}

static int v2_add(struct mps_control *control, struct mps_part *part, struct buf *environment,
	struct error *err)
{
	add_environment(control, part, true, environment);
	return 0;
}

static int v2_remove(struct mps_control *control, const struct mps_part *part, struct error *err)
{
	return 0;
}

/* The word "GPU-.../Dx4..." of the answer, which older ones surround with others. */
static bool find_partition(const char *answer, char ret_partition[MPS_PARTITION_MAX])
{
	for (const char *at = answer; *at; at += strspn(at, " \n")) {
		size_t length = strcspn(at, " \n");

		if ((text_starts(at, "GPU-") || text_starts(at, "MIG-")) &&
			memchr(at, '/', length) && length < MPS_PARTITION_MAX) {
			snprintf(ret_partition, MPS_PARTITION_MAX, "%.*s", (int)length, at);
			return true;
		}
		at += length;
	}
	return false;
}

static int static_add(struct mps_control *control, struct mps_part *part, struct buf *environment,
	struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r = ask(control, &answer, err, "sm_partition add %s %u", control->spec->device,
		part->chunks);

	if (r < 0)
		return r;
	if (!find_partition(buf_text(&answer), part->partition))
		return mps_refused(&answer, err, "no SM partition of %u chunks on %s", part->chunks,
			control->spec->device);
	add_environment(control, part, false, environment);
	buf_addf(environment, "CUDA_MPS_SM_PARTITION=%s\n", part->partition);
	return 0;
}

static int static_remove(
	struct mps_control *control, const struct mps_part *part, struct error *err)
{
	const char *id = strchr(part->partition, '/');
	AUTO_BUF answer = { 0 };
	AUTO_BUF said = { 0 };
	int r;

	if (!id)
		return error_set(err, -EINVAL, "'%s' is no SM partition", part->partition);
	r = ask(control, &answer, err, "lspart");
	if (r == 0 && !strstr(buf_text(&answer), id + 1))
		return error_set(err, -ENOENT, "there is no SM partition %s", part->partition);
	if (r == 0)
		r = ask(control, &said, err, "sm_partition rm %s %s", control->spec->device,
			id + 1);
	if (r == 0)
		r = ask(control, &answer, err, "lspart");
	if (r < 0 || !strstr(buf_text(&answer), id + 1))
		return r;
	mps_refused(&said, err, "the SM partition %s is still there", part->partition);
	return err ? err->code = -EBUSY : -EBUSY;
}

/* ---- the end ---- */

static int v2_terminate(
	struct mps_control *control, int32_t server, int32_t client, struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r = ask(control, &answer, err, "terminate_client %d %d", (int)server, (int)client);

	if (r == 0 && !text_eq(last_line(&answer), "0"))
		return mps_refused(&answer, err, "MPS client %d was not ended", (int)client);
	return r;
}

static int v2_quit(struct mps_control *control, unsigned seconds, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "quit -t %u", seconds);
}

static int v2_shut(struct mps_control *control, int32_t server, struct error *err)
{
	AUTO_BUF answer = { 0 };

	return ask(control, &answer, err, "shutdown_server %d -f", (int)server);
}

const struct mps_dialect mps_dialect_v2 = {
	.interface = MPS_V2,
	.start_server = v2_start_server,
	.set_limits = v2_set_limits,
	.look = v2_look,
	.add = v2_add,
	.remove = v2_remove,
	.terminate = v2_terminate,
	.quit = v2_quit,
	.shut = v2_shut,
};

const struct mps_dialect mps_dialect_static = {
	.interface = MPS_V2_STATIC,
	.option = { "-S" },
	.holds_compute = true,
	.start_server = v2_start_server,
	.set_limits = v2_set_limits,
	.look = v2_look,
	.add = static_add,
	.remove = static_remove,
	.terminate = v2_terminate,
	.quit = v2_quit,
	.shut = v2_shut,
};
