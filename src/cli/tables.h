/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node's lists as tables. */

#include "cli/terminal.h"

#include <jansson.h>

void gpus_print(const json_t *gpus, const struct terminal *terminal, FILE *out);
void shares_print(const json_t *shares, const struct terminal *terminal, FILE *out);
void leases_print(const json_t *leases, const struct terminal *terminal, FILE *out);
