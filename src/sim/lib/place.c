/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/lib/place.h"

#include "base/text.h"
#include "sim/node/process.h"

/*	63..48 mark and kind   47..42 GPU   41..38 GPU instance   37..34 compute instance   29..0
 * serial */
#define HANDLE_MARK 0x5100u

void *handle_make(enum handle_kind kind, unsigned gpu, uint32_t gi, uint32_t ci, uint32_t serial)
{
	uint64_t bits = (uint64_t)(HANDLE_MARK | kind) << 48 | (uint64_t)(gpu & 0x3f) << 42 |
			(uint64_t)(gi & 0xf) << 38 | (uint64_t)(ci & 0xf) << 34 |
			(serial & 0x3fffffff);

	return (void *)(uintptr_t)bits;
}

int handle_gpu(const void *handle)
{
	uint64_t bits = (uintptr_t)handle;

	return bits >> 56 == HANDLE_MARK >> 8 ? (int)(bits >> 42 & 0x3f) : -1;
}

static void place_point(struct place *place)
{
	place->state = gpu_now(place->gpu);
	if (place->gi == NVML_NO_INSTANCE)
		return;
	place->instance = &place->state->instances[place->gi];
	place->profile = &place->gpu->product.profiles[place->instance->profile];
	if (place->ci != NVML_NO_INSTANCE)
		place->compute = &place->instance->compute[place->ci];
}

static bool place_read(const void *handle, unsigned kinds, struct place *ret_place)
{
	uint64_t bits = (uintptr_t)handle;
	struct place place = { .kind = (enum handle_kind)(bits >> 48 & 0xff),
		.index = bits >> 42 & 0x3f,
		.gi = NVML_NO_INSTANCE,
		.ci = NVML_NO_INSTANCE };

	if (bits >> 56 != HANDLE_MARK >> 8 || !(place.kind & kinds & 0xff) ||
		place.index >= session_node->n_gpus)
		return false;
	place.gpu = &session_node->gpus[place.index];
	if (place.kind != HANDLE_GPU)
		place.gi = bits >> 38 & 0xf;
	if (place.kind & (HANDLE_MIG | HANDLE_COMPUTE))
		place.ci = bits >> 34 & 0xf;
	if (place.kind != HANDLE_GPU && place.gi >= GPU_INSTANCES)
		return false;
	if (place.ci != NVML_NO_INSTANCE && place.ci >= PRODUCT_COMPUTE)
		return false;
	*ret_place = place;
	return true;
}

/* A client that died between its commit and the files left them to whoever comes next. */
static void repair_files(unsigned index)
{
	struct gpu *gpu = &session_node->gpus[index];

	if (__atomic_load_n(&gpu->tree_in_step, __ATOMIC_ACQUIRE) !=
			gpu_now(gpu)->instances_changed &&
		gpu_try_claim(session_node, index))
		gpu_release(session_node, index);
}

nvmlReturn_t place_enter(const void *handle, unsigned kinds, struct place *ret_place)
{
	uint32_t serial = (uintptr_t)handle & 0x3fffffff;
	nvmlReturn_t r = NVML_SUCCESS;
	struct place place;

	if (!place_read(handle, kinds, &place))
		return NVML_ERROR_INVALID_ARGUMENT;
	repair_files(place.index);
	node_lock(session_node);
	place_point(&place);
	if (place.state->lost && !(kinds & HANDLE_LOST_TOO))
		r = NVML_ERROR_GPU_IS_LOST;
	else if (place.kind == HANDLE_INSTANCE && place.instance->serial != serial)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (place.compute && (place.compute->serial != serial || !place.instance->serial))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*ret_place = place;
	else
		node_unlock(session_node);
	return r;
}

void place_leave(struct place *place)
{
	(void)place;
	node_unlock(session_node);
}

nvmlReturn_t place_find(const void *handle, unsigned kinds, struct place *ret_place)
{
	nvmlReturn_t r = place_enter(handle, kinds, ret_place);

	if (r == NVML_SUCCESS)
		place_leave(ret_place);
	return r;
}

void place_reap(struct place *place)
{
	process_reap(place->gpu);
	place_point(place);
}

nvmlReturn_t give_text(char *to, unsigned length, const char *text)
{
	if (!to || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (strlen(text) >= length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(to, text, strlen(text) + 1);
	return NVML_SUCCESS;
}
