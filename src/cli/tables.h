/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node's lists as tables. `node`: for leases of VFs, with its list of shares; may be NULL. */

#include "cli/terminal.h"

#include <jansson.h>

void gpus_print(const json_t *gpus, const json_t *node, const struct terminal *terminal, FILE *out);
void shares_print(
	const json_t *shares, const json_t *node, const struct terminal *terminal, FILE *out);
void leases_print(
	const json_t *leases, const json_t *node, const struct terminal *terminal, FILE *out);
