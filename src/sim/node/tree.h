/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the kernel shows of the driver and its devices: /proc/driver, /proc/devices, /sys and /dev,
 * as one table from which every entry is computed when it is looked at. Two things are made from
 * it: a file system that computes on each access (program/kernel.h), and where there is none, plain
 * files below DIR/root that are brought in step. Device nodes are below DIR/root/dev in both cases.
 *
 * Device nodes are real ones where they can be made and no driver answers behind them (an open says
 * ENXIO unless something, such as a cgroup's device filter, refuses it first), else empty files.
 */

#include "sim/node/node.h"

struct buf;
struct error;
struct tree_row;

#define TREE_PATH_MAX 512
#define TREE_NAME_MAX 48

enum tree_type { TREE_DIR, TREE_FILE, TREE_LINK, TREE_DEVICE };
/* What a write does: nothing can be written; each write(2) acts; what was written acts on close. */
enum tree_writes { TREE_READ_ONLY, TREE_STORE, TREE_CAPABILITY };

struct tree_entry {
	enum tree_type type;
	enum tree_writes writes;
	unsigned mode;
	unsigned gpu;
	uint32_t gi, ci, vf;	     /* NVML_NO_INSTANCE: not about one */
	uint32_t serial;	     /* of the instance or VF: another in its place has another */
	uint32_t major_no, minor_no; /* of a device, or that a capability file tells */
	int modify;		     /* DeviceFileModify of a capability file */
	const struct tree_row *row;  /* NULL: a directory that only leads to others */
};

/* The entry at a path ("proc/devices"; "": the top): -ENOENT if there is none now. */
int tree_find(struct node *node, const char *path, struct tree_entry *ret_entry);
/* Calls `visit` with the name of each entry of a directory. */
void tree_list(struct node *node, const char *path, void (*visit)(void *context, const char *name),
	void *context);
/* Whether a file can be read now: 0, or the errno that the kernel has for it. May take time. */
int tree_ready(struct node *node, const struct tree_entry *entry);
/* A file's contents, or where a link leads. */
void tree_text(struct node *node, const struct tree_entry *entry, struct buf *text);
/* A write to a TREE_STORE file: 0, or the errno that the kernel has for it. */
int tree_store(struct node *node, const struct tree_entry *entry, const char *text);

/*
 * Fills in settings.real_nodes and the majors: the driver's usual ones where no driver of this
 * machine has them, else others that are free.
 */
void tree_choose_nodes(const char *dir, struct node_settings *settings);

/* Makes DIR/root/dev of a new node; and with `plain` the plain /proc and /sys beside it. */
int tree_make(struct node *node, bool plain, struct error *err);

/*
 * Brings a GPU's capability files and nodes in step with its instances; the GPU is claimed. Nothing
 * is done where they are. Silent on errors: a caller who may not write leaves it to the next one.
 */
void tree_sync(struct node *node, unsigned gpu);

/* Writes a file whole under its name at once, with exactly this mode; makes a directory so. */
int tree_put(const char *path, unsigned mode, const char *text, size_t length);
int tree_put_dir(const char *path, unsigned mode);
/* A device node, or an empty file where the node has none. */
int tree_put_node(const struct node *node, const char *path, unsigned mode, uint32_t major_no,
	uint32_t minor_no);
