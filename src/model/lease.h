/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A lease's life.
 *
 *	REQUESTED --> QUEUED --> PLACED --> ACTIVE --> RELEASING --> ENDED
 *	     '------------------^  |           |            |
 *	                           '-----------+------------+--> FAILED
 *
 * REQUESTED and QUEUED may also end at once (given up, time over) or fail; PLACED goes back to
 * QUEUED when its steps failed for a reason that may pass, and to RELEASING when it is given up
 * before it was active.
 */

#include <stdbool.h>

enum lease_state {
	LEASE_REQUESTED,
	LEASE_QUEUED,
	LEASE_PLACED,
	LEASE_ACTIVE,
	LEASE_RELEASING,
	LEASE_ENDED,
	LEASE_FAILED,
	LEASE_STATE_N,
};
extern const char *const lease_state_names[LEASE_STATE_N]; /* "requested", ... */
int lease_state_find(const char *name);			   /* or -1 */

bool lease_may_follow(enum lease_state from, enum lease_state to);
static inline bool lease_is_over(enum lease_state state)
{
	return state == LEASE_ENDED || state == LEASE_FAILED;
}
