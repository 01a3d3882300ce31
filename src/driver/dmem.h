/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Device memory limits held by the kernel: the cgroup v2 controller dmem (Linux 6.14 on), where the
 * GPU's driver is a part of it (NVIDIA's from CUDA 13.4 on; not for MIG devices).
 *
 * `tree` is where the cgroup tree is mounted (cgroup_mount()), `cgroup` a path in it
 * ("/user.slice"), `pci` a GPU ("0000:65:00.0").
 */

#include <stdint.h>

struct error;

#define DMEM_NO_LIMIT UINT64_MAX

/* The device memory that the kernel accounts for. -ENOTSUP with the sentence where it does not. */
int dmem_capacity(const char *tree, const char *pci, uint64_t *ret_bytes, struct error *err);
/* Has the controller work in that cgroup: turns it on in all those above it. */
int dmem_enable(const char *tree, const char *cgroup, struct error *err);
/* What the processes of the cgroup may have of the GPU's memory together; read back. What they have
 * already stays theirs. */
int dmem_set_max(
	const char *tree, const char *cgroup, const char *pci, uint64_t bytes, struct error *err);
/* What they have. */
int dmem_used(const char *tree, const char *cgroup, const char *pci, uint64_t *ret_bytes,
	struct error *err);
