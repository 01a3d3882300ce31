/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* GPUs that no driver library knows: physical functions that can have VFs, as /sys tells them. */

#include "driver/pci.h"
#include "model/gpu.h"

struct error;

/*
 * The physical functions that offer VFs and are displays, processing accelerators, or of one of
 * these classes (class and subclass, 0x0108): how many, at most max. With `has_nvml` NVIDIA's are
 * left out, which NVML lists.
 */
unsigned pci_find_pfs(const uint16_t *classes, unsigned n_classes, bool has_nvml,
	char (*ret_address)[PCI_ADDRESS_MAX], unsigned max);

/* The facts of one of them but for its VFs' (is_pci_only): -ENODEV with the sentence if it is gone.
 */
int pci_facts(const char *pci, struct gpu_facts *ret_facts, struct error *err);
/* True if a GPU's facts come from /sys alone: it is not NVIDIA's, or there is no NVML. */
bool pci_is_alone(const char *pci, bool has_nvml);
