/* SPDX-License-Identifier: Apache-2.0 */
/* From the lines of a layout to the GPU instances that they mean. */
#include "base/error.h"
#include "base/text.h"
#include "model/fit.h"

#include <errno.h>
#include <stdlib.h>

static int too_many(const struct gpu *gpu, const struct wanted_share *share, const char *why,
	unsigned most, struct error *err)
{
	AUTO_BUF where = { 0 };

	if (share->line)
		buf_addf(&where, " (line %u)", share->line);
	if (share->ci_slices)
		return error_set(err, -EINVAL, "GPU %u: %u of %uc.%s%s are too many: %s %u",
			gpu->index, share->count, share->ci_slices, share->profile,
			buf_text(&where), why, most);
	return error_set(err, -EINVAL, "GPU %u: %u of %s%s are too many: %s %u", gpu->index,
		share->count, share->profile, buf_text(&where), why, most);
}

static uint8_t mps_of(const struct wants *wants, const struct wanted_share *share)
{
	return share->n_mps ? (uint8_t)(share - wants->wanted->share + 1) : 0;
}

static struct want *add_want(
	struct wants *wants, const struct wanted_share *share, uint32_t profile)
{
	struct want *want = &wants->want[wants->n];

	if (wants->n == MIG_INSTANCES_MAX)
		return NULL;
	wants->n++;
	*want = (struct want){
		.profile = profile,
		.start = share->start,
		.is_dynamic = share->is_dynamic,
		.line = share->line,
		.column = share->column,
	};
	return want;
}

static int add_instances(struct wants *wants, const struct gpu *gpu,
	const struct wanted_share *share, uint32_t profile, struct error *err)
{
	const struct mig_profile *p = &wants->geometry->profile[profile];
	int whole = mig_ci_find(p, p->slices);

	if (share->count > p->max)
		return too_many(gpu, share, "the GPU holds at most", p->max, err);
	for (unsigned k = 0; k < share->count; k++) {
		struct want *want = add_want(wants, share, profile);

		if (!want)
			return too_many(gpu, share, "all instances of a GPU are at most",
				MIG_INSTANCES_MAX, err);
		if (whole < 0)
			continue;
		want->mps[want->n_ci] = mps_of(wants, share);
		want->ci[want->n_ci++] = (uint8_t)whole;
	}
	return 0;
}

static bool has_room(const struct wants *wants, const struct want *want, uint8_t ci)
{
	const struct mig_profile *p = &wants->geometry->profile[want->profile];
	unsigned slices = p->ci[ci].slices, same = 1;

	for (unsigned c = 0; c < want->n_ci; c++) {
		slices += p->ci[want->ci[c]].slices;
		same += want->ci[c] == ci;
	}
	return slices <= p->slices && same <= p->ci[ci].max && want->n_ci < MIG_CIS_MAX;
}

/* Into an instance that the layout has begun already, else into a new one. */
static int add_compute_instances(struct wants *wants, const struct gpu *gpu,
	const struct wanted_share *share, uint32_t profile, struct error *err)
{
	const struct mig_profile *p = &wants->geometry->profile[profile];
	int ci = mig_ci_find(p, share->ci_slices);

	if (ci < 0)
		return error_set(err, -EINVAL, "GPU %u: %s has no compute instance of %u slices",
			gpu->index, p->name, share->ci_slices);
	if (share->count > MIG_INSTANCES_MAX * MIG_CIS_MAX)
		return too_many(gpu, share, "each GPU instance holds at most", p->ci[ci].max, err);
	for (unsigned k = 0; k < share->count; k++) {
		struct want *want = NULL;

		for (unsigned w = 0; w < wants->n && !want; w++) {
			struct want *begun = &wants->want[w];

			if (begun->has_cis && begun->profile == profile &&
				begun->start == share->start &&
				begun->is_dynamic == share->is_dynamic &&
				has_room(wants, begun, (uint8_t)ci))
				want = begun;
		}
		if (!want)
			want = add_want(wants, share, profile);
		if (!want)
			return too_many(gpu, share, "all GPU instances together are at most",
				MIG_INSTANCES_MAX, err);
		want->has_cis = true;
		want->mps[want->n_ci] = mps_of(wants, share);
		want->ci[want->n_ci++] = (uint8_t)ci;
	}
	return 0;
}

