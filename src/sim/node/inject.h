/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Failures of the driver, on order. A rule names entry points, and what happens to the calls that
 * it matches:
 *
 *	FUNCTION[:KEY[=VALUE],...]
 *
 * FUNCTION is an entry point or a pattern with * and ?. Keys:
 *	code=IN_USE | code=19	the call fails with this code (UNKNOWN if none is given)
 *	hang			it does not return until the rule is removed
 *	delay=T			it is late by T (250ms, 2s), then goes on or fails with `code`
 *	call=K			the first K - 1 matching calls pass unharmed
 *	times=N | times=all	how many calls it strikes (1)
 *	gpu=INDEX		only calls on this GPU, its instances and MIG devices
 *
 * Rules of MPS stand in mps_rule.h, those of writes to the kernel's files in write_rule.h.
 */

#include "sim/node/node.h"

struct error;

/* The number and names of the entry points, in the order of entries.def. */
extern const unsigned inject_n_functions;
const char *inject_function_name(unsigned function);

/* Adds a rule; -EINVAL with a sentence, -ENOSPC if there are too many. */
int inject_add(struct node *node, const char *spec, uint32_t *ret_id, struct error *err);

/* Removes one rule or all (0); those that hang in it go on. Returns how many there were. */
unsigned inject_clear(struct node *node, uint32_t id);

/*
 * What is to happen to this call now: sleeps and hangs are done here; the result is the code to
 * fail with, or NVML_SUCCESS to go on.
 */
int inject_strike(struct node *node, unsigned function, int gpu);

/* For the other kinds of rules: a duration as rules have it; a spent rule goes, under the lock. */
int inject_duration(const char *text, uint64_t *ret_ns);
void inject_forget(struct node *node, struct rule *rule);

/*
 * Counts that a rule matched, under the node's lock: false if it lets this call pass, else true
 * and the rule as it was struck. A rule that is used up goes, unless something hangs in it.
 */
bool inject_count(struct node *node, struct rule *rule, struct rule *ret_rule);

/* NVML codes by name, without "NVML_ERROR_": "IN_USE"; NULL and -1 for none. */
const char *inject_code_name(int code);
int inject_code_parse(const char *text);
