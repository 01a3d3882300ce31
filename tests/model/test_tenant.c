/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "model/tenant.h"
#include "test.h"

static struct tenant tenant_of(
	uint64_t leases, uint64_t gpus_milli, uint64_t memory, uint64_t compute)
{
	return (struct tenant){ .uid = 1000, .limit = { leases, gpus_milli, memory, compute } };
}

static const struct quota share = { 1, 143, 10000000000, 14 };

TEST(a_charge_is_held_until_it_is_released)
{
	struct tenant tenant = tenant_of(2, 1000, 40000000000, 100);
	struct charge charge = { 0 };

	CHECK_EQ(charge_take(&charge, &tenant, &share, NULL), 0);
	CHECK_EQ(tenant.held.memory_bytes, 10000000000);
	CHECK_EQ(tenant.held.gpus_milli, 143);
	charge_release(&charge);
	CHECK_EQ(tenant.held.leases, 0);
	CHECK_EQ(tenant.held.memory_bytes, 0);
	charge_release(&charge); /* harmless */
	CHECK_EQ(tenant.held.leases, 0);
}

TEST(the_sentence_says_which_limit_and_what_is_left)
{
	struct tenant tenant = tenant_of(8, 500, 15000000000, 100);
	struct charge first = { 0 }, second = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(charge_take(&first, &tenant, &share, &err), 0);
	CHECK_EQ(charge_take(&second, &tenant, &share, &err), QUOTA_E_EXCEEDED);
	CHECK_TEXT(err.text,
		"uid 1000 may hold 15G of GPU memory at once and holds 10G: 5G left, 10G "
		"asked for; release a lease first, or ask for less");
	CHECK(!second.tenant);
	CHECK_EQ(tenant.held.leases, 1);

	tenant.limit.memory_bytes = QUOTA_UNLIMITED;
	tenant.limit.gpus_milli = 285;
	CHECK_EQ(charge_take(&second, &tenant, &share, &err), QUOTA_E_EXCEEDED);
	CHECK_TEXT(err.text,
		"uid 1000 may hold 0.285 GPUs at once and holds 0.143: 0.142 left, 0.143 "
		"asked for; release a lease first, or ask for less");
	charge_release(&first);
}

TEST(sums_that_do_not_fit_are_refused_even_where_nothing_is_limited)
{
	struct tenant tenant =
		tenant_of(QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_UNLIMITED);
	struct charge first = { 0 }, second = { 0 };
	struct quota huge = { 1, 0, UINT64_MAX - 1, 0 };

	CHECK_EQ(charge_take(&first, &tenant, &huge, NULL), 0);
	CHECK_EQ(charge_take(&second, &tenant, &huge, NULL), QUOTA_E_EXCEEDED);
	charge_release(&first);
	CHECK_EQ(tenant.held.memory_bytes, 0);
}

TEST(a_lowered_limit_takes_nothing_back_but_gives_nothing_more)
{
	struct tenant tenant = tenant_of(4, 4000, 40000000000, 400);
	struct charge first = { 0 }, second = { 0 };

	CHECK_EQ(charge_take(&first, &tenant, &share, NULL), 0);
	tenant.limit.memory_bytes = 1;
	CHECK_EQ(charge_take(&second, &tenant, &share, NULL), QUOTA_E_EXCEEDED);
	CHECK_EQ(charge_take(&second, &tenant, &(struct quota){ .leases = 1 }, NULL), 0);
	charge_release(&first);
	charge_release(&second);
}

TEST(what_is_held_is_always_the_sum_of_the_charges)
{
	struct tenant tenant = tenant_of(20, 5000, 200000000000, 500);
	struct charge charges[40] = { 0 };

	srand(7);
	for (int step = 0; step < 20000; step++) {
		struct charge *charge = &charges[rand() % 40];
		struct quota amount = { 1, (uint64_t)rand() % 1001,
			(uint64_t)rand() * 40 % 80000000000, (uint64_t)rand() % 101 };
		struct quota sum = { 0 };

		if (charge->tenant)
			charge_release(charge);
		else
			charge_take(charge, &tenant, &amount, NULL);
		for (int i = 0; i < 40; i++) {
			sum.leases += charges[i].amount.leases;
			sum.gpus_milli += charges[i].amount.gpus_milli;
			sum.memory_bytes += charges[i].amount.memory_bytes;
			sum.compute_percent += charges[i].amount.compute_percent;
		}
		CHECK(memcmp(&sum, &tenant.held, sizeof(sum)) == 0);
		CHECK(sum.leases <= 20 && sum.gpus_milli <= 5000 && sum.compute_percent <= 500);
	}
}

TEST_MAIN()
