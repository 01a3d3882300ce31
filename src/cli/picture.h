/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node's GPUs as a drawing. */

#include "cli/terminal.h"

#include <jansson.h>

/*
 * Draws every GPU as a box with its slots to scale, in as many lines each (1 to 3 within its
 * borders) as fit into `height` lines in all; 0: as many as are of use.
 */
void picture_print(const json_t *node, const struct terminal *terminal, unsigned height, FILE *out);
