/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the readers of the two layout schemas share: for layout*.c alone. */

#include "base/list.h"
#include "model/layout.h"
#include "model/mps_room.h"
#include "model/profile.h"
#include "model/yaml.h"

struct layout_reader {
	const struct gpu *gpus;
	unsigned n_gpus;
	struct layout *layout; /* NULL: this layout of the file is only checked, not resolved */
	struct error *err;
};

/* One schema: version, the key under which its layouts stand, and how one of them is read. */
struct layout_schema {
	const char *version;
	const char *key;
	/* Says why the root's keys are not those of the schema. */
	int (*check_root)(const struct yaml_node *root, struct error *err);
	int (*read)(struct layout_reader *reader, const struct yaml_node *layout);
};
extern const struct layout_schema layout_schema_carve, layout_schema_parted, layout_schema_vgpu;

/* Equal MPS shares as the file writes them: 0 is what it leaves out. */
struct asked_mps {
	uint64_t memory_bytes;
	uint32_t percent;
	unsigned count;
	const struct yaml_node *node;
};
struct asked_mps_range {
	unsigned first, n; /* of asked.mps[] */
};
typedef VEC(struct wanted_mps) wanted_mps_list;

/* Some instances as the file writes them, before it is known on which GPU. */
struct asked_share {
	struct profile_name profile;
	int at; /* -1: wherever it fits */
	unsigned count;
	bool is_dynamic;
	struct asked_mps_range mps;
	const struct yaml_node *node;
};
enum { ASKED_SHARES_MAX = 128 }; /* more than any GPU holds */

/* Equal VFs as the file writes them. */
struct asked_vf {
	const char *type; /* NULL: left out; belongs to the file */
	uint64_t memory_bytes;
	unsigned memory_label; /* 35 of "35G"; 0: not written so */
	uint32_t quantum_ms, preempt_us;
	unsigned count;
	int number; /* -1: any */
	const struct yaml_node *node;
};

/* Which GPUs an entry of NVIDIA's own files is for: keys devices and device-filter. */
struct layout_devices {
	bool is_all, is_filtered;
	uint32_t devices;  /* mask of indices, where not all */
	uint32_t filtered; /* mask of the GPUs that the filter lets through */
};
int layout_devices_read(struct layout_reader *reader, const struct yaml_node *entry,
	struct layout_devices *ret_devices);
bool layout_devices_has(const struct layout_devices *devices, unsigned index);

/* What an entry asks of each of its GPUs. */
struct asked {
	bool mig_on, is_dynamic;
	unsigned n_shares;
	struct asked_share share[ASKED_SHARES_MAX];
	bool over_commit;
	unsigned n_mps;
	struct asked_mps mps[MPS_SHARES_MAX];
	struct asked_mps_range own_mps; /* those on the GPU itself */
	bool says_mig;			/* on or off */
	bool has_vfs;			/* it speaks of VFs */
	bool has_vf_count;
	unsigned vf_count; /* VFs to be on, where it says so */
	unsigned n_vfs;
	struct asked_vf vf[VFS_MAX];
	const struct yaml_node *vf_node;
	const struct yaml_node *node;
};

/*
 * Makes it what is wanted on that GPU in place of what an earlier entry wanted. -EINVAL if the GPU
 * has no such profile or place, cannot do MIG, or would hold more than it can of one profile.
 */
int layout_want(struct layout_reader *reader, unsigned index, const struct asked *asked);

/* Nothing is left behind in it. */
void wanted_gpu_done(struct wanted_gpu *wanted);

/* Reads a list of MPS shares, or off, into asked->mps[]. */
int layout_mps_read(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked);
/* Completes these shares for a place and adds them; -EINVAL where they do not fit it together. */
int layout_mps_want(struct layout_reader *reader, const struct gpu *gpu, struct mps_extent extent,
	const struct asked *asked, struct asked_mps_range range, wanted_mps_list *to);

/* Reads a list of VFs, or off, into asked->vf[]; and how many are to be on. */
int layout_vf_read(struct layout_reader *reader, const struct yaml_node *node, struct asked *asked);
int layout_vf_count_read(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked);
/* True if the GPU can have VFs, or has some. */
bool layout_vf_is_possible(const struct gpu *gpu);
/*
 * What is asked of VFs on the GPU: fills the VFs' part of `wanted`, and sets mig_on and adds the
 * GPU instances that types backed by MIG lie in. -EINVAL where they do not fit it together.
 */
typedef VEC(struct wanted_share) wanted_share_list;
int layout_vf_want(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	struct wanted_gpu *wanted, wanted_share_list *shares);
/* The type that a line means on the GPU: an index into facts.vf.type[], -1 where it means none. */
int layout_vf_type(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	const struct asked_vf *line, int *ret_type);
