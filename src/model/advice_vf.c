/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual function that would be made: its type of vGPU, or its part where there are no types.
 */
#include "model/advice_part.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/need.h"
#include "model/place.h"
#include "model/vf_room.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>

static size_t rank_of(const struct advice_need *need, const struct vf_type *type)
{
	return request_series_rank(&need->request, vf_type_series(type));
}

static const struct mig_profile *profile_of(const struct gpu *gpu, const struct vf_type *type)
{
	int p = vf_type_is_mig(type) ? mig_profile_find_id(&gpu->facts.geometry, type->profile_id)
				     : -1;

	return p < 0 ? NULL : &gpu->facts.geometry.profile[p];
}

/* A size equal to the number in a type's name means it, as with profiles. */
static bool has_memory(const struct vf_type *type, const struct request *request)
{
	return type->memory_bytes >= request->memory_bytes ||
	       (request->memory_label && request->memory_label == type->memory_bytes >> 30);
}

static bool serves(const struct advice_need *need, const struct gpu *gpu,
	const struct vf_type *type, bool on_mig, const struct request *request)
{
	const struct mig_profile *profile = profile_of(gpu, type);
	const struct mig_geometry *geometry = &gpu->facts.geometry;

	if (on_mig != (profile != NULL) || rank_of(need, type) == SIZE_MAX)
		return false;
	if (request->profile[0])
		return vf_type_find(&gpu->facts.vf, request->profile) ==
		       (int)(type - gpu->facts.vf.type);
	if (!has_memory(type, request))
		return false;
	if (profile && profile->media == MIG_MEDIA_ME)
		return false;
	if (profile)
		return request_is_bare(request) ||
		       profile->slices >= request_slices(request, geometry->n_slices);
	/* No compute is its own: where parts were asked for, as many as asked must have room. */
	return request->memory_bytes || need->count <= 1 || type->max_per_gpu >= need->count;
}

/* Of those that serve the smallest; where no size was asked for, the largest. */
static bool is_better(const struct advice_need *need, const struct gpu *gpu,
	const struct vf_type *type, const struct vf_type *than)
{
	const struct mig_profile *a = profile_of(gpu, type),
				 *b = than ? profile_of(gpu, than) : NULL;
	bool is_larger = than && type->memory_bytes > than->memory_bytes;
	bool is_smaller = than && type->memory_bytes < than->memory_bytes;

	if (!than)
		return true;
	if (a && b && a->slices != b->slices && need->request.memory_bytes)
		return a->slices < b->slices;
	if (need->request.memory_bytes && (is_smaller || is_larger))
		return is_smaller;
	if (rank_of(need, type) != rank_of(need, than))
		return rank_of(need, type) < rank_of(need, than);
	return a && need->count > 1 ? is_smaller : is_larger;
}

static void no_type(const struct gpu *gpu, bool on_mig, struct advice_share *share)
{
	if (gpu->facts.vf.n_types == 0)
		text_copy(share->lack, sizeof(share->lack),
			"Which types of vGPU it has is told by its driver only, and that is not "
			"asked here.");
	else
		snprintf(share->lack, sizeof(share->lack),
			"None of its types of vGPU %s serves that.",
			on_mig ? "in MIG instances" : "that take turns");
	text_copy(share->way, sizeof(share->way),
		gpu->facts.vf.n_types == 0
			? "carve advise on the node, with the vendor's host driver"
			: "another size or workload; carve show GPU lists its types");
}

/* Where VFs have no types: Intel's and plain ones. */
static void share_plain(
	const struct advice_need *need, const struct gpu *gpu, struct advice_share *share)
{
	const struct vf_facts *vf = &gpu->facts.vf;
	unsigned n = need->count > 1 ? need->count : 1;
	uint64_t each = need->request.memory_bytes ? need->request.memory_bytes
						   : gpu->facts.memory_bytes / n;

	if (each > gpu->facts.memory_bytes) {
		char size[SIZE_TEXT_MAX];

		snprintf(share->lack, sizeof(share->lack), "It has %s of memory.",
			size_text(gpu->facts.memory_bytes, size));
		text_copy(share->way, sizeof(share->way), "less memory, or a larger GPU");
		return;
	}
	share->is_possible = true;
	share->memory_bytes = vf->has_quota ? each : 0;
	share->fit_empty = vf->total ?: VFS_MAX;
	if (vf->has_quota && each && gpu->facts.memory_bytes / each < share->fit_empty)
		share->fit_empty = (unsigned)(gpu->facts.memory_bytes / each);
}

