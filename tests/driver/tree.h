/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A system root of plain directories, in which a test puts what a kernel would show. */

#include "base/io.h"
#include "base/text.h"
#include "driver/root.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char tree[64];

static inline void tree_remove(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf '%s'", tree);
	if (system(command) != 0)
		perror("rm");
}

/* A new, empty one, and the system root of this process; gone at its end. */
static inline void tree_new(void)
{
	if (tree[0])
		tree_remove();
	else
		atexit(tree_remove);
	text_copy(tree, sizeof(tree), "/tmp/carve-tree.XXXXXX");
	if (!mkdtemp(tree)) {
		perror("mkdtemp");
		exit(1);
	}
	setenv("CARVE_SYSTEM_ROOT", tree, 1);
	root_open(NULL);
}

static inline const char *tree_path(const char *path)
{
	static char whole[4][400];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(whole[turn], sizeof(whole[turn]), "%s%s", tree, path);
	return whole[turn];
}

static inline void tree_dir(const char *path)
{
	make_dirs(tree_path(path), 0755, NULL);
}

static inline void tree_parent(const char *path)
{
	char parent[300];

	text_copy(parent, sizeof(parent), path);
	*strrchr(parent, '/') = '\0';
	tree_dir(parent);
}

static inline void tree_put_n(const char *path, const void *data, size_t length)
{
	FILE *file;

	tree_parent(path);
	file = fopen(tree_path(path), "w");
	if (!file || fwrite(data, 1, length, file) != length || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static inline void tree_put(const char *path, const char *text)
{
	tree_put_n(path, text, strlen(text));
}

static inline void tree_link(const char *path, const char *target)
{
	tree_parent(path);
	if (symlink(target, tree_path(path)) < 0) {
		perror(path);
		exit(1);
	}
}

/* The first line of a file; "" if there is none. */
static inline const char *tree_get(const char *path)
{
	static char text[200];
	FILE *file = fopen(tree_path(path), "r");

	text[0] = '\0';
	if (file && fgets(text, sizeof(text), file))
		text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
	return text;
}
