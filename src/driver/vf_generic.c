/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of any GPU whose driver makes them by sriov_numvfs: all alike, without parts to be set. They
 * are turned on without drivers of their own (sriov_drivers_autoprobe), so that no driver of the
 * host touches what a virtual machine is to have.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/sysfs_write.h"
#include "driver/vf_kind.h"

#include <stdio.h>

static bool is(const struct vf_pf *pf)
{
	return true;
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	char *text = ret_capability->text;
	size_t size = sizeof(ret_capability->text);

	if (strstr(facts->pf_driver, "vfio")) {
		ret_capability->answer = CAPABILITY_NO;
		snprintf(text, size,
			"the GPU itself is with %s, for a virtual machine to have as a whole: give "
			"it back to its own driver",
			facts->pf_driver);
	} else if (!facts->pf_driver[0]) {
		ret_capability->answer = CAPABILITY_NO;
		snprintf(text, size,
			"the GPU has no driver, and virtual functions are made by one: bind the "
			"vendor's, or pci-pf-stub");
	}
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	for (uint32_t i = 0; i < seen->vfs.n; i++) {
		struct vf *vf = &seen->vfs.vf[i];

		vf->setup.is_for_vm = strstr(vf->driver, "vfio") != NULL;
	}
}

struct counting {
	const struct vf_pf *pf;
	uint32_t n;
};

/* A kernel without sriov_drivers_autoprobe gives them drivers, which are taken from them one by
 * one. */
static int write_count(const void *context, struct buf *output, struct error *err)
{
	const struct counting *counting = context;
	const char *pci = counting->pf->pci;
	char text[16], autoprobe[16] = "1";
	int r;

	vf_read(pci, "sriov_drivers_autoprobe", autoprobe, sizeof(autoprobe));
	vf_write(pci, pci, "sriov_drivers_autoprobe", counting->n ? "0" : "1", NULL);
	snprintf(text, sizeof(text), "%u", counting->n);
	r = vf_write(pci, pci, "sriov_numvfs", text, err);
	if (r < 0)
		vf_write(pci, pci, "sriov_drivers_autoprobe", autoprobe, NULL);
	return r;
}

static int count(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	AUTO_FREE char *what =
		must_asprintf("the number of virtual functions of %s is changed", pf->pci);
	int r;

	if (strstr(pf->facts->vf.pf_driver, "vfio"))
		return error_set(err, -ENODEV,
			"%s is itself with %s, for a virtual machine to have as a whole: give it "
			"back to its own driver first",
			pf->pci, pf->facts->vf.pf_driver);
	r = sysfs_run(
		pf->pci, what, write_count, &(struct counting){ pf, n }, VF_DEADLINE_NS, NULL, err);
	return r < 0 ? vf_say_why(n ? VF_TURN_ON : VF_TURN_OFF, r, pf->pci, NULL, err) : 0;
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	return setup->is_for_vm ? vf_bind_vfio(pf, vf, err) : vf_unbind_vfio(pf, vf, err);
}

const struct vf_kind_ops vf_generic = {
	.is = is,
	.facts = facts,
	.look = look,
	.count = count,
	.set = set,
};
