/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What makes a process one of the node's. */

#include "sim/node/node.h"

struct verb;

/*
 * Points this process at the node by its environment, moves it into a namespace (as root, and where
 * asked for) and becomes the command. Returns the status to exit with where that fails.
 */
int node_enter(const struct verb *verb, const struct node *node, bool in_namespace, char **command);
