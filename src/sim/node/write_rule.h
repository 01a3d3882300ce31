/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Failures of writes to files of /proc and /sys, on order: rules beside those of inject.h.
 *
 *	write:file=NAME[,KEY[=VALUE],...]
 *
 *	error=ENOMEM	the write fails with this errno (EIO if nothing is said)
 *	ignored		it succeeds, and nothing comes of it
 *	hang		it does not return until the rule is removed
 *	delay=T		it is late, then goes on
 *	call=K, times=N | times=all, gpu=INDEX	as for calls
 */

#include "sim/node/node.h"

struct error;

/* Whether a failure to inject is one of these; and its rule from text (-EINVAL with a sentence). */
bool write_rule_is_meant(const char *spec);
int write_rule_parse(const char *spec, struct rule *ret_rule, struct error *err);

/*
 * What is to happen to a write to a file of a GPU or its VFs: sleeps and hangs are done here, under
 * the device's lock where the file is sriov_numvfs. 0: it goes on; 1: it succeeds as it is; else
 * the errno to fail with.
 */
int write_rule_strike(struct node *node, const char *file, unsigned gpu);
