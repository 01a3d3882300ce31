/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a control daemon and its server.
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

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	READ_EVERY_MS = 20, /* where the kernel tells no change of the logs */
	LOG_MAX = 64 << 20,
};
#define LOOK_EVERY_NS 100000000ull

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
		"started%s%s%s: nvidia-smi tells whether the GPU is well",
		control->spec->uid, control->spec->device, (int)event->status, words[0] ? " (" : "",
		words, words[0] ? ")" : "");
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
			r = mps_control_look(control, ret_seen, err);
			if (r < 0 && mps_control_left(control) > 0)
				return r;
			if (r == 0 && (ret_seen->state == MPS_SEEN_READY ||
					      ret_seen->state == MPS_SEEN_FAULT))
				return 0;
			next_look_ns = now_ns() + LOOK_EVERY_NS;
		}
		if (mps_control_left(control) == 0)
			return error_set(err, -ETIMEDOUT,
				"the MPS server for user %u on %s was not ready in time: "
				"nvidia-smi tells "
				"whether the GPU is well, start-timeout in carved.yaml gives it "
				"longer",
				control->spec->uid, control->spec->device);
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
	int r = mps_check_limits(&spec->limits, err);

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
		r = mps_control_look(&control, &seen, err);
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
