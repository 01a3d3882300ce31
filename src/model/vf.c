/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vf.h"

#include "base/error.h"
#include "base/text.h"
#include "model/gpu.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>

const char *const vf_kind_names[VF_KIND_N] = { "none", "generic", "nvidia", "nvidia-mdev", "xe",
	"i915", "gim" };

bool vf_setup_is(const struct vf_setup *a, const struct vf_setup *b)
{
	return a->is_for_vm == b->is_for_vm && a->type == b->type && a->start == b->start &&
	       a->memory_bytes == b->memory_bytes && a->quantum_ms == b->quantum_ms &&
	       a->preempt_us == b->preempt_us;
}

bool vf_setup_is_free(const struct vf_setup *setup)
{
	return vf_setup_is(setup, &(struct vf_setup){ 0 });
}

json_t *vf_setup_to_json(const struct vf_setup *setup)
{
	return json_pack("{sb sI sI sI sI sI}", "for-vm", setup->is_for_vm, "type",
		(json_int_t)setup->type, "start", (json_int_t)setup->start, "memory",
		(json_int_t)setup->memory_bytes, "quantum", (json_int_t)setup->quantum_ms,
		"preempt", (json_int_t)setup->preempt_us);
}

static bool is_u32(json_int_t value)
{
	return value >= 0 && value <= UINT32_MAX;
}

int vf_setup_from_json(const json_t *json, struct vf_setup *ret_setup)
{
	json_int_t type, start, memory, quantum, preempt;
	int is_for_vm;

	if (json_unpack((json_t *)json, "{sb sI sI sI sI sI}", "for-vm", &is_for_vm, "type", &type,
		    "start", &start, "memory", &memory, "quantum", &quantum, "preempt",
		    &preempt) < 0 ||
		!is_u32(type) || !is_u32(start) || memory < 0 || !is_u32(quantum) ||
		!is_u32(preempt))
		return -EINVAL;
	*ret_setup = (struct vf_setup){
		.is_for_vm = is_for_vm,
		.type = (uint32_t)type,
		.start = (uint32_t)start,
		.memory_bytes = (uint64_t)memory,
		.quantum_ms = (uint32_t)quantum,
		.preempt_us = (uint32_t)preempt,
	};
	return 0;
}

const char *vf_share_name(const struct gpu *gpu, const struct vf *vf, char *ret_text)
{
	snprintf(ret_text, SHARE_NAME_MAX, "%u:vf%u", gpu->index, vf->number);
	return ret_text;
}

const struct vf *vf_find(const struct gpu *gpu, uint32_t number)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (gpu->seen.vfs.vf[i].number == number)
			return &gpu->seen.vfs.vf[i];
	return NULL;
}

bool vf_is_free(const struct vf *vf)
{
	return vf_setup_is_free(&vf->setup) && !vf->lease && !vf->user && !vf->owner[0];
}

bool vf_any_on(const struct gpu *gpu)
{
	return gpu->seen.vfs.count || gpu->seen.vfs.n;
}

bool vf_is_in(const struct gpu *gpu, const struct vf *vf, const struct mig_instance *instance)
{
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;

	return t >= 0 && vf_type_is_mig(&gpu->facts.vf.type[t]) &&
	       vf->setup.start == instance->start &&
	       gpu->facts.vf.type[t].profile_id ==
		       gpu->facts.geometry.profile[instance->profile].id;
}

/* The name without its maker's. */
static const char *bare_name(const char *name)
{
	if (strncasecmp(name, "NVIDIA ", 7) == 0)
		return name + 7;
	return strncasecmp(name, "GRID ", 5) == 0 ? name + 5 : name;
}

int vf_type_find(const struct vf_facts *facts, const char *name)
{
	bool is_mdev = strncasecmp(name, "nvidia-", 7) == 0;
	uint32_t id;

	if (parse_u32(is_mdev ? name + 7 : name, &id) == 0)
		return vf_type_find_id(facts, id);
	for (uint32_t i = 0; i < facts->n_types; i++)
		if (strcasecmp(bare_name(facts->type[i].name), bare_name(name)) == 0)
			return (int)i;
	return -1;
}

/* The same but for the number before the series' letter: how far are the numbers apart? */
static unsigned sizes_apart(const char *a, const char *b)
{
	const char *size_a = strrchr(a, '-'), *size_b = strrchr(b, '-');
	unsigned long n_a, n_b;
	char *end_a, *end_b;

	if (!size_a || !size_b || size_a - a != size_b - b ||
		strncasecmp(a, b, (size_t)(size_a - a)) != 0)
		return UINT_MAX;
	n_a = strtoul(size_a + 1, &end_a, 10);
	n_b = strtoul(size_b + 1, &end_b, 10);
	if (end_a == size_a + 1 || strcasecmp(end_a, end_b) != 0)
		return UINT_MAX;
	return (unsigned)(n_a > n_b ? n_a - n_b : n_b - n_a);
}

const char *vf_type_nearest(const struct vf_facts *facts, const char *name)
{
	const char *names[VF_TYPES_MAX], *nearest = NULL;
	unsigned least = UINT_MAX;

	for (uint32_t i = 0; i < facts->n_types; i++) {
		unsigned apart = sizes_apart(bare_name(name), bare_name(facts->type[i].name));

		if (apart >= least)
			continue;
		least = apart;
		nearest = facts->type[i].name;
	}
	if (nearest)
		return nearest;
	for (uint32_t i = 0; i < facts->n_types; i++)
		names[i] = bare_name(facts->type[i].name);
	nearest = text_nearest(bare_name(name), names, facts->n_types);
	for (uint32_t i = 0; nearest && i < facts->n_types; i++)
		if (names[i] == nearest)
			return facts->type[i].name;
	return NULL;
}

int vf_type_find_id(const struct vf_facts *facts, uint32_t id)
{
	for (uint32_t i = 0; i < facts->n_types; i++)
		if (facts->type[i].id == id)
			return (int)i;
	return -1;
}

bool vfs_may_create(const struct vfs_seen *vfs, uint32_t type)
{
	for (uint32_t i = 0; i < vfs->n_creatable; i++)
		if (vfs->creatable[i] == type)
			return true;
	return !vfs->has_creatable;
}

void vfs_add_creatable(struct vfs_seen *vfs, uint32_t type)
{
	if (vfs->n_creatable < VF_TYPES_MAX)
		vfs->creatable[vfs->n_creatable++] = type;
}

uint64_t vf_memory(const struct gpu *gpu, const struct vf_setup *setup)
{
	int t = setup->type ? vf_type_find_id(&gpu->facts.vf, setup->type) : -1;

	return t >= 0 ? gpu->facts.vf.type[t].memory_bytes : setup->memory_bytes;
}
