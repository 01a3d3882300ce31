/* SPDX-License-Identifier: Apache-2.0 */
/* The size that is proposed for what was watched. */
#include "test.h"

#include "base/text.h"
#include "model/proposal.h"

#define MS  1000000ULL
#define GIB (1ULL << 30)

static const struct proposal_share whole = { .percent = 100 };
static const struct proposal_share two_of_seven = { .percent = 28.6 };

static struct usage busy_usage(enum usage_kind kind, double value, unsigned n)
{
	struct usage usage = { 0 };

	for (unsigned i = 0; i < n; i++) {
		struct usage_sample sample = { .bytes = 12 * GIB, .n_processes = 1 };

		usage_sample_add(&sample, kind, 100 * MS, i % 2 ? value : 0);
		usage_add(&usage, &sample, (i + 1) * 100 * MS);
	}
	return usage;
}

TEST(memory_has_its_margin_for_every_peak_and_margin)
{
	for (unsigned margin = 0; margin <= PROPOSAL_MARGIN_MAX; margin += 5)
		for (uint64_t mib = 1; mib < 300000; mib = mib * 3 / 2 + 1) {
			struct usage usage = { .memory_peak = mib << 20 };
			struct proposal proposal;
			uint64_t wanted = (mib << 20) / 100 * (100 + margin);

			propose(&usage, &whole, margin, &proposal);
			CHECK(proposal.memory_bytes >= wanted);
			CHECK(proposal.memory_bytes <= wanted + GIB / 4 + 100);
			CHECK_EQ(proposal.memory_bytes % (GIB / 4), 0);
		}
}

TEST(the_margin_ends_where_the_gpu_that_it_ran_on_does)
{
	const uint64_t gpu_bytes = 81559ULL << 20;
	const struct proposal_share all = { .percent = 100, .gpu_bytes = gpu_bytes };

	for (uint64_t mib = 1; mib <= 81559; mib += 7) {
		struct usage usage = { .memory_peak = mib << 20 };
		struct proposal proposal, free;

		propose(&usage, &all, 20, &proposal);
		propose(&usage, &whole, 20, &free);
		CHECK(proposal.memory_bytes >= usage.memory_peak);
		CHECK(proposal.memory_bytes <= gpu_bytes);
		CHECK_EQ(proposal.is_capped, free.memory_bytes > gpu_bytes);
		CHECK(proposal.is_capped || proposal.memory_bytes == free.memory_bytes);
	}
}

TEST(the_greater_of_what_processes_have_and_the_share_has_counts)
{
	struct usage usage = { .memory_peak = 2 * GIB, .share_peak = 3 * GIB };
	struct proposal proposal;

	propose(&usage, &whole, 0, &proposal);
	CHECK_EQ(proposal.memory_bytes, 3 * GIB);
	usage.share_peak = 0;
	propose(&usage, &whole, 0, &proposal);
	CHECK_EQ(proposal.memory_bytes, 2 * GIB);
	usage.memory_peak = 0;
	propose(&usage, &whole, 0, &proposal);
	CHECK_EQ(proposal.measured_bytes, 0);
	CHECK_EQ(proposal.memory_bytes, 0);
}

TEST(compute_is_what_the_busy_time_needs_as_part_of_the_gpu)
{
	struct usage usage = busy_usage(USAGE_SM, 60, 20);
	struct proposal proposal;

	propose(&usage, &whole, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 60);
	CHECK(!proposal.is_upper_bound && !proposal.is_full && !proposal.is_short);
	propose(&usage, &two_of_seven, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 18);
	usage = busy_usage(USAGE_SM, 100, 20);
	propose(&usage, &two_of_seven, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 29);
	CHECK(proposal.is_full);
	propose(&usage, &whole, 20, &proposal);
	CHECK(!proposal.is_full);
}

TEST(pauses_that_hide_in_a_reading_do_not_halve_what_the_kernels_need)
{
	for (unsigned busy = 20; busy <= 100; busy += 10)
		for (unsigned sms = 10; sms <= 90; sms += 10) {
			struct usage usage = { 0 };
			struct proposal proposal;

			for (unsigned i = 1; i <= 20; i++) {
				struct usage_sample sample = { .bytes = GIB, .n_processes = 1 };

				usage_sample_add(&sample, USAGE_BUSY, 100 * MS, busy);
				usage_sample_add(
					&sample, USAGE_SM, 100 * MS, busy * sms / 100.0 + 4);
				usage_add(&usage, &sample, i * 100 * MS);
			}
			propose(&usage, &whole, 20, &proposal);
			CHECK(proposal.compute_percent >= sms);
			CHECK(proposal.compute_percent <= 100);
		}
}

TEST(without_counters_of_sms_it_is_an_upper_bound)
{
	struct usage usage = busy_usage(USAGE_BUSY, 90, 20);
	struct proposal proposal;

	propose(&usage, &whole, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 90);
	CHECK(proposal.is_upper_bound);
}

TEST(kernels_that_never_pause_say_nothing_of_the_sms_that_they_need)
{
	const struct proposal_share quarter = { .percent = 25, .is_mps = true };
	struct usage usage = busy_usage(USAGE_BUSY, 100, 20);
	struct proposal proposal;

	propose(&usage, &whole, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 0);
	CHECK(strstr(proposal.compute_why, "not seen"));
	usage = busy_usage(USAGE_BUSY, 25, 20);
	propose(&usage, &quarter, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 0);
	/* percent of the GPU, not of the share */
	usage = busy_usage(USAGE_BUSY, 12, 20);
	propose(&usage, &quarter, 20, &proposal);
	CHECK_EQ(proposal.compute_percent, 12);
	CHECK(proposal.is_upper_bound && !proposal.is_full);
}

TEST(of_a_short_idle_or_unseen_job_no_compute_is_made_up)
{
	struct usage usage = busy_usage(USAGE_SM, 60, 3);
	struct proposal proposal;

	propose(&usage, &whole, 0, &proposal);
	CHECK(proposal.is_short);
	CHECK_EQ(proposal.compute_percent, 0);
	CHECK_EQ(proposal.memory_bytes, 12 * GIB);
	CHECK(strstr(proposal.compute_why, "3 times"));
	usage = busy_usage(USAGE_SM, 0, 20);
	propose(&usage, &whole, 0, &proposal);
	CHECK_EQ(proposal.compute_percent, 0);
	CHECK(strstr(proposal.compute_why, "never"));
	usage = busy_usage(USAGE_COPY_IN, 1, 20);
	text_copy(usage.series[USAGE_BUSY].why_not, USAGE_WHY_MAX, "no such counter");
	propose(&usage, &whole, 0, &proposal);
	CHECK_EQ(proposal.compute_percent, 0);
	CHECK(strstr(proposal.compute_why, "no such counter"));
}

TEST_MAIN()
