/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A request held against a whole node: by which mechanisms, on which GPUs, with which profiles. */

#include "model/need.h"
#include "model/place.h"
#include "model/view.h"
#include "model/worth.h"

struct buf;
struct error;

struct wish {
	const struct gpu *gpus;
	unsigned n_gpus;
	const struct request *request;
	uint32_t avoid;
	int only; /* the one GPU that it must be; -1: any */
	bool is_bare;
	bool may_mig, may_mps, may_whole; /* what the request allows ... */
	bool may_vf;			  /* ... which is this alone where it is set */
	unsigned n_needs;
	struct need need[GPUS_MAX];   /* one per geometry, on demand */
	struct worth worth[GPUS_MAX]; /* what the places of need[i]'s geometry are worth */
};

/* 0, or PLACE_E_NEVER with the sentence. */
int wish_make(struct wish *wish, const struct gpu *gpus, unsigned n_gpus,
	const struct request *request, uint32_t avoid, struct error *err);

/* Neither the GPU's state nor the caller forbids a placement on it now. */
bool wish_is_open(const struct wish *wish, unsigned g);

/* What the request needs of GPU g; belongs to the wish. */
const struct need *wish_need(struct wish *wish, unsigned g);

/* The mechanism by which the node could serve it: MPS or whole where MIG never can. */
enum mechanism wish_mechanism(struct wish *wish);

/* The view of each GPU for it, and what places are worth as they stand. */
void wish_look(struct wish *wish, enum mechanism mechanism, struct view *ret_views);
/* Prices anew, after a view has changed. */
void wish_price(struct wish *wish, struct view *views);

/* Nothing but leases keeps the request from GPU g: how many must end; else WISH_TOO_FAR. */
#define WISH_TOO_FAR UINT32_MAX
unsigned wish_distance(struct wish *wish, unsigned g, enum mechanism mechanism);

/* Whether a GPU could serve it, set up as it is now, and what would have to change. */
enum hope {
	HOPE_YES,	/* it could, if not now */
	HOPE_MODE_OFF,	/* MIG mode is off */
	HOPE_MODE_ON,	/* asked for whole, but MIG mode is on */
	HOPE_VFS,	/* its virtual functions are on, and stay so when leases end */
	HOPE_PINNED,	/* pinned instances have the room */
	HOPE_UNMANAGED, /* it may be able to, but is only looked at */
	HOPE_LACK,	/* see wish_need()->lack; a whole GPU has too little memory */
	HOPE_NONE,	/* it is not the GPU that was named, or cannot do what was asked */
	HOPE_N,
};
enum hope wish_hope(struct wish *wish, unsigned g, enum mechanism mechanism);

/* How many shares of the request GPU g, or the node, could ever hold at once by the mechanism. */
unsigned wish_capacity_of(struct wish *wish, unsigned g, enum mechanism mechanism);
unsigned wish_capacity(struct wish *wish, enum mechanism mechanism);

/* Why GPU g offers no place now, though it could serve: appended to `text`. */
void wish_say_busy(struct wish *wish, unsigned g, enum mechanism mechanism, struct buf *text);

/* Sets the sentence why the request was not placed, and returns the refusal. */
int wish_refuse(struct wish *wish, struct error *err);
