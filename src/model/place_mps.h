/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a GPU offers to a request for an MPS share, or what bars the request from it. */

#include "model/mps_room.h"
#include "model/wish.h"

struct buf;

/* From the nearest to serving to the farthest. */
enum mps_bar {
	MPS_BAR_NONE,
	/* Not now: */
	MPS_BAR_FULL,	/* leases have the room */
	MPS_BAR_TENANT, /* another tenant is served there */
	MPS_BAR_UNHELD, /* the tenant has shares of other sizes there, and memory must be held */
	MPS_BAR_STATE,	/* its server is faulty or stopping */
	MPS_BAR_LEASED, /* leased whole, or as a MIG share */
	MPS_BAR_IN_USE, /* by processes without a lease */
	MPS_BAR_PENDING,
	MPS_BAR_VFS,	/* its virtual functions are on for leases */
	MPS_BAR_CLOSED, /* not healthy, drained, or kept for another request */
	/* Never, set up as it is: */
	MPS_BAR_PINNED, /* pinned shares leave no room */
	MPS_BAR_VFS_ON, /* its virtual functions are on, and stay so when leases end */
	MPS_BAR_OPEN,	/* nobody would hold its memory's limit there */
	MPS_BAR_PROHIBITED,
	MPS_BAR_NO_PLACE, /* in MIG mode, without an instance that is large enough */
	MPS_BAR_MODE_OFF, /* a profile was asked for */
	MPS_BAR_UNMANAGED,
	MPS_BAR_LEAST, /* less compute than the hardware can give */
	MPS_BAR_LARGE,
	MPS_BAR_CANNOT,
	MPS_BAR_NAMED, /* another GPU was named */
	MPS_BAR_N,
};
static inline bool mps_bar_is_for_now(enum mps_bar bar)
{
	return bar < MPS_BAR_PINNED;
}

struct mps_offer {
	enum mps_bar bar;
	struct mps_place place; /* the best one, or the nearest to serving */
	uint64_t cost;		/* less is better, comparable between GPUs */
	struct placement placement;
};
void mps_offer(struct wish *wish, unsigned g, struct mps_offer *ret_offer);

/* The same for another state of wish->gpus[g] that can do MPS. */
void mps_offer_of(
	struct wish *wish, unsigned g, const struct gpu *gpu, struct mps_offer *ret_offer);

/* The best place of the node: 0, or -ENOENT where there is none now. */
int mps_place_best(struct wish *wish, struct placement *ret_placement);

/* As wish_distance() and wish_refuse(). */
unsigned mps_distance(struct wish *wish, unsigned g);
int mps_refuse(struct wish *wish, struct error *err);

/* What bars the request from these GPUs (a mask), which have the same bar. */
void mps_say_bar(
	struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text);
/* For --explain: where it would go on GPU g and what speaks for it against `best`. */
void mps_say_offer(struct wish *wish, const struct mps_offer *offer, const struct mps_offer *best,
	struct buf *text);
