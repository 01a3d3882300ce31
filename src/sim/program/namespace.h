/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A mount namespace in which the node's files stand where unchanged programs look for them. */

#include "sim/node/node.h"

struct error;

/*
 * Moves this process into a mount namespace of its own, with the node's files over /proc/driver,
 * /proc/devices, /sys and /dev. Wants root. Where it fails the process stays where it was.
 */
int namespace_enter(const struct node *node, struct error *err);
