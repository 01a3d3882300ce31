/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/journal.h"

#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int log_fd = -1;

void journal_open(const char *dir, const char *name)
{
	char path[600];

	if (!dir) {
		log_fd = STDOUT_FILENO;
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (log_fd < 0)
		printf("Warning: Failed writing log files to directory [%s]. No logs will be "
		       "available.\n",
			dir);
}

void journal_take(int fd)
{
	log_fd = fd;
}

void journal(const char *who, const char *format, ...)
{
	AUTO_BUF line = { 0 };
	char text[2048];
	struct timeval now;
	struct tm day;
	va_list args;

	if (log_fd < 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &day);
	buf_addf(&line, "[%d-%02d-%02d %02d:%02d:%02d.%03d %s %5d] %s\n", day.tm_year + 1900,
		day.tm_mon + 1, day.tm_mday, day.tm_hour, day.tm_min, day.tm_sec,
		(int)(now.tv_usec / 1000), who, (int)getpid(), text);
	/* A log that cannot be written stops nobody. */
	write_all(log_fd, buf_text(&line), line.length);
}
