/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the driver tells, asked for in a child process with a deadline: a driver that hangs or
 * crashes takes the child with it and nothing else.
 */

#include "model/gpu.h"

#include <stdbool.h>

enum { LOOK_TEXT_MAX = 400 };

struct gpu_look {
	char pci[16];
	int result; /* of opening it and asking for its facts */
	char text[LOOK_TEXT_MAX];
	struct gpu_facts facts;
	struct capability vfs;		/* whether VFs can be made of it */
	unsigned n_vgpus, n_unlicensed; /* that run, as far as the driver tells */
	int seen_result;		/* of asking for its instances and processes */
	char seen_text[LOOK_TEXT_MAX];
	struct gpu_seen seen;
	int persistence; /* 1, 0 or negative errno */
};

struct driver_look {
	enum { LOOK_DONE, LOOK_HUNG, LOOK_CRASHED } end;
	char doing[64];	    /* what it was at when it ended so */
	int library_result; /* of opening the library and its session */
	char library_text[LOOK_TEXT_MAX];
	bool has_versions;
	char driver[32], library[32];
	int list_result;
	char list_text[LOOK_TEXT_MAX];
	unsigned n_gpus;
	struct gpu_look gpu[GPUS_MAX];
};

/* Never fails: what could not be asked is left as it says above. */
struct driver_look *look_new(unsigned deadline_ms);
struct driver_look *look_free(struct driver_look *look); /* NULL */
