/* SPDX-License-Identifier: Apache-2.0 */
/* Cloud Hypervisor's command line, one option a line; lines with # are for people. */
#include "adapters/handover.h"
#include "base/text.h"

void cloud_hypervisor_write(const struct handover *handover, struct buf *out)
{
	const struct binding_vf *vf = &handover->vf;
	unsigned gib = handover_guest_window_gib(handover);
	bool is_mdev = handover_is_mdev(handover);

	buf_add(out, "# ");
	handover_add_title(out, handover);
	buf_addf(out,
		".\n# It stays with its driver, %s: bind it to no other.\n"
		"# All of the guest's memory is locked while it runs; leave --balloon out.\n",
		vf->driver);
	if (vf->numa >= 0)
		buf_addf(out,
			"# It is on NUMA node %d: --memory-zone "
			"id=mem0,size=SIZE,host_numa_node=%d "
			"keeps the memory there.\n",
			vf->numa, vf->numa);
	buf_addf(out,
		"# Into one that runs: ch-remote --api-socket SOCKET add-device "
		"path=PATH,id=%s; out again: remove-device %s\n",
		handover->device, handover->device);
	if (gib > 0)
		buf_addf(out,
			"# Its BARs need a window of %u GiB: it has a PCI segment of its own, "
			"which gets most "
			"of the 64-bit window.\n"
			"--platform num_pci_segments=2\n"
			"--pci-segment pci_segment=1,mmio64_aperture_weight=8\n",
			handover_window_gib(handover));
	buf_addf(out, "--device path=/sys/bus/%s/devices/%s/,id=%s%s\n", is_mdev ? "mdev" : "pci",
		is_mdev ? vf->mdev : vf->pci, handover->device, gib > 0 ? ",pci_segment=1" : "");
}
