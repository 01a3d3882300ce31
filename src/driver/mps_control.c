/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control daemon's process.
 *
 * Which one it is the kernel tells: it keeps a record lock on the file control_lock in its pipe
 * directory. It is ours if it was started with that directory in its environment, by us. Nothing of
 * that depends on a file that somebody else could have written, and all of it holds for a daemon
 * that an earlier carved has started.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "driver/mps_calls.h"
#include "driver/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { SERVERS_MAX = 16 };
#define LISTENS_WITHIN_NS 3000000000ull

/* In order of preference. */
static const struct mps_dialect *const dialects[] = { &mps_dialect_v3, &mps_dialect_v2,
	&mps_dialect_static };

/* ---- which process it is ---- */

enum { DYING_LOOKS = 100, DYING_MS = 2 };

/* The process with the lock, 0 if nobody has it. */
static pid_t lock_holder(const char *pipe)
{
	AUTO_FREE char *path = must_asprintf("%s/control_lock", pipe);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static bool is_ours(pid_t pid, const char *pipe, struct mps_process *ret_process)
{
	AUTO_FREE char *directory = must_asprintf("/proc/%d", (int)pid);
	struct mps_process process = { .pid = pid };
	AUTO_FREE char *variable = NULL;
	struct stat st;

	if (process_started(pid, &process.start_ticks) < 0 || stat(directory, &st) < 0 ||
		st.st_uid != geteuid() || !mps_process_is(pid, MPS_CONTROL_NAME))
		return false;
	variable = mps_process_variable(pid, "CUDA_MPS_PIPE_DIRECTORY");
	if (!text_eq(variable, pipe))
		return false;
	*ret_process = process;
	return true;
}

static int find_process(struct mps_control *control, struct error *err)
{
	pid_t holder = lock_holder(control->pipe);
	struct process_info info;
	char text[256];

	/* one that is killed keeps its lock for a moment */
	for (unsigned i = 0; holder > 0 && mps_process_is_dying(holder) && i < DYING_LOOKS; i++) {
		usleep(DYING_MS * 1000);
		holder = lock_holder(control->pipe);
	}
	if (holder <= 0 || mps_process_is_dying(holder) ||
		is_ours(holder, control->pipe, &control->process) ||
		process_look(holder, &info) < 0)
		return 0;
	return error_set(err, -EEXIST,
		"process %s has the MPS pipe directory %s and was not started by Carve: end it",
		process_text(&info, text, sizeof(text)), control->pipe);
}

/* The language that the daemon was told to speak. */
static const struct mps_dialect *dialect_of(pid_t pid)
{
	AUTO_FREE char *path = must_asprintf("/proc/%d/cmdline", (int)pid);
	AUTO_FREE char *words = NULL;
	const struct mps_dialect *found = &mps_dialect_v2;
	size_t length = 0;

	if (read_file_at(AT_FDCWD, path, 1 << 16, &words, &length) < 0)
		return found;
	for (size_t at = 0; at < length; at += strlen(words + at) + 1) {
		for (unsigned i = 0; i < ARRAY_SIZE(dialects); i++) {
			if (text_eq(words + at, dialects[i]->option[0]))
				found = dialects[i];
		}
	}
	return found;
}

/* ---- opening ---- */

static int choose(struct mps_control *control, struct error *err)
{
	enum mps_interface wanted = control->spec->interface;

	if (wanted == MPS_INTERFACE_ANY)
		wanted = control->program.has_v3 ? MPS_V3 : MPS_V2;
	if (wanted == MPS_V3 && !control->program.has_v3)
		return error_set(err, -ENOTSUP, "MPS v3 takes driver R615 or later; %s is of %s",
			control->program.path, control->program.version);
	if (wanted == MPS_V2_STATIC && !control->program.has_static)
		return error_set(err, -ENOTSUP,
			"static SM partitions take driver R590 (CUDA 13.1) or later; %s is of %s",
			control->program.path, control->program.version);
	for (unsigned i = 0; i < ARRAY_SIZE(dialects); i++) {
		if (dialects[i]->interface == wanted)
			control->dialect = dialects[i];
	}
	if (!control->dialect)
		return error_set(err, -EINVAL, "no such interface of MPS (%d)", (int)wanted);
	return 0;
}

void mps_control_init(
	struct mps_control *control, const struct mps_spec *spec, uint64_t deadline_ns)
{
	*control = (struct mps_control){ .spec = spec, .until_ns = now_ns() + deadline_ns };
	snprintf(control->pipe, sizeof(control->pipe), "%s/pipe", spec->dir);
	snprintf(control->log, sizeof(control->log), "%s/log", spec->dir);
}

int mps_control_open(struct mps_control *control, struct error *err)
{
	int r = find_process(control, err);

	if (r == 0)
		r = mps_program_open(control->spec->driver, &control->program, err);
	if (r < 0)
		return r;
	if (control->process.pid == 0)
		return choose(control, err);
	control->dialect = dialect_of(control->process.pid);
	return 0;
}

uint64_t mps_control_left(const struct mps_control *control)
{
	uint64_t now = now_ns();

	return now < control->until_ns ? control->until_ns - now : 0;
}

/* ---- starting it ---- */

/* Its starter returns when it is about to listen (R535), or listens (R550). */
static int await_daemon(struct mps_control *control, struct error *err)
{
	uint64_t until_ns = now_ns() + LISTENS_WITHIN_NS;

	while (now_ns() < until_ns && mps_control_left(control) > 0) {
		struct mps_seen seen = { 0 };
		int r = find_process(control, err);

		if (r == 0 && control->process.pid > 0)
			r = control->dialect->look(control, &seen, err);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && control->process.pid > 0)
			return 0;
		poll(NULL, 0, 1);
	}
	return error_set(err, -EIO,
		"the MPS control daemon ended as soon as it was started: `nvidia-cuda-mps-control "
		"-f` by hand says why");
}

