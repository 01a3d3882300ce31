/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For Proxmox VE one shell script: as a hook script it lets a VM start only while the lease and its
 * VF are there; asked for it, it prints the resource mapping as things are now, because IOMMU
 * groups have another number after each boot. The lines to type stand at its top.
 */
#include "adapters/handover.h"
#include "base/text.h"

static void add_top(struct buf *out, const struct handover *handover)
{
	const struct binding_vf *vf = &handover->vf;
	const char *keep = vf->is_vendor_vfio ? ",driver=keep" : "";
	const char *device = handover->device;

	buf_add(out, "#!/bin/sh\n# ");
	handover_add_title(out, handover);
	buf_addf(out,
		".\n#\n"
		"#\tcarve show %s --as proxmox >/var/lib/vz/snippets/%s\n"
		"#\tchmod +x /var/lib/vz/snippets/%s\n"
		"#\tqm set VMID --machine q35 --balloon 0 --hookscript local:snippets/%s\n",
		handover->id, device, device, device);
	if (handover_is_mdev(handover))
		buf_addf(out,
			"#\tqm set VMID --args '-device "
			"vfio-pci,sysfsdev=/sys/bus/mdev/devices/%s,id=%s'\n"
			"#\t(with hostpci and mdev= Proxmox would make another mediated device)\n",
			vf->mdev, device);
	else
		buf_addf(out,
			"#\tqm set VMID --hostpci0 %s,pcie=1%s\n"
			"# or, for users other than root, by a resource mapping:\n"
			"#\t/var/lib/vz/snippets/%s mapping >>/etc/pve/mapping/pci.cfg\n"
			"#\tqm set VMID --hostpci0 mapping=%s,pcie=1%s\n",
			vf->pci, keep, device, device, keep);
	if (vf->is_vendor_vfio && !handover_is_mdev(handover))
		buf_addf(out,
			"# driver=keep (Proxmox VE 9): it stays with its driver, %s. Do not give "
			"mdev= as well: Proxmox would set\n# the type anew.\n",
			vf->driver);
	if (vf->numa >= 0)
		buf_addf(out,
			"# It is on NUMA node %d: qm set VMID --numa0 "
			"cpus=0-N,memory=MIB,hostnodes=%d,policy=bind\n",
			vf->numa, vf->numa);
	if (handover_guest_window_gib(handover) > 0)
		buf_addf(out,
			"# Its BARs need a window of %u GiB: qm set VMID --cpu host --args "
			"'-global "
			"q35-pcihost.pci-hole64-size=%uG\n"
			"# -fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=%u'\n",
			handover_window_gib(handover), handover_guest_window_gib(handover),
			handover_guest_window_gib(handover) * 1024);
}

static const char mapping[] =
	"\n"
	"# A section of /etc/pve/mapping/pci.cfg.\n"
	"print_mapping() {\n"
	"\tid=$(cat \"$sysfs/vendor\" \"$sysfs/device\" | sed 's/^0x//' | paste -sd:)\n"
	"\tsubsystem=$(cat \"$sysfs/subsystem_vendor\" \"$sysfs/subsystem_device\" | sed 's/^0x//' "
	"|\n\t\tpaste -sd:)\n"
	"\tgroup=$(basename \"$(readlink \"$sysfs/iommu_group\")\")\n"
	"\tprintf 'carve-%s\\n\\tmap id=%s,iommugroup=%s,node=%s,path=%s,subsystem-id=%s\\n' \\\n"
	"\t\t\"$lease\" \"$id\" \"$group\" \"$(hostname)\" \"$vf\" \"$subsystem\"\n"
	"}\n";

static const char mapping_call[] = "\n"
				   "if [ \"${1-}\" = mapping ]; then\n"
				   "\tprint_mapping\n"
				   "\texit 0\n"
				   "fi\n";

static const char hook[] =
	"\n"
	"# Proxmox calls it with the VM's number and the phase.\n"
	"[ \"${2-}\" = pre-start ] || exit 0\n"
	"vm=$1\n"
	"refuse() {\n"
	"\techo \"carve: VM $vm does not start: $*\" >&2\n"
	"\texit 1\n"
	"}\n"
	"said=$(carve show \"$lease\" --as env) || refuse \"lease $lease is not there\"\n"
	"printf '%s\\n' \"$said\" | grep -qxF \"CARVE_VF=$vf\" ||\n"
	"\trefuse \"lease $lease has not the VF $vf: write this script anew\"\n"
	"[ -d \"$sysfs\" ] || refuse \"there is no $sysfs: 'carve doctor' says more\"\n"
	"now=$(basename \"$(readlink \"$sysfs/driver\")\")\n"
	"[ \"$now\" = \"$driver\" ] || refuse \"$vf is with the driver '$now', not $driver\"\n";

void proxmox_write(const struct handover *handover, struct buf *out)
{
	add_top(out, handover);
	buf_addf(out, "set -eu\nlease=%s\nvf=%s\ndriver=%s\nsysfs=/sys/bus/pci/devices/$vf\n",
		handover->id, handover->vf.pci, handover->vf.driver);
	if (!handover_is_mdev(handover)) {
		buf_add(out, mapping);
		buf_add(out, mapping_call);
	}
	buf_add(out, hook);
}
