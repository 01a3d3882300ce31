/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What processes do with a GPU over time. Each has a pattern (struct work in node.h): as busy as it
 * says, always or a part of each period. All figures are integrals of it over time, so that what is
 * told of a span is what the pattern makes of exactly that span.
 */

#include "sim/node/node.h"

/* Percent, or KiB/s. */
struct use_mean {
	double busy; /* of the time in which kernels ran */
	double sms;  /* of the SMs */
	double bandwidth;
	double copy_in, copy_out;
};

/* As busy as it is at that moment, in percent. Times are microseconds since 1970. */
unsigned use_busy_at(const struct process *process, uint64_t at_us);

/*
 * What living processes do between two moments: one of them, or all on the GPU (NVML_NO_INSTANCE)
 * or on a GPU instance. One without a period counts as if it had been there all the time, so that
 * what is told of it does not depend on when it is asked.
 */
struct use_mean use_mean_of(const struct process *process, uint64_t from_us, uint64_t to_us);
struct use_mean use_mean(
	const struct gpu_state *state, uint32_t gi, uint64_t from_us, uint64_t to_us);

/* All that was done since the node was made, by processes that have ended too: on the GPU while it
 * was not in MIG mode (NVML_NO_INSTANCE), or on a GPU instance of that number. */
struct use_sum use_total(const struct gpu_state *state, uint32_t gi, uint64_t now_us);
/* The mean of what lies between two totals. */
struct use_mean use_between(
	const struct use_sum *before, const struct use_sum *after, uint64_t span_us);
/* Before processes come, go or change: what was done so far is written down. */
void use_settle(struct gpu_state *draft, uint64_t now_us);
