/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One <hostdev> of libvirt's, so that `virsh attach-device` takes the text as it is. What else the
 * domain needs stands in a comment before it, which therefore must not have two hyphens in a row.
 */
#include "adapters/handover.h"
#include "base/text.h"

static void add_advice(struct buf *out, const struct handover *handover)
{
	unsigned gib = handover_guest_window_gib(handover);

	buf_add(out, "<!-- ");
	handover_add_title(out, handover);
	buf_add(out, ".\n");
	if (handover->vf.is_vendor_vfio)
		buf_addf(out,
			"     managed='no': it has to stay with its driver, %s; libvirt would "
			"bind it to another.\n",
			handover->vf.driver);
	buf_add(out, "     All of the guest's memory is locked while it runs, for which libvirt "
		     "raises the limit:\n"
		     "       <memballoon model='none'/>\n");
	if (handover->vf.numa >= 0)
		buf_addf(out,
			"     It is on NUMA node %d: <vcpu cpuset='CPUs of node %d'>, and\n"
			"       <numatune><memory mode='strict' nodeset='%d'/></numatune>\n",
			handover->vf.numa, handover->vf.numa, handover->vf.numa);
	if (gib > 0)
		buf_addf(out,
			"     Its BARs need a window of %u GiB, and the guest one that is larger:\n"
			"       <controller type='pci' index='0' model='pcie-root'>"
			"<pcihole64 unit='GiB'>%u</pcihole64></controller>\n"
			"       <cpu mode='host-passthrough'><maxphysaddr "
			"mode='passthrough'/></cpu>\n"
			"       for OVMF: <sysinfo type='fwcfg'><entry "
			"name='opt/ovmf/X-PciMmio64Mb'>%u</entry></sysinfo>\n",
			handover_window_gib(handover), gib, gib * 1024);
	buf_add(out, "-->\n");
}

void libvirt_write(const struct handover *handover, struct buf *out)
{
	const struct binding_vf *vf = &handover->vf;

	add_advice(out, handover);
	if (handover_is_mdev(handover))
		buf_addf(out,
			"<hostdev mode='subsystem' type='mdev' model='vfio-pci'>\n"
			"  <source>\n    <address uuid='%s'/>\n  </source>\n",
			vf->mdev);
	else
		buf_addf(out,
			"<hostdev mode='subsystem' type='pci' managed='%s'>\n"
			"  <driver name='vfio'/>\n  <source>\n"
			"    <address domain='0x%.4s' bus='0x%.2s' slot='0x%.2s' "
			"function='0x%.1s'/>\n"
			"  </source>\n",
			vf->is_vendor_vfio ? "no" : "yes", vf->pci, vf->pci + 5, vf->pci + 8,
			vf->pci + 11);
	buf_addf(out, "  <alias name='ua-%s'/>\n</hostdev>\n", handover->device);
}
