/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the logs. A file may be cut, moved away for a new one, or not be there yet; what is no
 * regular file is passed over. Whatever stands in it, a line is taken up to MPS_LOG_LINE_MAX bytes
 * and its rest is dropped.
 */
#include "driver/mps_log.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below the log directory; the last is where a v3 server of ours writes. */
static const char *const names[MPS_LOG_FILES] = { "control.log", "server.log", "carve/server.log" };
static const char *const watched[] = { "", "/carve" };

/* ---- one file ---- */

static void file_close(struct mps_log_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	file->offset = 0;
	file->length = file->next = 0;
	file->is_skipping = false;
}

static bool file_open(struct mps_log_file *file)
{
	struct stat st;

	file->fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file->fd >= 0 && (fstat(file->fd, &st) < 0 || !S_ISREG(st.st_mode)))
		file_close(file);
	return file->fd >= 0;
}

/* Where there is a file already: goes on `tail` bytes before its end, at the start of a line. */
static void file_go_on(struct mps_log_file *file, uint64_t tail)
{
	struct stat st;
	char before;

	if (!file_open(file) || fstat(file->fd, &st) < 0 || (uint64_t)st.st_size <= tail)
		return;
	file->offset = (uint64_t)st.st_size - tail;
	file->is_skipping =
		pread(file->fd, &before, 1, (off_t)file->offset - 1) == 1 && before != '\n';
}

/* After its end was reached: true if there is more to read after all, in it or in its successor. */
static bool file_changed(struct mps_log_file *file)
{
	struct stat here, there;

	if (fstat(file->fd, &here) < 0)
		return false;
	if ((uint64_t)here.st_size < file->offset) {
		file->offset = 0;
		file->length = file->next = 0;
		file->is_skipping = false;
		return here.st_size > 0;
	}
	if (lstat(file->path, &there) < 0 ||
		(here.st_ino == there.st_ino && here.st_dev == there.st_dev))
		return false;
	file_close(file);
	return file_open(file);
}

/* Reads on; false at the end. */
static bool file_fill(struct mps_log_file *file)
{
	uint32_t room;
	ssize_t n;

	if (file->fd < 0 && !file_open(file))
		return false;
	memmove(file->text, file->text + file->next, file->length - file->next);
	file->length -= file->next;
	file->next = 0;
	room = sizeof(file->text) - 1 - file->length;
	do {
		n = pread(file->fd, file->text + file->length, room, (off_t)file->offset);
		if (n < 0)
			return false;
	} while (n == 0 && file_changed(file));
	for (ssize_t i = 0; i < n; i++) {
		char *byte = &file->text[file->length + i];

		*byte = *byte ?: '?';
	}
	file->length += (uint32_t)n;
	file->offset += (uint64_t)n;
	return n > 0;
}

/* The next line, NUL for newline; NULL if there is no whole one. */
static const char *file_line(struct mps_log_file *file)
{
	for (;;) {
		char *start = file->text + file->next;
		char *end = memchr(start, '\n', file->length - file->next);
		bool was_skipping = file->is_skipping;

		if (end) {
			*end = '\0';
			file->next = (uint32_t)(end + 1 - file->text);
			file->is_skipping = false;
			if (was_skipping)
				continue;
			return start;
		}
		if (file->length - file->next == sizeof(file->text) - 1) {
			file->text[file->length] = '\0';
			file->next = file->length;
			file->is_skipping = true;
			if (was_skipping)
				continue;
			return start;
		}
		if (!file_fill(file))
			return NULL;
	}
}

/* ---- all of them ---- */

static void init(struct mps_log *log, const char *dir)
{
	*log = (struct mps_log){ .watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
	snprintf(log->dir, sizeof(log->dir), "%s/log", dir);
	for (unsigned i = 0; i < MPS_LOG_FILES; i++) {
		log->file[i].fd = -1;
		snprintf(log->file[i].path, sizeof(log->file[i].path), "%s/%s", log->dir, names[i]);
	}
}

/* Hears of changes from now on, of what is there. */
static void watch(struct mps_log *log)
{
	char path[sizeof(log->dir) + 8], events[4096];

	for (unsigned i = 0; i < ARRAY_SIZE(watched) && log->watch >= 0; i++) {
		if (log->is_watched[i])
			continue;
		snprintf(path, sizeof(path), "%s%s", log->dir, watched[i]);
		log->is_watched[i] = inotify_add_watch(log->watch, path,
					     IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR |
						     IN_DONT_FOLLOW) >= 0;
	}
	while (log->watch >= 0 && read(log->watch, events, sizeof(events)) > 0)
		;
}

void mps_log_init_tail(struct mps_log *log, const char *dir, uint64_t tail)
{
	init(log, dir);
	watch(log);
	for (unsigned i = 0; i < MPS_LOG_FILES; i++)
		file_go_on(&log->file[i], tail);
}

void mps_log_init(struct mps_log *log, const char *dir, bool from_end)
{
	mps_log_init_tail(log, dir, from_end ? 0 : UINT64_MAX);
}

void mps_log_done(struct mps_log *log)
{
	for (unsigned i = 0; i < MPS_LOG_FILES; i++)
		file_close(&log->file[i]);
	if (log->watch >= 0)
		close(log->watch);
	log->watch = -1;
}

int mps_log_fd(const struct mps_log *log)
{
	return log->watch;
}

int mps_log_next(struct mps_log *log, struct mps_log_event *ret_event)
{
	/* first the news, then the files: what comes between the two is news again */
	watch(log);
	for (unsigned i = 0; i < MPS_LOG_FILES; i++) {
		const char *line;

		while ((line = file_line(&log->file[i]))) {
			if (!mps_log_parse(line, log->file[i].faulty, ret_event))
				continue;
			if (ret_event->kind == MPS_LOG_FAULT)
				log->file[i].faulty = ret_event->server;
			else if (ret_event->kind == MPS_LOG_SERVER_READY)
				log->file[i].faulty = 0;
			return 1;
		}
	}
	return 0;
}
