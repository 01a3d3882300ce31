/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Load: processes that use memory and SMs over time, from a file:
 *
 *	version: carve-sim/load-v1
 *	seed: 42			# what is drawn is the same for the same seed
 *	for: 60s			# the end; else when the last process has ended
 *	processes:
 *	- name: python3 train.py
 *	  device: "0"			# GPU, GPU.INSTANCE[.COMPUTE] or UUID
 *	  type: compute			# graphics, mps
 *	  start: 0s..5s			# a value, or two to draw between
 *	  repeat: 3			# or forever, which wants `for`
 *	  phases:			# one after the other
 *	  - {for: 10s, memory: 8G, busy: 0..20}
 *	  - {for: 5s..9s, memory: 20G..30G, busy: 95}
 */

#include "sim/program/machine.h"

struct error;

struct load_range {
	uint64_t low, high;
};

struct load_phase {
	struct load_range for_ns, memory, busy;
};

struct load_process {
	char name[64], device[64];
	enum process_type type;
	struct load_range start_ns;
	uint64_t repeat; /* UINT64_MAX: for ever */
	VEC(struct load_phase) phases;
};

struct load {
	uint64_t seed, for_ns; /* 0: until the last has ended */
	VEC(struct load_process) processes;
};

enum load_deed { LOAD_START, LOAD_CHANGE, LOAD_STOP };

struct load_event {
	uint64_t at_ns; /* since the beginning */
	unsigned process;
	enum load_deed deed;
	uint64_t memory;
	unsigned busy;
};

struct load_plan {
	VEC(struct load_event) events;
};

/* Reads a load; errors say where in `file`. */
int load_parse(const char *file, const char *text, struct load *ret_load, struct error *err);
void load_done(struct load *load);

/* What happens and when, in order: depends on the load and its seed alone. vec_done() its events.
 */
void load_draw(const struct load *load, struct load_plan *ret_plan);
