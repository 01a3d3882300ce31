/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A device put into a virtual machine while that runs, and taken out of it. Doing what is done
 * already is no failure. QEMU only asks the guest to let a device go: out is what the guest has let
 * go of.
 */

#include <jansson.h>
#include <stdint.h>

struct error;
struct qmp;

enum { HOTPLUG_BUS_MAX = 64 };

struct hotplug_device {
	const char *id;		  /* in the virtual machine: "carve-L3" */
	const char *driver;	  /* QEMU's: "vfio-pci" */
	const json_t *properties; /* {"host": "0000:41:00.4"}; borrowed */
	const char *bus;	  /* NULL: a root port that is free */
	uint64_t mmio_bytes;	  /* its 64-bit memory BARs; 0 unknown */
};

/* A root port that takes a device while the guest runs. */
struct hotplug_port {
	char bus[HOTPLUG_BUS_MAX];
	uint64_t window_bytes; /* that it keeps free for BARs; 0: as the firmware likes */
};

enum { HOTPLUG_ALREADY = 1 }; /* it was in there, or out of there, before */

/*
 * 0 or HOTPLUG_ALREADY (*ret_port is then untouched). -EEXIST: another device has that id; -ENOSPC:
 * no port is free; -EREMOTEIO: QEMU refuses, in its words; else as qmp_ask().
 */
int hotplug_add(struct qmp *qmp, const struct hotplug_device *device, uint64_t deadline_ns,
	struct hotplug_port *ret_port, struct error *err);

/*
 * Returns once the guest has let go. 0 or HOTPLUG_ALREADY. -ETIMEDOUT: it has not by the deadline,
 * and may yet; the sentence says what keeps it; -EREMOTEIO: QEMU or the guest refuses.
 */
int hotplug_remove(struct qmp *qmp, const char *id, uint64_t deadline_ns, struct error *err);

/* hotplug_port.c: the first free port with a window of that many bytes, else the first free one.
 * -ENOSPC: there is none. */
int hotplug_find_port(struct qmp *qmp, uint64_t mmio_bytes, uint64_t deadline_ns,
	struct hotplug_port *ret_port, struct error *err);
