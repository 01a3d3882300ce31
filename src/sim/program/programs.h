/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The programs of a node, in DIR/bin, which comes first in its commands' PATH. */

struct error;
struct node_settings;

/*
 * nvidia-smi, which clients call to reset a GPU; sriov-manage, to make VFs of it, where the
 * driver is the one for hosts of vGPUs; carve-sim, for what is to happen to the node; and the two
 * of MPS, as those of this driver.
 */
int programs_put(const char *dir, const struct node_settings *settings, struct error *err);

/*
 * Has the programs of MPS belong to this driver. They are copies that have its version in them; on
 * a file system that runs no programs they are links, and have none.
 */
int programs_put_mps(const char *dir, const char *driver_version, struct error *err);
