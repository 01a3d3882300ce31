/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The node's system root: what the kernel shows of the driver and its devices, as plain files below
 * DIR/root: /proc/driver/nvidia, /proc/driver/nvidia-caps, /proc/devices, /dev, /sys/bus/pci.
 *
 * Device nodes are real ones where they can be made and no driver answers behind them (an open says
 * ENXIO unless something, such as a cgroup's device filter, refuses it first), else empty files.
 */

#include "sim/node/node.h"

struct error;

/*
 * Fills in settings.real_nodes and the majors: the driver's usual ones where no driver of this
 * machine has them, else others that are free.
 */
void tree_choose_nodes(const char *dir, struct node_settings *settings);

/* Makes the whole tree of a new node. */
int tree_make(struct node *node, struct error *err);

/*
 * Brings a GPU's capability files and nodes in step with its instances; the GPU is claimed. Nothing
 * is done where they are. Silent on errors: a caller who may not write leaves it to the next one.
 */
void tree_sync(struct node *node, unsigned gpu);

/* Writes a file whole under its name at once, with exactly this mode; makes a directory so. */
int tree_put(const char *path, unsigned mode, const char *text);
int tree_put_dir(const char *path, unsigned mode);
/* A device node, or an empty file where the node has none. */
int tree_put_node(
	const struct node *node, const char *path, unsigned mode, uint32_t major, uint32_t minor);

#define TREE_PATH_MAX 512
