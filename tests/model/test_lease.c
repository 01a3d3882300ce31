/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lease.h"
#include "test.h"

TEST(an_ended_lease_stays_ended)
{
	for (int to = 0; to < LEASE_STATE_N; to++) {
		CHECK(!lease_may_follow(LEASE_ENDED, (enum lease_state)to));
		CHECK(!lease_may_follow(LEASE_FAILED, (enum lease_state)to));
	}
}

TEST(every_state_leads_to_an_end)
{
	bool ends[LEASE_STATE_N] = { [LEASE_ENDED] = true, [LEASE_FAILED] = true };

	for (int round = 0; round < LEASE_STATE_N; round++)
		for (int from = 0; from < LEASE_STATE_N; from++)
			for (int to = 0; to < LEASE_STATE_N; to++)
				ends[from] |= ends[to] && lease_may_follow((enum lease_state)from,
								  (enum lease_state)to);
	for (int i = 0; i < LEASE_STATE_N; i++)
		CHECK_SAY(ends[i], "%s", lease_state_names[i]);
}

TEST(only_a_placed_lease_becomes_active_and_only_by_releasing_it_ends)
{
	for (int from = 0; from < LEASE_STATE_N; from++)
		CHECK_EQ(lease_may_follow((enum lease_state)from, LEASE_ACTIVE),
			from == LEASE_PLACED);
	CHECK(!lease_may_follow(LEASE_ACTIVE, LEASE_ENDED));
	CHECK(!lease_may_follow(LEASE_PLACED, LEASE_ENDED));
	CHECK(lease_may_follow(LEASE_RELEASING, LEASE_ENDED));
}

TEST(states_are_found_by_their_names)
{
	for (int i = 0; i < LEASE_STATE_N; i++)
		CHECK_EQ(lease_state_find(lease_state_names[i]), i);
	CHECK_EQ(lease_state_find("asleep"), -1);
	CHECK(lease_is_over(LEASE_FAILED) && !lease_is_over(LEASE_RELEASING));
}

TEST_MAIN()
