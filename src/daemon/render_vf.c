/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions as JSON: those of a GPU, the types of vGPU it knows, and the VFs that are
 * shares. */
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/render.h"
#include "mechanism/vf.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const origin_names[] = { "foreign", "pinned", "dynamic" };

static json_t *text_or_null(const char *text)
{
	return render_text(*text ? text : NULL);
}

static json_t *number_or_null(uint32_t number)
{
	return number == UINT32_MAX ? json_null() : json_integer(number);
}

static const struct vf_type *type_of(const struct gpu *gpu, const struct vf_setup *setup)
{
	int t = setup->type ? vf_type_find_id(&gpu->facts.vf, setup->type) : -1;

	return t >= 0 ? &gpu->facts.vf.type[t] : NULL;
}

static json_t *render_type(const struct gpu *gpu, unsigned t)
{
	const struct vf_type *type = &gpu->facts.vf.type[t];
	int profile = vf_type_is_mig(type)
			      ? mig_profile_find_id(&gpu->facts.geometry, type->profile_id)
			      : -1;

	return json_pack("{s:I, s:s, s:I, s:o, s:o, s:o, s:o}", "id", (json_int_t)type->id, "name",
		type->name, "memory", (json_int_t)type->memory_bytes, "room",
		number_or_null(vf_type_room(gpu, t)), "max",
		type->max_per_gpu ? json_integer(type->max_per_gpu) : json_null(), "mig",
		profile >= 0 ? json_string(gpu->facts.geometry.profile[profile].name) : json_null(),
		"licence", text_or_null(vf_licence(vf_type_series(type))));
}

static json_t *render_one(const struct gpu *gpu, const struct vf *vf)
{
	bool is_free = vf_setup_is_free(&vf->setup);
	char name[SHARE_NAME_MAX];

	return json_pack("{s:i, s:s, s:s, s:b, s:o}", "number", (int)vf->number, "pci", vf->pci,
		"driver", vf->driver, "free", is_free, "share",
		is_free ? json_null() : json_string(vf_share_name(gpu, vf, name)));
}

json_t *render_vfs(const struct gpu *gpu)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	const struct vfs_seen *seen = &gpu->seen.vfs;
	json_t *types = json_array(), *vfs = json_array();
	unsigned n_free = 0;

	for (unsigned t = 0; t < facts->n_types; t++)
		json_array_append_new(types, render_type(gpu, t));
	for (unsigned i = 0; i < seen->n; i++) {
		json_array_append_new(vfs, render_one(gpu, &seen->vf[i]));
		n_free += vf_setup_is_free(&seen->vf[i].setup);
	}
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:b, s:b, s:o, s:o, s:o}", "kind",
		vf_kind_names[facts->kind], "total", (int)facts->total, "hardware_total",
		(int)facts->hardware_total, "on", (int)seen->count, "free", (int)n_free, "mixed",
		seen->is_mixed, "may_mix", facts->may_mix, "origin",
		seen->count ? json_string(origin_names[seen->origin]) : json_null(), "types", types,
		"vfs", vfs);
}

static json_t *render_enforcers(const struct gpu *gpu, const struct vf *vf)
{
	const struct vf_enforcers by = vf_enforcers(gpu, &vf->setup);

	return json_pack("{s:s, s:s, s:s}", "memory", enforcer_names[by.memory], "compute",
		enforcer_names[by.compute], "faults", enforcer_names[by.faults]);
}

static json_t *render_details(
	struct daemon *daemon, const struct gpu *gpu, const struct vf *vf, const struct peer *peer)
{
	const struct vf_type *type = type_of(gpu, &vf->setup);

	return json_pack("{s:i, s:s, s:s, s:o, s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "number",
		(int)vf->number, "pci", vf->pci, "driver", vf->driver, "group",
		vf->group >= 0 ? json_integer(vf->group) : json_null(), "viable", vf->is_viable,
		"numa", (int)gpu->facts.numa, "placement", number_or_null(vf->placement), "gi",
		number_or_null(vf->gi), "user",
		vf->user ? render_process(daemon, vf->user, peer) : json_null(), "vm",
		text_or_null(vf->vm), "owner", text_or_null(vf->owner), "licence",
		type ? text_or_null(vf_licence(vf_type_series(type))) : json_null());
}

json_t *render_vf_share(
	struct daemon *daemon, unsigned index, const struct vf *vf, const struct peer *peer)
{
	const struct gpu *gpu = &daemon->gpus[index];
	const struct vf_type *type = type_of(gpu, &vf->setup);
	char name[SHARE_NAME_MAX];

	return json_pack("{s:s, s:i, s:s, s:o, s:n, s:n, s:I, s:n, s:n, s:s, s:o, s:o, s:b, s:o, "
			 "s:o}",
		"id", vf_share_name(gpu, vf, name), "gpu", (int)index, "mechanism", "vf", "profile",
		type ? json_string(type->name) : json_null(), "start", "size", "memory",
		(json_int_t)vf_memory(gpu, &vf->setup), "compute", "slices", "uuid", "", "origin",
		vf_setup_is_free(&vf->setup) ? json_null() : json_string(origin_names[vf->origin]),
		"lease", vf->lease ? json_sprintf("L%" PRIu64, vf->lease) : json_null(),
		"has_users", vf->user != 0, "enforced_by", render_enforcers(gpu, vf), "vf",
		render_details(daemon, gpu, vf, peer));
}

json_t *render_binding_vf(const struct binding_vf *vf)
{
	return json_pack("{s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:I, s:o}", "pci",
		vf->pci, "gpu_pci", vf->gpu_pci, "driver", text_or_null(vf->driver), "vendor_vfio",
		vf->is_vendor_vfio, "group", vf->group >= 0 ? json_integer(vf->group) : json_null(),
		"cdev", text_or_null(vf->cdev), "mdev", text_or_null(vf->mdev), "numa",
		vf->numa >= 0 ? json_integer(vf->numa) : json_null(), "vendor", (int)vf->vendor,
		"device", (int)vf->device, "memory",
		vf->memory_bytes ? json_integer((json_int_t)vf->memory_bytes) : json_null(), "mmio",
		(json_int_t)vf->mmio_bytes, "type", text_or_null(vf->type));
}
