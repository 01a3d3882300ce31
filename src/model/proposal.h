/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The size that a job which was watched needs (model/usage.h), with a margin. Pure. */

#include "model/usage.h"

enum {
	PROPOSAL_MARGIN = 20, /* percent, where nothing else is said */
	PROPOSAL_MARGIN_MAX = 400,
	/* Of its busy time, so many percent are to run as fast as in the share that was watched. */
	PROPOSAL_QUANTILE = 95,
};

struct proposal {
	uint64_t measured_bytes;  /* 0: its memory was not seen, and nothing is proposed */
	uint64_t memory_bytes;	  /* with the margin, rounded up to a quarter of a gibibyte */
	bool is_capped;		  /* the margin would have been more than its GPU has */
	unsigned compute_percent; /* of a GPU; 0: not proposed, `compute_why` says why */
	bool is_upper_bound;	  /* by the time in which kernels ran, however few SMs they used */
	bool is_paused; /* by the SMs in use while kernels ran: its pauses hide in the readings */
	bool is_full;	/* it used its share to the full: with more it may have used more */
	bool is_short;	/* too few samples for anything but memory */
	char compute_why[USAGE_WHY_MAX + 80];
};

/* The share that it was watched in. */
struct proposal_share {
	double percent;	    /* of its GPU's compute */
	bool is_mps;	    /* what is told of processes is percent of the GPU, not of the share */
	uint64_t gpu_bytes; /* all that its GPU has; 0: not known */
};

void propose(const struct usage *usage, const struct proposal_share *share, unsigned margin_percent,
	struct proposal *ret_proposal);
