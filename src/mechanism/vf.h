/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Virtual functions as shares: what a virtual machine monitor needs of one, and who holds what. */

#include "mechanism/mechanism.h"

struct error;

/*
 * Fills binding->vf and adds the VFIO nodes that the monitor opens. It reads only files and may be
 * called anywhere. -ENODEV where the VF is gone, -ENOTSUP where no IOMMU translates for it, -EBUSY
 * where its group holds something else that keeps VFIO from it.
 */
int vf_bind(const struct gpu *gpu, const struct vf *vf, struct binding *binding, struct error *err);

/* Who enforces memory, compute and faults of a VF with that setup. */
struct vf_enforcers {
	enum enforcer memory, compute, faults;
};
struct vf_enforcers vf_enforcers(const struct gpu *gpu, const struct vf_setup *setup);
