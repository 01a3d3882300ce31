/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a request goes: the share that serves it with the least harm to what may come.
 *
 * Pure: reads the GPUs as they are, changes nothing. The choice keeps most future requests possible
 * (worth.h). Slots of idle dynamic instances count as free: those in the way are evicted. An idle
 * instance of the right profile saves making one. Where the request leaves the mechanism to Carve,
 * it is that of the first way in the ranking of advise() that has room now (choice.h).
 */

#include "model/advice.h"
#include "model/gpu.h"
#include "model/request.h"

#include <stdint.h>

enum place_how {
	PLACE_CACHED, /* an idle instance that is there already: `instance`, `ci` */
	PLACE_CREATE, /* a new instance of `profile` at `start`, after removing those in `evict` */
	PLACE_WHOLE,  /* the whole GPU, which is not in MIG mode */
	PLACE_MPS,    /* `mps`: a pinned share that is idle (its number is one of the GPU's), or one
			 that is made for it (number 0) */
	PLACE_VF,     /* VF number `vf`, set to `vf_setup`; what is done before: vf_count */
};

struct placement {
	enum place_how how;
	enum mechanism mechanism;
	uint32_t gpu;	  /* index into gpus */
	uint32_t profile; /* index into the GPU's geometry (not for PLACE_WHOLE) */
	uint32_t start;
	uint32_t instance; /* PLACE_CACHED: index into seen.instance */
	uint32_t ci;	   /* PLACE_CACHED: index into its ci[] */
	uint32_t evict; /* PLACE_CREATE, PLACE_VF: mask over seen.instance of idle dynamic ones to
			   remove first */
	uint32_t vf;
	struct vf_setup vf_setup;
	bool makes_instance; /* PLACE_VF: an instance of `profile` at `start` is made for it */
	uint32_t vf_count;   /* PLACE_VF: so many VFs have to be turned on first; 0: they are on */
	struct mps_share mps;
	uint32_t stop_uid; /* PLACE_MPS: the idle server of this tenant must go first ... */
	bool stops_server; /* ... if this is set */
	enum advice_option way;
	uint32_t ways; /* those that had room when it was chosen, as bits; 0: there was no choice */
};

/* Refusals. */
enum {
	PLACE_E_NO_ROOM = 1, /* nothing free now: waiting may help; err says for what */
	PLACE_E_NEVER, /* no managed GPU of this node could ever serve it; err says why and the way
			  out */
};

/*
 * Places one request of request->n_gpus shares, all or nothing, on different GPUs where they are
 * several whole GPUs. `ret_placement` has room for n_gpus. `avoid` is a mask of GPU indices that
 * are kept for somebody else (0: none). 0, or a refusal with its sentence.
 */
int place(const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid,
	struct placement *ret_placement, struct error *err);

/* True if the request could be placed were GPU `gpu` free of leases: used to keep room for it. */
bool place_could_use(const struct gpu *gpu, const struct request *request);

/* Why this placement: one line per candidate GPU, for --explain. Text owned by the caller (free).
 */
char *place_explain(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t avoid);
