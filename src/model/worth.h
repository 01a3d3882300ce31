/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the free room of a GPU is worth to the requests that may come. */

#include "model/mig.h"

/* Fills geometry->worth[]: part of mig_geometry_finish(). */
void worth_fill(struct mig_geometry *geometry);

/* The worth of a GPU whose `taken` slots are gone. Comparable between GPUs of one geometry. */
uint32_t worth_of(const struct mig_geometry *geometry, uint32_t taken);
