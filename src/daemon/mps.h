/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Carve's MPS servers: one for a GPU (or compute instance) and tenant, started for the first lease,
 * watched, ended when nobody needs it any more, and started again when a client broke it.
 *
 * Each has a worker process of its own (mechanism/mps_work.h) that speaks to NVIDIA's control
 * daemon; the loop itself reads their logs and waits for their processes' ends.
 */

#include "base/list.h"
#include "daemon/daemon.h"
#include "mechanism/mps_work.h"

struct lease;
struct lease_share;
struct mps_runtime;
struct mps_log;
struct work_answer;
struct worker;

/*
 * The share of a lease that is placed: its server is started if need be, and made to hold its
 * limits. Answered once, by lease_mps_ready(): from within, if it cannot even be asked.
 */
void mps_lease_begin(struct lease *lease);
/* The share of a lease is given back: the server forgets it, and ends if that was the last. */
void mps_lease_end(struct daemon *daemon, const struct lease_share *share, uint64_t lease);
/* Asks the server whether a process of the lease still is its client; answered once by
 * lease_mps_users(). */
void mps_lease_ask(struct lease *lease);
/* Ends the lease's work on the GPU in an orderly way before its processes are killed; answered once
 * by lease_mps_terminated(). */
void mps_lease_terminate(struct lease *lease);

/* Takes up a configuration that was read again. */
void mps_reload(struct daemon *daemon);
/* Shows the servers in the view of a GPU (gpu_rebuild calls it). */
void mps_show(struct daemon *daemon, unsigned gpu);
/* The process is a control daemon or server of ours. */
bool mps_is_ours(const struct daemon *daemon, int32_t pid);
/* It may be one that is just being started there: a later look tells. */
bool mps_may_be_ours(const struct daemon *daemon, unsigned gpu, const char *command);
/* The server at that place for that tenant; NULL. */
const struct mps_runtime *mps_find_server(
	const struct daemon *daemon, unsigned gpu, const struct mps_place *place, uint32_t uid);

/* Ends the servers without leases on the GPUs of the mask: room for others. The mask of those GPUs
 * on which one was, or is still on its way out. */
uint32_t mps_stop_idle(struct daemon *daemon, uint32_t gpus);
/* Ends all servers, which must have no leases: true once none is left. */
bool mps_let_go(struct daemon *daemon);
/* GPUs on which no server runs any more, or several may, get their former compute mode back. */
void mps_settle(struct daemon *daemon);

/* With each look at the GPUs: looks at the servers, and for control daemons that are not ours. */
void mps_look_all(struct daemon *daemon);
/* Remembers of which leases the clients are that were seen on a GPU. */
void mps_note_clients(struct daemon *daemon, unsigned gpu);
/* Takes up the servers that the ledger knows, once the leases are there. */
void mps_recall(struct daemon *daemon);
/* Forgets them; they go on. */
void mps_done(struct daemon *daemon);

/* Control daemons of others, as the last search found them. */
const struct mps_foreign *mps_foreign_on(
	const struct daemon *daemon, unsigned gpu, unsigned *position);

/* One server, for render.c and between the files of this module. */
struct mps_runtime {
	struct daemon *daemon;
	struct list link;
	unsigned gpu;
	struct mps_place place;
	uint32_t uid;
	char name[32]; /* "0-1000": of its directory and worker */
	enum mps_state state;
	char why[160]; /* what is wrong, or being done */
	struct mps_seen seen;
	struct mps_limits limits; /* as the server has them */
	struct worker *worker;
	struct list tasks; /* orders that were given and not answered */
	struct list waits; /* leases that wait for it */

	int control_pidfd, server_pidfd;
	sd_event_source *control_source, *server_source, *log_source, *fault_source, *timer;
	struct mps_log *log;
	uint64_t fault_ns;  /* since when it is out of service; 0 never */
	int32_t culprit;    /* the client that broke it; 0 unknown */
	uint64_t guilty;    /* the lease that it was of; 0 unknown */
	char fault[200];    /* what is known of it, while the log may say more; "" nothing */
	bool has_log_fault; /* it is from the log */
	bool ends_clients;  /* faulty: they cannot go on */
	bool was_reported;  /* its fault was told */
	unsigned n_hangs;   /* looks in vain, one after the other */
	bool is_stopping;   /* an order to stop is on its way */
};

/* One question to a control daemon takes a few milliseconds; one that takes this long hangs. */
#define MPS_LOOK_DEADLINE_NS (3 * 1000000000ULL)
/* A server that must go: half of it gently. */
#define MPS_STOP_DEADLINE_NS (4 * 1000000000ULL)

/* The spec of its orders. */
struct mps_spec mps_spec_of(const struct mps_runtime *server);
struct mps_runtime *mps_server_new(
	struct daemon *daemon, unsigned gpu, const struct mps_place *place, uint32_t uid);
/* Forgets it, and shows that. */
struct mps_runtime *mps_server_free(struct mps_runtime *server);
void mps_server_start(struct mps_runtime *server);
void mps_server_stop(struct mps_runtime *server, const char *why);
/* It is broken: by that client (0 unknown). `ends_clients`: they cannot go on. */
void mps_server_broke(
	struct mps_runtime *server, int32_t culprit, bool ends_clients, const char *why);
/* It is broken, for all that is known yet; the log has a moment to say more. */
void mps_server_suspect(struct mps_runtime *server, const char *why);
/* Takes what a look saw. */
void mps_server_saw(struct mps_runtime *server, const struct work_answer *answer);
/* It is ready: serves who waits. */
void mps_serve_waits(struct mps_runtime *server);
/* It could not be started: those who wait are told. */
void mps_refuse_waits(struct mps_runtime *server, const char *why);
/* Starts those for which leases wait, and whose place is free now. */
void mps_start_waiting(struct daemon *daemon);
/* carved is back: what its leases do not have in it is given back. */
void mps_keep_shares(struct mps_runtime *server);
/* How many leases hold a share of it. */
unsigned mps_server_leases(const struct mps_runtime *server);
/* The lease's share of this server, or NULL. */
struct lease_share *mps_share_of(const struct mps_runtime *server, const struct lease *lease);
/* Something may have changed whether anybody needs it. */
void mps_server_check_idle(struct mps_runtime *server);
void mps_server_record(const struct mps_runtime *server);
void mps_server_watch(struct mps_runtime *server, bool log_from_end);
void mps_server_unwatch(struct mps_runtime *server);

/* An order to a server's worker. `then` is not called if the server is forgotten before. */
struct mps_task {
	struct list link;
	struct mps_runtime *server;
	uint64_t lease;
	void (*then)(struct mps_task *task, const struct work_answer *answer);
};
void mps_server_order(struct mps_runtime *server, struct mps_order *order, uint64_t lease,
	void (*then)(struct mps_task *task, const struct work_answer *answer));
