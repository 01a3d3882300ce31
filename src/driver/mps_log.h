/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an MPS control daemon and its servers write into their logs, read as it is appended and
 * without blocking: poll mps_log_fd for input, then call mps_log_next until it answers 0. As some
 * file systems tell no changes, calling it from time to time does no harm.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mps_log_event {
	enum mps_log_kind {
		MPS_LOG_SERVER_STARTED,	  /* server */
		MPS_LOG_SERVER_READY,	  /* server, 0 where the line does not tell */
		MPS_LOG_SERVER_EXITED,	  /* server, status */
		MPS_LOG_FAULT,		  /* fatal: server; client that caused it, 0 unknown */
		MPS_LOG_CLIENT_CONNECTED, /* client */
		MPS_LOG_CLIENT_ENDED,	  /* client */
	} kind;
	int32_t server, client; /* pids; 0 unknown */
	int32_t status;		/* exit status */
	char line[200];		/* the line without its time, cut: for people */
};

enum { MPS_LOG_FILES = 3, MPS_LOG_LINE_MAX = 1024 };

/* One log file; begun lines wait for their end. */
struct mps_log_file {
	char path[128];
	int fd;
	uint64_t offset;
	dev_t device;
	ino_t inode;
	bool is_skipping; /* the rest of a line that was too long */
	uint32_t length, next;
	char text[MPS_LOG_LINE_MAX];
};

struct mps_log {
	int watch;
	struct mps_log_file file[MPS_LOG_FILES];
};

/*
 * Begins to read the logs in the directory of a struct mps_spec: from their start, or (`from_end`)
 * only what is appended from now on. Files that are not there yet are read when they are.
 */
void mps_log_init(struct mps_log *log, const char *dir, bool from_end);
void mps_log_done(struct mps_log *log);
/* -1 if the kernel gives no watch. */
int mps_log_fd(const struct mps_log *log);
/* 1 with the next event, 0 if there is none for now. */
int mps_log_next(struct mps_log *log, struct mps_log_event *ret_event);
