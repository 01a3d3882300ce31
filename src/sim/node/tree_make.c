/* SPDX-License-Identifier: Apache-2.0 */
/* The table's entries as plain files. */
#include "sim/node/tree.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/vf.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The first error is kept, so that the tree is written as one walk. */
struct writer {
	struct node *node;
	const char *path; /* of the directory at hand, "" at the top */
	int result;
	char failed[TREE_PATH_MAX];
};

/* Entries of these directories come and go with instances, also when others make those. */
static unsigned dir_mode(const struct node *node, const char *path)
{
	bool changes = text_eq(path, "dev/nvidia-caps") ||
		       (text_starts(path, "proc/driver/nvidia/capabilities/gpu") &&
			       text_eq(strrchr(path, '/'), "/mig"));

	return changes && node->settings.anyone_may_change ? 0777 : 0755;
}

static void put_entry(void *context, const char *name);

static int put(struct writer *w, const char *path, const char *full)
{
	struct tree_entry entry;
	AUTO_BUF text = { 0 };
	struct writer below = { .node = w->node, .path = path };
	int r = tree_find(w->node, path, &entry);

	/* An instance that has gone meanwhile. */
	if (r < 0)
		return 0;
	tree_text(w->node, &entry, &text);
	switch (entry.type) {
	case TREE_LINK:
		return symlink(buf_text(&text), full) < 0 ? -errno : 0;
	case TREE_DEVICE:
		return tree_put_node(w->node, full, entry.mode, entry.major_no, entry.minor_no);
	case TREE_FILE:
		return tree_put(full, entry.mode, buf_text(&text), text.length);
	case TREE_DIR:
		break;
	}
	r = tree_put_dir(full, dir_mode(w->node, path));
	if (r == 0)
		tree_list(w->node, path, put_entry, &below);
	if (below.result < 0)
		text_copy(w->failed, sizeof(w->failed), below.failed);
	return r < 0 ? r : below.result;
}

static void put_entry(void *context, const char *name)
{
	struct writer *w = context;
	char path[TREE_PATH_MAX], full[2 * TREE_PATH_MAX];
	int r;

	if (w->result < 0)
		return;
	snprintf(path, sizeof(path), "%s%s%s", w->path, *w->path ? "/" : "", name);
	snprintf(full, sizeof(full), "%s/root/%s", w->node->dir, path);
	r = put(w, path, full);
	if (r < 0 && !w->failed[0])
		text_copy(w->failed, sizeof(w->failed), full);
	w->result = r;
}

int tree_make(struct node *node, bool plain, struct error *err)
{
	struct writer w = { .node = node, .path = "" };
	char root[TREE_PATH_MAX];

	snprintf(root, sizeof(root), "%s/root", node->dir);
	w.result = tree_put_dir(root, 0755);
	put_entry(&w, "dev");
	if (w.result == 0 && node->settings.vgpu_host)
		w.result = vf_make_dir(node);
	if (plain) {
		put_entry(&w, "proc");
		put_entry(&w, "sys");
	}
	if (w.result < 0)
		return error_set(err, w.result, "cannot make %s: %s", w.failed[0] ? w.failed : root,
			strerror(-w.result));
	return 0;
}
