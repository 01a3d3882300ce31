/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A machine: what a simulated node is made from. Some are built in, by name; any other is a file:
 *
 *	version: carve-sim/v1
 *	description: text
 *	driver: 580.65.06
 *	cuda: "13.0"
 *	permission: root		# or anyone: who may change modes and instances
 *	vgpu: on			# the driver is the one for hosts of vGPUs
 *	gpus:				# in the order of their indices and minors
 *	- product: H100-80		# data/products/simulated.def
 *	  pci: ["1b:00.0", "43:00.0"]	# one GPU each
 *	  numa: [0, 1]			# or one number for all
 *	  mig: on
 *	  persistence: on
 *	  instances:			# made at start, on each of these GPUs
 *	  - 3g.40gb@4			# at a slot, or without @: where the driver puts it
 *	  - {profile: 3g.40gb, start: 0, compute: [1c, 2c]}	# []: none
 *	  processes:			# that use each of these GPUs
 *	  - {name: python3, memory: 10G, instance: 0, busy: 50, type: compute}
 */

#include "base/list.h"
#include "sim/node/node.h"

struct error;

/* enum process_type in words; false: it is none that a machine or command may ask for. */
extern const char *const process_type_words[];
bool process_type_parse(const char *word, enum process_type *ret_type);

struct machine_instance {
	unsigned gpu, profile;
	int start; /* GPU_START_DEFAULT: anywhere */
	unsigned n_compute;
	uint32_t compute[PRODUCT_COMPUTE]; /* kinds; none: one that is the whole */
	bool no_compute;		   /* none at all */
};

struct machine_process {
	unsigned gpu;
	int instance; /* the nth of that GPU's instances as listed; -1: the GPU */
	char name[64];
	enum process_type type;
	uint64_t memory;
	uint32_t busy;
};

struct machine {
	char description[96];
	struct node *plan; /* for node_make() */
	VEC(struct machine_instance) instances;
	VEC(struct machine_process) processes;
};

/* Reads a machine from text; `name` is what its UUIDs derive from, `file` stands in errors. */
int machine_parse(const char *name, const char *file, const char *text, struct machine *ret_machine,
	struct error *err);

/* By name, or from a file (with a slash or the ending .yaml). */
int machine_load(const char *name, struct machine *ret_machine, struct error *err);
void machine_done(struct machine *machine);

/* The machines that are built in: NULL past the end. */
const char *machine_name(unsigned index);
