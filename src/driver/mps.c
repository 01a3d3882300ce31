/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One control daemon from its start to its end, in whichever language it speaks.
 *
 * A daemon that runs is taken as it is (its language too); one that an earlier carved started is no
 * other than one of today. What is left of one that was killed, servers and directories, is taken
 * away before another is started.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "driver/mps_calls.h"
#include "driver/mps_log.h"
#include "driver/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	READ_EVERY_MS = 20, /* where the kernel tells no change of the logs */
	LOG_MAX = 64 << 20,
};
#define LOOK_EVERY_NS 100000000ull

static int check_limits(const struct mps_limits *limits, struct error *err)
{
	char text[16];

	if (limits->millipercent > 100000)
		return error_set(err, -EINVAL,
			"%s percent of a GPU's compute are more than all of it",
			mps_percent_text(limits->millipercent, text));
	return 0;
}

/* A daemon of ours that runs. */
static int open_running(struct mps_control *control, const struct mps_spec *spec,
	uint64_t deadline_ns, struct error *err)
{
	int r;

	mps_control_init(control, spec, deadline_ns);
	r = mps_control_open(control, err);
	if (r == 0 && control->process.pid == 0)
		return error_set(err, -ENOENT, "no MPS control daemon runs in %s", spec->dir);
	return r;
}

/* ---- looking ---- */

static int look(struct mps_control *control, struct mps_seen *ret_seen, struct error *err)
{
	struct mps_seen seen = {
		.interface = control->dialect->interface,
		.control = control->process,
		.holds_memory = control->dialect->holds_memory,
		.holds_compute = control->dialect->holds_compute,
	};
	int r = control->dialect->look(control, &seen, err);

	if (r < 0)
		return r;
	/* one that ended since */
	if (seen.server.pid > 0 && process_started(seen.server.pid, &seen.server.start_ticks) < 0) {
		seen.server.pid = 0;
		seen.state = MPS_SEEN_NO_SERVER;
		seen.n_clients = 0;
	}
	*ret_seen = seen;
	return 0;
}

int mps_look(const struct mps_spec *spec, uint64_t deadline_ns, struct mps_seen *ret_seen,
	struct error *err)
{
	struct mps_control control;
	int r;

	mps_control_init(&control, spec, deadline_ns);
	r = mps_control_open(&control, err);
	if (r == 0 && control.process.pid > 0)
		r = look(&control, ret_seen, err);
	else if (r == 0)
		*ret_seen = (struct mps_seen){ .state = MPS_SEEN_GONE };
	/* it ended while it was looked at */
	if (r == -ENOENT && control.process.pid > 0)
		*ret_seen = (struct mps_seen){ .state = MPS_SEEN_GONE };
	return r == -ENOENT && control.process.pid > 0 ? 0 : r;
}

/* ---- starting ---- */

/* What the server said last, without the time; "" if it said nothing. */
static void last_words(const struct mps_control *control, char ret_text[200])
{
	static const char *const files[] = { "carve/server.log", "server.log" };

	ret_text[0] = '\0';
	for (unsigned i = 0; i < ARRAY_SIZE(files) && !ret_text[0]; i++) {
		AUTO_FREE char *path = must_asprintf("%s/%s", control->log, files[i]);
		AUTO_FREE char *text = NULL;
		size_t length = 0;
		char *line;

		if (read_file_at(AT_FDCWD, path, LOG_MAX, &text, &length) < 0)
			continue;
		while (length > 0 && text[length - 1] == '\n')
			text[--length] = '\0';
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
		text_copy(ret_text, 200, strchr(line, ']') ? strchr(line, ']') + 2 : line);
		text_clean(ret_text);
	}
}

static int server_ended(
	const struct mps_control *control, const struct mps_log_event *event, struct error *err)
{
	char words[200];

	last_words(control, words);
	return error_set(err, -ENODEV,
		"the MPS server for user %u on %s ended with status %d as soon as it was "
		"started%s%s%s; "
		"see nvidia-smi for the GPU, and %s",
		control->spec->uid, control->spec->device, (int)event->status, words[0] ? " (" : "",
		words, words[0] ? ")" : "", control->log);
}

