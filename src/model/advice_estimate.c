/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a share will be: what was measured on this node, else what was published for this
 * product and work, else a rule of thumb from its parts.
 */
#include "model/advice_part.h"

#include "base/text.h"
#include "model/product.h"

const char *const advice_source_names[] = { "measured", "published", "rule of thumb" };

#define FIGURE(                                                                                    \
	symbol, option, workload, slices, shares, low, high, latency_low, latency_high, ...)       \
	{ #symbol, ADVICE_##option, WORKLOAD_##workload, slices, shares, { low, high },            \
		{ latency_low, latency_high }, __VA_ARGS__ },
static const struct figure {
	const char *symbol;
	enum advice_option option;
	enum workload workload;
	unsigned slices, shares;
	struct advice_span throughput, latency;
	const char *text, *source;
} figures[] = {
#include "figures.def" /* data/advice */
};

/* As many as run beside each other: no more than were asked for, nor than fit. */
static unsigned neighbours(const struct advice_need *need, const struct advice_share *share)
{
	return need->count < share->fit_empty ? need->count : share->fit_empty;
}

static bool is_of_need(const struct advice_measured *row, enum advice_option option,
	const struct advice_need *need, const struct advice_share *share)
{
	/* A whole GPU has all of its compute, and so has who takes turns. */
	bool is_divided = option != ADVICE_WHOLE && option != ADVICE_TIME;

	return row->option == option && (!is_divided || row->percent == share->percent) &&
	       (!row->profile || !*row->profile || text_eq(row->profile, share->profile)) &&
	       (!row->workloads || row->workloads & 1U << need->request.workload);
}

/* One alone may get any neighbours: it is told what the most of them leave it. */
static bool is_better(const struct advice_measured *row, const struct advice_measured *than,
	const struct advice_need *need, const struct advice_share *share)
{
	if (need->count > 1 && row->count != neighbours(need, share))
		return false;
	return !than || row->count > than->count;
}

static bool find_measured(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, const struct advice_share *share,
	const struct advice_measured *measured, unsigned n, struct advice_estimate *ret_estimate)
{
	const struct advice_measured *own = NULL, *other = NULL;

	for (unsigned i = 0; i < n && gpu->is_here; i++) {
		const struct advice_measured *row = &measured[i];
		bool is_own = !*row->gpu || text_eq(row->gpu, gpu->gpu.facts.uuid);

		if (!is_of_need(row, option, need, share))
			continue;
		if (is_own && is_better(row, own, need, share))
			own = row;
		if (!is_own && text_eq(row->product, gpu->gpu.facts.product) &&
			is_better(row, other, need, share))
			other = row;
	}
	if (!own && !other)
		return false;
	*ret_estimate = own ? own->estimate : other->estimate;
	ret_estimate->source = SOURCE_MEASURED;
	if (!own)
		ret_estimate->text = other->elsewhere;
	return true;
}

static unsigned slices_of(const struct gpu *gpu, const struct advice_share *share)
{
	int p = *share->profile ? mig_profile_find(&gpu->facts.geometry, share->profile) : -1;

	return p < 0 ? 0 : gpu->facts.geometry.profile[p].slices;
}

/* MPS was measured without compute limits: that is near what limits give that fill the GPU. */
static bool fills(const struct figure *figure, const struct advice_share *share)
{
	return !figure->shares || figure->slices || figure->shares * share->percent >= 80;
}

static bool find_published(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, const struct advice_share *share,
	struct advice_estimate *ret_estimate)
{
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		const struct figure *figure = &figures[i];

		if (!gpu->product || !text_eq(figure->symbol, gpu->product->symbol) ||
			figure->option != option || figure->workload != need->request.workload ||
			figure->slices != slices_of(&gpu->gpu, share) ||
			(figure->shares && figure->shares != neighbours(need, share)) ||
			!fills(figure, share))
			continue;
		*ret_estimate = (struct advice_estimate){
			.throughput = figure->throughput,
			.latency = figure->latency,
			.is_mean = true,
			.source = SOURCE_PUBLISHED,
			.text = figure->text,
			.where = figure->source,
		};
		return true;
	}
	return false;
}

/* An instance has its part of the SMs and of the memory's bandwidth: between the two lies its
 * speed. */
static void rule_instance(
	const struct gpu *gpu, const struct advice_share *share, struct advice_estimate *estimate)
{
	unsigned by_sm =
		gpu->facts.sm && share->sm ? 100 * share->sm / gpu->facts.sm : share->percent;
	unsigned by_memory =
		gpu->facts.memory_bytes
			? (unsigned)(100 * share->memory_bytes / gpu->facts.memory_bytes)
			: by_sm;
	unsigned low = by_sm < by_memory ? by_sm : by_memory;
	unsigned high = by_sm < by_memory ? by_memory : by_sm;

	low = low ? low : 1;
	high = high ? high : 1;
	estimate->throughput = (struct advice_span){ low, high < 100 ? high : 100 };
	estimate->latency = (struct advice_span){ high < 100 ? 10000 / high : 100, 10000 / low };
	estimate->text = "its part of the SMs and of the memory's bandwidth, whatever the "
			 "neighbours do; kernels too small to fill the GPU lose less";
	estimate->where = "https://docs.nvidia.com/datacenter/tesla/mig-user-guide/";
}

static void rule_of_thumb(enum advice_option option, const struct gpu *gpu,
	const struct advice_share *share, struct advice_estimate *estimate)
{
	unsigned n = share->fit_empty ?: 1;
	unsigned percent = share->percent ? share->percent : 100;

	estimate->source = SOURCE_RULE;
	switch (option) {
	case ADVICE_MIG:
	case ADVICE_VF_ON_MIG:
		rule_instance(gpu, share, estimate);
		if (share->percent == 0)
			estimate->text =
				"turns within a MIG instance: all of that while the others in "
				"it idle, its part of the time when all are busy";
		return;
	case ADVICE_MPS:
	case ADVICE_MPS_IN_MIG:
		estimate->throughput = (struct advice_span){ percent / 2 ?: 1, percent };
		estimate->latency = (struct advice_span){ 10000 / percent, 0 };
		estimate->text =
			"at most its percentage, where kernels fill the GPU (small ones lose "
			"less); neighbours that saturate the memory's bandwidth can halve it, "
			"and nobody bounds their part in the tail";
		estimate->where = "https://docs.nvidia.com/deploy/mps/index.html";
		return;
	case ADVICE_VF:
		estimate->throughput = (struct advice_span){ 100 / n ?: 1, 100 };
		estimate->latency = (struct advice_span){ 100, 100 * n };
		estimate->text = "turns: all of the GPU while the others idle, its part of the "
				 "time when as many as fit are busy";
		estimate->where =
			"https://docs.nvidia.com/ai-enterprise/release-8/8.1/infra-software/"
			"vgpu/features/scheduling.html";
		return;
	default:
		estimate->throughput = estimate->latency = (struct advice_span){ 100, 100 };
		estimate->text = "nobody else is on it";
		estimate->where = "docs/architecture.md";
	}
}

void advice_estimate_of(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, const struct advice_share *share,
	const struct advice_measured *measured, unsigned n_measured,
	struct advice_estimate *ret_estimate)
{
	*ret_estimate = (struct advice_estimate){ 0 };
	if (!find_measured(option, need, gpu, share, measured, n_measured, ret_estimate) &&
		!find_published(option, need, gpu, share, ret_estimate))
		rule_of_thumb(option, &gpu->gpu, share, ret_estimate);
}
