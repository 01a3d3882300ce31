/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What `carve measure` found out about this node's GPUs: kept durably, by the GPU's uuid. A GPU
 * that is not here any more keeps its figures: another of its product is advised by them.
 */

#include "model/measured.h"

struct daemon;

/* Figures of one GPU, and GPUs, that are kept; of more GPUs the one measured longest ago goes. */
enum { MEASUREMENTS_MAX = 256, MEASUREMENTS_GPUS_MAX = 64 };

/* Reads what was kept. */
void measurements_recall(struct daemon *daemon);
void measurements_done(struct daemon *daemon);

/* All of them, those of a GPU together; borrowed until one of these is called again. */
const struct measured *measurements_all(const struct daemon *daemon, unsigned *ret_n);

/*
 * Keeps a whole measurement of a GPU: its figures replace all of the same GPU that are of ways that
 * it has. Where too many would be left, -E2BIG, and nothing is changed.
 */
int measurements_keep(struct daemon *daemon, unsigned gpu, const struct measured *list, unsigned n);
/* Drops those of the GPU with that uuid (NULL: all): how many. */
unsigned measurements_forget(struct daemon *daemon, const char *uuid);
