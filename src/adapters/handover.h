/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a lease's VF is to other people's programs: each virtual machine manager has a file of its
 * own that says it in its words. They are pure: a lease as carved tells it in, text out.
 */

#include "model/binding.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct error;

enum { HANDOVER_NAME_MAX = 64 };

/* A lease with the VF that it has, understood: every text is fit to be put into XML, YAML, a shell
 * script or a command line as it is. */
struct handover {
	const json_t *lease;	      /* borrowed */
	char id[24];		      /* "L3" */
	uint32_t number;	      /* 3 */
	char device[32];	      /* its name in a virtual machine: "carve-L3" */
	char name[HANDOVER_NAME_MAX]; /* of the lease; "" none */
	char share[32];		      /* "0:vf3" */
	struct binding_vf vf;
};

/*
 * Reads the lease object of the API. -EINVAL: it has no VF, or not yet; -ENODEV: its VF is lost;
 * -EPERM: it is another user's, who alone sees it; -EBADMSG: what carved says of it cannot be
 * understood.
 */
int handover_read(const json_t *lease, struct handover *ret_handover, struct error *err);

/* One format of `carve show LEASE --as FORMAT`. */
struct adapter {
	const char *name; /* "qemu" */
	bool needs_vf;	  /* false: any active lease will do, and only .lease is set */
	void (*write)(const struct handover *handover, struct buf *out);
};
extern const struct adapter adapters[];
extern const unsigned adapters_n;
const struct adapter *adapter_find(const char *name);

/* One per file. */
void qemu_write(const struct handover *handover, struct buf *out);
void libvirt_write(const struct handover *handover, struct buf *out);
void proxmox_write(const struct handover *handover, struct buf *out);
void kubevirt_write(const struct handover *handover, struct buf *out);
void cloud_hypervisor_write(const struct handover *handover, struct buf *out);
void env_write(const struct handover *handover, struct buf *out);

/* What several of them say. "Lease L3 (web1): VF 0000:41:00.4 of the GPU at 0000:41:00.0, type": */
void handover_add_title(struct buf *out, const struct handover *handover);
static inline bool handover_is_mdev(const struct handover *handover)
{
	return handover->vf.mdev[0] != '\0';
}
/* The window of 64-bit memory that a bridge needs for the VF's BARs, in GiB: a power of two; 0
 * where they need less than one. */
unsigned handover_window_gib(const struct handover *handover);
/* The window for the whole guest where the usual 32 GiB may not do, in GiB; else 0. */
unsigned handover_guest_window_gib(const struct handover *handover);