/* Reads the news: true if the server may be ready; -ENODEV if it ended. */
static int read_news(const struct mps_control *control, struct mps_log *log, struct error *err)
{
	struct mps_log_event event;
	bool is_told = false;

	while (mps_log_next(log, &event) > 0) {
		if (event.kind == MPS_LOG_SERVER_EXITED)
			return server_ended(control, &event, err);
		is_told |= event.kind == MPS_LOG_SERVER_READY;
	}
	return is_told;
}

/*
 * Until the server is ready, or in a fault that it had before; fails when it ends. Each look is
 * written to the log by the daemon: it is taken when the log says so, and from time to time.
 */
static int await_server(struct mps_control *control, struct mps_log *log, struct mps_seen *ret_seen,
	struct error *err)
{
	uint64_t next_look_ns = 0;

	for (;;) {
		struct pollfd news = { .fd = mps_log_fd(log), .events = POLLIN };
		int r = read_news(control, log, err);

		if (r < 0)
			return r;
		if (r > 0 || now_ns() >= next_look_ns) {
			r = look(control, ret_seen, err);
			if (r < 0 && mps_control_left(control) > 0)
				return r;
			if (r == 0 && (ret_seen->state == MPS_SEEN_READY ||
					      ret_seen->state == MPS_SEEN_FAULT))
				return 0;
			next_look_ns = now_ns() + LOOK_EVERY_NS;
		}
		if (mps_control_left(control) == 0)
			return error_set(err, -ETIMEDOUT,
				"the MPS server for user %u on %s was not ready in time (see %s)",
				control->spec->uid, control->spec->device, control->log);
		poll(&news, 1, READ_EVERY_MS);
	}
}

static int start_server(struct mps_control *control, struct mps_seen *ret_seen, struct error *err)
{
	struct mps_log log;
	int r;

	mps_log_init(&log, control->spec->dir, true);
	r = control->dialect->set_limits(control, 0, err);
	if (r == 0)
		r = control->dialect->start_server(control, err);
	if (r == 0)
		r = await_server(control, &log, ret_seen, err);
	mps_log_done(&log);
	return r;
}

/* A control daemon in new directories. */
static int start_control(struct mps_control *control, struct error *err)
{
	int r = mps_program_fits(&control->program, control->spec->driver, err);

	if (r == 0 && control->spec->uid != geteuid() && geteuid() != 0)
		return error_set(err, -EPERM, "only root can start an MPS server for user %u",
			control->spec->uid);
	if (r == 0)
		r = mps_control_kill(control, err);
	if (r == 0)
		r = mps_dir_remove(control->spec->dir, err);
	if (r == 0)
		r = mps_dir_make(control, err);
	return r < 0 ? r : mps_control_start(control, err);
}

int mps_start(const struct mps_spec *spec, uint64_t deadline_ns, struct mps_seen *ret_seen,
	struct error *err)
{
	struct mps_control control;
	struct mps_seen seen;
	bool is_new;
	int r = check_limits(&spec->limits, err);

	if (r < 0)
		return r;
	mps_control_init(&control, spec, deadline_ns);
	r = mps_control_open(&control, err);
	if (r < 0)
		return r;
	is_new = control.process.pid == 0;
	if (is_new)
		r = start_control(&control, err);
	if (r == 0)
		r = look(&control, &seen, err);
	if (r == 0 && seen.state == MPS_SEEN_NO_SERVER)
		r = start_server(&control, &seen, err);
	else if (r == 0)
		r = control.dialect->set_limits(&control, seen.server.pid, err);
	if (r < 0 && is_new) {
		control.until_ns = now_ns() + deadline_ns;
		mps_control_kill(&control, NULL);
		mps_dir_remove(spec->dir, NULL);
	}
	if (r == 0)
		*ret_seen = seen;
	return r;
}

