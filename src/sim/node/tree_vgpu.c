/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes that NVIDIA's driver gives a VF, in its directory nvidia/. */
#include "sim/node/tree_table.h"

#include "abi/nvml.h"
#include "base/text.h"
#include "sim/node/process.h"
#include "sim/node/vf.h"
#include "sim/node/vgpu.h"

#include <errno.h>

#define GPU (&node->gpus[entry->gpu])
#define VF  (&gpu_now(GPU)->vfs[entry->vf])

/* None where there is a vGPU, or no room for any. */
TREE_TEXT(text_vgpu_creatable)
{
	const struct product *product = &GPU->product;
	struct vgpu_place place;

	buf_add(text, "ID    : vGPU Name\n");
	node_lock(node);
	for (unsigned i = 0; !VF->type && i < product->n_vgpus; i++)
		if (vgpu_place(product, gpu_now(GPU), &product->vgpus[i], NVML_NO_INSTANCE, &place))
			buf_addf(text, "%-6u: %s\n", product->vgpus[i].id, product->vgpus[i].name);
	node_unlock(node);
}

TREE_TEXT(text_vgpu_type)
{
	node_lock(node);
	buf_addf(text, "%u\n", VF->type);
	node_unlock(node);
}

/* What a vGPU got is not known before there is one. */
int ready_vgpu(struct node *node, const struct tree_entry *entry)
{
	int r;

	node_lock(node);
	r = VF->type ? 0 : -ENXIO;
	node_unlock(node);
	return r;
}

TREE_TEXT(text_vgpu_placement)
{
	node_lock(node);
	buf_addf(text, "%u\n", VF->placement);
	node_unlock(node);
}

/* 0 without MIG. */
TREE_TEXT(text_vgpu_instance)
{
	const struct vgpu_type *type;

	node_lock(node);
	type = vgpu_type_find(&GPU->product, VF->type);
	buf_addf(text, "%u\n", type && type->profile >= 0 ? VF->gi : 0);
	node_unlock(node);
}

TREE_TEXT(text_vgpu_params)
{
	node_lock(node);
	buf_addf(text, "%s\n", VF->params);
	node_unlock(node);
}

int store_vgpu_type(struct node *node, const struct tree_entry *entry, const char *text)
{
	uint32_t type;
	int r = store_number(text, UINT32_MAX, &type);

	return r < 0 ? r : vgpu_set(node, entry->gpu, entry->vf, type);
}

int store_vgpu_params(struct node *node, const struct tree_entry *entry, const char *text)
{
	int r = 0;

	if (strcspn(text, "\n") >= sizeof(VF->params))
		return -EINVAL;
	node_lock(node);
	process_reap(GPU);
	if (vf_holder(gpu_now(GPU), entry->vf)) {
		r = -EBUSY;
	} else {
		struct vf *vf = &gpu_draft(GPU)->vfs[entry->vf];

		store_word(text, vf->params, sizeof(vf->params));
		gpu_commit(GPU);
	}
	node_unlock(node);
	return r;
}
