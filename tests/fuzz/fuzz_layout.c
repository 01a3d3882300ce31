/* SPDX-License-Identifier: Apache-2.0 */
/* Layout files of both schemas, on a node of several products. */
#include "base/text.h"
#include "fixtures.h"
#include "fuzz.h"
#include "model/layout.h"
#include "model/mps_room.h"

static struct gpu gpus[7]; /* the last two have virtual functions */

static void must_fit(
	const struct gpu *gpu, struct mps_extent extent, const struct wanted_mps *mps, unsigned n)
{
	struct mps_room room = mps_room_empty(gpu, extent);

	for (unsigned i = 0; i < n; i++) {
		struct mps_share share = { .memory_bytes = mps[i].memory_bytes,
			.percent = mps[i].percent,
			.over_commit = mps[i].over_commit };

		MUST(mps[i].count >= 1 && share.percent >= 1 && share.memory_bytes >= 1);
		for (unsigned k = 0; k < mps[i].count; k++)
			mps_room_add(&room, gpu, &share);
	}
	MUST(room.memory_bytes <= extent.memory_bytes && room.n_shares <= room.n_clients);
	MUST(room.compute <= room.compute_all || room.may_over_commit);
}

static void must_have_room(const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	if (!wanted->mig_on) {
		must_fit(gpu, mps_extent_of_gpu(gpu), wanted->mps, wanted->n_mps);
		return;
	}
	for (unsigned i = 0; i < wanted->n_shares; i++) {
		const struct wanted_share *share = &wanted->share[i];
		int p = mig_profile_find(&gpu->facts.geometry, share->profile);

		MUST(share->first_mps + share->n_mps <= wanted->n_mps);
		if (p >= 0 && share->n_mps)
			must_fit(gpu, mps_extent_of_profile(gpu, (uint32_t)p, share->ci_slices),
				wanted->mps + share->first_mps, share->n_mps);
	}
}

static void must_have_vfs(const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	unsigned n = 0;

	MUST(wanted->has_vfs || (!wanted->vf_count && !wanted->n_vfs));
	MUST(wanted->vf_count <= gpu->facts.vf.total);
	for (unsigned i = 0; i < wanted->n_vfs; i++) {
		const struct wanted_vf *vf = &wanted->vf[i];

		MUST(vf->count >= 1 && vf->line >= 1 && vf->column >= 1);
		MUST(vf->number < (int)wanted->vf_count && (vf->number < 0 || vf->count == 1));
		MUST(!vf->setup.type || vf_type_find_id(&gpu->facts.vf, vf->setup.type) >= 0);
		n += vf->count;
	}
	MUST(n <= wanted->vf_count);
}

static void make_gpus(void)
{
	static const enum fixture products[] = { FIXTURE_H100_80, FIXTURE_A100_40, FIXTURE_A30,
		FIXTURE_RTX_PRO_6000, FIXTURE_L40S, FIXTURE_H200, FIXTURE_L40S };

	for (unsigned i = 0; i < ARRAY_SIZE(gpus); i++)
		fixture_gpu(&gpus[i], i, products[i]);
	fixture_vfs(&gpus[5], VF_KIND_NVIDIA, 16, 0);
	fixture_vfs(&gpus[6], VF_KIND_XE, 24, 0);
	gpus[6].facts.vf.has_schedule = true;
}

static void must_be_possible(const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;

	MUST(wanted->is_named || (!wanted->mig_on && !wanted->n_shares));
	MUST(!wanted->mig_on || gpu->facts.has_mig);
	MUST(wanted->mig_on || !wanted->n_shares);
	must_have_vfs(gpu, wanted);
	must_have_room(gpu, wanted);
	for (unsigned i = 0; i < wanted->n_shares; i++) {
		const struct wanted_share *share = &wanted->share[i];
		int p = mig_profile_find(geometry, share->profile);

		MUST(p >= 0);
		MUST(share->count >= 1 && share->line >= 1 && share->column >= 1);
		MUST(share->ci_slices < geometry->profile[p].slices);
		MUST(share->start < MIG_SLOTS_MAX);
		MUST(share->start < 0 || geometry->profile[p].starts >> share->start & 1);
		MUST(share->start < 0 || share->ci_slices || share->count == 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { NULL, "a", "day", "night", "mixed", "all-disabled",
		"all-balanced", "all-1g.10gb", "custom-config" };

	if (!gpus[1].index)
		make_gpus();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct error err = ERROR_NONE;
		struct layout layout;
		int r = layout_parse("f", (const char *)data, size, names[i], gpus,
			ARRAY_SIZE(gpus), &layout, &err);

		if (r < 0) {
			must_be_told(&err, r, "f:");
			/* The other names are for files of several layouts. */
			if (!strstr(err.text, "which layout?") && !names[i])
				break;
			continue;
		}
		for (unsigned g = 0; g < ARRAY_SIZE(gpus); g++)
			must_be_possible(&gpus[g], &layout.wanted[g]);
		layout_done(&layout);
		if (!names[i])
			break;
	}
	return 0;
}