/* ---- changing ---- */

int mps_set_limits(const struct mps_spec *spec, uint64_t deadline_ns, struct error *err)
{
	struct mps_control control;
	struct mps_seen seen;
	int r = check_limits(&spec->limits, err);

	if (r == 0)
		r = open_running(&control, spec, deadline_ns, err);
	if (r == 0)
		r = look(&control, &seen, err);
	if (r < 0)
		return r;
	return control.dialect->set_limits(&control, seen.server.pid, err);
}

int mps_add(const struct mps_spec *spec, struct mps_part *part, uint64_t deadline_ns,
	char ret_environment[MPS_ENVIRONMENT_MAX], struct error *err)
{
	struct mps_control control;
	AUTO_BUF environment = { 0 };
	int r = check_limits(&part->limits, err);

	if (r == 0)
		r = open_running(&control, spec, deadline_ns, err);
	if (r == 0)
		r = control.dialect->add(&control, part, &environment, err);
	if (r == 0)
		text_copy(ret_environment, MPS_ENVIRONMENT_MAX, buf_text(&environment));
	return r;
}

int mps_remove(const struct mps_spec *spec, const struct mps_part *part, uint64_t deadline_ns,
	struct error *err)
{
	struct mps_control control;
	int r = open_running(&control, spec, deadline_ns, err);

	return r < 0 ? r : control.dialect->remove(&control, part, err);
}

static bool has_client(const struct mps_seen *seen, int32_t pid)
{
	for (unsigned i = 0; i < seen->n_clients; i++) {
		if (seen->client[i] == pid)
			return true;
	}
	return false;
}

int mps_terminate(const struct mps_spec *spec, const int32_t *pids, unsigned n,
	uint64_t deadline_ns, struct error *err)
{
	struct mps_control control;
	struct mps_seen seen;
	int r = open_running(&control, spec, deadline_ns, err);
	int failed = 0;

	if (r == 0)
		r = look(&control, &seen, err);
	if (r < 0)
		return r;
	/* one that cannot be ended does not save the others */
	for (unsigned i = 0; i < n; i++) {
		if (!has_client(&seen, pids[i]))
			continue;
		r = control.dialect->terminate(
			&control, seen.server.pid, pids[i], failed ? NULL : err);
		failed = failed ?: r;
	}
	return failed;
}

/* ---- the end ---- */

/* True if the daemon has ended within a part of the time that is left. */
static bool has_ended(const struct mps_control *control)
{
	AUTO_CLOSE int pidfd = process_open(control->process.pid);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&ended, 1, (int)(mps_control_left(control) / 1000000)) == 1;
}

static void stop_gently(struct mps_control *control)
{
	uint64_t end_ns = control->until_ns, half_ns = mps_control_left(control) / 2;
	unsigned seconds = (unsigned)(half_ns / 1000000000);
	struct mps_seen seen;

	control->until_ns = now_ns() + half_ns;
	if (control->dialect->quit(control, seconds ?: 1, NULL) == 0 && has_ended(control)) {
		control->until_ns = end_ns;
		return;
	}
	/* its clients hold it up, or it does not answer */
	control->until_ns = now_ns() + half_ns / 2;
	if (look(control, &seen, NULL) == 0 && seen.server.pid > 0)
		control->dialect->shut(control, seen.server.pid, NULL);
	control->until_ns = end_ns;
}

int mps_stop(const struct mps_spec *spec, uint64_t deadline_ns, struct error *err)
{
	struct mps_control control;
	int r;

	mps_control_init(&control, spec, deadline_ns);
	r = mps_control_open(&control, err);
	if (r == -EEXIST)
		return r;
	/* without NVIDIA's program it can only be ended by force */
	if (r == 0 && control.process.pid > 0)
		stop_gently(&control);
	r = mps_control_kill(&control, err);
	return r < 0 ? r : mps_dir_remove(spec->dir, err);
}
