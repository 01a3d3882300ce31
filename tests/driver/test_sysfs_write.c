/* SPDX-License-Identifier: Apache-2.0 */
/* Writes that come back, that fail, and that never come back: a FIFO without a reader is one. */
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/sysfs_write.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GPU	  "0000:41:00.0"
#define HERE	  "/sys/bus/pci/devices/" GPU
#define LONG_NS	  20000000000ull
#define SHORT_NS  50000000ull
#define SECOND_NS 1000000000ull

static void begin(void)
{
	tree_new();
	tree_put(HERE "/vendor", "0x10de\n");
}

static void fifo(const char *path)
{
	CHECK_EQ(mkfifo(tree_path(path), 0600), 0);
}

/* Reads what the hanging write was to write, by which it comes back. */
static void let_go(const char *path, char *ret_text, size_t size)
{
	int fd = open(tree_path(path), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, ret_text, size - 1);

	ret_text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void await_none(void)
{
	int32_t pid;

	for (unsigned i = 0; i < 1000 && sysfs_pending(GPU, &pid); i++)
		usleep(10000);
	CHECK(!sysfs_pending(GPU, &pid));
}

TEST(what_is_written_is_written)
{
	begin();
	tree_put(HERE "/sriov_numvfs", "0");
	CHECK_EQ(sysfs_write(GPU, HERE "/sriov_numvfs", "4", LONG_NS, NULL), 0);
	CHECK_TEXT(tree_get(HERE "/sriov_numvfs"), "4");
	await_none();
}

TEST(an_errno_comes_back_as_it_is)
{
	struct error err = ERROR_NONE;

	begin();
	CHECK_EQ(sysfs_write(GPU, HERE "/none", "4", LONG_NS, &err), -ENOENT);
	CHECK_SAY(strstr(err.text, HERE "/none"), "%s", err.text);
	tree_dir(HERE "/directory");
	CHECK_EQ(sysfs_write(GPU, HERE "/directory", "4", LONG_NS, NULL), -EISDIR);
	CHECK_EQ(sysfs_write("0000:99:00.0", HERE "/vendor", "4", LONG_NS, NULL), -ENOENT);
}

TEST(a_write_that_hangs_is_left_behind_and_found_again)
{
	struct error err = ERROR_NONE;
	char text[16], who[32];
	int32_t pid = 0;

	begin();
	fifo(HERE "/sriov_numvfs");
	tree_put(HERE "/other", "0");
	CHECK_EQ(sysfs_write(GPU, HERE "/sriov_numvfs", "0", SHORT_NS, &err), -ETIMEDOUT);
	CHECK_SAY(strstr(err.text, "has not come back within 50 ms"), "%s", err.text);
	CHECK(sysfs_pending(GPU, &pid));
	CHECK(pid > 0 && pid != getpid());
	CHECK_EQ(sysfs_write(GPU, HERE "/other", "1", LONG_NS, &err), -EALREADY);
	snprintf(who, sizeof(who), "process %d", (int)pid);
	CHECK_SAY(strstr(err.text, who), "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/other"), "0");
	/* another device is not meant */
	tree_put("/sys/bus/pci/devices/0000:61:00.0/file", "0");
	CHECK_EQ(sysfs_write("0000:61:00.0", "/sys/bus/pci/devices/0000:61:00.0/file", "1", LONG_NS,
			 NULL),
		0);
	let_go(HERE "/sriov_numvfs", text, sizeof(text));
	CHECK_TEXT(text, "0");
	await_none();
	CHECK_EQ(sysfs_write(GPU, HERE "/other", "1", LONG_NS, NULL), 0);
}

TEST(a_write_goes_on_when_whoever_began_it_is_killed)
{
	char text[16];
	int32_t pid;
	pid_t child;

	begin();
	fifo(HERE "/sriov_numvfs");
	child = fork();
	if (child == 0) {
		sysfs_write(GPU, HERE "/sriov_numvfs", "7", LONG_NS, NULL);
		_exit(0);
	}
	for (unsigned i = 0; i < 1000 && !sysfs_pending(GPU, &pid); i++)
		usleep(10000);
	CHECK(pid != child);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK_EQ(sysfs_write(GPU, HERE "/vendor", "1", LONG_NS, NULL), -EALREADY);
	let_go(HERE "/sriov_numvfs", text, sizeof(text));
	CHECK_TEXT(text, "7");
	await_none();
}

