/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's command line, one option a line; lines with # are for people. The VF stands behind a root
 * port of its own, so that it can be taken out and put in again while the guest runs; the port
 * keeps a window free that is large enough for its BARs.
 */
#include "adapters/handover.h"
#include "base/text.h"

enum { CHASSIS = 202 }; /* where the ports of leases stand: their slot is the lease's number */

static void add_advice(struct buf *out, const struct handover *handover)
{
	buf_add(out, "# ");
	handover_add_title(out, handover);
	buf_addf(out, ".\n# It stays with its driver, %s: bind it to no other.\n",
		handover->vf.driver);
	buf_add(out, "# All of the guest's memory is locked while it runs: no balloon, no "
		     "over-commitment, and a QEMU that is\n# not root's needs a limit of locked "
		     "memory above the guest's memory (LimitMEMLOCK=).\n");
	if (handover->vf.numa >= 0)
		buf_addf(out,
			"# It is on NUMA node %d: keep the guest's CPUs and memory there, with\n"
			"#   -object "
			"memory-backend-memfd,id=ram0,size=SIZE,hugetlb=on,host-nodes=%d,policy="
			"bind\n",
			handover->vf.numa, handover->vf.numa);
}

static void add_port(struct buf *out, const struct handover *handover)
{
	unsigned gib = handover_window_gib(handover);

	buf_addf(out, "-device pcie-root-port,id=carve-port-%s,chassis=%d,slot=%u", handover->id,
		CHASSIS, handover->number % 8192);
	if (gib > 0)
		buf_addf(out, ",pref64-reserve=%uG", gib);
	else if (handover->vf.mmio_bytes > 0)
		buf_add(out, ",pref64-reserve=1G");
	buf_add(out, "\n");
}

static void add_device(struct buf *out, const struct handover *handover)
{
	const struct binding_vf *vf = &handover->vf;
	bool has_cdev = vf->cdev[0] && !handover_is_mdev(handover);

	if (has_cdev)
		buf_addf(out,
			"# Through iommufd (/dev/vfio/devices/%s). QEMU before 8.2 does not know "
			"it: leave out the next line\n# and \"iommufd=\".\n"
			"-object iommufd,id=carve-iommufd-%s\n",
			vf->cdev, handover->id);
	if (handover_is_mdev(handover))
		buf_addf(out, "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/%s", vf->mdev);
	else
		buf_addf(out, "-device vfio-pci,host=%s", vf->pci);
	buf_addf(out, ",id=%s,bus=carve-port-%s", handover->device, handover->id);
	if (has_cdev)
		buf_addf(out, ",iommufd=carve-iommufd-%s", handover->id);
	buf_add(out, "\n");
}

void qemu_write(const struct handover *handover, struct buf *out)
{
	unsigned gib = handover_guest_window_gib(handover);

	add_advice(out, handover);
	add_port(out, handover);
	add_device(out, handover);
	if (gib == 0)
		return;
	buf_addf(out,
		"# Its BARs need a window of %u GiB: the guest's has to be larger than the usual "
		"32 "
		"GiB, for QEMU and for OVMF,\n"
		"# and the guest's addresses as wide as the host's: -cpu "
		"host,host-phys-bits=on\n"
		"-global q35-pcihost.pci-hole64-size=%uG\n"
		"-fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=%u\n",
		handover_window_gib(handover), gib, gib * 1024);
}
