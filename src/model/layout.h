/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Layouts: the shares that somebody wants on the node's GPUs, from a file.
 *
 * Two schemas are read: ours (version: carve/v1) and mig-parted's (version: v1), the latter exactly
 * as its users have it (device filters, "all", counts, +me, -me, compute instances such as
 * 1c.3g.40gb; entries apply in order and a later one overrides). Errors are "FILE:LINE:COLUMN:
 * sentence".
 */

#include "model/gpu.h"

#include <stdbool.h>
#include <stddef.h>

struct error;

/* Equal MPS shares of one place, pinned. */
struct wanted_mps {
	uint64_t memory_bytes;
	uint32_t percent; /* of the GPU's compute */
	bool over_commit; /* compute may add up to more than there is */
	unsigned count;
};

/* Equal VFs, pinned. */
struct wanted_vf {
	struct vf_setup setup; /* is_for_vm; a type of vGPU or a quota where it says one (its start
				  is the planner's to find) */
	int number;	       /* "vf: 3": exactly that one; -1: any */
	unsigned count;
	unsigned line, column;
};

/*
 * One line of a layout: `count` instances of a profile. Whole GPU instances with a start have count
 * 1 (a file's "count: 2, at: 4" is two lines, one behind the other).
 *
 * With compute instances (ci_slices), `count` counts those. Lines with the same profile and start
 * are compute instances of one GPU instance, in this order; those without a start are packed into
 * as few GPU instances of that profile as hold them.
 */
struct wanted_share {
	char profile[MIG_NAME_MAX]; /* of the GPU instance; one that the GPU has */
	unsigned ci_slices;	    /* 1c.3g.40gb: 1; 0: the whole GPU instance (3c.3g.40gb too) */
	int start;		    /* "@4": 4, a legal start; -1: wherever it fits */
	unsigned count;
	unsigned first_mps, n_mps; /* MPS shares in each of its compute instances: a part of
				      wanted_gpu.mps[] */
	bool is_dynamic;	   /* not pinned: may go when its room is needed */
	unsigned line, column;	   /* where the file says it; 0: not from a file */
};

/* What is wanted on one GPU. */
struct wanted_gpu {
	bool is_named; /* the layout speaks of this GPU at all */
	bool mig_on;
	bool is_dynamic; /* idle dynamic instances that it does not name may stay */
	unsigned n_shares;
	struct wanted_share *share; /* owned by the layout */
	unsigned n_mps;		    /* of the GPU itself where MIG mode is off, else of `share`'s */
	struct wanted_mps *mps;	    /* owned by the layout */
	unsigned vf_count;	    /* VFs to be on; 0 with has_vfs: none */
	bool has_vfs;		    /* the layout speaks of its VFs */
	bool vf_mix;		    /* of several sizes */
	bool is_vfs_off_only;	    /* it wants VFs off, and says nothing else of the GPU */
	unsigned n_vfs;
	struct wanted_vf *vf; /* owned by the layout */
};

/* A layout resolved against this node: wanted[i] is for gpus[i]. */
struct layout {
	char name[64];
	unsigned n_gpus;
	struct wanted_gpu wanted[GPUS_MAX];
};
void layout_done(struct layout *layout);

/*
 * Reads the layout called `name` (NULL: the only one of the file; -EINVAL naming them if there are
 * several) from the file's text and resolves it against the GPUs. `file` is used in messages.
 * Unknown keys and what is not written as it should be are refused in all layouts of the file;
 * profiles that a GPU does not have and GPUs that are not there in this one only: -EINVAL or
 * -ENODEV with the sentence. What shares that are each possible cannot be together is plan_layout's
 * to say.
 */
int layout_parse(const char *file, const char *text, size_t length, const char *name,
	const struct gpu *gpus, unsigned n_gpus, struct layout *ret_layout, struct error *err);

/*
 * The node's managed GPUs as a carve/v1 file with one layout called `name`, exact placements,
 * pinned and dynamic instances as they are; foreign ones are named in comments. To apply it at once
 * changes nothing. The caller frees.
 */
char *layout_export(const struct gpu *gpus, unsigned n_gpus, const char *name);
