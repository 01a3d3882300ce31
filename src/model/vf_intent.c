/* SPDX-License-Identifier: Apache-2.0 */
/* What a GPU's VFs are to be, kept over a reboot. */
#include "base/text.h"
#include "model/gpu.h"

#include <errno.h>

static bool is_ours(const struct vf *vf)
{
	return vf->origin != SHARE_FOREIGN && !vf_setup_is_free(&vf->setup);
}

static void add_vf(struct vf_intent *intent, const struct gpu *gpu, const struct vf *vf)
{
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;
	unsigned i = intent->n++;

	intent->vf[i].number = vf->number;
	intent->vf[i].origin = vf->origin;
	intent->vf[i].setup = vf->setup;
	intent->vf[i].profile_id = UINT32_MAX;
	if (t < 0)
		return;
	intent->vf[i].profile_id = gpu->facts.vf.type[t].profile_id;
	text_copy(intent->vf[i].type, sizeof(intent->vf[i].type), gpu->facts.vf.type[t].name);
}

void vf_intent_of(const struct gpu *gpu, struct vf_intent *ret_intent)
{
	const struct vfs_seen *vfs = &gpu->seen.vfs;

	memset(ret_intent, 0, sizeof(*ret_intent));
	text_copy(ret_intent->pci, sizeof(ret_intent->pci), gpu->facts.pci);
	text_copy(ret_intent->serial, sizeof(ret_intent->serial), gpu->facts.serial);
	for (uint32_t i = 0; i < vfs->n; i++)
		if (is_ours(&vfs->vf[i]))
			add_vf(ret_intent, gpu, &vfs->vf[i]);
	/* VFs that somebody else turned on are needed again where some of them are ours. */
	if (ret_intent->n == 0 && vfs->origin == SHARE_FOREIGN)
		return;
	ret_intent->count = vfs->count;
	ret_intent->origin = vfs->origin;
	ret_intent->is_mixed = vfs->is_mixed;
}

json_t *vf_intent_to_json(const struct vf_intent *intent)
{
	json_t *vfs = json_array();

	for (uint32_t i = 0; i < intent->n; i++)
		json_array_append_new(vfs,
			json_pack("{sI sI ss sI so}", "number", (json_int_t)intent->vf[i].number,
				"origin", (json_int_t)intent->vf[i].origin, "type",
				intent->vf[i].type, "profile", (json_int_t)intent->vf[i].profile_id,
				"setup", vf_setup_to_json(&intent->vf[i].setup)));
	return json_pack("{ss ss sI sI sb so}", "pci", intent->pci, "serial", intent->serial,
		"count", (json_int_t)intent->count, "origin", (json_int_t)intent->origin, "mixed",
		intent->is_mixed, "vfs", vfs);
}

static int vf_from_json(const json_t *json, struct vf_intent *intent)
{
	json_int_t number, origin, profile;
	const json_t *setup;
	unsigned i = intent->n;
	const char *type;

	if (json_unpack((json_t *)json, "{sI sI ss sI so}", "number", &number, "origin", &origin,
		    "type", &type, "profile", &profile, "setup", &setup) < 0 ||
		number < 0 || number >= VFS_MAX || origin < SHARE_PINNED ||
		origin > SHARE_DYNAMIC || profile < 0 || profile > UINT32_MAX ||
		text_copy(intent->vf[i].type, sizeof(intent->vf[i].type), type) < 0 ||
		vf_setup_from_json(setup, &intent->vf[i].setup) < 0)
		return -EINVAL;
	intent->vf[i].number = (uint32_t)number;
	intent->vf[i].origin = (uint8_t)origin;
	intent->vf[i].profile_id = (uint32_t)profile;
	intent->n++;
	return 0;
}

int vf_intent_from_json(const json_t *json, struct vf_intent *ret_intent)
{
	struct vf_intent intent = { 0 };
	const char *pci, *serial;
	json_int_t count, origin;
	const json_t *vfs, *vf;
	int is_mixed;
	size_t i;

	if (json_unpack((json_t *)json, "{ss ss sI sI sb so}", "pci", &pci, "serial", &serial,
		    "count", &count, "origin", &origin, "mixed", &is_mixed, "vfs", &vfs) < 0 ||
		text_copy(intent.pci, sizeof(intent.pci), pci) < 0 ||
		text_copy(intent.serial, sizeof(intent.serial), serial) < 0 || count < 0 ||
		count > VFS_MAX || origin < SHARE_FOREIGN || origin > SHARE_DYNAMIC ||
		!json_is_array(vfs) || json_array_size(vfs) > VFS_MAX)
		return -EINVAL;
	intent.count = (uint32_t)count;
	intent.origin = (uint8_t)origin;
	intent.is_mixed = is_mixed;
	json_array_foreach(vfs, i, vf)
	{
		if (vf_from_json(vf, &intent) < 0)
			return -EINVAL;
	}
	*ret_intent = intent;
	return 0;
}
