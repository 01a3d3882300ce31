/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/process.h"

#include "base/text.h"
#include "driver/root.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(this_process_is_named_with_user_and_command)
{
	struct process_info info, again;
	char text[400], begin[64];

	CHECK_EQ(process_look(getpid(), &info), 0);
	CHECK_EQ(info.pid, getpid());
	CHECK_EQ(info.uid, getuid());
	CHECK(info.user[0] != '\0');
	CHECK_SAY(strstr(info.command, "test_process"), "%s", info.command);
	CHECK(info.start_ticks > 0);
	CHECK_EQ(process_look(getpid(), &again), 0);
	CHECK(again.start_ticks == info.start_ticks);
	process_text(&info, text, sizeof(text));
	snprintf(begin, sizeof(begin), "%d (%s) ", (int)getpid(), info.user);
	CHECK_SAY(text_starts(text, begin), "%s", text);
}

TEST(what_names_a_process_is_when_it_started)
{
	uint64_t parent, before, child, after;
	int ends[2];
	char byte;
	pid_t pid;

	CHECK_EQ(process_started(getpid(), &before), 0);
	/* a process that grows stays the same one */
	CHECK(sbrk(64 << 20) != (void *)-1);
	CHECK_EQ(process_started(getpid(), &after), 0);
	CHECK(after == before);
	CHECK_EQ(process_started(getppid(), &parent), 0);
	CHECK(parent <= before);
	CHECK_EQ(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	CHECK_EQ(process_started(pid, &child), 0);
	/* within an hour of this process, whose age a test does not reach */
	CHECK(child >= before && child - before < 3600 * (uint64_t)sysconf(_SC_CLK_TCK));
	close(ends[0]);
	close(ends[1]);
	waitpid(pid, NULL, 0);
}

TEST(kernel_threads_have_their_name_in_brackets)
{
	struct process_info info;

	if (process_look(2, &info) < 0)
		SKIP("no process 2 to see here");
	if (strcmp(info.command, "[kthreadd]") != 0)
		SKIP("process 2 is %s", info.command);
	CHECK_EQ(info.uid, 0);
}

TEST(a_process_that_grows_is_the_same)
{
	struct process_info before, after;
	size_t size = 64 << 20;
	char *room;

	CHECK_EQ(process_look(getpid(), &before), 0);
	room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(room != MAP_FAILED);
	CHECK_EQ(process_look(getpid(), &after), 0);
	CHECK_EQ(before.start_ticks, after.start_ticks);
	munmap(room, size);
}

TEST(gone_process_is_told_and_its_output_untouched)
{
	struct process_info info = { .pid = 7 };

	CHECK_EQ(process_look(1 << 30, &info), -ESRCH);
	CHECK_EQ(info.pid, 7);
	CHECK(process_open(1 << 30) < 0);
}

TEST(pidfd_tells_the_end)
{
	struct pollfd p = { .events = POLLIN };
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	p.fd = process_open(pid);
	CHECK(p.fd >= 0);
	CHECK_EQ(poll(&p, 1, 0), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	waitpid(pid, NULL, 0);
	close(p.fd);
}

TEST(users_of_a_file_are_found)
{
	char path[] = "/tmp/carve-users-XXXXXX";
	int fd = mkstemp(path);
	pid_t pids[4];

	unsetenv("CARVE_SYSTEM_ROOT");
	CHECK_EQ(root_open(NULL), 0);
	CHECK_EQ(process_find_users(path, pids, 4), 1);
	CHECK_EQ(pids[0], getpid());
	close(fd);
	CHECK_EQ(process_find_users(path, pids, 4), 0);
	unlink(path);
	CHECK_EQ(process_find_users(path, pids, 4), -ENOENT);
}

TEST_MAIN()