static int add_line(struct wants *wants, const struct gpu *gpu, const struct wanted_share *share,
	struct error *err)
{
	int profile = mig_profile_find(wants->geometry, share->profile);

	if (profile < 0)
		return error_set(err, -EINVAL, "GPU %u (%s) has no profile %s", gpu->index,
			gpu->facts.product, share->profile);
	if (share->ci_slices && share->ci_slices != wants->geometry->profile[profile].slices)
		return add_compute_instances(wants, gpu, share, (uint32_t)profile, err);
	return add_instances(wants, gpu, share, (uint32_t)profile, err);
}

/* What has a start first, then large before small, then equals together. */
static int compare_wants(const struct wants *wants, const struct want *a, const struct want *b)
{
	const struct mig_profile *p = &wants->geometry->profile[a->profile];
	const struct mig_profile *q = &wants->geometry->profile[b->profile];

	if ((a->start < 0) != (b->start < 0))
		return a->start < 0 ? 1 : -1;
	if (p->size != q->size)
		return p->size > q->size ? -1 : 1;
	if (a->profile != b->profile)
		return a->profile > b->profile ? -1 : 1;
	if (a->is_dynamic != b->is_dynamic)
		return a->is_dynamic ? 1 : -1;
	if (a->n_ci != b->n_ci)
		return a->n_ci > b->n_ci ? -1 : 1;
	return memcmp(a->ci, b->ci, sizeof(a->ci)) ?: memcmp(a->mps, b->mps, sizeof(a->mps));
}

int wants_of(const struct gpu *gpu, const struct wanted_gpu *wanted, struct wants *ret_wants,
	struct error *err)
{
	struct wants wants = { .geometry = &gpu->facts.geometry, .wanted = wanted };

	/* Compute instances without a start: the largest first pack into the fewest. */
	for (unsigned slices = wants.geometry->n_slices + 1; slices-- > 0;) {
		for (unsigned s = 0; s < wanted->n_shares; s++) {
			const struct wanted_share *share = &wanted->share[s];
			bool is_packed = share->ci_slices && share->start < 0;
			int r = 0;

			if (is_packed ? share->ci_slices == slices : slices == 0)
				r = add_line(&wants, gpu, share, err);
			if (r < 0)
				return r;
		}
	}
	for (unsigned i = 1; i < wants.n; i++) {
		struct want want = wants.want[i];
		unsigned j = i;

		for (; j > 0 && compare_wants(&wants, &want, &wants.want[j - 1]) < 0; j--)
			wants.want[j] = wants.want[j - 1];
		wants.want[j] = want;
	}
	*ret_wants = wants;
	return 0;
}

bool want_is_same(const struct want *a, const struct want *b)
{
	return a->profile == b->profile && a->start == b->start && a->is_dynamic == b->is_dynamic &&
	       a->n_ci == b->n_ci && memcmp(a->ci, b->ci, sizeof(a->ci)) == 0 &&
	       memcmp(a->mps, b->mps, sizeof(a->mps)) == 0;
}

void want_say(const struct wants *wants, unsigned w, struct buf *text)
{
	const struct want *want = &wants->want[w];
	const struct mig_profile *p = &wants->geometry->profile[want->profile];

	if (want->has_cis)
		for (unsigned c = 0; c < want->n_ci; c++)
			buf_addf(
				text, "%s%uc.%s", c ? "+" : "", p->ci[want->ci[c]].slices, p->name);
	else
		buf_add(text, p->name);
	if (want->start >= 0)
		buf_addf(text, "@%d", want->start);
	if (want->line)
		buf_addf(text, " (line %u)", want->line);
}
