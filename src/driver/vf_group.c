/* SPDX-License-Identifier: Apache-2.0 */
/* Which IOMMU groups the VFs are in, and whether VFIO gives those to anybody. */
#include "base/text.h"
#include "driver/iommu.h"
#include "driver/vf_kind.h"

/* A root port without access control has all VFs of a GPU behind it, and more. */
enum { MEMBERS_MAX = 2 * VFS_MAX };

/* No other member keeps VFIO from it. */
static bool is_viable(const struct vf *vf)
{
	char member[MEMBERS_MAX][PCI_ADDRESS_MAX];
	unsigned n = iommu_members(vf->group, member, MEMBERS_MAX);

	for (unsigned i = 0; i < n; i++) {
		if (!text_eq(member[i], vf->pci) && iommu_member_is_in_the_way(member[i]))
			return false;
	}
	return true;
}

int vf_group(const char *pci)
{
	uint32_t group;
	char text[16];

	return vf_link(pci, "iommu_group", text, sizeof(text)) < 0 || parse_u32(text, &group) < 0
		       ? -1
		       : (int)group;
}

void vf_find_neighbours(struct vfs_seen *vfs)
{
	for (uint32_t i = 0; i < vfs->n; i++)
		vfs->vf[i].is_viable = vfs->vf[i].group >= 0 && is_viable(&vfs->vf[i]);
}
