/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* By what names GPUs and MIG devices are known: UUIDs, names, PCI addresses, device minors. */

#include "sim/node/node.h"

#define UUID_TEXT_MAX 48 /* "GPU-" or "MIG-" and 36 characters */

/*
 * UUIDs as the driver derives them (gpu_uuid.c of the open kernel modules): version 5, SHA-1 of a
 * name that holds the chip and its serial word, and of a MIG device its place as well. So the same
 * place on the same GPU always has the same UUID.
 */
void identity_gpu_uuid(uint32_t device_id, uint64_t chip_seed, char ret_text[UUID_TEXT_MAX]);
void identity_mig_uuid(const struct gpu *gpu, uint32_t instance_id, uint32_t slot,
	uint32_t compute_start, uint8_t ret_uuid[16]);
const char *identity_uuid_text(
	const char *prefix, const uint8_t uuid[16], char ret_text[UUID_TEXT_MAX]);

/* A stable word for a name and an index (FNV-1a). */
uint64_t identity_seed(const char *name, unsigned index);

/* "0000:1b:00.0": as sysfs and the kernel's logs write it. */
#define PCI_TEXT_MAX 16
const char *identity_pci_text(const struct gpu *gpu, char ret_text[PCI_TEXT_MAX]);

/*
 * The name of a profile without "MIG ": "3g.40gb", or "1c.3g.40gb" for a compute instance that is a
 * part of its GPU instance; `kind` is NVML_COMPUTE_INSTANCE_PROFILE_*.
 */
#define PROFILE_TEXT_MAX 48
const char *identity_profile_text(
	const struct profile *profile, uint32_t kind, char ret_text[PROFILE_TEXT_MAX]);

/*
 * Minors of the capability nodes: a fixed table (nv-caps.c of the open kernel modules). `gpu` is
 * the GPU's device minor.
 */
#define CAP_MINOR_CONFIG  1
#define CAP_MINOR_MONITOR 2
#define CAP_GPUS	  32
#define CAP_INSTANCES	  15
#define CAP_COMPUTES	  8
static inline uint32_t identity_instance_minor(uint32_t gpu, uint32_t gi)
{
	return 3 + 135 * gpu + 9 * gi;
}
static inline uint32_t identity_compute_minor(uint32_t gpu, uint32_t gi, uint32_t ci)
{
	return identity_instance_minor(gpu, gi) + 1 + ci;
}
