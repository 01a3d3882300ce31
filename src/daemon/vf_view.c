/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of VFs that are under way, as if they were done. What will be known of a VF that is only
 * coming is unknown: its address, its group, who has it. */
#include "daemon/vfs.h"

#include <string.h>

static void view_count(const struct vf_step *step, struct vfs_seen *vfs)
{
	if (vfs->count == step->count)
		return;
	vfs->count = vfs->n = step->count;
	vfs->is_mixed = vfs->has_creatable = false;
	memset(vfs->vf, 0, sizeof(vfs->vf));
	for (uint32_t i = 0; i < vfs->n; i++)
		vfs->vf[i] = (struct vf){
			.number = i, .group = -1, .placement = UINT32_MAX, .gi = UINT32_MAX
		};
}

static void view_set(const struct vf_step *step, struct vfs_seen *vfs)
{
	for (uint32_t i = 0; i < vfs->n; i++) {
		struct vf *vf = &vfs->vf[i];

		if (!(step->vfs >> vf->number & 1) || vf_setup_is(&vf->setup, &step->setup))
			continue;
		vf->setup = step->setup;
		vf->placement = vf->gi = UINT32_MAX;
	}
}

void vf_view_step(const struct step *step, struct gpu_seen *seen)
{
	if (step->kind == STEP_VF_COUNT)
		view_count(&step->vf, &seen->vfs);
	else if (step->kind == STEP_VF_MIX)
		seen->vfs.is_mixed = step->vf.is_mixed;
	else if (step->kind == STEP_VF_SET)
		view_set(&step->vf, &seen->vfs);
}
