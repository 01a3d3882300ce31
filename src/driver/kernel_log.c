/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/kernel_log.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { LOG_MAX = 16 << 20, MESSAGE_MAX = 8192 };

int kernel_log_read(struct buf *text)
{
	/* Each read gives one message; after the last one it would wait for the next. */
	AUTO_CLOSE int fd = root_openat("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char message[MESSAGE_MAX];
	ssize_t n;

	if (fd < 0)
		return fd;
	while (text->length < LOG_MAX) {
		n = read(fd, message, sizeof(message));
		if (n == 0 || (n < 0 && errno == EAGAIN))
			return 0;
		if (n < 0 && errno != EPIPE && errno != EINTR) /* EPIPE: some were overwritten */
			return -errno;
		if (n > 0)
			buf_add_n(text, message, (size_t)n);
	}
	return 0;
}
