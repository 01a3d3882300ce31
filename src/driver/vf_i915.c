/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's i915 with SR-IOV: a module built outside of the kernel (i915-sriov-dkms), or a vendor's
 * kernel. VFs are as generic ones; what part each of them has is the driver's own affair. It needs
 * two module parameters, without which the kernel's answer says little.
 */
#include "base/error.h"
#include "base/text.h"
#include "driver/vf_kind.h"

#include <stdio.h>

static const char hint[] = "i915 makes them with max_vfs=7 and enable_guc=3 (module parameters) "
			   "and its GuC firmware only";

static bool is(const struct vf_pf *pf)
{
	return text_eq(pf->facts->vf.pf_driver, "i915");
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	snprintf(ret_capability->text, sizeof(ret_capability->text),
		"up to %u virtual functions, by i915 (max_vfs=%u)", facts->total, facts->total);
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	vf_generic.look(pf, seen);
}

static int count(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	int r = vf_generic.count(pf, n, err);

	if (r == -ENODEV && n > 0)
		return error_set(
			err, r, "cannot turn on the virtual functions of %s: %s", pf->pci, hint);
	return r;
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	return vf_generic.set(pf, vf, setup, err);
}

const struct vf_kind_ops vf_i915 = {
	.is = is,
	.facts = facts,
	.look = look,
	.count = count,
	.set = set,
};
