/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tenants and what they may hold at once. A charge is embedded in the thing that costs and released
 * with it; no other code adds or subtracts.
 */

#include <stdint.h>

struct error;

#define QUOTA_UNLIMITED UINT64_MAX

/* What a tenant may hold, or holds. */
struct quota {
	uint64_t leases;
	uint64_t gpus_milli; /* whole GPUs are 1000; a MIG share its compute slices' part */
	uint64_t memory_bytes;
	uint64_t compute_percent; /* sum over shares, percent of one GPU */
};

struct tenant {
	uint32_t uid;
	struct quota limit, held;
};

struct charge {
	struct tenant *tenant; /* NULL: nothing is charged */
	struct quota amount;
};

/* Charges, or QUOTA_E_EXCEEDED with the sentence: which limit, what is left. */
enum { QUOTA_E_EXCEEDED = 1 };
int charge_take(struct charge *charge, struct tenant *tenant, const struct quota *amount,
	struct error *err);
/* Gives back; harmless on one that holds nothing. */
void charge_release(struct charge *charge);
