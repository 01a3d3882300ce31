/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/acquire.h"
#include "cli/job.h"
#include "cli/verb.h"
#include "client/json.h"
#include "client/lease.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_TEXT_MAX = 2000 };

#define FAILURE_WAIT_S 2.0

char *run_command_text(char **command)
{
	AUTO_BUF buf = { 0 };

	for (; *command && buf.length < COMMAND_TEXT_MAX; command++)
		buf_addf(&buf, "%s%s", buf.length ? " " : "", *command);
	if (buf.length > COMMAND_TEXT_MAX) {
		buf.text[COMMAND_TEXT_MAX] = '\0';
		text_clean(buf.text);
	}
	return buf_take(&buf);
}

/* CUDA uses the first MIG device that it finds and no other. */
static int refuse_several_instances(const json_t *lease, struct error *err)
{
	const json_t *got = json_object_get(lease, "got"), *share;
	unsigned n = 0;
	size_t i;

	json_array_foreach(got, i, share) n += text_eq(json_text(share, "mechanism"), "mig");
	if (n < 2)
		return 0;
	return error_set(err, CARVE_REFUSED,
		"%u MIG instances in one lease: a process can use only one of them (CUDA sees no "
		"more); ask for one larger share, for whole GPUs (--mechanism whole), or run one "
		"command per share",
		n);
}

static int end_status(struct invocation *invocation, int wait_status)
{
	if (!WIFSIGNALED(wait_status))
		return WEXITSTATUS(wait_status);
	invocation->end_signal = WTERMSIG(wait_status);
	return EXIT_SIGNAL + WTERMSIG(wait_status);
}

/*
 * Gives the lease back. A carved that is away now sees by itself that the cgroup is empty when it
 * returns, so nobody waits for it.
 */
static void leave(struct invocation *invocation, const json_t *lease, const char *verb)
{
	invocation->client.has_met = true;
	invocation->client.patience_ns = 0;
	(void)lease_post(&invocation->client, json_text(lease, "id"), verb, NULL, NULL, NULL);
}

static bool is_by_mps(const json_t *lease)
{
	const json_t *got = json_object_get(lease, "got"), *share;
	size_t i;

	json_array_foreach(
		got, i, share) if (text_eq(json_text(share, "mechanism"), "mps")) return true;
	return false;
}

/*
 * A command in an MPS share may have failed by another's fault, of which its own messages know
 * nothing: carved knows, in a moment.
 */
static void tell_failure(struct invocation *invocation, const json_t *lease)
{
	AUTO_JSON *over = NULL;

	if (!is_by_mps(lease) || lease_get(&invocation->client, json_text(lease, "id"), "releasing",
					 FAILURE_WAIT_S, &over, NULL) != 0)
		return;
	if (text_eq(json_text(over, "state"), "failed"))
		fprintf(stderr, "carve: lease %s failed: %s\n", json_text(over, "id"),
			json_text(over, "reason"));
}

/* What it used, while the lease is there; a carved that is away is waited for. */
static void take_figures(struct invocation *invocation, struct run *run)
{
	AUTO_JSON *now = NULL;

	if (lease_get(&invocation->client, json_text(run->lease, "id"), NULL, 0, &now,
		    &run->figures_error) != 0)
		return;
	if (json_is_object(json_object_get(now, "profile")))
		run->figures = json_incref(json_object_get(now, "profile"));
	else
		error_set(&run->figures_error, -ENODATA,
			"carved does not tell what the lease's job used");
}

static int run_in(struct invocation *invocation, struct run *run, struct error *err)
{
	const json_t *lease = run->lease;
	uint64_t patience_ns = invocation->client.patience_ns, begun_ns = now_ns();
	struct job job = {
		.command = invocation->command,
		.lease = lease,
		.socket = invocation->client.socket,
		.signal_fd = -1,
	};
	int status = job_start(&job, err);

	if (status == 0) {
		status = end_status(invocation, job_wait(&job));
		run->took_ns = now_ns() - begun_ns;
		if (run->is_watched)
			take_figures(invocation, run);
		leave(invocation, lease, "leave");
		invocation->client.patience_ns = patience_ns;
		if (status != 0 && !job.was_told)
			tell_failure(invocation, lease);
		return status;
	}
	job_abandon(&job);
	leave(invocation, lease, "leave");
	return status;
}

int run_command(struct invocation *invocation, struct run *run, struct error *err)
{
	char *text;
	int r;

	if (invocation->request.is_vm || invocation->request.mechanism == MECHANISM_VF) {
		error_set(err, -EINVAL,
			"a VF is for a virtual machine, and no command runs in it: 'carve lease "
			"--vm --name NAME' takes one, 'carve show NAME --as qemu' hands it over");
		return EXIT_USAGE;
	}
	r = job_find_command(invocation->command[0], err);
	if (r != 0)
		return r;
	warn_of_container_client(invocation->command);
	text = run_command_text(invocation->command);
	r = acquire_lease(invocation,
		&(struct holder){ .kind = "run",
			.pid = getpid(),
			.command = text,
			.name = said_value(invocation, "name"),
			.is_watched = run->is_watched },
		&run->lease, err);
	free(text);
	if (r != 0)
		return status_of(invocation, r);
	if (refuse_several_instances(run->lease, err) != 0) {
		leave(invocation, run->lease, "release");
		return EXIT_CARVE;
	}
	acquire_remarks(invocation, run->lease);
	return run_in(invocation, run, err);
}

void run_done(struct run *run)
{
	json_decref(run->lease);
	json_decref(run->figures);
}

int verb_run(struct invocation *invocation, struct error *err)
{
	struct run run = { 0 };
	int status = run_command(invocation, &run, err);

	run_done(&run);
	return status;
}
