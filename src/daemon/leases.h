/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The lease manager: takes requests, queues them in fair order, places them, has their steps done,
 * binds them to their holder and takes the shares back when the holder is gone. model/lease.h has
 * the states.
 */

#include "daemon/daemon.h"
#include "daemon/holder.h"
#include "model/binding.h"
#include "model/lease.h"
#include "model/place.h"
#include "model/request.h"

#include <jansson.h>

struct error;
struct mps_runtime;
struct peer;
struct placement;

/* A share that a lease holds, named so that it can be found again after a restart. */
struct lease_share {
	uint32_t gpu;
	enum mechanism mechanism;
	uint32_t profile_id, start, ci_id; /* of a MIG share */
	struct mps_share mps;		   /* of an MPS share */
	struct lease_vf {
		uint32_t number;
		char pci[16]; /* "" until it is there */
		char type[VF_NAME_MAX];
	} vf;			       /* of a VF */
	char *environment, *partition; /* what its server told of it; NULL not yet */
	char uuid[48];		       /* MIG or GPU uuid; "" until it is known */
	uint64_t memory_bytes;
	float compute; /* percent of the GPU */
};

struct lease {
	struct daemon *daemon;
	struct list link, id_link; /* in daemon->leases and leases_by_id */
	uint64_t id;
	enum lease_state state;
	struct request request;
	struct holder holder;
	char *name;   /* NULL none */
	char *choice; /* why by this mechanism, where that was left to Carve; NULL */
	char *why;    /* --explain; NULL */
	char *reason; /* why it failed or ended; NULL */
	struct tenant *tenant;
	struct charge count_charge;	  /* the lease itself, from the request on */
	struct charge share_charge;	  /* GPUs, memory, compute, from the placing on */
	unsigned n_shares, n_shares_made; /* made: as many as `share` has */
	struct lease_share *share;
	json_t *binding; /* what its holder was given; NULL: to be looked up (after a restart) */
	uint64_t created_wall_ns, active_wall_ns, waiting_since_ns,
		ends_ns; /* ends_ns: monotonic; 0 none */
	uint64_t ends_wall_ns;
	uint64_t tried_number; /* of the room in which it was tried in vain; 0 none */
	uint32_t tried_avoid;
	unsigned position;    /* in the queue, from 1; 0: not queued */
	char *waits_for;      /* NULL none */
	bool has_steps;	      /* placing it takes steps on the hardware */
	unsigned tries;	      /* placements whose steps failed */
	bool changed_mode;    /* a GPU was put into MIG mode for it: no second one is */
	bool is_unwanted;     /* to be ended as soon as its steps are done */
	bool is_terminating;  /* its work on the GPU is being ended before its processes are */
	bool vf_is_lost;      /* its VF is not there, and will be made again */
	unsigned vf_failures; /* how often its VF could not be made free */
	bool has_failed; /* its GPU or share is gone: FAILED, not ENDED, once its holder has ended
			  */
	int status;	 /* HTTP status that goes with `reason` when it failed; 0 */
	uint32_t avoid;	 /* GPUs where they did */
	unsigned users_open; /* answers awaited before it ends */
	bool users_seen;
	sd_event_source *timer;	   /* wait, time or grace over; users asked again */
	struct lease_watch *watch; /* NULL: nobody asked what it uses */
};

/*
 * Asks for a lease on behalf of a peer. On success the lease exists in some state (it may be
 * active, or failed: then *ret_lease is NULL and the answer is in `err`). Returns 0, or an HTTP
 * status (api.h) with the sentence in `err`.
 */
int lease_request(struct daemon *daemon, const struct peer *peer, const struct request *request,
	const struct holder_wish *wish, struct lease **ret_lease, struct error *err);

struct lease *lease_find(struct daemon *daemon, const char *id_or_name);
struct lease *lease_by_id(struct daemon *daemon, uint64_t id);

/* Ends a lease: its processes get SIGTERM and, after `grace_ns`, SIGKILL. `why` becomes its reason.
 */
void lease_end(struct lease *lease, uint64_t grace_ns, const char *why);
/* Lets it end `time_ns` from now. */
void lease_extend(struct lease *lease, uint64_t time_ns);
/* The holder is gone (or its child has ended and no other process lives in its cgroup). */
void lease_holder_gone(struct lease *lease);

/* Something has become free, or may have: tries the queue again, in the loop's next round. Never
 * from within: the caller may be in the middle of the leases, or of writing the ledger. */
void leases_pump(struct daemon *daemon);
/* The same where only the queue is another: who stood behind one that left moves up, and may have
 * waited for its sake alone. */
void queue_pump(struct daemon *daemon);
/* Marks what leases hold in the view of a GPU (gpu_rebuild calls it). */
void leases_mark(struct daemon *daemon, unsigned gpu);
/* A GPU's health has changed. */
void leases_gpu_changed(struct daemon *daemon, unsigned gpu);
/* A GPU was looked at: leases whose share is not there any more are told, and fail. */
void leases_check_shares(struct daemon *daemon, unsigned gpu);
/* With the driver drained: ends the workers once no lease holds a share and no GPU is being
 * changed; false until then. */
bool driver_let_go(struct daemon *daemon);
/* Tells of processes that use a managed GPU without a lease. */
void leases_check_unleased(struct daemon *daemon, unsigned gpu);
/* The lease in whose cgroup (or as whose process) this one runs; NULL. */
struct lease *lease_of_process(struct daemon *daemon, pid_t pid);

/* Reads the ledger's leases at the start, after unfinished steps were put back. */
void leases_recall(struct daemon *daemon);
void leases_done(struct daemon *daemon);

