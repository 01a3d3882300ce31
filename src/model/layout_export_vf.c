/* SPDX-License-Identifier: Apache-2.0 */
/* VFs that are, as a layout: each pinned one by its number. */
#include "base/text.h"
#include "model/layout_export.h"

#include <inttypes.h>

static bool is_pinned(const struct vf *vf)
{
	return vf->origin == SHARE_PINNED && !vf_setup_is_free(&vf->setup);
}

enum export_vfs export_vfs_of(const struct gpu *gpu)
{
	if (!vf_any_on(gpu))
		return EXPORT_NO_VFS;
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (is_pinned(&gpu->seen.vfs.vf[i]))
			return EXPORT_PINNED_VFS;
	return gpu->seen.vfs.origin == SHARE_PINNED ? EXPORT_PINNED_VFS : EXPORT_LEFT_VFS;
}

static void add_time(struct buf *to, const char *key, uint64_t us)
{
	if (us)
		buf_addf(to, "%s: %" PRIu64 "%s, ", key, us % 1000 ? us : us / 1000,
			us % 1000 ? "us" : "ms");
}

static void add_vf(struct buf *to, const struct gpu *gpu, const struct vf *vf)
{
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;

	buf_add(to, to->length ? ", {" : "{");
	if (t >= 0)
		buf_addf(to, "type: \"%s\", ", gpu->facts.vf.type[t].name);
	else if (vf->setup.memory_bytes)
		buf_addf(to, "memory: %" PRIu64 "Mi, ", vf->setup.memory_bytes >> 20);
	add_time(to, "quantum", vf->setup.quantum_ms * UINT64_C(1000));
	add_time(to, "preemption", vf->setup.preempt_us);
	buf_addf(to, "vf: %u}", vf->number);
}

void export_add_vfs(struct buf *to, const struct gpu *gpu)
{
	const struct vfs_seen *vfs = &gpu->seen.vfs;
	AUTO_BUF list = { 0 };

	for (uint32_t i = 0; i < vfs->n; i++)
		if (is_pinned(&vfs->vf[i]))
			add_vf(&list, gpu, &vfs->vf[i]);
	buf_addf(to, "    vfs: %u\n", vfs->count);
	if (list.length)
		buf_addf(to, "    vf: [%s]\n", buf_text(&list));
	for (uint32_t i = 0; i < vfs->n; i++) {
		if (vf_setup_is_free(&vfs->vf[i].setup) || is_pinned(&vfs->vf[i]))
			continue;
		buf_addf(to, "    # %s, left alone: ",
			vfs->vf[i].origin == SHARE_FOREIGN ? "not Carve's" : "a lease's");
		vf_say(gpu, &vfs->vf[i], to);
		buf_add(to, "\n");
	}
}

void export_add_left(struct buf *to, const struct gpu *gpu)
{
	buf_addf(to, "\n  # GPU %u is left out: %s", gpu->index,
		gpu->seen.vfs.origin == SHARE_DYNAMIC ? "its virtual functions are on for leases"
						      : "its virtual functions are not Carve's");
}
