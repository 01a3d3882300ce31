/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A GPU as a program uses it: through NVIDIA's CUDA driver library (libcuda.so.1, opened at run
 * time). Only the benchmark of `carve measure` computes; all else of Carve has no use for this.
 *
 * One process uses the first device that it may see. After a call has failed the context is lost
 * for good: the process can only end. Every function that can fail answers 0 or a negative errno,
 * with CUDA's own words and what to do about them:
 *
 *	-ENOENT	there is no such library
 *	-ENODEV	there is no GPU for this process, or no driver
 *	-ENOMEM	the GPU's memory, or this process's part of it, is full
 *	-EBUSY	others have it, or its MPS server takes no more
 *	-ELIBBAD library and kernel module are of different driver versions
 *	-ENOTSUP this GPU or this driver cannot
 *	-EIO	all else, with CUDA's number: a kernel has failed
 */

#include <stdint.h>

struct cuda;
struct error;

enum { CUDA_NAME_MAX = 96, CUDA_UUID_MAX = 48 };

struct cuda_facts {
	char name[CUDA_NAME_MAX];
	char uuid[CUDA_UUID_MAX]; /* "GPU-...", without the difference that NVML makes for MIG */
	unsigned sm;
	uint64_t memory_bytes, l2_bytes;
};

/* Opens the library alone: whether there is one. Nothing of the driver is used. */
int cuda_load(struct error *err);

/* A context on the first device. */
int cuda_open(struct cuda **ret_cuda, struct error *err);
struct cuda *cuda_close(struct cuda *cuda); /* NULL */
const struct cuda_facts *cuda_facts(const struct cuda *cuda);

/* Has the driver compile PTX text and finds a kernel in it; there is one in a context. */
int cuda_kernel(struct cuda *cuda, const char *ptx, const char *name, struct error *err);
/* Memory of the GPU, until the context is closed; its content is not set. */
int cuda_alloc(struct cuda *cuda, uint64_t bytes, uint64_t *ret_address, struct error *err);
/* Starts the kernel; the arguments are copied. Launches run one after the other. */
int cuda_launch(
	struct cuda *cuda, unsigned blocks, unsigned threads, void **arguments, struct error *err);
/* Waits until all that was started is done: its failure comes out here. */
int cuda_wait(struct cuda *cuda, struct error *err);
