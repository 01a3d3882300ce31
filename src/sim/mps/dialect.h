/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the programs of one driver know. Those of a node are copies with the driver's version behind
 * them, as NVIDIA's have it among their texts.
 */

#include "sim/node/node.h"

struct error;

struct dialect {
	char version[32];	 /* of the driver that these programs belong to */
	bool has_status;	 /* get_server_status, ps shows it, a file with the pid (R550) */
	bool has_binary_version; /* the log begins with it, and has clients in words (R580) */
	bool has_partitions;	 /* -S (R590) */
	bool has_v3;		 /* -p 3 (R615) */
};

/* Of this program's file; where that has no version, of the node. */
void dialect_read(const struct node *node, struct dialect *ret_dialect);

/* The node that this program is on: $CARVE_SIM_NODE, or the one whose bin/ it was found in. */
int dialect_node(struct node **ret_node, struct error *err);
