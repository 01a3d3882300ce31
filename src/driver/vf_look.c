/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GPU's VFs are: which kind, and what each of them is now. Nothing here waits for the
 * kernel: sriov_numvfs is not read, because whoever changes it has it locked for as long as a
 * virtual machine holds a VF.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/pci_sriov.h"
#include "driver/vf_kind.h"

#include <stdio.h>
#include <stdlib.h>

static const struct vf_kind_ops *const kinds[VF_KIND_N] = {
	[VF_KIND_GENERIC] = &vf_generic,
	[VF_KIND_NVIDIA] = &vf_nvidia,
	[VF_KIND_NVIDIA_MDEV] = &vf_nvidia_mdev,
	[VF_KIND_XE] = &vf_xe,
	[VF_KIND_I915] = &vf_i915,
	[VF_KIND_GIM] = &vf_gim,
};
/* The more particular first. */
static const enum vf_kind order[] = { VF_KIND_NVIDIA_MDEV, VF_KIND_NVIDIA, VF_KIND_XE, VF_KIND_I915,
	VF_KIND_GIM, VF_KIND_GENERIC };

const struct vf_kind_ops *vf_ops(enum vf_kind kind)
{
	static const struct vf_kind_ops none;

	return (unsigned)kind < VF_KIND_N && kinds[kind] ? kinds[kind] : &none;
}

static void answer(struct capability *capability, enum capability_answer what, const char *text)
{
	capability->answer = what;
	if (text_copy(capability->text, sizeof(capability->text), text) < 0)
		text_clean(capability->text);
}

/* False, with the reason, where there is nothing to make VFs of. */
static bool read_limits(const char *pci, struct vf_facts *facts, struct capability *capability)
{
	struct pci_sriov hardware = { 0 };
	uint64_t total = 0;
	int r = vf_read_number(pci, "sriov_totalvfs", &total);

	if (pci_sriov_read(pci, &hardware) == 0)
		facts->hardware_total = hardware.total;
	facts->total = total < VFS_MAX ? (uint32_t)total : VFS_MAX;
	vf_driver(pci, facts->pf_driver, sizeof(facts->pf_driver));
	if (r < 0 && facts->hardware_total)
		answer(capability, CAPABILITY_NO,
			"the kernel offers no virtual functions (no sriov_totalvfs), though the "
			"hardware has them: it was built without CONFIG_PCI_IOV");
	else if (r < 0)
		answer(capability, CAPABILITY_NO,
			"the GPU offers no virtual functions (no sriov_totalvfs in its /sys "
			"directory)");
	else if (facts->total == 0)
		answer(capability, CAPABILITY_NO,
			"the GPU's driver allows no virtual functions (sriov_totalvfs is 0)");
	return r == 0 && facts->total > 0;
}

void vf_facts_read(const char *pci, struct nvml_gpu *nvml, struct gpu_facts *facts,
	struct capability *ret_capability)
{
	const struct vf_pf pf = { pci, nvml, facts };
	struct vf_facts *vf = &facts->vf;
	char text[sizeof(ret_capability->text)];

	memset(vf, 0, sizeof(*vf));
	if (!read_limits(pci, vf, ret_capability))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(order) && vf->kind == VF_KIND_NONE; i++)
		if (kinds[order[i]]->is(&pf))
			vf->kind = order[i];
	snprintf(text, sizeof(text), "up to %u virtual functions, by %s", vf->total,
		vf->pf_driver[0] ? vf->pf_driver : "no driver");
	answer(ret_capability, CAPABILITY_YES, text);
	if (kinds[vf->kind]->facts)
		kinds[vf->kind]->facts(&pf, vf, ret_capability);
}

/* The addresses that VFs will have, by the specification of SR-IOV. */
static void find_claims(const char *pci, uint32_t total, struct vfs_seen *vfs)
{
	AUTO_FREE struct vfs_seen *later = must_alloc(1, sizeof(*later));
	uint64_t offset, stride;
	unsigned domain, bus, slot, function;

	if (vf_read_number(pci, "sriov_offset", &offset) < 0 ||
		vf_read_number(pci, "sriov_stride", &stride) < 0 ||
		sscanf(pci, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return;
	for (uint32_t i = 0; i < total && i < VFS_MAX; i++) {
		uint64_t id = (bus << 8 | slot << 3 | function) + offset + i * stride;

		snprintf(later->vf[i].pci, sizeof(later->vf[i].pci), "%04x:%02x:%02x.%x",
			domain & 0xffff, (unsigned)(id >> 8 & 0xff), (unsigned)(id >> 3 & 0x1f),
			(unsigned)(id & 7));
		later->n++;
	}
	vf_find_owners(later);
	for (uint32_t i = 0; i < later->n; i++)
		vfs->claimed |= (uint64_t)(later->vf[i].owner[0] != '\0') << i;
}

static void find(const struct vf_pf *pf, uint64_t mask, struct vfs_seen *vfs)
{
	vfs->count = vf_count(pf->pci);
	for (uint32_t i = 0; i < vfs->count && i < VFS_MAX; i++) {
		struct vf *vf = &vfs->vf[vfs->n];

		if (!(mask >> i & 1))
			continue;
		*vf = (struct vf){
			.number = i, .group = -1, .placement = UINT32_MAX, .gi = UINT32_MAX
		};
		/* one that goes while we look has gone */
		if (vf_address(pf->pci, i, vf->pci) < 0)
			break;
		vf_driver(vf->pci, vf->driver, sizeof(vf->driver));
		vfs->n++;
	}
}

int vf_look(const char *pci, struct nvml_gpu *nvml, const struct gpu_facts *facts,
	struct gpu_seen *seen, struct error *err)
{
	const struct vf_kind_ops *ops = vf_ops(facts->vf.kind);
	const struct vf_pf pf = { pci, nvml, facts };
	struct vfs_seen *vfs = &seen->vfs;

	vf_dirs_keep();
	find(&pf, UINT64_MAX, vfs);
	for (uint32_t i = 0; i < vfs->n; i++)
		vfs->vf[i].group = vf_group(vfs->vf[i].pci);
	vf_find_neighbours(vfs);
	if (ops->look)
		ops->look(&pf, seen);
	if (ops->offers)
		ops->offers(&pf, vfs);
	vf_find_users(vfs);
	if (vfs->n)
		vf_find_owners(vfs);
	else
		find_claims(pci, facts->vf.total, vfs);
	vf_dirs_let_go();
	return 0;
}

void vf_look_some(const struct vf_pf *pf, uint64_t mask, struct gpu_seen *seen)
{
	const struct vf_kind_ops *ops = vf_ops(pf->facts->vf.kind);

	memset(&seen->vfs, 0, sizeof(seen->vfs));
	vf_dirs_keep();
	find(pf, ops->looks_at_all ? UINT64_MAX : mask, &seen->vfs);
	if (ops->look)
		ops->look(pf, seen);
	vf_dirs_let_go();
}
