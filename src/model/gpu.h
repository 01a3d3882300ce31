/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A GPU as the daemon knows it: facts that do not change, what the last look saw, and what Carve
 * decided about it. The model reads it; only the daemon writes it.
 */

#include "model/mig.h"
#include "model/mps.h"
#include "model/vf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	GPUS_MAX = 32,
	GPU_PROCESSES_MAX = 128,
};

/* How a GPU is shared. The order is that of preference where nothing else decides. */
enum mechanism {
	MECHANISM_MIG,
	MECHANISM_MPS,
	MECHANISM_VF,
	MECHANISM_TIME,
	MECHANISM_WHOLE,
	MECHANISM_N,
};
extern const char *const mechanism_names[MECHANISM_N]; /* "mig", "mps", "vf", "time", "whole" */
/* The mechanism of that name, or -1. */
int mechanism_find(const char *name);

/* What one GPU can do by one mechanism now. */
struct capability {
	enum capability_answer {
		CAPABILITY_NO,	  /* text: why */
		CAPABILITY_YES,	  /* text: its limits */
		CAPABILITY_AFTER, /* text: after which action */
	} answer;
	char text[160];
};

/* Who holds a limit of a share. */
enum enforcer {
	ENFORCED_BY_NOBODY,
	ENFORCED_BY_SCHEDULER, /* cooperative */
	ENFORCED_BY_SHIM,      /* cooperative */
	ENFORCED_BY_MPS,
	ENFORCED_BY_KERNEL,
	ENFORCED_BY_HARDWARE,
};
extern const char *const enforcer_names[];

enum gpu_health {
	GPU_HEALTHY,
	GPU_SICK,   /* XID or ECC error: no placement until it recovers */
	GPU_LOST,   /* fallen off the bus, or the driver no longer answers for it */
	GPU_BROKEN, /* Carve could not put it back as it was: an administrator must look */
};
extern const char *const gpu_health_names[];

/* A process that uses the GPU, as the driver tells it. */
struct gpu_process {
	int32_t pid;
	uint32_t gi, ci; /* UINT32_MAX: not in an instance */
	uint64_t memory_bytes;
	bool is_mps; /* it uses the GPU through an MPS server */
};

/* Facts that stay while the daemon runs (a MIG mode change refreshes the geometry). */
struct gpu_facts {
	bool is_pci_only; /* no driver library knows it: what it is comes from /sys alone */
	uint32_t minor;	  /* of /dev/nvidiaN */
	char uuid[48];	  /* "GPU-..."; "PCI-0000:03:00.0" where no library tells one */
	char pci[16];	  /* "0000:65:00.0" */
	char product[96];
	char serial[32];
	uint32_t pci_device;	     /* 0xDDDDVVVV, as mig-parted's device filter has it */
	uint32_t cc_major, cc_minor; /* CUDA compute capability; 0.0 unknown */
	uint32_t sm;		     /* streaming multiprocessors; 0 unknown */
	int32_t numa;		     /* -1: unknown */
	uint64_t memory_bytes;
	bool has_mig;		      /* the product can do MIG */
	bool mode_needs_reset;	      /* a change of MIG mode takes a GPU reset (Ampere) */
	struct mig_geometry geometry; /* n_profiles == 0 where the driver does not tell it */
	struct vf_facts vf;
};

/* Who may open a context on the GPU; NVML's numbers. */
enum compute_mode {
	COMPUTE_DEFAULT = 0,
	COMPUTE_PROHIBITED = 2,
	COMPUTE_EXCLUSIVE_PROCESS = 3,
};

/* What one look at the GPU saw. */
struct gpu_seen {
	bool mig_on, mig_pending;
	uint8_t compute_mode; /* NVML's number: enum compute_mode */
	uint32_t n_instances;
	struct mig_instance instance[MIG_INSTANCES_MAX];
	uint32_t n_processes; /* more than GPU_PROCESSES_MAX are cut off */
	struct gpu_process process[GPU_PROCESSES_MAX];
	struct vfs_seen vfs;
};

struct gpu {
	uint32_t index;
	struct gpu_facts facts;
	struct gpu_seen seen;
	struct capability capability[MECHANISM_N];
	enum gpu_health health;
	char health_text[160]; /* why it is not healthy */
	bool managed;	       /* Carve may change it */
	bool drained;	       /* no new leases */
	bool whole_allowed;    /* it may be leased whole: not in MIG mode */
	uint64_t whole_lease;  /* number of the lease that holds it whole; 0 none */
	bool whole_in_use;     /* processes without a lease were seen on it while not in MIG mode */
	bool may_time_slice;   /* `mps: {servers: time-sliced}`: several tenants' MPS servers may
				  run on it at once */
	bool vf_may_enable;    /* `vf: {enable: on-demand}`: a lease may turn its VFs on */
	bool mps_is_static;    /* `mps: {compute: static}`: shares get whole chunks of its SMs */
	uint32_t n_mps, n_mps_servers;
	struct mps_share mps[MPS_SHARES_MAX];
	struct mps_server mps_server[MPS_SERVERS_MAX];
};

/*
 * The name of a GPU instance or of one of its compute instances: "0:3g.40gb@4", or
 * "0:1c.3g.40gb@4.2" for compute instance 2 where it does not fill the GPU instance.
 */
#define SHARE_NAME_MAX 64
const char *share_name(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, char ret_text[SHARE_NAME_MAX]);

/* Copies what is filled: the many instances, processes, VFs and types that a GPU might have, and
 * has not, take no memory. */
void gpu_facts_copy(struct gpu_facts *to, const struct gpu_facts *from);
void gpu_seen_copy(struct gpu_seen *to, const struct gpu_seen *from);

/*
 * Finds a GPU by index, uuid (or a unique prefix of at least 8 characters), or PCI address (with or
 * without the domain). -ENODEV with a sentence that says what there is, -EINVAL if ambiguous.
 */
int gpu_find(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_index,
	struct error *err);

/* True if both are the same PCI address, with or without the domain. */
bool gpu_is_same_pci(const char *a, const char *b);

/*
 * Finds a share by its name (share_name) or MIG uuid. *ret_ci is -1 where the name means a GPU
 * instance that has no compute instance, or several. -ENODEV with a sentence.
 */
int share_find(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_instance, int *ret_ci, struct error *err);

/* Finds an MPS share by its name (mps_share_name): an index into gpu->mps[]. -ENODEV with a
 * sentence. */
int share_find_mps(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_share, struct error *err);
/* Finds a VF by its name (vf_share_name) or PCI address: an index into seen.vfs.vf[]. -ENODEV with
 * a sentence. */
int share_find_vf(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_vf, struct error *err);
/* True if it is written as the name of an MPS share. */
bool share_is_mps_name(const char *name);
/* True if it is written as the name of a VF ("0:vf3"). */
bool share_is_vf_name(const char *name);
/* True if share_find_vf is to be asked: it is written so, or is the address of a VF that is there.
 */
bool share_is_vf(const struct gpu *gpus, unsigned n, const char *name);
