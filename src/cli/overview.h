/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `carve list`: the whole node at a glance. */

#include "cli/terminal.h"

#include <jansson.h>

void overview_print(const json_t *node, const struct terminal *terminal, FILE *out);
