/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A node of one product for placement to be measured on, and the rules that are compared: three
 * that others use, and Carve's own, called as the daemon calls it.
 */

#include "model/place.h"

struct node {
	struct gpu *gpus;
	unsigned n_gpus;
	unsigned made, removed; /* instances, so far */
	uint32_t kept;		/* GPUs that Carve keeps for somebody else: a mask */
};

struct rule {
	const char *name;
	bool keeps_idle; /* an instance that nobody uses stays, until its room is needed */
	bool (*choose)(const struct node *node, uint32_t profile, struct placement *ret_placement);
};

enum { RULE_FIRST, RULE_DRIVER, RULE_MINCAP, RULE_CARVE, RULE_N };
extern const struct rule rules[RULE_N];

/* Places a lease of the profile if the rule finds a place. */
bool node_lease(struct node *node, const struct rule *rule, uint32_t profile, uint64_t lease,
	struct placement *ret_placement);

/* Ends the lease at that place. */
void node_end(struct node *node, const struct rule *rule, const struct placement *placement);

/* Takes all instances away. */
void node_clear(struct node *node);
