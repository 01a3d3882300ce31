/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The file system process of a node: /proc and /sys as they are at each access, at DIR/kernel. */

#include "sim/node/node.h"

struct error;
struct fuse_operations;

/*
 * Starts it and returns when the files are there. Fails, with a sentence that says what is missing,
 * where this machine or user has no FUSE. It ends when the node is removed; and, where asked, with
 * the process that starts it, however that ends: then it removes the node.
 */
int kernel_start(struct node *node, bool ends_with_us, struct error *err);

/* Ends it, if it runs, and sees to it that nothing stays mounted. */
void kernel_stop(const char *dir);

/* What the process answers (kernel_files.c); it is about one node. */
const struct fuse_operations *kernel_files(struct node *node);
