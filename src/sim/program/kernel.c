/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a node's file system process. It holds a lock on DIR/server while it lives, by which
 * others find it; it ends when it is told to, when the node's file goes, when its mount is taken
 * away, or, where it was started so, with the process that started it. Killed itself, it leaves a
 * dead mount behind, which kernel_stop() takes away.
 */
#define FUSE_USE_VERSION 32
#include "sim/program/kernel.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/program/build.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS	     5000
#define READY	     "ready"
#define READY_FD     3
#define SERVER_LOCK  "%s/server"
#define MOUNTPOINT   "%s/kernel"
#define OPTIONS	     "fsname=carve-sim,subtype=carve-sim,default_permissions"
#define IDLE_THREADS 4

/* The pid of the process that serves the node, 0 if none does. */
static pid_t server_of(const char *dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[300];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), SERVER_LOCK, dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

static int server_lock(const char *dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[300];
	int fd;

	snprintf(path, sizeof(path), SERVER_LOCK, dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 ? -errno : fd;
}

static void *serve_files(void *context)
{
	struct fuse_loop_config config = { .max_idle_threads = IDLE_THREADS };

	fuse_loop_mt(context, &config);
	/* The mount is gone. */
	kill(getpid(), SIGTERM);
	return NULL;
}

static void wait_for_end(const struct node *node, const sigset_t *ends)
{
	char events[4096];
	AUTO_CLOSE int signals = signalfd(-1, ends, SFD_CLOEXEC);
	AUTO_CLOSE int files = inotify_init1(IN_CLOEXEC);
	struct pollfd polled[] = { { .fd = signals, .events = POLLIN },
		{ .fd = files, .events = POLLIN } };

	if (files >= 0)
		inotify_add_watch(files, node->dir, IN_DELETE | IN_MOVE | IN_MOVE_SELF);
	while (node_is_there(node)) {
		if (poll(polled, ARRAY_SIZE(polled), -1) < 0 && errno != EINTR)
			return;
		if (polled[0].revents)
			return;
		if (polled[1].revents && read(files, events, sizeof(events)) < 0)
			return;
	}
}

static struct fuse *mount_files(struct node *node, const char *mountpoint)
{
	char name[] = "carve-sim", option[] = "-o", options[] = OPTIONS ",allow_other";
	char *words[] = { name, option, options, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(ARRAY_SIZE(words) - 1, words);
	struct fuse *fuse;

	/* Others' programs may look too, where whoever mounts may allow it. */
	if (geteuid() != 0)
		options[strlen(OPTIONS)] = '\0';
	fuse = fuse_new(&args, kernel_files(node), sizeof(struct fuse_operations), NULL);
	fuse_opt_free_args(&args);
	return fuse && fuse_mount(fuse, mountpoint) == 0 ? fuse : NULL;
}

/* The process: what goes wrong until it is ready is said on READY_FD, by libfuse too. */
static void serve(struct node *node, bool ends_with_us, pid_t parent)
{
	char mountpoint[300], dir[256];
	struct fuse *fuse;
	sigset_t ends;
	pthread_t thread;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	prctl(PR_SET_NAME, "carve-sim-files");
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (ends_with_us)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (ends_with_us && getppid() != parent)
		kill(getpid(), SIGTERM);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(READY_FD, STDERR_FILENO);
	fcntl(READY_FD, F_SETFD, FD_CLOEXEC);

	text_copy(dir, sizeof(dir), node->dir);
	snprintf(mountpoint, sizeof(mountpoint), MOUNTPOINT, dir);
	if (chdir("/") < 0 || server_lock(dir) < 0 || !(fuse = mount_files(node, mountpoint)))
		_exit(EXIT_FAILURE);
	if (pthread_create(&thread, NULL, serve_files, fuse) != 0) {
		fuse_unmount(fuse);
		_exit(EXIT_FAILURE);
	}
	write_all(READY_FD, READY, strlen(READY));
	dup2(null, STDERR_FILENO);
	close(READY_FD);

	wait_for_end(node, &ends);
	fuse_unmount(fuse);
	if (ends_with_us && node_is_there(node))
		build_remove(dir, NULL);
	/* Others may still have the mount in a name space of theirs: it is dead from here on. */
	_exit(EXIT_SUCCESS);
}

/* Reads to the end, or until the process is ready. */
static bool is_ready(int fd, char *ret_why, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, ret_why + length, size - 1 - length)) > 0) {
		length += (size_t)n;
		ret_why[length] = '\0';
		if (strstr(ret_why, READY))
			return true;
	}
	ret_why[length] = '\0';
	ret_why[strcspn(ret_why, "\n")] = '\0';
	return false;
}

int kernel_start(struct node *node, bool ends_with_us, struct error *err)
{
	char path[300], why[400];
	pid_t pid, parent = getpid();
	int ready[2], r;
	bool is_there;

	snprintf(path, sizeof(path), MOUNTPOINT, node->dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make %s: %m", path);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return error_set(err, -errno, "no pipe: %m");
	pid = fork();
	if (pid == 0) {
		dup2(ready[1], READY_FD);
		close_from(READY_FD + 1);
		serve(node, ends_with_us, parent);
	}
	r = pid < 0 ? -errno : 0;
	close(ready[1]);
	is_there = pid > 0 && is_ready(ready[0], why, sizeof(why));
	close(ready[0]);
	if (is_there)
		return 0;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	rmdir(path);
	return error_set(err, r < 0 ? r : -ENODEV, "no file system in user space here: %s",
		r < 0	 ? strerror(-r)
		: why[0] ? why
			 : "it cannot be mounted");
}

void kernel_stop(const char *dir)
{
	char path[300];
	pid_t pid = server_of(dir);
	AUTO_CLOSE int process = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd polled = { .fd = process, .events = POLLIN };

	if (process >= 0) {
		kill(pid, SIGTERM);
		if (poll(&polled, 1, STOP_MS) == 0)
			kill(pid, SIGKILL);
		waitpid(pid, NULL, 0); /* if it is a child of ours */
	}
	snprintf(path, sizeof(path), MOUNTPOINT, dir);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno == EPERM &&
		access(path, F_OK) < 0 && errno == ENOTCONN) {
		const char *const argv[] = { "fusermount3", "-u", "-q", "-z", path, NULL };
		pid_t helper = fork();

		if (helper == 0) {
			execvp(argv[0], (char *const *)argv);
			_exit(127);
		}
		waitpid(helper, NULL, 0);
	}
}
