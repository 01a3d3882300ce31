/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an MPS control daemon and its servers write into their logs, read as it is appended and
 * without blocking: poll mps_log_fd for input, then call mps_log_next until it answers 0. As some
 * file systems tell no changes, calling it from time to time does no harm.
 *
 * One thing may be told by two lines, and so by two events. A tenant's processes can write lines of
 * their own into their server's log: what they say is to be believed about that server and its
 * tenant's processes only.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mps_log_event {
	enum mps_log_kind {
		MPS_LOG_SERVER_STARTED, /* server */
		MPS_LOG_SERVER_READY,	/* server; again after a fault that it got over by itself */
		MPS_LOG_SERVER_EXITED,	/* server, status */
		MPS_LOG_FAULT, /* fatal: server; client that caused it. Each is 0 where the line
				  does not tell: one fault is told by several lines */
		MPS_LOG_CLIENT_CONNECTED, /* server, client */
		MPS_LOG_CLIENT_ENDED,	  /* server, client */
	} kind;
	int32_t server, client; /* pids; 0 unknown */
	int32_t status;		/* exit status */
	char line[200];		/* the line without its time, cut: for people */
};

enum { MPS_LOG_FILES = 3, MPS_LOG_LINE_MAX = 1024 };

/* One log file; a begun line waits for its end. */
struct mps_log_file {
	char path[136];
	int fd;
	uint64_t offset;
	bool is_skipping; /* the rest of a line that was too long, or begun before us */
	int32_t faulty;	  /* the server whose fault was told last and is not got over; 0 none */
	uint32_t length, next;
	char text[MPS_LOG_LINE_MAX];
};

struct mps_log {
	char dir[96];
	int watch;
	bool is_watched[2]; /* the directory, and the one of a v3 server in it */
	struct mps_log_file file[MPS_LOG_FILES];
};

/*
 * Begins to read the logs in the directory of a struct mps_spec: from their start, or (`from_end`)
 * only what is appended from now on. Files that are not there yet are read when they are.
 */
void mps_log_init(struct mps_log *log, const char *dir, bool from_end);
/* The same from at most `tail` bytes before their ends. */
void mps_log_init_tail(struct mps_log *log, const char *dir, uint64_t tail);
void mps_log_done(struct mps_log *log);
/* -1 if the kernel gives no watch. */
int mps_log_fd(const struct mps_log *log);
/* 1 with the next event, 0 if there is none for now. */
int mps_log_next(struct mps_log *log, struct mps_log_event *ret_event);

/* What one line (without its newline) tells: true with the event. `faulty` is the server of which
 * a fault was told: its making a context again is READY. */
bool mps_log_parse(const char *line, int32_t faulty, struct mps_log_event *ret_event);
