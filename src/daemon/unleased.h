/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GPU use without a lease on managed GPUs: allowed, told (`report`), or refused by the kernel
 * (`deny`: a guard on the root of the cgroup tree that admits leases' cgroups, the daemon's own and
 * configured ones).
 */

#include <stdint.h>

struct daemon;

/* Brings the guard in line with the configuration and the managed GPUs; to be called when either
 * changed. */
void unleased_update(struct daemon *daemon);
void unleased_admit(struct daemon *daemon, uint64_t cgroup_id);
void unleased_forget(struct daemon *daemon, uint64_t cgroup_id);
