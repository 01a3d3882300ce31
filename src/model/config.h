/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The daemon's configuration: /etc/carve/carved.yaml, every key with a default. A bad file is
 * refused whole ("FILE:LINE:COLUMN: sentence"), and what was in force stays in force.
 */

#include "model/tenant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum unleased { UNLEASED_ALLOW, UNLEASED_REPORT, UNLEASED_DENY };

struct config_quota {
	bool is_default; /* for all tenants without a row of their own */
	uint32_t uid;	 /* where user and group are "" */
	char user[64];	 /* `user: NAME`: whoever resolves names puts the uid in its place */
	char group[64];	 /* `group: NAME`: for each member on his own */
	struct quota limit;
};

/* How MPS servers are run. */
struct config_mps {
	uint64_t idle_ns;	   /* a server that nobody needs stops after it; default 60 s */
	uint64_t start_timeout_ns; /* a server that takes longer to start failed; default 30 s */
	uint64_t fault_grace_ns;   /* what the clients of a faulty server have to leave by
				      themselves; default 200 ms */
	bool may_time_slice;	   /* `servers: time-sliced`: several tenants' servers on one GPU;
				      default one */
	bool is_static;		   /* `compute: static`: SM partitions; default percentage */
	enum config_mps_interface {
		CONFIG_MPS_ANY, /* what the installed program has; the default */
		CONFIG_MPS_V2,
		CONFIG_MPS_V3,
	} interface;
};

/* SR-IOV. */
struct config_vf {
	bool may_enable; /* `enable: on-demand`: a lease may turn VFs on, which are turned off when
			    the last such lease has ended; `never`: layouts alone do; default
			    on-demand */
	uint16_t class[8]; /* `classes: ["0108"]`: PCI classes (class and subclass) whose
			      physical functions count as GPUs beside displays and accelerators */
	unsigned n_classes;
};

struct config {
	char **manage; /* GPUs managed from the start: index, uuid, PCI address, or "all" */
	unsigned n_manage;
	bool may_change_mode; /* `mode-changes: on-demand`: run may turn MIG mode on; default never
			       */
	enum unleased unleased; /* default report */
	char **unleased_allow;	/* cgroups (globs) that may use GPUs without a lease */
	unsigned n_unleased_allow;
	bool require_fence;	    /* refuse leases that cannot be fenced; default false */
	uint64_t grace_ns;	    /* between SIGTERM and cgroup.kill; default 10 s */
	uint64_t driver_timeout_ns; /* a driver call that takes longer is taken for hung; default 60
				       s */
	uint64_t health_interval_ns; /* between looks at health and foreign use; default 2 s */
	unsigned connections_max;    /* default 2048 */
	struct config_mps mps;
	struct config_vf vf;
	struct config_quota *quota;
	unsigned n_quotas;
};

void config_init(struct config *config); /* the defaults */
void config_done(struct config *config);
int config_parse(const char *file, const char *text, size_t length, struct config *ret_config,
	struct error *err);
