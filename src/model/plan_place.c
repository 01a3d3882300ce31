/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of one placement, and those of VFs. */
#include "base/text.h"
#include "model/plan.h"

#include <stdio.h>

struct step step_vf_count_of(const struct gpu *gpu, uint32_t count, enum share_origin origin)
{
	return (struct step){
		.kind = STEP_VF_COUNT,
		.gpu = gpu->index,
		.origin = origin,
		.vf = { .count = count, .count_before = gpu->seen.vfs.count },
		.name = "virtual functions",
	};
}

/* The name of a setup's type; that of a former type where there is none any more. */
static void name_set(const struct gpu *gpu, struct step *step)
{
	uint32_t type = step->vf.setup.type ?: step->vf.before.type;
	int t = type ? vf_type_find_id(&gpu->facts.vf, type) : -1;

	text_copy(step->name, sizeof(step->name),
		t >= 0 ? gpu->facts.vf.type[t].name : "virtual function");
}

struct step step_vf_set_of(
	const struct gpu *gpu, uint64_t vfs, const struct vf_setup *setup, enum share_origin origin)
{
	const struct vf *first = vfs ? vf_find(gpu, (uint32_t)__builtin_ctzll(vfs)) : NULL;
	struct step step = {
		.kind = STEP_VF_SET,
		.gpu = gpu->index,
		.origin = origin,
		.vf = { .vfs = vfs, .setup = *setup },
	};

	if (first)
		step.vf.before = first->setup;
	name_set(gpu, &step);
	return step;
}

struct step step_vf_mix_of(const struct gpu *gpu, bool is_mixed)
{
	return (struct step){
		.kind = STEP_VF_MIX,
		.gpu = gpu->index,
		.vf = { .is_mixed = is_mixed },
		.name = "sizes",
	};
}

static unsigned add_vf(
	const struct gpu *gpu, const struct placement *placement, struct step *ret_step)
{
	const struct vf *there = vf_find(gpu, placement->vf);
	unsigned n = 0;

	if (placement->vf_count)
		ret_step[n++] = step_vf_count_of(gpu, placement->vf_count, SHARE_DYNAMIC);
	if (placement->makes_instance)
		ret_step[n++] =
			step_create_of(gpu, placement->profile, placement->start, SHARE_DYNAMIC);
	if (!there || !vf_setup_is(&there->setup, &placement->vf_setup))
		ret_step[n++] = step_vf_set_of(
			gpu, UINT64_C(1) << placement->vf, &placement->vf_setup, SHARE_DYNAMIC);
	return n;
}

unsigned plan_placement(
	const struct gpu *gpus, const struct placement *placement, struct step *ret_step)
{
	const struct gpu *gpu = &gpus[placement->gpu];
	unsigned n = 0;

	if (placement->how == PLACE_MPS && mps_place_is_gpu(&placement->mps.place) &&
		!gpu->may_time_slice && gpu->seen.compute_mode != COMPUTE_EXCLUSIVE_PROCESS)
		ret_step[n++] = (struct step){
			.kind = STEP_COMPUTE_MODE,
			.gpu = gpu->index,
			.mode = COMPUTE_EXCLUSIVE_PROCESS,
			.mode_before = (enum compute_mode)gpu->seen.compute_mode,
			.name = "compute mode",
		};
	if (placement->how != PLACE_CREATE && placement->how != PLACE_VF)
		return n;
	for (uint32_t rest = placement->evict; rest; rest &= rest - 1)
		ret_step[n++] = step_destroy_of(gpu, (unsigned)__builtin_ctz(rest));
	if (placement->how == PLACE_VF)
		return n + add_vf(gpu, placement, ret_step + n);
	ret_step[n++] = step_create_of(gpu, placement->profile, placement->start, SHARE_DYNAMIC);
	return n;
}
