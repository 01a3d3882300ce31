/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of a layout asks, held against what one GPU can do. */
#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef wanted_share_list shares;

/* "0, 2, 4 and 6" */
static void add_bits(struct buf *to, uint32_t bits)
{
	bool is_first = true;

	for (unsigned i = 0; bits; i++) {
		if (!(bits & 1u << i))
			continue;
		bits &= ~(1u << i);
		buf_addf(to, "%s%u", is_first ? "" : bits ? ", " : " and ", i);
		is_first = false;
	}
}

static const struct mig_ci_profile *find_ci(const struct mig_profile *profile, unsigned slices)
{
	for (unsigned i = 0; i < profile->n_ci; i++)
		if (profile->ci[i].slices == slices)
			return &profile->ci[i];
	return NULL;
}

/* The GPU's profile of that name, and its compute instance where one is asked for. */
static int find_profile(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_share *asked, const struct mig_profile **ret_profile,
	const struct mig_ci_profile **ret_ci)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	int i = mig_profile_find(geometry, asked->profile.gi);
	AUTO_BUF slices = { 0 };
	char names[400];

	if (i < 0)
		return yaml_error(asked->node, reader->err, -EINVAL,
			"GPU %u (%s) has no profile %s: it has %s", gpu->index, gpu->facts.product,
			asked->profile.gi, mig_profile_names(geometry, names, sizeof(names)));
	*ret_profile = &geometry->profile[i];
	*ret_ci = NULL;
	if (!asked->profile.ci_slices)
		return 0;
	*ret_ci = find_ci(*ret_profile, asked->profile.ci_slices);
	if (*ret_ci)
		return 0;
	for (unsigned c = 0; c < (*ret_profile)->n_ci; c++)
		buf_addf(&slices, "%s%uc.%s", c ? ", " : "", (*ret_profile)->ci[c].slices,
			asked->profile.gi);
	return yaml_error(asked->node, reader->err, -EINVAL, "GPU %u (%s) has no %uc.%s: it has %s",
		gpu->index, gpu->facts.product, asked->profile.ci_slices, asked->profile.gi,
		buf_text(&slices));
}

static int check_start(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_share *asked, const struct mig_profile *profile)
{
	AUTO_BUF starts = { 0 };

	if (asked->at < 0 || (asked->at < MIG_SLOTS_MAX && profile->starts & 1u << asked->at))
		return 0;
	add_bits(&starts, profile->starts);
	return yaml_error(asked->node, reader->err, -EINVAL,
		"%s cannot be at slot %d of GPU %u: it can be at %s", profile->name, asked->at,
		gpu->index, buf_text(&starts));
}

static int check_count(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_share *asked, const struct mig_profile *profile,
	const struct mig_ci_profile *ci)
{
	unsigned max = ci ? ci->max * (asked->at < 0 ? profile->max : 1) : profile->max;
	char part[8] = "";

	if (asked->count <= max)
		return 0;
	if (ci)
		snprintf(part, sizeof(part), "%uc.", ci->slices);
	return yaml_error(asked->node, reader->err, -EINVAL,
		"%u of %s%s are too many: %s %u holds at most %u", asked->count, part,
		profile->name, ci && asked->at >= 0 ? "one such instance of GPU" : "GPU",
		gpu->index, max);
}

static struct wanted_share *add(shares *to, const struct asked_share *asked,
	const struct mig_profile *profile, int start, unsigned count)
{
	struct wanted_share *share = vec_add(to);

	memcpy(share->profile, profile->name, sizeof(share->profile));
	share->ci_slices = asked->profile.ci_slices;
	share->start = start;
	share->count = count;
	share->is_dynamic = asked->is_dynamic;
	share->line = asked->node->line;
	share->column = asked->node->column;
	return share;
}

