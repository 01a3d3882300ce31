/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/layout.h"
#include "model/mps_room.h"
#include "model/plan.h"
#include "test.h"

/* True if the wanted shares of a GPU say exactly what our instances on it are. */
static bool is_what_is(const struct gpu *gpu, const struct wanted_gpu *wanted)
{
	unsigned ours = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];
		const struct mig_profile *profile = &gpu->facts.geometry.profile[instance->profile];
		unsigned at = 0, left = 0, s = 0;

		if (instance->origin == SHARE_FOREIGN)
			continue;
		ours += instance->n_ci;
		/* Its compute instances must be wanted in this order. */
		for (; at < instance->n_ci && s < wanted->n_shares; s++) {
			const struct wanted_share *share = &wanted->share[s];

			if (!text_eq(share->profile, profile->name) ||
				share->start != (int)instance->start)
				continue;
			if (share->is_dynamic != (instance->origin == SHARE_DYNAMIC))
				return false;
			for (left = share->count; left; left--, at++) {
				unsigned slices = at < instance->n_ci
							  ? profile->ci[instance->ci[at].ci].slices
							  : 0;

				if (slices != (share->ci_slices ?: profile->slices))
					return false;
			}
		}
		if (at != instance->n_ci)
			return false;
	}
	for (unsigned s = 0; s < wanted->n_shares; s++)
		ours -= wanted->share[s].count;
	return ours == 0;
}

/* Fills a GPU with random instances that may stand together. */
static void carve(struct gpu *gpu, uint64_t *seed)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	unsigned made[MIG_PROFILES_MAX] = { 0 };
	uint32_t taken = 0;

	for (unsigned tries = fixture_below(seed, 20); tries; tries--) {
		unsigned p = fixture_below(seed, geometry->n_profiles), n = 0;
		const struct mig_profile *profile = &geometry->profile[p];
		unsigned start = fixture_below(seed, geometry->n_slots), left = profile->slices;
		unsigned slices[MIG_CIS_MAX + 1] = { 0 };

		if (!(profile->starts & 1u << start) || taken & mig_slots(profile, start) ||
			profile->media != MIG_MEDIA_PLAIN || made[p] == profile->max)
			continue;
		taken |= mig_slots(profile, start);
		made[p]++;
		while (left && n < MIG_CIS_MAX) {
			unsigned part = profile->ci[fixture_below(seed, profile->n_ci)].slices;

			if (part > left || (n && part == profile->slices))
				break;
			slices[n++] = part;
			left -= part;
		}
		if (n == 0)
			slices[0] = profile->slices;
		fixture_add_cis(gpu, profile->name, start,
			(enum share_origin)fixture_below(seed, 3), slices);
	}
}

/* Pinned MPS shares on the GPU or on instances of ours, as far as there is room. */
static void share_by_mps(struct gpu *gpu, uint64_t *seed)
{
	bool over_commit = fixture_below(seed, 4) == 0;

	for (unsigned k = fixture_below(seed, 6); k > 0; k--) {
		unsigned n = gpu->seen.n_instances, i = n ? fixture_below(seed, n) : 0;
		const struct mig_instance *instance = &gpu->seen.instance[i];
		struct mps_share *share;
		struct mps_room room;

		if (gpu->seen.mig_on && (n == 0 || instance->origin == SHARE_FOREIGN))
			continue;
		share = fixture_add_mps(gpu, gpu->seen.mig_on ? instance : NULL,
			1 + fixture_below(seed, 3), 2 + fixture_below(seed, 3), 0);
		if (gpu->seen.mig_on)
			share->place = mps_place_of(
				gpu, instance, &instance->ci[fixture_below(seed, instance->n_ci)]);
		share->memory_bytes += fixture_below(seed, 2);
		share->over_commit = over_commit;
		room = mps_room_of(gpu, &share->place);
		if (room.memory_bytes > room.extent.memory_bytes ||
			(room.compute > room.compute_all && !over_commit) ||
			room.n_shares > room.n_clients)
			gpu->n_mps--;
	}
}

/* A node of random GPUs in random states. */
static unsigned random_node(struct gpu *gpus, unsigned max, uint64_t *seed)
{
	unsigned n = 1 + fixture_below(seed, max);

	for (unsigned i = 0; i < n; i++) {
		fixture_gpu(&gpus[i], i, (enum fixture)fixture_below(seed, FIXTURE_N));
		gpus[i].managed = fixture_below(seed, 5) > 0;
		if (gpus[i].facts.has_mig && fixture_below(seed, 4))
			carve(&gpus[i], seed);
		else if (fixture_below(seed, 2))
			fixture_mig_off(&gpus[i]);
		share_by_mps(&gpus[i], seed);
	}
	return n;
}

