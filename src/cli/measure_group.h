/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The copies of one lease: a `carve run` that they are the command of, and its ends. */

#include "base/text.h"

#include <sys/types.h>

struct error;
struct measuring;
struct plan_run;

struct group {
	pid_t pid;	   /* 0: none */
	int in, out, log;  /* its standard input and output, and what it says of errors; -1 */
	unsigned first, n; /* which copies of the run */
	struct buf text;   /* of a line that is not whole yet */
};

/* Starts it; `first` and `n` are set. What was opened until a failure stays for group_done(). */
int group_start(struct group *group, struct measuring *measuring, const struct plan_run *run,
	struct error *err);
/* The last line of what `carve run` said, without "carve: ". */
enum { GROUP_WORDS_MAX = 300 };
void group_last_words(const struct group *group, char ret_text[GROUP_WORDS_MAX]);
/* Waits for its end; who does not end is asked to, and then made to. Its wait status. */
int group_reap(struct group *group);
void group_done(struct group *group);
