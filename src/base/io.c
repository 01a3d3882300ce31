/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int read_file_at(int at, const char *path, size_t max, char **ret_text, size_t *ret_length)
{
	AUTO_CLOSE int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO_BUF buf = { 0 };
	char chunk[4096];

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (buf.length + (size_t)n > max)
			return -EFBIG;
		buf_add_n(&buf, chunk, (size_t)n);
	}
	if (ret_length)
		*ret_length = buf.length;
	*ret_text = buf_take(&buf);
	return 0;
}

int write_all(int fd, const void *data, size_t length)
{
	const char *p = data;

	while (length > 0) {
		ssize_t n = write(fd, p, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		length -= (size_t)n;
	}
	return 0;
}

int write_file_atomic(
	const char *path, const char *text, size_t length, unsigned mode, struct error *err)
{
	AUTO_FREE char *temporary = must_asprintf("%s.XXXXXX", path);
	AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(err, -errno, "cannot make a file beside %s: %m", path);
	r = write_all(fd, text, length);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		errno = -r;
		return error_set(err, r, "cannot write %s: %m", path);
	}
	return 0;
}

int make_dirs(const char *path, unsigned mode, struct error *err)
{
	AUTO_FREE char *copy = must_strdup(path);

	for (char *p = copy + 1;; p++) {
		char end = *p;

		if (end != '/' && end != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return error_set(err, -errno, "cannot make the directory %s: %m", copy);
		*p = end;
		if (end == '\0')
			return 0;
	}
}

void close_from(int first)
{
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
	for (int fd = first, most = (int)sysconf(_SC_OPEN_MAX); fd < most; fd++)
		close(fd);
}
