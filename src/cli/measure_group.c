/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/measure_group.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "cli/measure.h"
#include "measure/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_NS 30000000000ULL
enum { ARGUMENTS_MAX = 24 };

static void add_items(const struct measuring *measuring, const struct plan_run *run,
	const struct group *group, struct buf *kinds, struct buf *items)
{
	for (unsigned i = 0; i < group->n; i++) {
		enum work_kind kind = run->kind[group->first + i];
		struct work_item item = measuring->item[kind];

		/* Not known yet: as large as it may be for the smallest share. */
		if (!item.rounds)
			item.bytes = measuring->memory_bytes / (4 * (uint64_t)measuring->copies);
		buf_addf(kinds, "%s%s", i ? "," : "", work_kind_names[kind]);
		buf_addf(items, "%s%" PRIu32 "x%" PRIu32 "x%" PRIu64, i ? "," : "", item.blocks,
			item.rounds, item.bytes);
	}
}

/* What of `carve run` gives such a share. */
static unsigned add_share(const struct plan_run *run, const char **argument, char percent[8])
{
	unsigned n = 0;

	argument[n++] = "--mechanism";
	switch (run->option) {
	case ADVICE_MPS:
		snprintf(percent, 8, "%u%%", run->percent);
		argument[n++] = "mps";
		argument[n++] = "--compute";
		argument[n++] = percent;
		break;
	case ADVICE_MIG:
		argument[n++] = "mig";
		argument[n++] = "--profile";
		argument[n++] = run->profile;
		break;
	default:
		argument[n++] = "whole";
	}
	return n;
}

static int spawn(struct group *group, char *const *arguments, const int ends[3], struct error *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t by_default;
	int r;

	sigemptyset(&by_default);
	sigaddset(&by_default, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&actions, ends[i], i);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, measure_signal_mask());
	posix_spawnattr_setsigdefault(&attributes, &by_default);
	r = posix_spawn(&group->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		return 0;
	group->pid = 0;
	return error_set(err, -r, "cannot start a copy: %s", strerror(r));
}

int group_start(struct group *group, struct measuring *measuring, const struct plan_run *run,
	struct error *err)
{
	AUTO_CLOSE int input = -1, output = -1;
	AUTO_BUF kinds = { 0 }, items = { 0 };
	const char *argument[ARGUMENTS_MAX];
	char percent[8], name[48], time[24], self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int in[2], out[2], ends[3];
	unsigned n = 0;

	if (length < 0)
		return error_set(err, -errno, "cannot find this program in /proc: %m");
	self[length] = '\0';
	snprintf(name, sizeof(name), "measure-%d-%u", (int)getpid(), ++measuring->n_leases);
	snprintf(time, sizeof(time), "%ums", measuring->run_ms);
	add_items(measuring, run, group, &kinds, &items);
	argument[n++] = "carve";
	argument[n++] = "run";
	argument[n++] = "--gpu";
	argument[n++] = measuring->uuid;
	n += add_share(run, argument + n, percent);
	argument[n++] = "--name";
	argument[n++] = name;
	argument[n++] = "--wait=60s";
	argument[n++] = "--";
	argument[n++] = self;
	argument[n++] = COPY_OPTION;
	argument[n++] = buf_text(&kinds);
	argument[n++] = buf_text(&items);
	argument[n++] = time;
	argument[n] = NULL;
	if (pipe2(in, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	input = in[0];
	group->in = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	group->out = out[0];
	output = out[1];
	group->log = memfd_create("carve-measure", MFD_CLOEXEC);
	if (group->log < 0)
		return error_set(err, -errno, "cannot keep what a copy says: %m");
	ends[0] = input;
	ends[1] = output;
	ends[2] = group->log;
	return spawn(group, (char *const *)argument, ends, err);
}

void group_last_words(const struct group *group, char ret_text[GROUP_WORDS_MAX])
{
	char text[2048];
	off_t size = lseek(group->log, 0, SEEK_END);
	off_t at = size > (off_t)sizeof(text) - 1 ? size - (off_t)sizeof(text) + 1 : 0;
	ssize_t n = pread(group->log, text, sizeof(text) - 1, at);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	text_copy(ret_text, GROUP_WORDS_MAX, text_starts(line, "carve: ") ? line + 7 : line);
}

int group_reap(struct group *group)
{
	static const int signals[] = { 0, SIGTERM, SIGKILL };
	int status = 0;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		uint64_t deadline_ns = now_ns() + END_NS;

		if (signals[i])
			kill(group->pid, signals[i]);
		while (now_ns() < deadline_ns || signals[i] == SIGKILL) {
			pid_t pid = waitpid(group->pid, &status, WNOHANG);

			if (pid == group->pid || (pid < 0 && errno != EINTR))
				return status;
			poll(NULL, 0, 5);
		}
	}
	return status;
}

void group_done(struct group *group)
{
	if (group->out >= 0)
		close(group->out);
	if (group->log >= 0)
		close(group->log);
	buf_done(&group->text);
}
