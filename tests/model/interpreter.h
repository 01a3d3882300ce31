/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A driver of a few lines: does a plan's steps to a GPU's instances, as strict as the real one. */

#include "model/plan.h"

/* NULL if it was done; else why the driver would refuse. */
const char *interpret(struct gpu *gpu, const struct step *step);

/* NULL, or what is wrong with what the GPU holds: overlaps, illegal starts, numbers. */
const char *inspect(const struct gpu *gpu);

/* True if both hold the same instances with the same compute instances, the same MPS shares, in any
 * order, and the same VFs. */
bool holds_the_same(const struct gpu *a, const struct gpu *b);
