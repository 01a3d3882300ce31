/* SPDX-License-Identifier: Apache-2.0 */
/* One control daemon that runs, in whichever language it speaks: looked at, changed and ended. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "driver/mps_calls.h"
#include "driver/process.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

int mps_check_limits(const struct mps_limits *limits, struct error *err)
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

int mps_control_look(struct mps_control *control, struct mps_seen *ret_seen, struct error *err)
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
		r = mps_control_look(&control, ret_seen, err);
	else if (r == 0)
		*ret_seen = (struct mps_seen){ .state = MPS_SEEN_GONE };
	/* it ended while it was looked at */
	if (r == -ENOENT && control.process.pid > 0)
		*ret_seen = (struct mps_seen){ .state = MPS_SEEN_GONE };
	return r == -ENOENT && control.process.pid > 0 ? 0 : r;
}

/* ---- changing ---- */

int mps_set_limits(const struct mps_spec *spec, uint64_t deadline_ns, struct error *err)
{
	struct mps_control control;
	struct mps_seen seen;
	int r = mps_check_limits(&spec->limits, err);

	if (r == 0)
		r = open_running(&control, spec, deadline_ns, err);
	if (r == 0)
		r = mps_control_look(&control, &seen, err);
	if (r < 0)
		return r;
	return control.dialect->set_limits(&control, seen.server.pid, err);
}

int mps_add(const struct mps_spec *spec, struct mps_part *part, uint64_t deadline_ns,
	char ret_environment[MPS_ENVIRONMENT_MAX], struct error *err)
{
	struct mps_control control;
	AUTO_BUF environment = { 0 };
	int r = mps_check_limits(&part->limits, err);

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

int mps_keep(const struct mps_spec *spec, const char *partitions, uint64_t deadline_ns,
	struct error *err)
{
	struct mps_control control;
	int r = open_running(&control, spec, deadline_ns, err);

	return r < 0 || !control.dialect->keep ? r
					       : control.dialect->keep(&control, partitions, err);
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
		r = mps_control_look(&control, &seen, err);
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
	if (mps_control_look(control, &seen, NULL) == 0 && seen.server.pid > 0)
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
