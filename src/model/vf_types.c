/* SPDX-License-Identifier: Apache-2.0 */
/* Which types of vGPU there are, where VFs alone tell it: not while they are off, and of those that
 * are on only what can be made on them just then. So what they told is kept. */
#include "base/text.h"
#include "model/vf.h"

#include <errno.h>
#include <string.h>

static bool is_before(const struct vf_type *a, const struct vf_type *b)
{
	return a->memory_bytes != b->memory_bytes ? a->memory_bytes < b->memory_bytes
						  : a->id < b->id;
}

void vf_type_add(struct vf_facts *facts, const struct vf_type *type)
{
	uint32_t at = 0;

	if (vf_type_find_id(facts, type->id) >= 0 || facts->n_types == VF_TYPES_MAX)
		return;
	while (at < facts->n_types && is_before(&facts->type[at], type))
		at++;
	memmove(&facts->type[at + 1], &facts->type[at],
		(facts->n_types - at) * sizeof(facts->type[0]));
	facts->type[at] = *type;
	facts->n_types++;
}

void vf_types_keep(struct vf_facts *facts, const struct vf_facts *before)
{
	/* another driver has other ids */
	if (!facts->driver_version[0] || !text_eq(facts->driver_version, before->driver_version))
		return;
	for (uint32_t i = 0; i < before->n_types; i++)
		vf_type_add(facts, &before->type[i]);
}

json_t *vf_types_to_json(const struct vf_facts *facts)
{
	json_t *types = json_array();

	for (uint32_t i = 0; i < facts->n_types; i++)
		json_array_append_new(
			types, json_pack("{sI ss sI}", "id", (json_int_t)facts->type[i].id, "name",
				       facts->type[i].name, "memory",
				       (json_int_t)facts->type[i].memory_bytes));
	return json_pack("{ss so}", "driver", facts->driver_version, "types", types);
}

static int type_from_json(const json_t *json, struct vf_type *ret_type)
{
	struct vf_type type = { .profile_id = UINT32_MAX };
	json_int_t id, memory;
	const char *name;

	if (json_unpack((json_t *)json, "{sI ss sI}", "id", &id, "name", &name, "memory", &memory) <
			0 ||
		id <= 0 || id > UINT32_MAX || memory < 0 ||
		text_copy(type.name, sizeof(type.name), name) < 0)
		return -EINVAL;
	type.id = (uint32_t)id;
	type.memory_bytes = (uint64_t)memory;
	*ret_type = type;
	return 0;
}

int vf_types_from_json(const json_t *json, struct vf_facts *ret_facts)
{
	const json_t *types, *one;
	struct vf_type type;
	const char *driver;
	size_t i;

	ret_facts->n_types = 0;
	if (json_unpack((json_t *)json, "{ss so}", "driver", &driver, "types", &types) < 0 ||
		!json_is_array(types) ||
		text_copy(ret_facts->driver_version, sizeof(ret_facts->driver_version), driver) < 0)
		return -EINVAL;
	json_array_foreach(types, i, one)
	{
		if (type_from_json(one, &type) < 0)
			return -EINVAL;
		vf_type_add(ret_facts, &type);
	}
	return 0;
}
