/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The control daemon: its servers, and those who talk to it. */

#include "base/list.h"
#include "base/text.h"
#include "sim/mps/dialect.h"
#include "sim/mps/limits.h"

#include <sys/types.h>

struct named;
struct space;

struct mps_server {
	struct list item;
	struct named *named; /* v3: whose process it is; NULL once that is deleted */
	pid_t pid;
	uid_t uid;
	int fd; /* to it */
	bool is_ready;
	bool is_leaving; /* it is to end as soon as it has no clients */
	bool is_fault;
	uint64_t force_at_ns; /* 0: never */
	bool is_forced;	      /* it was killed */
	struct limits limits;
};

#define VISITOR_AWAITS 32

/* Whoever is connected: a front end, or a client until a server has it. */
struct visitor {
	struct list item;
	unsigned number;
	int fd;
	pid_t pid;
	uid_t uid;
	bool is_front_end;
	char *request; /* of a client that waits for a server */
	/* v3: the socket that it came through; NULL: the daemon's own. */
	struct named *named;
	struct space *space;
	bool has_failed; /* exit status 1 */
	/* Its answer is a list: as a table or CSV, the first line is a header or not. */
	bool is_list, is_table, has_header;
	/* Whom a front end waits for (pids of servers; 0: the end), and what they said so far. */
	pid_t awaited[VISITOR_AWAITS];
	unsigned n_awaited;
	struct buf answer;
};

struct control {
	struct node *node;
	struct dialect dialect;
	char pipe_dir[96], log_dir[256];
	int listeners[2], lock, server_log;
	bool is_partitioning; /* -S */
	struct limits defaults;
	struct list servers, visitors;
	unsigned next_number;
	bool is_wanted; /* start_server, while another user's server ends */
	uid_t wanted_uid;
	/* quit */
	bool is_ending;
	uint64_t force_at_ns; /* 0: it waits for as long as they take */
	int status;	      /* 1 when a server did not end well */
	bool is_v3;
	struct list named;
};

/* Starts listening; -EEXIST: an instance runs. What is wrong is printed, as NVIDIA's does. */
int control_open(struct control *control);
/* Serves until `quit`, or until the node is gone; the exit status. */
int control_serve(struct control *control);

/* servers.c: starts one for this user, when those of others have ended. */
void server_start(struct control *control, uid_t uid);
/* What a server said; and that it ended, which frees it. */
void server_said(struct control *control, struct mps_server *server, const char *text);
void server_ended(struct control *control, struct mps_server *server, int status);
/* Ends by force what is overdue. */
void servers_tick(struct control *control);
struct mps_server *server_find(struct control *control, pid_t pid);
struct mps_server *server_of(struct control *control, uid_t uid);
/* Asks a server to end when it has no clients; `by_force` at once. */
void server_shut_down(struct control *control, struct mps_server *server, bool by_force);
/* Sends it the limits that it has. */
void server_tell_limits(struct mps_server *server);

/* A line of the answer, which the log has too. */
void answer(struct visitor *visitor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Has a server answer a question, as the last part of the answer. */
void ask(struct visitor *visitor, struct mps_server *server, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Starts the process of a named server. */
void server_launch(struct control *control, uid_t uid, struct named *named);
/* Whether a client waits for this server. */
bool server_is_for(const struct mps_server *server, const struct visitor *visitor);

/* Gives a client to its server, or keeps it until there is one. */
void client_place(struct control *control, struct visitor *visitor);
struct visitor *visitor_free(struct visitor *visitor);
/* It waits for a server; no longer: false if it did not. */
void visitor_await(struct visitor *visitor, pid_t server);
bool visitor_awaits_no_more(struct visitor *visitor, pid_t server);
/* Sends a front end its answer, if nothing is awaited any more. */
void visitor_answer(struct visitor *visitor);

/*
 * commands.c: does what a front end's line says. The answer is added to visitor->answer; some wait
 * for servers first (n_awaited).
 */
void command_run(struct control *control, struct visitor *visitor, const char *line);
/* `rest` may say "-t SECONDS". */
void command_quit(struct control *control, struct visitor *visitor, const char *rest);
