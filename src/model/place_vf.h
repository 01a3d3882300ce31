/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a GPU offers to a request for a virtual machine, or what bars the request from it. */

#include "model/vf_room.h"
#include "model/wish.h"

struct buf;

/* From the nearest to serving to the farthest. */
enum vf_bar {
	VF_BAR_NONE,
	/* Not now: */
	VF_BAR_FULL,   /* leases have the VFs, or the room for the type or memory */
	VF_BAR_LEASED, /* leases of other mechanisms hold the GPU */
	VF_BAR_IN_USE, /* VFs are off, and processes without a lease use it */
	VF_BAR_CLOSED, /* not healthy, drained, or kept for another request */
	/* Never, set up as it is: */
	VF_BAR_PINNED, /* what layouts pin, or others made, leaves no room */
	VF_BAR_KEPT,   /* VFs are off, and what is pinned or foreign keeps the GPU */
	VF_BAR_OFF,    /* VFs are off, and only a layout may turn them on */
	VF_BAR_MODE,   /* the type needs the other MIG mode */
	VF_BAR_GROUP,  /* the host cannot hand them to a virtual machine */
	VF_BAR_UNMANAGED,
	VF_BAR_ISOLATION, /* its VFs take turns on the same engines */
	VF_BAR_WHICH,	  /* it has types, and none was named, nor a size */
	VF_BAR_MEMORY,	  /* none of its types has so much memory, nor has the GPU */
	VF_BAR_TYPE,	  /* no such type */
	VF_BAR_UNKNOWN,	  /* its types are not known yet */
	VF_BAR_NO_SIZES,  /* its VFs have neither types nor sizes */
	VF_BAR_CANNOT,	  /* its capability says why */
	VF_BAR_NAMED,	  /* another GPU was named */
	VF_BAR_N,
};
static inline bool vf_bar_is_for_now(enum vf_bar bar)
{
	return bar < VF_BAR_PINNED;
}

struct vf_offer {
	enum vf_bar bar;
	int type; /* index into facts.vf.type[] of what the request means there; -1 none */
	struct vf_setup setup;
	uint64_t cost;	/* less is better, comparable between GPUs */
	uint32_t left;	/* as many more would have room behind it */
	bool is_pinned; /* just the idle pinned one that was asked for */
	struct placement placement;
};
void vf_offer(struct wish *wish, unsigned g, struct vf_offer *ret_offer);

/* What the request means on the GPU: offer->type and setup; a bar where it means nothing. */
enum vf_bar vf_choose(const struct wish *wish, const struct gpu *gpu, struct vf_offer *offer);

/* Its series serves the workload; a type without a series serves every one. */
bool vf_type_serves(const struct wish *wish, const struct vf_type *type);

/* The best place of the node: 0, or -ENOENT where there is none now. */
int vf_place_best(struct wish *wish, struct placement *ret_placement);
/* Nothing but leases keeps the request from GPU g. */
bool vf_could_place(struct wish *wish, unsigned g);
/* As wish_refuse(). */
int vf_refuse(struct wish *wish, struct error *err);
/* One line for each GPU; `chosen` may be NULL. */
void place_vf_explain(struct wish *wish, const struct placement *chosen, struct buf *text);