TEST(an_exported_layout_wants_exactly_what_is_and_changes_nothing)
{
	uint64_t seed = 11;

	for (int round = 0; round < 3000; round++) {
		struct gpu gpus[6];
		unsigned n = random_node(gpus, ARRAY_SIZE(gpus), &seed);
		AUTO_FREE char *text = layout_export(gpus, n, "now");
		struct error err = ERROR_NONE;
		struct layout layout = { 0 };
		struct plan plan = { 0 };

		CHECK_SAY(layout_parse(
				  "e.yaml", text, strlen(text), NULL, gpus, n, &layout, &err) == 0,
			"%s\n%s", err.text, text);
		for (unsigned i = 0; i < n; i++) {
			CHECK_EQ(layout.wanted[i].is_named,
				gpus[i].managed && (gpus[i].facts.has_mig || gpus[i].n_mps));
			if (!layout.wanted[i].is_named)
				continue;
			CHECK_EQ(layout.wanted[i].mig_on, gpus[i].seen.mig_on);
			CHECK_SAY(is_what_is(&gpus[i], &layout.wanted[i]), "GPU %u:\n%s", i, text);
		}
		CHECK_SAY(plan_layout(gpus, n, &layout, &plan, &err) == 0, "%s", err.text);
		CHECK_SAY(plan.n_steps + plan.n_blockers + plan.n_repins == 0, "%s", text);
		plan_done(&plan);
		layout_done(&layout);
	}
}

TEST(the_file_is_one_that_people_read)
{
	struct gpu gpus[5];
	AUTO_FREE char *text = NULL;

	for (unsigned i = 0; i < 4; i++)
		fixture_gpu(&gpus[i], i, FIXTURE_H100_80);
	fixture_gpu(&gpus[4], 4, FIXTURE_L40S);
	for (unsigned k = 0; k < 3; k++)
		fixture_add_mps(&gpus[4], NULL, 12, 30, 0);
	fixture_add_mps(&gpus[4], NULL, 4, 5, 9);
	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_PINNED, 0);
	fixture_add(&gpus[0], "1g.10gb", 0, SHARE_DYNAMIC, 0);
	fixture_add(&gpus[0], "1g.10gb", 1, SHARE_FOREIGN, 0);
	for (unsigned i = 1; i < 3; i++)
		fixture_add_cis(&gpus[i], "4g.40gb", 0, SHARE_DYNAMIC, (unsigned[]){ 1, 1, 2, 0 });
	fixture_mig_off(&gpus[3]);
	fixture_add_mps(&gpus[0], &gpus[0].seen.instance[0], 10, 14, 0)->over_commit = true;
	text = layout_export(gpus, 5, "now");
	CHECK_TEXT(text,
		"version: carve/v1\n"
		"layouts:\n"
		"  now:\n"
		"  - gpus: [0] # NVIDIA H100 80GB HBM3\n"
		"    mig: [{profile: 1g.10gb, at: 0, dynamic: true}, {profile: 3g.40gb, at: 4, "
		"mps: [{memory: 10G, compute: 14%}]}]\n"
		"    over-commit: true\n"
		"    # not Carve's, left alone: 0:1g.10gb@1\n"
		"  - gpus: [1, 2] # NVIDIA H100 80GB HBM3\n"
		"    mig: [1c.4g.40gb@0*2, 2c.4g.40gb@0, dynamic]\n"
		"  - gpus: [3] # NVIDIA H100 80GB HBM3\n"
		"    mig: off\n"
		"  - gpus: [4] # NVIDIA L40S\n"
		"    mps: [{memory: 12G, compute: 30%, count: 3}]\n");
}

TEST(a_node_without_managed_gpus_exports_an_empty_layout)
{
	struct layout layout = { 0 };
	struct gpu gpu;
	AUTO_FREE char *text = NULL;

	fixture_gpu(&gpu, 0, FIXTURE_H100_80);
	gpu.managed = false;
	text = layout_export(&gpu, 1, "so \"called\"");
	CHECK_TEXT(text, "version: carve/v1\nlayouts:\n  \"so \\\"called\\\"\": []\n");
	CHECK_EQ(layout_parse("e", text, strlen(text), "so \"called\"", &gpu, 1, &layout, NULL), 0);
	CHECK(!layout.wanted[0].is_named);
	layout_done(&layout);
}

TEST_MAIN()
