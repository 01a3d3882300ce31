/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of a written layout: for layout_export*.c alone. */

#include "model/layout.h"

struct buf;

/* What becomes of a GPU's VFs in a written layout. */
enum export_vfs {
	EXPORT_NO_VFS,	   /* there are none */
	EXPORT_PINNED_VFS, /* they are written */
	EXPORT_LEFT_VFS,   /* leases or others turned them on: the whole GPU is left out */
};
enum export_vfs export_vfs_of(const struct gpu *gpu);
/* "    vfs: 16\n    vf: [...]\n" and comments on what is not the layout's. */
void export_add_vfs(struct buf *to, const struct gpu *gpu);
/* "# GPU 3 is left out: ..." */
void export_add_left(struct buf *to, const struct gpu *gpu);