/* A lease that is over: kept for a while, so that who asks late learns why. NULL if not known. */
struct lease_over {
	uint64_t id;
	uid_t uid;
	enum lease_state state;
	int status;
	char *reason;
	json_t *profile; /* NULL: it was not watched */
};
const struct lease_over *lease_over_find(const struct daemon *daemon, const char *id);

/* What its holder needs. */
int lease_binding(const struct lease *lease, struct binding *ret_binding, struct error *err);

/*
 * Between the files of the lease manager.
 */
/* The only writer of lease->state: records it, tells who waits for it. */
void lease_set_state(struct lease *lease, enum lease_state next);
void leases_init(struct daemon *daemon);
struct lease *lease_new(struct daemon *daemon, uint64_t id);
/* Gives everything back and forgets it; `lease` is gone afterwards. */
void lease_finish(struct lease *lease, enum lease_state last);
/* Finishes as failed, with an HTTP status and the reason. */
void lease_fail(struct lease *lease, int status, const char *reason);
void lease_set_reason(struct lease *lease, const char *reason);
/* Arms the lease's one timer for that time from now. */
void lease_arm(struct lease *lease, uint64_t in_ns);
/* Arms it for the rest of the time that its request gives for waiting. */
void lease_arm_wait(struct lease *lease);
/* Tries the queue once, now. */
void queue_try(struct daemon *daemon);
/* PLACED or ACTIVE, and nobody wants it any more: it ends as soon as nobody is on its shares. */
void lease_let_go(struct lease *lease);
/* Asks the driver who is still on its shares, and finishes when nobody is. */
void lease_check_users(struct lease *lease);
/* Places it now if there is room. 0; PLACE_E_NO_ROOM; or an HTTP status, not kept. `busy`: see
 * pump. */
int lease_try(struct lease *lease, uint32_t avoid, uint32_t *ret_busy, struct error *err);
/* What no GPU can serve now, one in MIG mode may: has the mode turned on where that is allowed.
 * PLACE_E_NO_ROOM and the GPU in *ret_busy, or 0 if that does not help. */
int lease_change_mode(struct lease *lease, uint32_t avoid, uint32_t *ret_busy, struct error *err);
/* The compute instance that a share is, or lies in. */
struct mps_place lease_share_place(const struct lease_share *share);
/* Sets or clears the mark of one share in the GPU's view. */
void lease_mark_share(const struct lease *lease, const struct lease_share *share, uint64_t id);
/* What its shares cost. */
struct quota lease_amount(const struct lease *lease);
/* Gives its shares back; what is told of them stays. */
void lease_return_shares(struct lease *lease);
/* Gives its shares and their charge back, and forgets them. */
void lease_drop_shares(struct lease *lease);
void lease_free_shares(struct lease *lease);
/*
 * Answers of its MPS server (daemon/mps.h): its share is ready (0), or not and why (negative
 * errno); so many clients of it are left; its work on the GPU has been ended, or could not be.
 */
void lease_mps_ready(struct lease *lease, int code, const char *why);
void lease_mps_users(struct lease *lease, unsigned n_users);
void lease_mps_terminated(struct lease *lease);
/* Its MPS server is broken: the leases on it fail, and their processes end. */
void leases_mps_broke(struct daemon *daemon, const struct mps_runtime *server, const char *reason);
/*
 * What its job uses, while it is active (lease_watch.c). Wanted by who asks for the lease, or again
 * after a restart, with the figures until then (or NULL).
 */
void lease_watch_want(struct lease *lease, const json_t *figures);
void lease_watch_begin(struct lease *lease);
void lease_watch_end(struct lease *lease);
void lease_watch_free(struct lease *lease);
/* The figures until now, null where it is not watched. */
json_t *lease_watch_json(const struct lease *lease);
/*
 * A virtual machine's lease (lease_vf.c).
 */
struct lease_share lease_vf_share(const struct daemon *daemon, const struct placement *placement);
/* Thousandths of a GPU that a VF is charged as: by its memory, or else as one of as many as can be.
 */
uint64_t lease_vf_milli(const struct gpu *gpu, const struct lease_share *share);
void lease_vf_mark(const struct lease *lease, const struct lease_share *share, uint64_t id);
/* The number of the lease that has the VF; 0: none. */
uint64_t lease_of_vf(struct daemon *daemon, unsigned gpu, uint32_t number);
void lease_vf_take_address(struct lease_share *share, const struct gpu *gpu);
/* "0:vf3 (NVIDIA L40S-12Q)" */
const char *lease_vf_text(const struct lease_share *share, char *ret_text, size_t size);
/* Active, of a VF that nobody has open. */
bool lease_vf_is_idle(const struct lease *lease);
/* Its GPU was looked at: its VF is there, or why not. */
void lease_vf_seen(struct lease *lease);
/* Ends it, unless the VF is open: then who waits for the release is refused. */
void lease_vf_release(struct lease *lease, const char *why);
/* RELEASING: looks whether the VF is open, and makes it free and finishes when it is not. */
void lease_vf_check(struct lease *lease);
/* In the store, beside the ledger: what outlives a boot. Recalling gives the greatest number that
 * was ever given to one. */
void lease_vf_keep(const struct lease *lease, const char *body);
void lease_vf_drop(struct daemon *daemon, uint64_t id);
uint64_t lease_vf_recall(struct daemon *daemon,
	void (*each)(void *context, uint64_t id, const char *body), void *context);
/* Writes it to the ledger. */
void lease_record(struct lease *lease);
