/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * MPS shares: parts of one GPU, or of one MIG compute instance, that processes use at the same time
 * through one server.
 *
 * A server serves one tenant (user id). While one runs on a GPU that is not in MIG mode, the GPU is
 * in EXCLUSIVE_PROCESS mode, so that no process gets past it. What a share may use is reserved: all
 * shares of a GPU together have at most its memory, its compute (unless the layout says
 * otherwise) and the number of clients that its hardware serves.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	MPS_SHARES_MAX = 64, /* hardware serves 48 clients at most; pinned shares may be idle */
	MPS_SERVERS_MAX = 16,
};

/* NVIDIA's limits of memory are whole Mi, and none is no limit. */
#define MPS_MEMORY_LEAST (UINT64_C(1) << 20)

/* Where: a compute instance, by its GPU instance's profile id and start (both as the driver has
 * them) and its own id; profile_id UINT32_MAX: the GPU itself. */
struct mps_place {
	uint32_t profile_id, start, ci;
};
#define MPS_WHOLE_GPU ((struct mps_place){ UINT32_MAX, 0, 0 })
static inline bool mps_place_is_gpu(const struct mps_place *place)
{
	return place->profile_id == UINT32_MAX;
}
static inline bool mps_place_is(const struct mps_place *a, const struct mps_place *b)
{
	return a->profile_id == b->profile_id && a->start == b->start && a->ci == b->ci;
}

/* A share. Pinned ones stand while a layout wants them, dynamic ones as long as their lease. */
struct mps_share {
	uint32_t number; /* from 1, unique on its GPU: "0:mps3" */
	struct mps_place place;
	uint64_t memory_bytes;
	uint32_t percent; /* of the GPU's compute, 1 to 100 */
	bool is_pinned;
	bool over_commit;  /* its layout lets compute add up to more than there is */
	bool must_hold;	   /* its lease was promised that its tenant's other shares there keep to
			      their memory (--isolation memory) */
	bool is_by_kernel; /* the kernel holds its memory limit, on its lease's cgroup (dmem) */
	uint64_t lease;	   /* number of the lease that holds it; 0 none */
	uint32_t uid;	   /* that lease's tenant */
};

enum mps_state {
	MPS_STARTING,
	MPS_READY,
	MPS_FAULTY, /* a fatal fault, a hang or its death: its clients end, then it is started again
		     */
	MPS_STOPPING, /* nobody needs it any more, or its place is wanted for another tenant */
};
extern const char *const mps_state_names[]; /* "starting", "ready", "faulty", "stopping" */

/* A server of ours. Where there is none, the first lease has one started. */
struct mps_server {
	struct mps_place place;
	uint32_t uid;
	enum mps_state state;
	bool holds_memory, holds_compute; /* it holds each share's own limits (namespaces, static
					     partitions), not just one for all */
	uint64_t memory_bytes; /* the limit that it holds for every client of it; 0 none */
	uint32_t percent;      /* the same of compute, in percent of the GPU; 0 none */
};

struct gpu;
struct mig_ci;
struct mig_instance;

/* The place that a compute instance is. */
struct mps_place mps_place_of(
	const struct gpu *gpu, const struct mig_instance *instance, const struct mig_ci *ci);
/* True if the instance has that place; *ret_ci (NULL allowed) is its index into instance->ci[]. */
bool mps_place_is_in(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mps_place *place, unsigned *ret_ci);

/* Whether the GPU can do MPS at all: from compute capability 3.5 on. */
bool mps_is_possible(const struct gpu *gpu);
/* The clients that the hardware serves at a place: 48, before Volta 16, on a compute instance in
 * proportion to its slices, at least 1. NVIDIA's guide of MPS has the numbers. */
unsigned mps_clients_max(const struct gpu *gpu, const struct mps_place *place);
/* The static partition that a share gets, in chunks: at least its percentage, at most all. */
uint32_t mps_chunks(const struct gpu *gpu, uint32_t percent);
/* Percent of the GPU as percent of what the place has of it. */
double mps_device_percent(const struct gpu *gpu, const struct mps_place *place, uint32_t percent);
/* Memory of the place; a compute instance has its part of its GPU instance's. 0 if the place is
 * not there. */
uint64_t mps_place_memory(const struct gpu *gpu, const struct mps_place *place);

/* True if a share or a server is on a compute instance of the instance (NULL: on the GPU itself);
 * with leases_only, if a leased share is. */
bool mps_is_on(const struct gpu *gpu, const struct mig_instance *instance, bool leases_only);
/* The same for one compute instance. */
bool mps_is_on_ci(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, bool leases_only);

/* "0:mps3", or "0:3g.40gb@4:mps3" in an instance. */
const char *mps_share_name(const struct gpu *gpu, const struct mps_share *share, char *ret_text);
/* The share with that number, or NULL. */
const struct mps_share *mps_share_find(const struct gpu *gpu, uint32_t number);
/* The tenant's server at the place, or NULL. */
const struct mps_server *mps_server_find(
	const struct gpu *gpu, const struct mps_place *place, uint32_t uid);
/* The least number that no share of the GPU has. */
uint32_t mps_number_free(const struct gpu *gpu);

/*
 * The limits that a server holds for every client: the largest of its tenant's shares there. Each
 * smaller share's own stand in its clients' environment, which can only tighten, and which a client
 * may leave out. 0 if the tenant has no share there.
 */
void mps_limits_of(const struct gpu *gpu, const struct mps_place *place, uint32_t uid,
	uint64_t *ret_memory_bytes, uint32_t *ret_percent);
/* True if the server, as it runs, holds that limit of the share and no process can get past it. */
bool mps_memory_is_held(const struct gpu *gpu, const struct mps_share *share);
bool mps_compute_is_held(const struct gpu *gpu, const struct mps_share *share);
