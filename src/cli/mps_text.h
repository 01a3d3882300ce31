/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is said of MPS servers and shares, from the JSON of a node. */

#include "client/json.h"

struct buf;

#define MPS_TIME_SLICED "servers take turns (time-sliced): nobody holds the limits of shares"

/* The GPU itself, not an instance of it, has MPS shares or a server. */
bool mps_is_used(const json_t *node, const json_t *gpu);
/* The share is a part of that place: the GPU itself (NULL), or an instance's share. */
bool mps_is_share_at(const json_t *share, const json_t *gpu, const char *place);
/* The server that is not ready, a faulty one before others; NULL: all are. */
const json_t *mps_server_in_trouble(const json_t *gpu);
/* The server at that place (NULL: the GPU itself), the i-th; NULL. */
const json_t *mps_server_at(const json_t *gpu, const char *place, unsigned i);
/* The process is one of Carve's MPS servers. */
bool mps_is_server(const json_t *gpu, const json_t *process);
/* Whose servers the GPU itself has, each user once; returns how many. */
unsigned mps_add_tenants(struct buf *buf, const json_t *gpu, const char *comma);

/* Sentences that are worth a line below the picture, each ending with \n: of a GPU's servers, and
 * of control daemons that are not Carve's. */
void mps_add_notes(struct buf *buf, const json_t *gpu);
void mps_add_foreign(struct buf *buf, const json_t *gpus);
/* All of one server: "alice: ready, 3 clients of 48, ..." */
void mps_add_server(struct buf *buf, const json_t *mps, const json_t *server);
/* Why nobody holds that limit ("memory", "compute", "faults") of an MPS share; "" if somebody
 * does, or it cannot be told. */
const char *mps_why_nobody(const json_t *node, const json_t *share, const char *limit);
