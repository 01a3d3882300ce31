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
#include "base/io.h"
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
static unsigned numbers_in(const char *at, int32_t *ret_numbers, unsigned max)
{
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

static unsigned numbers(const struct buf *answer, int32_t *ret_numbers, unsigned max)
{
	return numbers_in(buf_text(answer), ret_numbers, max);
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

static enum mps_seen_state state_of(
	const struct mps_control *control, int32_t server, const char *word)
{
	if (text_starts(word, "Unknown command"))
		return logged_state(control, server);
	if (text_starts(word, "ACTIVE"))
		return MPS_SEEN_READY;
	if (text_starts(word, "FAULT"))
		return MPS_SEEN_FAULT;
	/* "Server 123 not found": gone since the list */
	return text_starts(word, "Server") ? MPS_SEEN_NO_SERVER : MPS_SEEN_STARTING;
}

static int look_state(
	struct mps_control *control, struct mps_seen *seen, struct buf *answer, struct error *err)
{
	int r = ask(control, answer, err, "get_server_status %d", (int)seen->server.pid);

	if (r == 0)
		seen->state = state_of(control, seen->server.pid, buf_text(answer));
	return r;
}

/*
 * All questions in one run of the front end, for a server that is known: its answers are the list
 * of servers, one word and the list of clients. False if it is not so, or not in half of the time.
 */
static bool look_at_once(struct mps_control *control, struct mps_seen *seen)
{
	int server = control->spec->server;
	uint64_t end_ns = control->until_ns;
	AUTO_BUF answer = { 0 };
	const char *word;
	int32_t listed;
	int r;

	if (server <= 0)
		return false;
	control->until_ns = now_ns() + mps_control_left(control) / 2;
	r = ask(control, &answer, NULL, "get_server_list\nget_server_status %d\nget_client_list %d",
		server, server);
	control->until_ns = end_ns;
	word = strchr(buf_text(&answer), '\n');
	if (r < 0 || !word || numbers(&answer, &listed, 1) != 1 || listed != server ||
		state_of(control, server, word + 1) == MPS_SEEN_NO_SERVER)
		return false;
	seen->server.pid = server;
	seen->state = state_of(control, server, word + 1);
	word = strchr(word + 1, '\n');
	if (word)
		seen->n_clients = numbers_in(word + 1, seen->client, MPS_CLIENTS_MAX);
	return true;
}

static int v2_look(struct mps_control *control, struct mps_seen *seen, struct error *err)
{
	AUTO_BUF answer = { 0 };
	int r;

	if (look_at_once(control, seen))
		return 0;
	r = ask(control, &answer, err, "get_server_list");
	if (r < 0)
		return r;
	seen->state = MPS_SEEN_NO_SERVER;
	if (numbers(&answer, &seen->server.pid, 1) == 0)
		return 0;
	r = look_state(control, seen, &answer, err);
	if (r == 0 && seen->state != MPS_SEEN_NO_SERVER)
		r = ask(control, &answer, err, "get_client_list %d", (int)seen->server.pid);
	else if (r == 0)
		seen->server.pid = 0;
	if (r == 0 && seen->server.pid > 0)
		seen->n_clients = numbers(&answer, seen->client, MPS_CLIENTS_MAX);
	if (r != -ETIMEDOUT)
		return r;
	/* the daemon told its servers at once: it is the server that it waits for */
	seen->state = MPS_SEEN_HUNG;
	return 0;
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

/*
 * Sets a limit for servers to come and, where one runs, for that; the latter (or else the former)
 * is read back. All in one run of the front end, which is what takes the time.
 */
static int set(struct mps_control *control, const char *words, int32_t server, const char *device,
	const char *value, struct buf *answer, struct error *err)
{
	if (server <= 0)
		return ask(control, answer, err, "set_default_%s%s %s\nget_default_%s%s", words,
			device, value, words, device);
	return ask(control, answer, err, "set_default_%s%s %s\nset_%s %d%s %s\nget_%s %d%s", words,
		device, value, words, (int)server, device, value, words, (int)server, device);
}

static int set_percent(struct mps_control *control, int32_t server, struct error *err)
{
	uint32_t millipercent = control->spec->limits.millipercent;
	AUTO_BUF answer = { 0 };
	char text[16];
	int r = set(control, "active_thread_percentage", server, "",
		mps_percent_text(millipercent ?: 100000, text), &answer, err);

	if (r == 0 && !mps_percent_is(last_line(&answer), millipercent))
		return mps_refused(&answer, err, "an active thread percentage of %s was not taken",
			mps_percent_text(millipercent ?: 100000, text));
	return r;
}

/* The daemon's only device is its device 0. */
static int set_memory(struct mps_control *control, int32_t server, struct error *err)
{
	uint32_t mib = control->spec->limits.memory_mib;
	AUTO_BUF answer = { 0 };
	char text[16];
	int r = set(control, "device_pinned_mem_limit", server, " 0", mps_memory_text(mib, text),
		&answer, err);

	if (r == 0 && !mps_memory_is(last_line(&answer), mib))
		return mps_refused(&answer, err, "a device memory limit of %s was not taken",
			mps_memory_text(mib, text));
	return r;
}

static int v2_set_limits(struct mps_control *control, int32_t server, struct error *err)
{
	int r = 0;

	if (control->dialect != &mps_dialect_static)
		r = set_percent(control, server, err);
	return r < 0 ? r : set_memory(control, server, err);
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

/* A line of lspart: the beginning of the GPU's UUID, the partition ("-": the GPU itself), its
 * sizes.
 */
static int static_keep(struct mps_control *control, const char *partitions, struct error *err)
{
	AUTO_BUF answer = { 0 };
	char *rest, *line;
	int r = ask(control, &answer, err, "lspart");

	if (r < 0)
		return r;
	rest = answer.text;
	while ((line = strsep(&rest, "\n"))) {
		struct mps_part part = { 0 };
		char gpu[64], id[64];

		if (sscanf(line, "%63s %63s", gpu, id) != 2 || text_eq(id, "-") ||
			(!text_starts(gpu, "GPU-") && !text_starts(gpu, "MIG-")) ||
			strstr(partitions, id))
			continue;
		snprintf(part.partition, sizeof(part.partition), "%.30s/%.60s", gpu, id);
		/* one that has clients is somebody's */
		r = static_remove(control, &part, NULL) == -ETIMEDOUT ? -ETIMEDOUT : r;
	}
	return r;
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
	.keep = static_keep,
	.terminate = v2_terminate,
	.quit = v2_quit,
	.shut = v2_shut,
};
