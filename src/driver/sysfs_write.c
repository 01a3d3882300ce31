/* SPDX-License-Identifier: Apache-2.0 */
/*
 * us --fork--> a go-between --fork--> the child, which is nobody's and need not be waited for
 *   '<---- pipe: result, sentence, output ---'
 *   '<---- shared page: what it is writing --'
 *
 * The child may outlive us, our worker and the daemon. The lock that it has is how a later one
 * finds it: flock(2) ends with the process, however that ends. It sees by the pipe that nobody
 * waits any more, and then ends before its next write: what is late is one write, never the rest.
 */
#include "driver/sysfs_write.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILD_PIPE = 3, OUTPUT_MAX = 4096, LOCK_PAUSE_NS = 10000000 };
/* How long an earlier child is waited for: longer than the kernel takes to turn VFs off. */
#define EARLIER_NS 3000000000ull

/* What the child answers; its output follows. */
struct answer {
	int result;
	int is_ours; /* nothing was done */
	struct error err;
};

/* What the child is writing, for us to say where it does not come back; "" nothing. */
struct note {
	char doing[400];
};

/* Set in the child only. */
static struct note *child_note;

struct order {
	const char *pci, *what;
	sysfs_work work;
	const void *context;
	uint64_t deadline_ns;
	struct note *note;
};

static int open_device(const char *pci)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s", pci);

	return root_openat(path, O_RDONLY | O_DIRECTORY);
}

int sysfs_pending(const char *pci, int32_t *ret_pid)
{
	AUTO_FREE char *directory = must_asprintf("%s/sys/bus/pci/devices/%s", root_path(), pci);
	AUTO_FCLOSE FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];

	if (!locks || stat(directory, &st) < 0)
		return 0;
	while (fgets(line, sizeof(line), locks)) {
		unsigned major_hex, minor_hex;
		unsigned long long inode;
		int pid;

		/* "1: FLOCK  ADVISORY  WRITE 4711 00:05:1 0 EOF" */
		if (sscanf(line, "%*d: FLOCK %*s WRITE %d %x:%x:%llu", &pid, &major_hex, &minor_hex,
			    &inode) != 4 ||
			inode != st.st_ino || makedev(major_hex, minor_hex) != st.st_dev)
			continue;
		*ret_pid = pid;
		return 1;
	}
	return 0;
}

static void end_if_abandoned(void)
{
	struct pollfd p = { .fd = CHILD_PIPE };

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR))
		_exit(EXIT_SUCCESS);
}

/* Negative errno; -EALREADY where an earlier child has it and does not come back. One that was left
 * by a daemon that was killed mostly does. */
static int take_lock(const struct order *order)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	AUTO_CLOSE int lock = open_device(order->pci);
	uint64_t until_ns = now_ns() + (order->deadline_ns / 2 < EARLIER_NS ? order->deadline_ns / 2
									    : EARLIER_NS);

	if (lock < 0)
		return lock;
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (now_ns() >= until_ns)
			return -EALREADY;
		end_if_abandoned();
		nanosleep(&pause, NULL);
	}
	return TAKE_FD(lock);
}

static void child_main(const struct order *order, int to)
{
	struct answer answer = { .is_ours = 1 };
	AUTO_BUF output = { 0 };
	int lock;

	child_note = order->note;
	setsid();
	dup2(to, CHILD_PIPE);
	/* what it runs is not waited for */
	fcntl(CHILD_PIPE, F_SETFD, FD_CLOEXEC);
	close_from(CHILD_PIPE + 1);
	lock = take_lock(order);
	answer.result = lock;
	if (lock >= 0) {
		answer.is_ours = 0;
		answer.result = order->work(order->context, &output, &answer.err);
		/* the next one may begin when we are read: not before */
		close(lock);
	}
	if (write_all(CHILD_PIPE, &answer, sizeof(answer)) == 0)
		write_all(CHILD_PIPE, buf_text(&output),
			output.length < OUTPUT_MAX ? output.length : OUTPUT_MAX);
	_exit(0);
}

