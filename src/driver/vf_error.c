/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's answers mean, each with the way out. The kernel has one errno for many causes
 * and tells the cause in its log alone, so the sentence names what it can be, the likely one first.
 */
#include "base/error.h"
#include "base/text.h"
#include "driver/process.h"
#include "driver/vf_kind.h"

#include <stdio.h>

#define ANY (-1)

static const struct {
	int deed; /* enum vf_deed, or ANY */
	int code; /* what the kernel said */
	int result;
	const char *text;
} meaning[] = {
	/* sriov_numvfs */
	{ VF_TURN_ON, -EINVAL, -ERANGE,
		"the kernel takes this for no number of virtual functions" },
	{ VF_TURN_ON, -ERANGE, -ERANGE,
		"that is more than the GPU allows now (sriov_totalvfs): its driver may have "
		"lowered "
		"it (xe, i915: the module parameter max_vfs)" },
	{ VF_TURN_ON, -ENOENT, -ENODEV,
		"the GPU has no driver, or one that makes no virtual functions: bind the vendor's "
		"driver to it, or pci-pf-stub" },
	{ VF_TURN_ON, -EBUSY, -EBUSY,
		"another number of them is on, or the GPU's driver is busy: turn them off first" },
	{ VF_TURN_ON, -ENOMEM, -ENOMEM,
		"there is no room for their memory (BARs) or no bus numbers for them, 'dmesg' says "
		"which: turn on SR-IOV, Above 4G Decoding and ARI in the firmware and enlarge its "
		"memory above 4G, or boot with pci=realloc (memory) or pci=assign-busses (bus "
		"numbers), or ask for fewer" },
	{ VF_TURN_ON, -ENOSPC, -ENOSPC,
		"the driver has not so much memory or so many contexts to give to so many: ask for "
		"fewer, or take back the parts that were set by hand" },
	{ VF_TURN_ON, -EIO, -EIO,
		"the hardware or its firmware refuses (InitialVFs and TotalVFs may differ): "
		"'dmesg' "
		"has the driver's words; a power cycle may help" },
	{ VF_TURN_ON, -EPERM, -EPERM,
		"the GPU's driver refuses: it wants its own program for that, or root" },
	{ VF_TURN_OFF, -ENOENT, -ENODEV,
		"the GPU has no driver any more, and the kernel removes virtual functions only "
		"through one: bind its driver again" },
	{ VF_TURN_OFF, -EBUSY, -EBUSY, "the GPU's driver says that it is busy" },
	{ VF_TURN_OFF, -EPERM, -EPERM,
		"the GPU's driver refuses: it wants its own program for that (NVIDIA's: "
		"sriov-manage), or root" },
	/* drivers of VFs */
	{ VF_BIND, -EINVAL, -ENOTSUP,
		"no IOMMU translates for it: turn on VT-d or AMD-Vi in the firmware and boot with "
		"intel_iommu=on or amd_iommu=on" },
	{ VF_BIND, -ENODEV, -ENODEV,
		"vfio-pci does not take it: 'modprobe vfio-pci' must work, and its kernel must "
		"have "
		"driver_override" },
	{ VF_BIND, -ENOENT, -ENODEV, "it has gone, or its kernel has no driver_override" },
	{ VF_BIND, -EBUSY, -EBUSY, "its GPU is busy: 'dmesg' has the driver's words" },
	{ VF_UNBIND, -ENODEV, -ENODEV, "it has gone" },
	/* vGPUs */
	{ VF_SET_TYPE, -EIO, -ENOSPC,
		"the driver finds no room for it: vGPUs of one size only share a GPU unless it is "
		"set to mix them, and one backed by MIG wants a GPU instance of its profile" },
	{ VF_SET_TYPE, -ENOSPC, -ENOSPC, "the driver has no more instances of this type to give" },
	{ VF_SET_TYPE, -EINVAL, -ENOSPC, "the driver does not know this type for it now" },
	{ VF_SET_TYPE, -EEXIST, -EBUSY, "it is a vGPU already: that must go first" },
	{ VF_SET_TYPE, -EBUSY, -EBUSY, "a virtual machine has it" },
	{ VF_SET_TYPE, -ENOENT, -ENODEV,
		"NVIDIA's driver is not on it: turn the GPU's virtual functions off and on again" },
	{ VF_FREE_TYPE, -EBUSY, -EBUSY,
		"a virtual machine has it: end it, or detach the vGPU from it" },
	{ VF_FREE_TYPE, -EIO, -EBUSY,
		"the driver does not let go of it: a virtual machine may still be ending" },
	{ VF_FREE_TYPE, -ENOENT, -ENODEV,
		"NVIDIA's driver is not on it: turn the GPU's virtual functions off and on again" },
	/* Intel's parts */
	{ VF_SET_PART, -EINVAL, -EINVAL, "the driver does not take this value" },
	{ VF_SET_PART, -ENOSPC, -ENOSPC, "the GPU has not so much memory left for it" },
	{ VF_SET_PART, -EIO, -ENOSPC,
		"the GPU's firmware refuses, mostly because so much is not free" },
	{ VF_SET_PART, -EOPNOTSUPP, -ENOTSUP, "this GPU or driver has no such part" },
	{ VF_SET_PART, -ENOENT, -ENOTSUP,
		"this driver shows no such file: kernels from 6.19 on have sriov_admin (memory: "
		"from "
		"7.0 on), older ones debugfs, which must be mounted" },
	{ VF_SET_PART, -EBUSY, -EBUSY, "it is in use: the value can only be changed while free" },
	/* all */
	{ ANY, -EACCES, -EPERM, "this takes root" },
	{ ANY, -EPERM, -EPERM, "this takes root" },
	{ ANY, -EROFS, -EPERM, "/sys is mounted read-only, as in a container: run outside of it" },
};

