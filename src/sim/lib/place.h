/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From a handle to what it names. A handle is no address but a number that holds kind, place and
 * the serial of what stood there, so that any value that a client hands in can be looked at: what
 * is gone, or was made anew since, is INVALID_ARGUMENT.
 */

#include "abi/nvml.h"
#include "sim/node/node.h"

enum handle_kind {
	HANDLE_NONE = 0,
	HANDLE_GPU = 1,
	HANDLE_MIG = 2,	     /* an nvmlDevice_t too: one compute instance */
	HANDLE_INSTANCE = 4, /* nvmlGpuInstance_t */
	HANDLE_COMPUTE = 8   /* nvmlComputeInstance_t */
};

/* May be or'ed to the kinds that place_enter() takes: for what is answered of a lost GPU too. */
#define HANDLE_LOST_TOO 0x100

void *handle_make(enum handle_kind kind, unsigned gpu, uint32_t gi, uint32_t ci, uint32_t serial);
/* The index of the GPU that any handle is about; -1 if it is no handle. */
int handle_gpu(const void *handle);

/* Between nvmlInit and nvmlShutdown; and the node, once there was an nvmlInit. */
bool session_is_on(void);
extern struct node *session_node;

struct place {
	enum handle_kind kind;
	unsigned index;
	struct gpu *gpu;
	const struct gpu_state *state;
	uint32_t gi, ci; /* NVML_NO_INSTANCE where the handle has none */
	const struct gpu_instance *instance;
	const struct profile *profile;
	const struct compute_instance *compute;
};

/*
 * Locks the node and finds what the handle names, if it is of one of the kinds (bits). On any code
 * but NVML_SUCCESS nothing is locked.
 */
nvmlReturn_t place_enter(const void *handle, unsigned kinds, struct place *ret_place);
void place_leave(struct place *place);

/* As place_enter, but leaves the lock again: for calls that lock for themselves. */
nvmlReturn_t place_find(const void *handle, unsigned kinds, struct place *ret_place);

/* Drops dead processes; the place's pointers stay good. */
void place_reap(struct place *place);

/* Hands a text to a caller's buffer: INVALID_ARGUMENT without one, INSUFFICIENT_SIZE. */
nvmlReturn_t give_text(char *to, unsigned length, const char *text);