/* The read end of the child's pipe. */
static int start(const struct order *order, struct error *err)
{
	int fds[2], status;
	pid_t between;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	between = fork();
	if (between < 0) {
		int r = error_set(err, -errno, "cannot start a process: %m");

		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (between == 0) {
		pid_t child = fork();

		if (child == 0)
			child_main(order, fds[1]);
		_exit(child < 0);
	}
	close(fds[1]);
	while (waitpid(between, &status, 0) < 0 && errno == EINTR)
		;
	return fds[0];
}

/* All that the child says until it ends: false where the deadline passed first. */
static bool read_until(int fd, uint64_t until_ns, struct buf *ret_said)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char chunk[1024];

	for (;;) {
		uint64_t now = now_ns();
		ssize_t n;

		if (now >= until_ns)
			return false;
		if (poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		buf_add_n(ret_said, chunk, (size_t)n);
	}
}

static int refuse(const char *pci, int code, struct error *err)
{
	int32_t pid;

	if (code != -EALREADY) {
		errno = -code;
		return error_set(err, code, "cannot open the directory of PCI device %s: %m", pci);
	}
	if (sysfs_pending(pci, &pid))
		return error_set(err, code,
			"the kernel has not come back from an earlier change of the virtual "
			"functions of %s (process %d waits for it): close the virtual machines "
			"that have one open, then try again",
			pci, (int)pid);
	return error_set(err, code,
		"an earlier change of the virtual functions of %s was under way: try again", pci);
}

static int wait_for(const struct order *order, int fd, struct buf *ret_said, struct error *err)
{
	const char *what = order->what;
	char text[DURATION_TEXT_MAX];
	bool is_late = !read_until(fd, now_ns() + order->deadline_ns, ret_said);

	if (order->note->doing[0])
		what = order->note->doing;
	if (is_late)
		return error_set(err, -ETIMEDOUT,
			"the kernel has not come back within %s while %s: it goes on waiting, "
			"mostly for a virtual machine that has one open; it is done when that ends",
			duration_text(order->deadline_ns, text), what);
	if (ret_said->length < sizeof(struct answer))
		return error_set(err, -EIO, "a process was killed while %s", what);
	return 0;
}

static int run(const struct order *order, struct buf *output, struct error *err)
{
	AUTO_CLOSE int fd = start(order, err);
	AUTO_BUF said = { 0 };
	struct answer answer;
	int r = fd < 0 ? fd : wait_for(order, fd, &said, err);

	if (r < 0)
		return r;
	memcpy(&answer, said.text, sizeof(answer));
	if (answer.is_ours)
		return refuse(order->pci, answer.result, err);
	if (output)
		buf_add_n(output, said.text + sizeof(answer), said.length - sizeof(answer));
	return answer.result < 0 ? error_set(err, answer.result, "%s", answer.err.text)
				 : answer.result;
}

int sysfs_run(const char *pci, const char *what, sysfs_work work, const void *context,
	uint64_t deadline_ns, struct buf *output, struct error *err)
{
	struct order order = { pci, what, work, context, deadline_ns };
	int r;

	order.note = mmap(NULL, sizeof(*order.note), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (order.note == MAP_FAILED)
		return error_set(err, -errno, "no memory to share with a process: %m");
	r = run(&order, output, err);
	munmap(order.note, sizeof(*order.note));
	return r;
}

/* ---- a write ---- */

/* Where a file is: its path below the system root, and where `below` is not NULL the shorter way to
 * it from an open directory. */
struct file {
	const char *path;
	int dir;
	const char *below;
};

static int write_now(const struct file *file, const char *text, struct error *err)
{
	AUTO_CLOSE int fd = file->below ? openat(file->dir, file->below, O_WRONLY | O_CLOEXEC)
					: root_openat(file->path, O_WRONLY);
	int r = fd < 0 ? (file->below ? -errno : fd) : 0;

	/* One write is one order: to go on where it took less would be another */
	if (r == 0 && write(fd, text, strlen(text)) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	errno = -r;
	return error_set(err, r, "cannot write '%.*s' to %s: %m", (int)strcspn(text, "\n"), text,
		file->path);
}

/* "'0' is written to /sys/...": where it is an end of line alone, of the empty word. */
static void what_is_written(const char *path, const char *text, char *ret_what, size_t size)
{
	snprintf(ret_what, size, "'%.*s' is written to %s", (int)strcspn(text, "\n"), text, path);
}

static int write_in_child(const struct file *file, const char *text, struct error *err)
{
	int r;

	end_if_abandoned();
	what_is_written(file->path, text, child_note->doing, sizeof(child_note->doing));
	r = write_now(file, text, err);
	child_note->doing[0] = '\0';
	return r;
}

struct writing {
	const char *path, *text;
};

static int write_one(const void *context, struct buf *output, struct error *err)
{
	const struct writing *writing = context;
	const struct file file = { .path = writing->path };

	return write_in_child(&file, writing->text, err);
}

int sysfs_write(const char *pci, const char *path, const char *text, uint64_t deadline_ns,
	struct error *err)
{
	const struct writing writing = { path, text };
	char what[sizeof(child_note->doing)];

	if (child_note)
		return write_one(&writing, NULL, err);
	what_is_written(path, text, what, sizeof(what));
	return sysfs_run(pci, what, write_one, &writing, deadline_ns, NULL, err);
}

bool sysfs_is_child(void)
{
	return child_note;
}

int sysfs_write_below(
	int dir, const char *below, const char *path, const char *text, struct error *err)
{
	const struct file file = { path, dir, below };

	return write_in_child(&file, text, err);
}
