/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What NVIDIA's two kinds of VFs share: both are made by NVIDIA's own program. */

#include "driver/vf_kind.h"

/* All VFs on (n > 0) or off by sriov-manage. */
int vf_sriov_manage(const struct vf_pf *pf, uint32_t n, struct error *err);
/* The types from NVML; and, where it does not tell them, from what each VF offers. */
void vf_nvidia_types(const struct vf_pf *pf, struct vf_facts *facts);
/* A type by id and name alone: its memory is the number in the name. */
bool vf_nvidia_type_of(uint32_t id, const char *name, struct vf_type *ret_type);
bool vf_is_nvidia(const struct vf_pf *pf);
