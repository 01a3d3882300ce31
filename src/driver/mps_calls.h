/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the mps*.c files share: one control daemon, and the languages in which it is spoken to. */

#include "base/text.h"
#include "driver/mps.h"

struct error;
struct spawn;

enum { MPS_PATH_MAX = MPS_DIR_MAX + 8 };
#define MPS_CONTROL_NAME "nvidia-cuda-mps-control"
#define MPS_SERVER_NAME	 "nvidia-cuda-mps-server"

struct mps_dialect;

struct mps_control {
	const struct mps_spec *spec;
	struct mps_program program;
	const struct mps_dialect
		*dialect;	    /* of the daemon that runs, or of the one to be started */
	struct mps_process process; /* pid 0: none of ours runs */
	char pipe[MPS_PATH_MAX], log[MPS_PATH_MAX];
	uint64_t until_ns;
};

/* How one language says things; each op is given a daemon that runs. */
struct mps_dialect {
	enum mps_interface interface;
	const char *option[3]; /* of the daemon, beside -d */
	bool holds_memory, holds_compute;

	/* Has a server started for spec->uid, where none is; does not wait for it. */
	int (*start_server)(struct mps_control *control, struct error *err);
	/* Sets spec->limits: those of the running server (pid 0: none) and of those to come. */
	int (*set_limits)(struct mps_control *control, int32_t server, struct error *err);
	/* Fills in server.pid, state and clients. */
	int (*look)(struct mps_control *control, struct mps_seen *seen, struct error *err);
	int (*add)(struct mps_control *control, struct mps_part *part, struct buf *environment,
		struct error *err);
	int (*remove)(struct mps_control *control, const struct mps_part *part, struct error *err);
	/* NULL: it has nothing that could be left over. */
	int (*keep)(struct mps_control *control, const char *partitions, struct error *err);
	int (*terminate)(
		struct mps_control *control, int32_t server, int32_t client, struct error *err);
	/* Ends servers and daemon; waits `seconds` for clients. */
	int (*quit)(struct mps_control *control, unsigned seconds, struct error *err);
	/* Ends the server without waiting for clients. */
	int (*shut)(struct mps_control *control, int32_t server, struct error *err);
};
extern const struct mps_dialect mps_dialect_v2, mps_dialect_static, mps_dialect_v3;

/* ---- mps_program.c: NVIDIA's program ---- */

/* mps_find in two steps: finding it, and comparing its version. What runs is spoken to whatever is
 * installed by now. */
int mps_program_open(const char *driver, struct mps_program *ret_program, struct error *err);
int mps_program_fits(const struct mps_program *program, const char *driver, struct error *err);

/* ---- mps_control.c: the daemon's process ---- */

/* Paths and deadline. */
void mps_control_init(
	struct mps_control *control, const struct mps_spec *spec, uint64_t deadline_ns);
/* Finds program, daemon (pid 0: none runs) and dialect. -EEXIST: not ours. */
int mps_control_open(struct mps_control *control, struct error *err);
/* Starts the daemon in its directories. */
int mps_control_start(struct mps_control *control, struct error *err);
/* Kills the daemon and its servers, and waits until they are gone. */
int mps_control_kill(struct mps_control *control, struct error *err);
/* Until the deadline; 0 when it is over. */
uint64_t mps_control_left(const struct mps_control *control);
/* ---- mps_ask.c: NVIDIA's program, run ---- */

/* Runs it until the deadline, in the environment of this daemon; its answer without the last
 * newline. As spawn_run. */
int mps_run(struct mps_control *control, const struct spawn *what, struct buf *answer,
	struct error *err);
/*
 * Runs the front end, with `input` or with words on its command line (NULL at their end; NULL:
 * none): its answer without the last newline. -ENOENT if no daemon is there, -ETIMEDOUT if it does
 * not answer, -EIO if the front end fails, with its own words.
 */
int mps_ask(struct mps_control *control, const char *input, const char *const *words,
	struct buf *answer, struct error *err);
/* The daemon did not do as told: -EINVAL with its words. */
int mps_refused(const struct buf *answer, struct error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* An answer as one line, for a sentence; "nothing" if it is empty. */
const char *mps_words(const struct buf *answer, char ret_text[200]);

/* ---- mps_dir.c: its directories ---- */

/* Makes dir, dir/pipe (for the tenant) and dir/log; all that is missing. */
int mps_dir_make(const struct mps_control *control, struct error *err);
/* Removes dir and what is in it, whatever a tenant has put there. */
int mps_dir_remove(const char *dir, struct error *err);

/* ---- mps_process.c: NVIDIA's processes in /proc ---- */

/* It has no memory any more: killed, and on its way out, it may still have its files. */
bool mps_process_is_dying(pid_t pid);
/* True if the process was started under this program name. */
bool mps_process_is(pid_t pid, const char *name);
/* Its environment's value of a variable; the caller frees; NULL if there is none or it may not be
 * read. */
char *mps_process_variable(pid_t pid, const char *name);
/* Processes of that name with this pipe directory: how many. */
unsigned mps_process_find(
	const char *name, const char *pipe, struct mps_process *ret_processes, unsigned max);

/* ---- mps.c ---- */

/* -EINVAL for more than there is of a GPU. */
int mps_check_limits(const struct mps_limits *limits, struct error *err);
/* All of *ret_seen, of a daemon that runs. */
int mps_control_look(struct mps_control *control, struct mps_seen *ret_seen, struct error *err);

/* ---- mps_limits.c: amounts as NVIDIA's program writes them ---- */

/* "33.5" */
const char *mps_percent_text(uint32_t millipercent, char ret_text[16]);
/* "3500M" */
const char *mps_memory_text(uint32_t mib, char ret_text[16]);
/* True if what the program read back is what was set: it shows tenths of a percent, and whole
 * gigabytes from one on; nothing, or a whole device, where there is no limit. */
bool mps_percent_is(const char *answer, uint32_t millipercent);
bool mps_memory_is(const char *answer, uint32_t mib);
