/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum log_level most = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	most = level;
}

bool log_wants(enum log_level level)
{
	return level <= most;
}

void log_line(enum log_level level, const char *format, ...)
{
	static int to_journal = -1;
	char line[1024];
	va_list args;
	int n = 0;

	if (!log_wants(level))
		return;
	/* systemd sets JOURNAL_STREAM when standard error is the journal (systemd.exec(5)) */
	if (to_journal < 0)
		to_journal = getenv("JOURNAL_STREAM") != NULL;
	if (to_journal)
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(args, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return; /* nobody listens: there is no one to tell */
}
