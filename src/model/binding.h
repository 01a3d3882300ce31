/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* All that a holder needs to use its shares: environment variables and device nodes. */

#include <stdint.h>

enum {
	BINDING_ENV_MAX = 8,
	BINDING_NODES_MAX =
		8 * 16 + 8, /* 16 GPUs with a card, a render node and capability files each */
};

struct binding_env {
	char name[40];
	char value[1024]; /* a list of MIG uuids */
};

/* A character device that the holder may open; path as the holder sees it ("/dev/nvidia0"). The
 * node itself may be made later. */
struct binding_node {
	char path[64];
	uint32_t major, minor;
};

struct binding {
	unsigned n_env, n_nodes;
	struct binding_env env[BINDING_ENV_MAX];
	struct binding_node node[BINDING_NODES_MAX];
};
