/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/kernel.h"
#include "test.h"

#include <poll.h>

TEST(path_of_this_process_is_below_the_mount)
{
	const char *why = no_cgroups();
	char *path = NULL, *directory;
	int fd;

	if (why && cgroup_open(NULL) < 0)
		SKIP("%s", why);
	CHECK_EQ(cgroup_of(0, &path, NULL), 0);
	CHECK(path && path[0] == '/');
	directory = must_asprintf("%s%s/cgroup.procs", cgroup_mount(), path);
	CHECK(access(directory, F_OK) == 0);
	fd = cgroup_find(path, NULL);
	CHECK(fd >= 0);
	CHECK(cgroup_contains(path, getpid()));
	CHECK(cgroup_contains("/", getpid()));
	CHECK(!cgroup_contains("/carve-is-not-there", getpid()));
	close(fd);
	free(directory);
	free(path);
}

TEST(gone_processes_and_foreign_paths_are_refused)
{
	struct error err = ERROR_NONE;
	char *path = NULL;

	if (cgroup_open(&err) < 0)
		SKIP("%s", err.text);
	CHECK_EQ(cgroup_of(1 << 30, &path, &err), -ESRCH);
	CHECK(!path);
	CHECK_EQ(cgroup_find("/../..", &err), -EINVAL);
	CHECK_EQ(cgroup_find("/a/../b", &err), -EINVAL);
	CHECK_EQ(cgroup_find("relative", &err), -EINVAL);
	CHECK_EQ(cgroup_find("/carve-is-not-there", &err), -ENOENT);
}

TEST(new_cgroup_is_empty_owned_and_known_by_its_id)
{
	const char *why = no_cgroups();
	uint64_t id = 0, id_again = 1;
	char *path = NULL;
	uid_t owner = 1;
	int fd, again;

	if (why)
		SKIP("%s", why);
	fd = new_cgroup(&path);
	CHECK(fd >= 0);
	CHECK_EQ(cgroup_populated(fd), 0);
	CHECK_EQ(cgroup_owner(fd, &owner), 0);
	CHECK_EQ(owner, 0);
	again = cgroup_find(path, NULL);
	CHECK_EQ(cgroup_id(fd, &id), 0);
	CHECK_EQ(cgroup_id(again, &id_again), 0);
	CHECK(id == id_again && id > 1);
	CHECK_EQ(cgroup_make("/", path + 1, &path, NULL), -EEXIST);
	CHECK_EQ(cgroup_remove(path), 0);
	CHECK_EQ(cgroup_remove(path), 0);
	CHECK_EQ(cgroup_populated(fd), -ENODEV);
	close(fd);
	close(again);
	free(path);
}

TEST(poll_tells_when_the_last_process_ends)
{
	const char *why = no_cgroups();
	struct pollfd p = { .events = POLLPRI };
	char *path = NULL, *below = NULL;
	int fd, child;
	pid_t pid;

	if (why)
		SKIP("%s", why);
	fd = new_cgroup(&path);
	child = cgroup_make(path, "below", &below, NULL);
	pid = sleeper_in(child);
	CHECK(pid > 0);
	CHECK_EQ(cgroup_populated(fd), 1);
	CHECK(cgroup_contains(path, pid));
	CHECK_EQ(cgroup_remove(path), -EBUSY);
	p.fd = cgroup_watch(fd);
	CHECK(p.fd >= 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	reap(pid);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK(p.revents & POLLPRI);
	cgroup_watch_read(p.fd);
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(cgroup_populated(fd), 0);
	/* the nested one goes with it */
	CHECK_EQ(cgroup_remove(path), 0);
	CHECK(cgroup_find(path, NULL) < 0);
	close(p.fd);
	close(fd);
	close(child);
	free(path);
	free(below);
}

TEST(signals_reach_every_process_below)
{
	const char *why = no_cgroups();
	enum { PROCESSES = 5 };
	char *path = NULL, *below = NULL;
	pid_t pid[PROCESSES], seen[PROCESSES + 1];
	int fd, child;

	if (why)
		SKIP("%s", why);
	for (int signal = SIGTERM;; signal = SIGKILL) {
		fd = new_cgroup(&path);
		child = cgroup_make(path, "below", &below, NULL);
		for (int i = 0; i < PROCESSES; i++)
			pid[i] = sleeper_in(i % 2 ? fd : child);
		CHECK_EQ(cgroup_pids(path, seen, PROCESSES + 1), PROCESSES);
		CHECK_EQ(cgroup_pids(path, seen, 2), 2);
		CHECK_EQ(cgroup_pids(below, seen, PROCESSES), 3);
		CHECK_EQ(cgroup_signal(fd, signal), 0);
		for (int i = 0; i < PROCESSES; i++) {
			int status = 0;

			CHECK_EQ(waitpid(pid[i], &status, 0), pid[i]);
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
		}
		CHECK_EQ(cgroup_remove(path), 0);
		close(fd);
		close(child);
		free(path);
		free(below);
		if (signal == SIGKILL)
			break;
	}
}

TEST_MAIN()
