/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a request means on one product: which profiles serve it, and which serves it best. */

#include "model/mig.h"
#include "model/request.h"

/* Why no profile serves it. */
enum need_lack {
	LACK_NOTHING,
	LACK_GEOMETRY, /* the driver does not tell the profiles */
	LACK_PROFILE,
	LACK_GRAPHICS, /* none of its instances has them */
	LACK_MEMORY,
	LACK_COMPUTE, /* enough memory, but not with so much compute */
};

struct need {
	const struct mig_geometry *geometry;
	enum need_lack lack;
	uint32_t serves; /* mask of the profiles that are enough */
	uint32_t exact;	 /* of these, the smallest */
	/* The profiles to make: those of `exact`, in order of preference. */
	unsigned n_make;
	uint8_t make[MIG_MEDIA_N];
	uint64_t whole_memory; /* what a whole GPU must have */
	unsigned ci_slices; /* "1c.3g.40gb": 1, a compute instance that is there; 0: an instance */
};

/* True if the request names no size and no profile: then it means whole GPUs. */
bool request_is_bare(const struct request *request);

/* A share of that size leaves more than half of the GPU to nobody. */
bool request_is_small(const struct request *request, const struct gpu *gpu);

/* Compute slices that the request needs on a GPU of `n_slices`: 25 % of 7 is 2. */
unsigned request_slices(const struct request *request, unsigned n_slices);

void need_of(
	const struct request *request, const struct mig_geometry *geometry, struct need *ret_need);
