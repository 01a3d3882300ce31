/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is said of virtual functions, from the JSON of a node. */

#include "client/json.h"

struct buf;

/* The share is a VF of that GPU. */
bool vf_is_share_of(const json_t *share, const json_t *gpu);
/* The GPU's VFs are on. */
bool vf_is_on(const json_t *gpu);
/* How many of them are set up, or somebody's. */
unsigned vf_count_taken(const json_t *gpu);
/* "H200X-35C": a type without its maker; "" if it is none. */
const char *vf_type_text(const char *type);

/* "4 of 32 VFs"; nothing where they are off. */
void vf_add_count(struct buf *buf, const json_t *gpu);
/* Who has a VF open: "web1 (process 4711)", "process 4711 of root"; nothing if nobody has. */
void vf_add_user(struct buf *buf, const json_t *share);
/* Sentences that are worth a line below the picture, each ending with \n. */
void vf_add_notes(struct buf *buf, const json_t *node, const json_t *gpu);
/* What is to be known before a type is taken: "12Gi, 2 more of 4, in a 1g.18gb instance". */
void vf_add_type(struct buf *buf, const json_t *type);
/* The licences of a GPU's types, each once with the types that it is for, each ending with \n. */
void vf_add_licences(struct buf *buf, const json_t *vf);