static const char *const deeds[] = {
	[VF_TURN_ON] = "cannot turn on the virtual functions of",
	[VF_TURN_OFF] = "cannot turn off the virtual functions of",
	[VF_BIND] = "cannot hand to vfio-pci",
	[VF_UNBIND] = "cannot take its driver from",
	[VF_SET_TYPE] = "cannot make a vGPU on",
	[VF_FREE_TYPE] = "cannot remove the vGPU on",
	[VF_SET_PART] = "cannot set the parts of",
};

int vf_say_why(enum vf_deed deed, int code, const char *what, const char *detail, struct error *err)
{
	const char *text = "'dmesg' may have the driver's words";
	int result = code;

	/* it has its sentence (sysfs_write.h) */
	if (code == -ETIMEDOUT || code == -EALREADY)
		return code == -EALREADY ? error_prefix(err, -ETIMEDOUT, "%s %s", deeds[deed], what)
					 : error_prefix(err, code, "%s %s", deeds[deed], what);
	for (unsigned i = 0; i < ARRAY_SIZE(meaning); i++) {
		if ((meaning[i].deed != ANY && meaning[i].deed != (int)deed) ||
			meaning[i].code != code)
			continue;
		text = meaning[i].text;
		result = meaning[i].result;
		break;
	}
	return error_set(err, result, "%s %s: %s%s%s%s (%s)", deeds[deed], what, text,
		detail ? " (" : "", detail ?: "", detail ? ")" : "", strerrorname_np(-code));
}

static void say_holder(const struct vf *vf, struct buf *text)
{
	struct process_info info;
	char who[300];

	buf_addf(text, "%s%u (%s)", text->length ? "; " : "VF ", vf->number, vf->pci);
	if (vf->vm[0])
		buf_addf(text, " by virtual machine '%s'", vf->vm);
	if (process_look(vf->user, &info) == 0)
		buf_addf(text, ", process %s", process_text(&info, who, sizeof(who)));
	else
		buf_addf(text, ", process %d", (int)vf->user);
}

int vf_check_held(const struct vfs_seen *vfs, uint64_t mask, const char *pci, struct error *err)
{
	AUTO_BUF text = { 0 };

	for (uint32_t i = 0; i < vfs->n; i++)
		if (vfs->vf[i].user && (mask >> vfs->vf[i].number & 1))
			say_holder(&vfs->vf[i], &text);
	if (!text.length)
		return 0;
	return error_set(err, -EBUSY,
		"virtual functions of %s are held and stay as they are: %s; end the virtual "
		"machine, or detach it there",
		pci, buf_text(&text));
}