int mps_control_start(struct mps_control *control, struct error *err)
{
	const char *const *option = control->dialect->option;
	const char *argv[] = { control->program.path, "-d", option[0], option[1], NULL };
	AUTO_BUF answer = { 0 };
	char text[200];
	int r = mps_run(control, &(struct spawn){ .argv = argv, .is_daemon = true }, &answer, err);

	if (r < 0)
		return r;
	if (r > 0)
		return error_set(err, -EIO,
			"the MPS control daemon did not start in %s: it says \"%s\"",
			control->spec->dir, mps_words(&answer, text));
	return await_daemon(control, err);
}

/* ---- ending it by force ---- */

/* What somebody else calls so, with our directory in its environment, is his. */
static bool is_of(const struct mps_control *control, pid_t pid)
{
	AUTO_FREE char *directory = must_asprintf("/proc/%d", (int)pid);
	struct stat st;

	return stat(directory, &st) == 0 &&
	       (st.st_uid == geteuid() || st.st_uid == control->spec->uid);
}

static void kill_one(const struct mps_process *process, int pidfd)
{
	uint64_t start_ticks;

	/* the descriptor was opened before this look: it cannot be another process's */
	if (process_started(process->pid, &start_ticks) == 0 && start_ticks == process->start_ticks)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* True if it was gone in time. */
static bool kill_and_wait(const struct mps_process *process, uint64_t left_ns)
{
	AUTO_CLOSE int pidfd = process_open(process->pid);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return true;
	kill_one(process, pidfd);
	return poll(&ended, 1, (int)(left_ns / 1000000)) == 1;
}

int mps_control_kill(struct mps_control *control, struct error *err)
{
	struct mps_process process[SERVERS_MAX];
	/* servers first would be started again */
	const char *const names[] = { MPS_CONTROL_NAME, MPS_SERVER_NAME };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned n = mps_process_find(names[i], control->pipe, process, SERVERS_MAX);

		for (unsigned k = 0; k < n; k++) {
			if (!is_of(control, process[k].pid))
				continue;
			if (!kill_and_wait(&process[k], mps_control_left(control)))
				return error_set(err, -ETIMEDOUT,
					"%s (process %d) was killed and does not end: the "
					"driver has it",
					names[i], (int)process[k].pid);
		}
	}
	control->process = (struct mps_process){ 0 };
	return 0;
}