/* Whole instances one behind the other, from the start that the file gives. */
static int add_row(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_share *asked, const struct mig_profile *profile, shares *to)
{
	unsigned start = (unsigned)asked->at;

	for (unsigned i = 0; i < asked->count; i++, start += profile->size) {
		while (start < MIG_SLOTS_MAX && !(profile->starts & 1u << start))
			start++;
		if (start >= MIG_SLOTS_MAX)
			return yaml_error(asked->node, reader->err, -EINVAL,
				"from slot %d of GPU %u on there is room for %u of %s, not for %u",
				asked->at, gpu->index, i, profile->name, asked->count);
		add(to, asked, profile, (int)start, 1);
	}
	return 0;
}

/* The MPS shares of each of the instances that the line has added: to[first] and those behind. */
static int add_mps(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	const struct asked_share *line, shares *to, wanted_mps_list *mps)
{
	const struct wanted_share *share = &to->at[to->n - 1];
	int profile = mig_profile_find(&gpu->facts.geometry, share->profile);
	struct mps_extent extent =
		mps_extent_of_profile(gpu, (uint32_t)profile, line->profile.ci_slices);
	unsigned first = (unsigned)mps->n;
	int r = layout_mps_want(reader, gpu, extent, asked, line->mps, mps);

	for (size_t s = to->n;
		s-- > 0 && to->at[s].line == share->line && to->at[s].column == share->column;) {
		to->at[s].first_mps = first;
		to->at[s].n_mps = (unsigned)mps->n - first;
	}
	return r;
}

static int add_asked(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_share *asked, shares *to)
{
	const struct mig_profile *profile = NULL;
	const struct mig_ci_profile *ci = NULL;
	int r = find_profile(reader, gpu, asked, &profile, &ci);

	if (r == 0)
		r = check_start(reader, gpu, asked, profile);
	if (r == 0)
		r = check_count(reader, gpu, asked, profile, ci);
	if (r < 0)
		return r;
	if (asked->at >= 0 && !ci)
		return add_row(reader, gpu, asked, profile, to);
	add(to, asked, profile, asked->at, asked->count);
	return 0;
}

void wanted_gpu_done(struct wanted_gpu *wanted)
{
	free(wanted->share);
	free(wanted->mps);
	free(wanted->vf);
	*wanted = (struct wanted_gpu){ 0 };
}

int layout_want(struct layout_reader *reader, unsigned index, const struct asked *asked)
{
	const struct gpu *gpu = &reader->gpus[index];
	struct wanted_gpu *wanted = &reader->layout->wanted[index];
	wanted_mps_list mps = { 0 };
	struct wanted_gpu made = {
		.is_named = true, .mig_on = asked->mig_on, .is_dynamic = asked->is_dynamic
	};
	shares new = { 0 };
	int r = 0;

	if (asked->mig_on && !gpu->facts.has_mig)
		return yaml_error(asked->node, reader->err, -EINVAL,
			"GPU %u (%s) cannot do MIG: leave it out of this entry", index,
			gpu->facts.product);
	if (asked->n_shares && gpu->facts.geometry.n_profiles == 0)
		return yaml_error(asked->node, reader->err, -EINVAL,
			"GPU %u (%s) does not tell its MIG profiles now: turn MIG mode on first, "
			"with a "
			"layout that says 'mig: []'",
			index, gpu->facts.product);
	for (unsigned i = 0; i < asked->n_shares && r == 0; i++) {
		r = add_asked(reader, gpu, &asked->share[i], &new);
		if (r == 0 && asked->share[i].mps.n)
			r = add_mps(reader, gpu, asked, &asked->share[i], &new, &mps);
	}
	if (r == 0)
		r = layout_mps_want(
			reader, gpu, mps_extent_of_gpu(gpu), asked, asked->own_mps, &mps);
	if (r == 0 && asked->has_vfs)
		r = layout_vf_want(reader, gpu, asked, &made, &new);
	made.n_shares = (unsigned)new.n;
	made.share = new.at;
	made.n_mps = (unsigned)mps.n;
	made.mps = mps.at;
	if (r < 0) {
		wanted_gpu_done(&made);
		return r;
	}
	wanted_gpu_done(wanted);
	*wanted = made;
	return 0;
}
