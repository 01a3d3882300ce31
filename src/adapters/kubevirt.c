/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KubeVirt, as two documents of YAML. It chooses a device by vendor and device id, which all VFs
 * of a GPU have in common: to get just this one, the resource is offered by a device plugin of the
 * administrator's, which names the VF in the pod's environment.
 */
#include "adapters/handover.h"
#include "base/text.h"

#include <ctype.h>

/* "l3": names in Kubernetes have small letters. */
static void add_lower(struct buf *out, const char *text)
{
	for (; *text; text++) {
		char c = (char)tolower((unsigned char)*text);

		buf_add_n(out, &c, 1);
	}
}

static void add_permitted(struct buf *out, const struct handover *handover)
{
	const struct binding_vf *vf = &handover->vf;

	buf_add(out, "# Into the KubeVirt resource, once:\n"
		     "spec:\n  configuration:\n    permittedHostDevices:\n");
	if (handover_is_mdev(handover))
		buf_addf(out, "      mediatedDevices:\n        - mdevNameSelector: \"%s\"\n",
			vf->type);
	else
		buf_addf(out, "      pciHostDevices:\n        - pciVendorSelector: \"%04X:%04X\"\n",
			vf->vendor, vf->device);
	buf_add(out, "          resourceName: carve/");
	add_lower(out, handover->id);
	buf_add(out, "\n          externalResourceProvider: true\n");
}

void kubevirt_write(const struct handover *handover, struct buf *out)
{
	const struct binding_vf *vf = &handover->vf;
	bool is_mdev = handover_is_mdev(handover);

	buf_add(out, "# ");
	handover_add_title(out, handover);
	buf_addf(out,
		".\n# KubeVirt's own choice is by %s, which this VF shares with others of its GPU. "
		"For just this one the\n# device plugin that offers carve/",
		is_mdev ? "type" : "vendor and device id");
	add_lower(out, handover->id);
	buf_addf(out, " sets in the pod's environment\n#   %sPCI_RESOURCE_CARVE_%s=%s\n",
		is_mdev ? "MDEV_" : "", handover->id, is_mdev ? vf->mdev : vf->pci);
	if (vf->is_vendor_vfio)
		buf_addf(out,
			"# It stays with its driver, %s: KubeVirt takes it as it is where it knows "
			"vGPUs by vendor-specific\n# VFIO; older ones offer only what is bound to "
			"vfio-pci.\n",
			vf->driver);
	if (vf->numa >= 0)
		buf_addf(out,
			"# It is on NUMA node %d: let kubelet's topology manager keep the pod "
			"there.\n",
			vf->numa);
	add_permitted(out, handover);
	buf_add(out,
		"---\n# Into the VirtualMachine:\nspec:\n  template:\n    spec:\n      domain:\n"
		"        devices:\n          hostDevices:\n            - name: carve-");
	add_lower(out, handover->id);
	buf_add(out, "\n              deviceName: carve/");
	add_lower(out, handover->id);
	buf_add(out, "\n");
}
