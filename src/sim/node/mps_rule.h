/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Failures of MPS, on order: rules beside those of NVML's calls (inject.h).
 *
 *	mps-fault[:KEY=VALUE,...]	a client's fatal fault, which its neighbours share. Of the
 *					client with pid `client`, or one of the server with pid
 *					`server`, or one on GPU `gpu`; with `unnamed` the log does
 *					not tell whose it was
 *	mps-hang:KEY=VALUE[,...]	the server with pid `server`, the one on GPU `gpu`, or the
 *					control daemon with pid `control` does nothing until the
 *					rule is removed
 *	mps-start[:KEY=VALUE,...]	a server that starts (on GPU `gpu`, of control daemon
 *					`control`) does not come up, and exits with status 1; with
 *					delay=T it is late
 *	times=N | times=all		how many faults or starts it strikes (1)
 */

#include "sim/node/node.h"

struct error;

/* Whether a failure to inject is one of these; and its rule from text (-EINVAL with a sentence). */
bool mps_rule_is_meant(const char *spec);
int mps_rule_parse(const char *spec, struct rule *ret_rule, struct error *err);

/* Who asks. */
struct mps_party {
	uint64_t gpus; /* a bit for each that it uses */
	int32_t server, control;
	const int32_t *clients;
	unsigned n_clients;
};

/*
 * The first rule of this kind that is about the party. It is counted, and freed when spent, except
 * a hang: that lasts as long as mps_rule_lasts() says so. Costs one load when there are no rules.
 */
bool mps_rule_take(struct node *node, enum rule_kind kind, const struct mps_party *party,
	struct rule *ret_rule);
bool mps_rule_lasts(const struct node *node, uint32_t id);
