/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD's GIM turns VFs on by itself when it is loaded: how many is its module parameter vf_num. They
 * are read and explained, never made or removed; those that are there can be handed to virtual
 * machines as any other.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_kind.h"

#include <stdio.h>

static bool is(const struct vf_pf *pf)
{
	return text_eq(pf->facts->vf.pf_driver, "gim");
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	AUTO_FREE char *now = NULL;
	uint32_t n = vf_count(pf->pci);

	if (root_read("/sys/module/gim/parameters/vf_num", &now) == 0)
		now[strcspn(now, "\n")] = '\0';
	ret_capability->answer = n ? CAPABILITY_YES : CAPABILITY_AFTER;
	snprintf(ret_capability->text, sizeof(ret_capability->text),
		"%u virtual functions are on: AMD's GIM makes them when it is loaded, as many as "
		"its parameter says ('modprobe gim vf_num=N'; now %s)",
		n, now && now[0] ? now : "unknown");
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	vf_generic.look(pf, seen);
}

static int count(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	return error_set(err, -ENOTSUP,
		"AMD's GIM makes the virtual functions of %s when it is loaded: set its module "
		"parameter vf_num=%u in /etc/modprobe.d and load it again",
		pf->pci, n);
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	return vf_generic.set(pf, vf, setup, err);
}

const struct vf_kind_ops vf_gim = {
	.is = is,
	.facts = facts,
	.look = look,
	.count = count,
	.set = set,
};
