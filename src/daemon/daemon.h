/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The daemon's one object: what its modules share. One loop, one thread; no lock anywhere. */

#include "base/list.h"
#include "daemon/events.h"
#include "model/config.h"
#include "model/gpu.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct sd_event sd_event;
typedef struct sd_event_source sd_event_source;
struct gpu_runtime;
struct guard;
struct http;
struct lease_over;
struct ledger;
struct measurements;
struct mps_foreign;
struct worker;
struct services;

enum { LEASES_OVER_KEPT = 256, LEASE_BUCKETS = 256 };

struct daemon {
	sd_event *loop;
	char *run_dir, *state_dir, *config_path;
	bool config_required; /* named on the command line: a missing file is an error */
	bool is_simulated;    /* the GPUs are a simulated node's: managed from the start */
	bool is_root;	      /* may make cgroups and fences */
	gid_t admin_gid;      /* group `carve`; (gid_t)-1: there is none */
	uint64_t started_ns;

	struct config config;
	struct ledger *ledger;
	struct events events;

	char driver_version[32]; /* "" : no driver */
	char driver_error[400];	 /* why there is none */
	bool driver_let_go;	 /* `carve drain --driver` */
	unsigned n_gpus;
	struct gpu *gpus; /* as the model sees them: truth, pending steps and leases together */
	struct gpu_runtime *runtime; /* the same indices: worker, truth, health */
	struct worker *node_worker;  /* lists the GPUs, then ends */

	struct list leases; /* every lease that is not over, by id */
	struct list leases_by_id[LEASE_BUCKETS];
	uint64_t room_number; /* counts from 1 how often there may have come more room */
	unsigned n_leases, n_queued;
	uint64_t last_lease;
	sd_event_source *pump; /* tries the queue in the loop's next round; NULL: never asked for */
	struct lease_over *leases_over; /* a ring of LEASES_OVER_KEPT */
	unsigned next_over;
	struct list tenants;
	struct list operations; /* applies, the last few */
	uint64_t last_operation;

	struct list mps_servers;	 /* ours: daemon/mps.h */
	struct list mps_buried;		 /* those that are forgotten in the loop's next round */
	struct mps_foreign *mps_foreign; /* control daemons of others */
	unsigned n_mps_foreign, mps_looks;
	struct worker *mps_finder;
	bool mps_finding;

	struct measurements *measurements; /* daemon/measurements.h */

	struct list alone;	  /* steps that are done alone, in line */
	sd_event_source *vf_soon; /* sees to the VFs in a later round of the loop; NULL: never asked
				     for */
	struct guard *guard;
	struct http *http;
	struct list calls; /* API calls that wait */
	bool is_restored;  /* the ledger was read and reconciled */
};