static int write_three(const void *context, struct buf *output, struct error *err)
{
	const char *const *file = context;
	int r = 0;

	for (unsigned i = 0; i < 3 && r == 0; i++)
		r = sysfs_write(GPU, file[i], "1", SHORT_NS, err);
	buf_add(output, "after");
	return r;
}

TEST(many_writes_go_in_one_child_and_the_first_failure_comes_back)
{
	static const char *const good[] = { HERE "/a", HERE "/b", HERE "/c" };
	static const char *const bad[] = { HERE "/a", HERE "/none", HERE "/c" };
	struct error err = ERROR_NONE;
	AUTO_BUF output = { 0 };

	begin();
	for (unsigned i = 0; i < 3; i++)
		tree_put(good[i], "0");
	CHECK_EQ(sysfs_run(GPU, "x", write_three, good, LONG_NS, &output, NULL), 0);
	CHECK_TEXT(buf_text(&output), "after");
	for (unsigned i = 0; i < 3; i++) {
		CHECK_TEXT(tree_get(good[i]), "1");
		tree_put(good[i], "0");
	}
	CHECK_EQ(sysfs_run(GPU, "x", write_three, bad, LONG_NS, NULL, &err), -ENOENT);
	CHECK_SAY(strstr(err.text, "cannot write '1' to " HERE "/none"), "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/a"), "1");
	CHECK_TEXT(tree_get(HERE "/c"), "0");
}

TEST(of_many_writes_the_one_that_hangs_is_named_and_none_comes_after_it)
{
	static const char *const files[] = { HERE "/a", HERE "/hangs", HERE "/c" };
	struct error err = ERROR_NONE;
	char text[16];

	begin();
	tree_put(HERE "/a", "0");
	tree_put(HERE "/c", "0");
	fifo(HERE "/hangs");
	CHECK_EQ(sysfs_run(GPU, "x", write_three, files, SECOND_NS, NULL, &err), -ETIMEDOUT);
	CHECK_SAY(strstr(err.text, "while '1' is written to " HERE "/hangs:"), "%s", err.text);
	let_go(HERE "/hangs", text, sizeof(text));
	CHECK_TEXT(text, "1");
	await_none();
	CHECK_TEXT(tree_get(HERE "/a"), "1");
	CHECK_TEXT(tree_get(HERE "/c"), "0");
}

TEST(of_many_writes_none_comes_after_whoever_began_them_was_killed)
{
	static const char *const files[] = { HERE "/hangs", HERE "/b", HERE "/c" };
	char text[16];
	int32_t pid;
	pid_t child;

	begin();
	tree_put(HERE "/b", "0");
	tree_put(HERE "/c", "0");
	fifo(HERE "/hangs");
	child = fork();
	if (child == 0) {
		sysfs_run(GPU, "x", write_three, files, LONG_NS, NULL, NULL);
		_exit(0);
	}
	for (unsigned i = 0; i < 1000 && !sysfs_pending(GPU, &pid); i++)
		usleep(10000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	let_go(HERE "/hangs", text, sizeof(text));
	await_none();
	CHECK_TEXT(tree_get(HERE "/b"), "0");
	CHECK_TEXT(tree_get(HERE "/c"), "0");
}

TEST(an_earlier_write_that_comes_back_soon_is_waited_for)
{
	char text[16];
	pid_t child;

	begin();
	fifo(HERE "/sriov_numvfs");
	tree_put(HERE "/other", "0");
	CHECK_EQ(sysfs_write(GPU, HERE "/sriov_numvfs", "0", SHORT_NS, NULL), -ETIMEDOUT);
	child = fork();
	if (child == 0) {
		usleep(300000);
		let_go(HERE "/sriov_numvfs", text, sizeof(text));
		_exit(0);
	}
	CHECK_EQ(sysfs_write(GPU, HERE "/other", "1", LONG_NS, NULL), 0);
	CHECK_TEXT(tree_get(HERE "/other"), "1");
	waitpid(child, NULL, 0);
}

TEST(the_child_keeps_no_descriptor_of_ours)
{
	int fds[2];
	char byte, text[16];

	begin();
	fifo(HERE "/sriov_numvfs");
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(sysfs_write(GPU, HERE "/sriov_numvfs", "0", SHORT_NS, NULL), -ETIMEDOUT);
	close(fds[1]);
	CHECK_EQ(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	let_go(HERE "/sriov_numvfs", text, sizeof(text));
	await_none();
}

TEST_MAIN()
