/* SPDX-License-Identifier: Apache-2.0 */
#include "model/vf_room.h"

static const struct vf_type *type_of(const struct gpu *gpu, const struct vf_setup *setup)
{
	int t = setup->type ? vf_type_find_id(&gpu->facts.vf, setup->type) : -1;

	return t >= 0 ? &gpu->facts.vf.type[t] : NULL;
}

/* As many as the type says; where the driver does not, as the memory's whole gigabytes have. Where
 * nobody tells the memory either, it is the driver that refuses one too many. */
static uint32_t most_of_one_size(const struct gpu *gpu, const struct vf_type *type)
{
	uint64_t memory = ((gpu->facts.memory_bytes + (1ULL << 30) - 1) >> 30) << 30;

	if (type->max_per_gpu)
		return type->max_per_gpu;
	if (!memory)
		return VFS_MAX;
	return type->memory_bytes && memory > type->memory_bytes
		       ? (uint32_t)(memory / type->memory_bytes)
		       : 1;
}

/* The greatest power of two that is not more. */
static uint32_t power_below(uint32_t n)
{
	return 1u << (31 - __builtin_clz(n));
}

uint32_t vf_room_most(const struct gpu *gpu, unsigned t, bool is_mixed)
{
	const struct vf_type *type = &gpu->facts.vf.type[t];

	if (vf_type_is_mig(type))
		return type->max_per_instance ?: 1;
	return is_mixed ? power_below(most_of_one_size(gpu, type)) : most_of_one_size(gpu, type);
}

static uint32_t parts_of(const struct gpu *gpu, const struct vf_type *type)
{
	uint32_t most = power_below(most_of_one_size(gpu, type));

	return most < VF_PARTS ? VF_PARTS / most : 1;
}

void vf_room_empty(
	struct vf_room *room, const struct gpu *gpu, uint32_t count, bool is_mixed, bool mig_on)
{
	*room = (struct vf_room){
		.gpu = gpu,
		.is_mixed = is_mixed,
		.mig_on = mig_on,
		.n_free = count,
	};
}

void vf_room_add_instance(struct vf_room *room, uint32_t profile_id, uint32_t start)
{
	if (room->n_instances < MIG_INSTANCES_MAX)
		room->instance[room->n_instances++] =
			(struct vf_room_instance){ .profile_id = profile_id, .start = start };
}

static void add_to_instance(
	struct vf_room *room, const struct vf_setup *setup, const struct vf_type *type)
{
	for (unsigned i = 0; i < room->n_instances; i++) {
		struct vf_room_instance *instance = &room->instance[i];

		if (instance->profile_id != type->profile_id || instance->start != setup->start)
			continue;
		instance->size = type->memory_bytes;
		instance->n++;
		return;
	}
}

void vf_room_add(struct vf_room *room, const struct vf_setup *setup)
{
	const struct vf_type *type = type_of(room->gpu, setup);

	room->n_free -= room->n_free > 0;
	room->memory_bytes += setup->memory_bytes;
	if (!type)
		return;
	if (vf_type_is_mig(type)) {
		add_to_instance(room, setup, type);
		return;
	}
	room->parts += parts_of(room->gpu, type);
	room->size = type->memory_bytes;
	room->n_sized++;
}

static void room_of(struct vf_room *room, const struct gpu *gpu, bool with_leases)
{
	const struct gpu_seen *seen = &gpu->seen;
	uint32_t n_free = 0;

	vf_room_empty(room, gpu, 0, seen->vfs.is_mixed, seen->mig_on);
	for (uint32_t i = 0; i < seen->n_instances; i++)
		vf_room_add_instance(room,
			gpu->facts.geometry.profile[seen->instance[i].profile].id,
			seen->instance[i].start);
	for (uint32_t i = 0; i < seen->vfs.n; i++) {
		const struct vf *vf = &seen->vfs.vf[i];

		if (vf_is_free(vf) ||
			(!with_leases && vf->origin == SHARE_DYNAMIC && (vf->lease || !vf->user)))
			n_free++;
		else
			vf_room_add(room, &vf->setup);
	}
	room->n_free = vf_any_on(gpu) ? n_free : gpu->facts.vf.total;
}

void vf_room_of(struct vf_room *room, const struct gpu *gpu)
{
	room_of(room, gpu, true);
}

void vf_room_without_leases(struct vf_room *room, const struct gpu *gpu)
{
	room_of(room, gpu, false);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t room_in(const struct vf_room_instance *instance, const struct vf_type *type)
{
	uint32_t most = type->max_per_instance ?: 1;

	if (instance->profile_id != type->profile_id ||
		(instance->n && instance->size != type->memory_bytes) || instance->n >= most)
		return 0;
	return most - instance->n;
}

uint32_t vf_room_for(const struct vf_room *room, unsigned t)
{
	const struct vf_type *type = &room->gpu->facts.vf.type[t];
	uint32_t n = 0, most;

	if (vf_type_is_mig(type) != room->mig_on)
		return 0;
	if (vf_type_is_mig(type)) {
		for (unsigned i = 0; i < room->n_instances; i++)
			n += room_in(&room->instance[i], type);
		return least(n, room->n_free);
	}
	if (room->is_mixed)
		return least((VF_PARTS - least(room->parts, VF_PARTS)) / parts_of(room->gpu, type),
			room->n_free);
	if (room->n_sized && room->size != type->memory_bytes)
		return 0;
	most = most_of_one_size(room->gpu, type);
	return least(most - least(room->n_sized, most), room->n_free);
}

struct vf_room_instance *vf_room_instance(struct vf_room *room, unsigned t)
{
	const struct vf_type *type = &room->gpu->facts.vf.type[t];

	for (unsigned i = 0; i < room->n_instances; i++)
		if (room_in(&room->instance[i], type))
			return &room->instance[i];
	return NULL;
}

uint64_t vf_room_memory(const struct vf_room *room)
{
	uint64_t all = room->gpu->facts.memory_bytes;

	return all > room->memory_bytes ? all - room->memory_bytes : 0;
}

uint32_t vf_type_room(const struct gpu *gpu, unsigned t)
{
	struct vf_room room;

	vf_room_of(&room, gpu);
	if (vf_any_on(gpu) && !vfs_may_create(&gpu->seen.vfs, gpu->facts.vf.type[t].id))
		return 0;
	return vf_room_for(&room, t);
}
