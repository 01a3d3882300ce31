/* SPDX-License-Identifier: Apache-2.0 */
#include "model/proposal.h"

#include <math.h>
#include <stdio.h>

/* Of fewer samples nothing is said but the memory. */
#define SAMPLES_FEW   5
#define SEEN_LEAST_NS (4 * USAGE_PERIOD_NS)

#define QUARTER_GIB (1ULL << 28)
/* A share that is busy to such a part is full. */
#define FULL_PART 0.95
/* Two means of the same time are not told apart more finely. */
#define NOISE_PERCENT 2.0

/*
 * Pauses that are shorter than a reading hide in its mean: kernels that run half of the time on all
 * SMs look like half of the SMs all of the time, and on half of them they would take twice as long.
 * So it is never less than what was used on average while kernels ran.
 */
static double while_running(const struct usage_series *sm, const struct usage_series *busy)
{
	double mean = usage_mean(busy);

	if (!usage_is_seen(sm) || mean <= 0)
		return 0;
	return mean < usage_mean(sm) ? 100 : usage_mean(sm) * 100 / mean;
}

static void propose_compute(
	const struct usage *usage, const struct proposal_share *share, struct proposal *proposal)
{
	const struct usage_series *sm = &usage->series[USAGE_SM];
	const struct usage_series *busy = &usage->series[USAGE_BUSY];
	const struct usage_series *by = usage_is_seen(sm) ? sm : busy;
	double quantile = usage_quantile(by, PROPOSAL_QUANTILE);
	double running = quantile > 0 ? while_running(sm, busy) : 0;
	double all = share->is_mps ? share->percent : 100; /* that it could have been */
	bool is_all;

	proposal->is_paused = running > quantile + NOISE_PERCENT;
	if (proposal->is_paused)
		quantile = running;
	is_all = quantile >= all * FULL_PART;
	if (usage->n_samples < SAMPLES_FEW || (usage_is_seen(by) && by->seen_ns < SEEN_LEAST_NS)) {
		proposal->is_short = true;
		snprintf(proposal->compute_why, sizeof(proposal->compute_why),
			"too short a run to say more than its memory: it was looked at %llu time%s",
			(unsigned long long)usage->n_samples, usage->n_samples == 1 ? "" : "s");
	} else if (!usage_is_seen(by)) {
		snprintf(proposal->compute_why, sizeof(proposal->compute_why), "not seen: %s",
			busy->why_not[0] ? busy->why_not : "there was no reading");
	} else if (quantile <= 0) {
		snprintf(proposal->compute_why, sizeof(proposal->compute_why),
			"it was never seen to be busy");
	} else if (by == busy && is_all) {
		/* of all SMs or of one: a number would be made up */
		snprintf(proposal->compute_why, sizeof(proposal->compute_why),
			"its kernels ran without a pause while it was busy, and how many SMs they "
			"used was not seen");
	} else {
		proposal->is_upper_bound = by == busy;
		proposal->is_full = is_all && share->percent < 100;
		proposal->compute_percent =
			(unsigned)ceil(share->is_mps ? quantile : quantile * share->percent / 100);
	}
}

void propose(const struct usage *usage, const struct proposal_share *share, unsigned margin_percent,
	struct proposal *ret_proposal)
{
	struct proposal proposal = { 0 };
	uint64_t bytes =
		usage->memory_peak > usage->share_peak ? usage->memory_peak : usage->share_peak;

	proposal.measured_bytes = bytes;
	if (bytes)
		proposal.memory_bytes =
			(uint64_t)ceil((double)bytes * (100 + margin_percent) / 100 / QUARTER_GIB) *
			QUARTER_GIB;
	/* it did run there */
	if (share->gpu_bytes && proposal.memory_bytes > share->gpu_bytes) {
		proposal.is_capped = true;
		proposal.memory_bytes = share->gpu_bytes / QUARTER_GIB * QUARTER_GIB;
		if (proposal.memory_bytes < bytes)
			proposal.memory_bytes = bytes;
	}
	propose_compute(usage, share, &proposal);
	if (proposal.compute_percent > 100)
		proposal.compute_percent = 100;
	*ret_proposal = proposal;
}
