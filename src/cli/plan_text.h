/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A plan for people: what would be done, what stays and why, what is in the way. */

#include "cli/terminal.h"

#include <jansson.h>

void plan_print(const json_t *plan, const struct terminal *terminal, FILE *out);
/* Only what is in the way. */
void plan_print_blockers(const json_t *plan, const struct terminal *terminal, FILE *out);
