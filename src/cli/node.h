/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The node as carved tells it, and the few questions that every listing asks of it. */

#include "client/json.h"

#include <stdint.h>

struct buf;
struct gpu_process;

/* Members of the lists "gpus", "shares", "leases" of a node; NULL if there is none. */
const json_t *node_share(const json_t *node, const char *id);
const json_t *node_lease(const json_t *node, const char *id);

bool gpu_has_mig(const json_t *gpu);
/* "H100 80GB HBM3": the product without its maker. */
const char *gpu_product(const json_t *gpu);

/* "10G, 25 %" as it was asked; what it was given: "19.62Gi, 29 %". Added to `buf`. */
void lease_add_asked(struct buf *buf, const json_t *lease);
void lease_add_got(struct buf *buf, const json_t *lease);
/* "0:2g.20gb@0, 1:2g.20gb@0" */
void lease_add_where(struct buf *buf, const json_t *lease);

const char *lease_user(const json_t *lease);
/* The command, or the name, or what else says whose it is; "" if nothing may be told. */
const char *lease_command(const json_t *lease);

/* Bytes as in listings: at most one decimal ("9.8Gi", "40G"). */
const char *memory_text(double bytes, char ret_text[32]);
/* How long ago, or how long still, in words; `seconds` since 1970. */
const char *age_text(double seconds, char ret_text[32]);
