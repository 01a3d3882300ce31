/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All that a holder needs to use its shares: environment variables and device nodes. */

#include <stdbool.h>
#include <stdint.h>

enum {
	BINDING_ENV_MAX = 8,
	BINDING_NODES_MAX =
		8 * 16 + 8, /* 16 GPUs with a card, a render node and capability files each */
};

struct binding_env {
	char name[40];
	char value[1024]; /* a list of MIG uuids */
};

/* A character device that the holder may open; path as the holder sees it ("/dev/nvidia0"). The
 * node itself may be made later. */
struct binding_node {
	char path[64];
	uint32_t major, minor;
};

/* The PCI device that a virtual machine gets. */
struct binding_vf {
	char pci[16];	     /* of the VF */
	char gpu_pci[16];    /* of its GPU */
	char driver[24];     /* it has to stay with it: "vfio-pci", or "nvidia" for vGPUs */
	bool is_vendor_vfio; /* that is the GPU's own driver: nobody may give it another */
	int32_t group;	     /* IOMMU group now; -1 none */
	char cdev[32];	     /* "vfio3" below /dev/vfio/devices; "" where the kernel has none */
	char mdev[40];	     /* uuid of its mediated device; "" where it is none */
	int32_t numa;	     /* -1 unknown */
	uint16_t vendor, device;
	uint64_t memory_bytes; /* of the GPU that the guest sees; 0 unknown */
	uint64_t mmio_bytes;   /* its 64-bit memory BARs: what the guest's firmware must place */
	char type[48];	       /* of vGPU; "" none */
};

struct binding {
	bool has_vf;
	struct binding_vf vf;
	unsigned n_env, n_nodes;
	struct binding_env env[BINDING_ENV_MAX];
	struct binding_node node[BINDING_NODES_MAX];
};
