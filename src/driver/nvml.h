/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NVIDIA's driver, through its management library (libnvidia-ml.so.1, opened at run time).
 *
 * One process has one session (nvml_open); calls may hang for ever or crash with a broken driver,
 * so they are made in processes that may be lost. Every function that can fail answers 0 or a
 * negative errno, with NVML's own words and what to do about them:
 *
 *	-EBUSY	in use by another client, or only a GPU reset helps
 *	-ENOSPC	the driver finds no room
 *	-EPERM	this takes root, or the right to the GPU's nodes
 *	-ENODEV	the GPU is lost, or there is no driver
 *	-ENOENT	no such library, GPU or instance
 *	-ENOTSUP this GPU or this driver cannot
 *	-ELIBBAD library and kernel module are of different driver versions
 *	-ETIMEDOUT, -ENOMEM as NVML says; -EIO all else, with NVML's number
 */

#include "model/gpu.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct nvml_gpu; /* one GPU, opened in this process */

enum { NVML_VERSION_MAX = 32 };

/* Loads the library and begins a session; harmless where there is one. */
int nvml_open(struct error *err);
/* Ends it: no file of the driver is open any more. GPUs that were opened must be freed before. */
void nvml_close(void);

/* "535.129.03", and the same of the library; either may be NULL. */
int nvml_versions(
	char ret_driver[NVML_VERSION_MAX], char ret_library[NVML_VERSION_MAX], struct error *err);
/* PCI addresses ("0000:1b:00.0") of the GPUs that answer, in the driver's order: how many. */
int nvml_list(char (*ret_pci)[16], unsigned max, struct error *err);

int nvml_gpu_open(const char *pci, struct nvml_gpu **ret_gpu, struct error *err);
struct nvml_gpu *nvml_gpu_free(struct nvml_gpu *gpu); /* NULL */

/* All facts; geometry.n_profiles is 0 where the driver does not tell it (nvml_mig_geometry says
 * why). */
int nvml_gpu_facts(struct nvml_gpu *gpu, struct gpu_facts *ret_facts, struct error *err);
/* Fills n_processes and process[]: each once, with the instance that it uses. */
int nvml_gpu_processes(struct nvml_gpu *gpu, struct gpu_seen *seen, struct error *err);
/* Bytes in use on a compute instance, or on the GPU (gi and ci UINT32_MAX). */
int nvml_gpu_used(
	struct nvml_gpu *gpu, uint32_t gi, uint32_t ci, uint64_t *ret_bytes, struct error *err);
/* 0 if the driver still answers for it, -ENODEV if it is lost. */
int nvml_gpu_check(struct nvml_gpu *gpu, struct error *err);
/* Who may open a context on it; NVML's numbers (enum compute_mode). */
int nvml_gpu_compute_mode(struct nvml_gpu *gpu, uint8_t *ret_mode, struct error *err);
int nvml_gpu_set_compute_mode(struct nvml_gpu *gpu, uint8_t mode, struct error *err);
/* 1 on, 0 off, negative errno. */
int nvml_gpu_persistence(struct nvml_gpu *gpu);
/*
 * Resets it: ends the session, runs "nvidia-smi --gpu-reset" and begins anew. The GPU stays open.
 * Whatever instances there were are gone.
 */
int nvml_gpu_reset(struct nvml_gpu *gpu, uint64_t deadline_ns, struct error *err);

struct nvml_event {
	bool is_xid;	 /* else a double-bit ECC error */
	uint64_t code;	 /* the XID */
	uint32_t gi, ci; /* UINT32_MAX: the whole GPU */
};
/* Events since the last call, or since the first one: how many; never waits. */
int nvml_gpu_events(
	struct nvml_gpu *gpu, struct nvml_event *ret_events, unsigned max, struct error *err);
