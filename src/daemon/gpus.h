/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The node's GPUs in the daemon: found at the start, looked at by their workers, and shown to the
 * model as one view: what the last look saw, with the steps under way taken as done, the origins of
 * instances from the ledger, and the marks of leases.
 */

#include "daemon/daemon.h"
#include "daemon/workers.h"
#include "model/plan.h"

struct txn;

/* Who made the instance at a place. */
struct origin_mark {
	uint32_t profile_id, start;
	enum share_origin origin;
};

/* Of which lease a client of MPS is: once it is gone, nothing else tells. */
struct client_mark {
	int32_t pid;
	uint64_t lease;
};

/* What the daemon keeps of a GPU beside the view. */
struct gpu_runtime {
	struct daemon *daemon;
	struct worker *worker;
	struct gpu_seen truth; /* as the last look saw it */
	struct txn *txn;       /* the steps under way on it; NULL none */
	uint64_t busy_since_ns;
	unsigned failed_looks;
	uint64_t sick_since_ns;
	bool is_looking, has_facts;
	VEC(struct origin_mark) origins;
	VEC(struct mps_share) mps; /* its pinned MPS shares */
	bool has_former_mode;	   /* MPS put it into another compute mode than it was in */
	enum compute_mode former_mode;
	bool mode_stays;       /* putting it back failed last time */
	unsigned mps_failures; /* MPS servers that could not be started, one after the other */
	struct vf_intent *vf_intent; /* what its VFs are to be; NULL: none is ours */
	char vf_why[400];	     /* why they could not be made again, or let go; "" */
	unsigned vf_failures;
	uint64_t vf_again_ns;		 /* not tried before */
	VEC(int32_t) reported;		 /* pids whose use without a lease was told */
	VEC(struct client_mark) clients; /* who used it through MPS when it was last looked at */
};

/* Finds the GPUs and looks at each; `ready` is called once every GPU has answered or failed to. */
int gpus_start(struct daemon *daemon, void (*ready)(struct daemon *daemon));
void gpus_done(struct daemon *daemon);
/* Starts the regular look at health, events and use without leases. */
int gpus_watch(struct daemon *daemon);

/* Makes the view of one GPU anew. To be called after truth, steps, origins or leases on it changed.
 */
void gpu_rebuild(struct daemon *daemon, unsigned index);
/* Takes what a worker saw as the truth and rebuilds the view. */
void gpu_saw(struct daemon *daemon, unsigned gpu, const struct gpu_seen *seen);
/* Takes facts and what was seen (answer->facts). */
void gpu_told_facts(struct daemon *daemon, unsigned gpu, const struct work_answer *answer);
/* What was seen of processes that have ended since is no longer true. */
void gpu_forget_dead(struct daemon *daemon, unsigned gpu);
/* Orders a look; the view follows. Facts are asked for anew after a change of MIG mode. */
void gpu_look(struct daemon *daemon, unsigned gpu);
void gpu_look_facts(struct daemon *daemon, unsigned gpu);

/* Records who made an instance (ledger and view); FOREIGN forgets it. */
void gpu_set_origin(struct daemon *daemon, unsigned gpu, uint32_t profile_id, uint32_t start,
	enum share_origin origin);
/* Records that the pinned MPS share is there (by another number, where a lease has its own since),
 * or no longer. */
void gpu_set_mps(struct daemon *daemon, unsigned gpu, struct mps_share share, bool is_there);
/* Records which compute mode the GPU was in before MPS; NULL: it is in it again. */
void gpu_set_former_mode(struct daemon *daemon, unsigned gpu, const enum compute_mode *mode);
void gpu_set_health(struct daemon *daemon, unsigned index, enum gpu_health health, const char *why);
/* Somebody has looked at a broken GPU: it is used again. */
void gpu_mend(struct daemon *daemon, unsigned index);
/* Managed or not, durable. Let go of, it has no instances of ours: managed again, those that are
 * there are foreign until adopted. */
void gpu_set_managed(struct daemon *daemon, unsigned gpu, bool is_managed);
void gpu_set_drained(struct daemon *daemon, unsigned gpu, bool is_drained);

/* Index of the instance at that place in the view, or -1. */
int gpu_instance_at(const struct gpu *gpu, uint32_t profile_id, uint32_t start);
/* Index of the GPU with that uuid, or -1. */
int gpu_by_uuid(const struct daemon *daemon, const char *uuid);