static void share_typed(
	const struct gpu *gpu, const struct vf_type *type, struct advice_share *share)
{
	const struct mig_profile *profile = profile_of(gpu, type);

	share->is_possible = true;
	text_copy(share->profile, sizeof(share->profile), type->name);
	text_copy(share->licence, sizeof(share->licence), vf_licence(vf_type_series(type)));
	share->memory_bytes = type->memory_bytes;
	share->fit_empty = type->max_per_gpu;
	if (!profile)
		return;
	share->percent = type->max_per_instance > 1
				 ? 0
				 : 100 * profile->slices / gpu->facts.geometry.n_slices;
	share->sm = profile->sm;
}

/* Beside the VFs that are set; in instances that are there already, or could be made. */
static unsigned fit_now(const struct gpu *gpu, unsigned t)
{
	const struct vf_type *type = &gpu->facts.vf.type[t];
	const struct mig_profile *profile = profile_of(gpu, type);
	struct mig_room taken = { 0 };
	struct vf_room room;
	unsigned n;

	vf_room_of(&room, gpu);
	n = vf_room_for(&room, t);
	for (uint32_t i = 0; profile && i < gpu->seen.n_instances; i++)
		mig_room_add(&taken, &gpu->facts.geometry, gpu->seen.instance[i].profile,
			gpu->seen.instance[i].start);
	if (profile)
		n += (unsigned)__builtin_popcount(mig_room_starts(&taken, &gpu->facts.geometry,
			     (uint32_t)(profile - gpu->facts.geometry.profile))) *
		     type->max_per_instance;
	return n < type->max_per_gpu ? n : type->max_per_gpu;
}

/* Where VFs are on already, a lease tells what it would get. */
static void look_beside(
	const struct gpu *gpu, unsigned t, const struct request *asked, struct advice_share *share)
{
	AUTO_FREE struct gpu *open = advice_opened(gpu);
	struct request request = *asked;
	struct placement placement;
	struct error why = ERROR_NONE;
	int r;

	request.memory_bytes = request.memory_label = request.compute_percent = 0;
	request.gpu[0] = '\0';
	request.mechanism = MECHANISM_VF;
	request.is_vm = true;
	text_copy(request.profile, sizeof(request.profile), gpu->facts.vf.type[t].name);
	r = place(open, 1, &request, 0, &placement, &why);
	if (r == PLACE_E_NEVER) {
		share->is_possible = false;
		snprintf(share->lack, sizeof(share->lack), "%.280s.", why.text);
		text_copy(share->way, sizeof(share->way), "see carve doctor, or another layout");
		return;
	}
	share->waits = r != 0;
	share->fit = r != 0 ? 0 : fit_now(gpu, t);
}

void advice_share_vf(const struct advice_need *need, const struct advice_gpu *gpu, bool on_mig,
	struct advice_share *share)
{
	const struct vf_facts *vf = &gpu->gpu.facts.vf;
	struct request request = advice_sized(need);
	const struct capability *can = &gpu->gpu.capability[MECHANISM_VF];
	const struct vf_type *best = NULL;

	if (gpu->is_here && can->answer == CAPABILITY_NO) {
		snprintf(share->lack, sizeof(share->lack), "%s.",
			*can->text ? can->text : "no virtual functions");
		share->lack[0] = (char)toupper((unsigned char)share->lack[0]);
		text_copy(share->way, sizeof(share->way),
			"carve doctor says what the host lacks, if it is the host");
		return;
	}
	if (vf->kind != VF_KIND_NVIDIA && vf->kind != VF_KIND_NVIDIA_MDEV) {
		share_plain(need, &gpu->gpu, share);
	} else {
		for (uint32_t t = 0; t < vf->n_types; t++)
			if (serves(need, &gpu->gpu, &vf->type[t], on_mig, &request) &&
				is_better(need, &gpu->gpu, &vf->type[t], best))
				best = &vf->type[t];
		if (!best)
			return no_type(&gpu->gpu, on_mig, share);
		share_typed(&gpu->gpu, best, share);
	}
	share->fit = share->fit_empty;
	if (best && gpu->gpu.seen.vfs.count)
		look_beside(&gpu->gpu, (unsigned)(best - vf->type), &request, share);
}
