/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A simulated node: its GPUs and all that is on them, in one file that every client maps shared.
 *
 * Whoever uses the node may be killed at any instruction. Therefore
 *  - both kinds of lock are robust mutexes, and what they guard is whole at every instruction:
 *  - a GPU's state exists twice; a change is made in the copy that is not current (gpu_draft) and
 *    takes effect by one store (gpu_commit). A change that was not committed never was;
 *  - files follow the committed state (tree.h), and whoever comes next brings them in step;
 *  - a process holds a robust mutex for as long as it is on a GPU: the kernel lets go of it the
 *    moment the process dies, and whoever looks next drops it.
 *
 * The order of locks: a GPU's device lock, its claim (held for as long as the driver works on that
 * GPU, also while it sleeps for the latency), then the node's lock (held for a few microseconds,
 * never while sleeping).
 */

#include "sim/node/product.h"

#include <pthread.h>

struct error;

#define NODE_GPUS      32
#define GPU_INSTANCES  15 /* ids are nodes of a binary tree over at most 8 leaves */
#define GPU_PROCESSES  128
#define GPU_ACCOUNTS   64
#define NODE_EVENTS    64
#define NODE_RULES     32
#define GPU_LIMITS     16 /* cgroups with limits */
#define GPU_VFS	       64
#define NODE_ANY_GPU   (-1)
#define RULE_FUNCTIONS 5 /* words of 64 bits, one bit per entry point */

struct compute_instance {
	uint32_t serial; /* 0: there is none; else unique on this node */
	uint8_t kind;	 /* NVML_COMPUTE_INSTANCE_PROFILE_*, also its profile id */
	uint8_t start, size;
	uint8_t uuid[16];
};

struct gpu_instance {
	uint32_t serial;				  /* 0: there is none */
	uint8_t profile;				  /* index in product->profiles */
	uint8_t start;					  /* slot */
	struct compute_instance compute[PRODUCT_COMPUTE]; /* by id */
};

/* A virtual machine is no process of CUDA: no list of NVML has it, and it holds a VF (vf.h). */
enum process_type { PROCESS_COMPUTE, PROCESS_GRAPHICS, PROCESS_MPS, PROCESS_VM };

/* How a process works: busy in the first part of each period, from when on. */
struct work {
	uint8_t is_said;   /* else what follows from how busy it is: all SMs, half the bandwidth */
	uint8_t sms;	   /* percent of the SMs that its kernels use while they run */
	uint8_t bandwidth; /* percent of the memory's */
	uint32_t copy_in_kib, copy_out_kib; /* a second, over PCIe */
	uint32_t on_ms, period_ms;	    /* period 0: always */
	uint64_t since_us;		    /* since 1970 */
};

/* What was done: percent, or KiB/s, times microseconds. */
struct use_sum {
	uint64_t busy, sms, bandwidth, copy_in, copy_out;
};

struct process {
	int32_t pid;
	uint8_t type;	 /* enum process_type */
	uint8_t busy;	 /* percent of the time in which its kernels run */
	uint16_t life;	 /* which of its GPU's locks it holds as long as it lives */
	uint64_t memory; /* bytes */
	uint32_t gi, ci; /* NVML_NO_INSTANCE without MIG */
	int32_t server;	 /* of an MPS client: its server's pid */
	uint32_t vf;	 /* of a virtual machine: its VF's number */
	struct work work;
};

/* What administrators set, beside modes; 0 where nothing is set. */
struct gpu_wishes {
	uint32_t power_mw;
	uint32_t sm_mhz, memory_mhz; /* application clocks */
	uint32_t sm_lock[2], memory_lock[2];
	uint8_t ecc_is_off, ecc_will_be_off; /* now; from the next reset on */
	uint8_t accounting;
};

/* A process that used the GPU while accounting was on. */
struct account {
	int32_t pid;
	uint8_t is_running;
	uint8_t busy;
	uint64_t most_memory;
	uint64_t start_us, end_us; /* since 1970 */
};

/* What the processes of a cgroup, and of those below it, may use of a GPU: memory_limit.h. */
struct memory_limit {
	char cgroup[256];    /* its path in the hierarchy; "": the entry is free */
	uint64_t soft, hard; /* bytes */
};

/* A virtual function, and the vGPU on it: vf.h, vgpu.h. */
struct vf {
	uint32_t type;	 /* id of the vGPU's type; 0: there is none */
	uint32_t serial; /* of the vGPU; unique on this node */
	uint32_t gi;	 /* of a vGPU backed by MIG; else NVML_NO_INSTANCE */
	uint32_t placement;
	uint8_t is_bound; /* to the driver nvidia; else it has none */
	char driver_override[16];
	char params[64];
};

struct gpu_state {
	uint64_t instances_changed; /* how often instances came or went */
	uint8_t mig_current, mig_pending;
	uint8_t lost;
	uint8_t persistence;
	uint32_t compute_mode;
	uint64_t ecc[2][2]; /* [uncorrected][aggregate] */
	uint32_t last_xid;
	struct gpu_wishes wishes;
	uint64_t energy_mj, energy_at_ns; /* used until then; grows by the load since */
	struct use_sum
		used[GPU_INSTANCES + 1]; /* until then, on each GPU instance; the last: on none */
	uint64_t used_at_us;
	uint32_t n_accounts; /* ever; the last ones are kept */
	struct account accounts[GPU_ACCOUNTS];
	struct memory_limit limits[GPU_LIMITS];
	uint8_t unbind_lock, vf_autoprobe_is_off;
	uint8_t vgpu_is_mixed; /* vGPUs of several sizes at once */
	uint32_t n_vfs;
	uint32_t vfs_made; /* how often VFs came to be */
	uint32_t n_processes;
	struct gpu_instance instances[GPU_INSTANCES]; /* by id */
	struct process processes[GPU_PROCESSES];
	struct vf vfs[GPU_VFS]; /* by number; n_vfs of them are there */
};

