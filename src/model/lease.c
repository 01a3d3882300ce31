/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lease.h"

#include "base/text.h"

const char *const lease_state_names[LEASE_STATE_N] = {
	[LEASE_REQUESTED] = "requested",
	[LEASE_QUEUED] = "queued",
	[LEASE_PLACED] = "placed",
	[LEASE_ACTIVE] = "active",
	[LEASE_RELEASING] = "releasing",
	[LEASE_ENDED] = "ended",
	[LEASE_FAILED] = "failed",
};

/* may_follow[from][to]; what is not named is false. */
static const bool may_follow[LEASE_STATE_N][LEASE_STATE_N] = {
	[LEASE_REQUESTED] = {
		[LEASE_QUEUED] = true,
		[LEASE_PLACED] = true,
		[LEASE_ENDED] = true,
		[LEASE_FAILED] = true,
	},
	[LEASE_QUEUED] = {
		[LEASE_PLACED] = true,
		[LEASE_ENDED] = true,
		[LEASE_FAILED] = true,
	},
	[LEASE_PLACED] = {
		[LEASE_QUEUED] = true,
		[LEASE_ACTIVE] = true,
		[LEASE_RELEASING] = true,
		[LEASE_FAILED] = true,
	},
	[LEASE_ACTIVE] = {
		[LEASE_RELEASING] = true,
		[LEASE_FAILED] = true,
	},
	[LEASE_RELEASING] = {
		[LEASE_ENDED] = true,
		[LEASE_FAILED] = true,
	},
};

int lease_state_find(const char *name)
{
	for (int i = 0; i < LEASE_STATE_N; i++)
		if (text_eq(name, lease_state_names[i]))
			return i;
	return -1;
}

bool lease_may_follow(enum lease_state from, enum lease_state to)
{
	return may_follow[from][to];
}