struct gpu {
	struct product product;
	char uuid[48];	    /* "GPU-..." */
	uint64_t chip_seed; /* what the UUIDs are derived from */
	char serial[32];
	uint32_t pci_domain, pci_bus, pci_device;
	int32_t numa_node;
	pthread_mutex_t claim;
	pthread_mutex_t device_lock;	      /* the kernel's, of the PCI device: vf.h */
	pthread_mutex_t lives[GPU_PROCESSES]; /* process.h */
	uint64_t tree_in_step;		      /* the instances_changed that the files show */
	uint32_t current;		      /* which of the two states is the GPU's */
	struct gpu_state state[2];
};

struct event {
	uint64_t type, data; /* nvmlEventType*; the XID */
	uint32_t gpu, gi, ci;
};

enum rule_action { RULE_FAIL, RULE_HANG, RULE_DELAY, RULE_IGNORE };

/* What a rule is about: calls of NVML, the programs of MPS (mps_rule.h), writes (write_rule.h). */
enum rule_kind { RULE_CALL, RULE_MPS_FAULT, RULE_MPS_HANG, RULE_MPS_START, RULE_WRITE };

struct rule {	     /* a failure to inject: inject.h */
	uint32_t id; /* 0: free */
	uint32_t kind;
	uint32_t action;
	int32_t code; /* nvmlReturn_t, or of a write its errno */
	int32_t gpu;
	int32_t client, server, control; /* pids that MPS's rules are about; 0: any */
	char file[32];			 /* of a write */
	uint32_t is_unnamed;		 /* the log does not tell whose fault it was */
	uint64_t delay_ns;
	uint64_t functions[RULE_FUNCTIONS];
	uint32_t skip; /* calls yet to let pass */
	uint32_t left; /* calls yet to strike; UINT32_MAX: all */
	uint64_t struck;
	char text[128];
};

struct node_settings {
	char machine[64];
	char driver_version[32];
	int32_t cuda_version; /* 1000 * major + 10 * minor */
	uint64_t create_ns, destroy_ns;
	uint64_t mps_start_ns; /* how long an MPS server takes to start */
	uint64_t vf_enable_ns, vf_disable_ns;
	uint32_t vgpu_host;	    /* the driver is the one for hosts of vGPUs */
	uint32_t anyone_may_change; /* else root and `owner` only */
	uint32_t owner;		    /* uid */
	uint32_t real_nodes;	    /* dev/ has device nodes, not empty files */
	uint32_t live_files;	    /* a process serves /proc and /sys (program/kernel.h) */
	uint32_t major_nvidia, major_caps, major_uvm, major_drm;
};

struct node {
	uint64_t magic; /* written last when the file is made */
	uint32_t size;
	uint32_t n_gpus;
	char dir[256];
	struct node_settings settings;
	pthread_mutex_t lock;
	uint32_t next_serial, next_vgpu;
	uint32_t n_rules;
	uint32_t next_rule;
	struct rule rules[NODE_RULES];
	uint32_t event_count; /* a futex: events so far; event n is at [n % NODE_EVENTS] */
	struct event events[NODE_EVENTS];
	struct gpu gpus[NODE_GPUS];
};

/*
 * Makes the node's file in `dir` (which exists): n_gpus and settings are taken from `plan`, and of
 * each GPU all but its locks and states. Returns it mapped.
 */
int node_make(const char *dir, const struct node *plan, struct node **ret_node, struct error *err);

/* Maps a node that exists; -ENOENT if there is none in `dir`. It stays mapped until node_close().
 */
int node_open(const char *dir, struct node **ret_node, struct error *err);
struct node *node_close(struct node *node);

/* Whether the file that is mapped is still in its directory. */
bool node_is_there(const struct node *node);

void node_lock(struct node *node);
void node_unlock(struct node *node);

/* The kernel's lock of a PCI device, which its driver's VFs come and go under. */
void device_lock(struct node *node, unsigned gpu);
void device_unlock(struct node *node, unsigned gpu);

/* Claims a GPU for driver work, and repairs its files if whoever had it before died over them. */
void gpu_claim(struct node *node, unsigned gpu);
bool gpu_try_claim(struct node *node, unsigned gpu);
void gpu_release(struct node *node, unsigned gpu);

/* The state as it is; valid under the node's lock. */
static inline const struct gpu_state *gpu_now(const struct gpu *gpu)
{
	return &gpu->state[__atomic_load_n(&gpu->current, __ATOMIC_ACQUIRE) & 1];
}

/* A copy of the state to change, and the store that makes it the state; under the node's lock. */
struct gpu_state *gpu_draft(struct gpu *gpu);
void gpu_commit(struct gpu *gpu);

/* Sleeps as a driver works: not to be cut short by signals. */
void node_work(uint64_t ns);
