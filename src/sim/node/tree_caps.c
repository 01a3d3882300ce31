/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capability files follow instances: /proc/driver/nvidia/capabilities/gpuN/mig/giI[/ciC]/access and
 * the nodes /dev/nvidia-caps/nvidia-capM that belong to them; the nodes only, where a process
 * serves the files. What is there is read from the directories, never remembered, so that any
 * half-done work of a killed process is put right.
 */
#include "sim/node/tree_table.h"

#include "base/text.h"
#include "sim/node/identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a GPU has: one bit for the GPU instance, and one per compute instance above it. */
struct wanted {
	uint16_t instance[CAP_INSTANCES];
	uint64_t changed;
};

static struct wanted wanted_of(struct node *node, unsigned gpu)
{
	struct wanted wanted = { { 0 }, 0 };
	const struct gpu_state *now;

	node_lock(node);
	now = gpu_now(&node->gpus[gpu]);
	wanted.changed = now->instances_changed;
	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++) {
		if (!now->instances[gi].serial)
			continue;
		wanted.instance[gi] = 1;
		for (unsigned ci = 0; ci < PRODUCT_COMPUTE; ci++)
			if (now->instances[gi].compute[ci].serial)
				wanted.instance[gi] |= (uint16_t)(2u << ci);
	}
	node_unlock(node);
	return wanted;
}

static int put_access(const char *dir, uint32_t minor)
{
	struct tree_entry entry = { .minor_no = minor, .modify = 1 };
	char path[TREE_PATH_MAX + 16];
	AUTO_BUF text = { 0 };
	int r = tree_put_dir(dir, 0755);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/access", dir);
	if (access(path, F_OK) == 0)
		return 0;
	text_access(NULL, &entry, &text);
	return tree_put(path, 0444, buf_text(&text), text.length);
}

static int put_node(const struct node *node, uint32_t minor)
{
	char path[TREE_PATH_MAX];

	snprintf(path, sizeof(path), "%s/root/dev/nvidia-caps/nvidia-cap%u", node->dir, minor);
	if (access(path, F_OK) == 0)
		return 0;
	return tree_put_node(node, path, 0444, node->settings.major_caps, minor);
}

static int add_missing(const struct node *node, unsigned gpu, const struct wanted *wanted)
{
	char dir[TREE_PATH_MAX];
	int r = 0;

	for (unsigned gi = 0; gi < CAP_INSTANCES && r == 0; gi++) {
		int n;

		if (!wanted->instance[gi])
			continue;
		n = snprintf(dir, sizeof(dir),
			"%s/root/proc/driver/nvidia/capabilities/gpu%u/mig/gi%u", node->dir, gpu,
			gi);
		r = node->settings.live_files ? 0
					      : put_access(dir, identity_instance_minor(gpu, gi));
		if (r == 0)
			r = put_node(node, identity_instance_minor(gpu, gi));
		for (unsigned ci = 0; ci < CAP_COMPUTES && r == 0; ci++) {
			if (!(wanted->instance[gi] & 2u << ci))
				continue;
			snprintf(dir + n, sizeof(dir) - (size_t)n, "/ci%u", ci);
			if (!node->settings.live_files)
				r = put_access(dir, identity_compute_minor(gpu, gi, ci));
			if (r == 0)
				r = put_node(node, identity_compute_minor(gpu, gi, ci));
		}
	}
	return r;
}

static bool is_wanted(const struct wanted *wanted, unsigned gpu, uint32_t minor)
{
	uint32_t at = minor - identity_instance_minor(gpu, 0);

	return wanted->instance[at / 9] & (at % 9 ? 2u << (at % 9 - 1) : 1u);
}

static void remove_nodes(const struct node *node, unsigned gpu, const struct wanted *wanted)
{
	char path[TREE_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/root/dev/nvidia-caps", node->dir);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		unsigned minor;

		if (sscanf(entry->d_name, "nvidia-cap%u", &minor) != 1 ||
			minor < identity_instance_minor(gpu, 0) ||
			minor >= identity_instance_minor(gpu + 1, 0) ||
			is_wanted(wanted, gpu, minor))
			continue;
		unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* Removes "NAME/access", what a killed writer may have left beside it, and NAME. */
static void remove_access(int at, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%.40s/access", name);
	unlinkat(at, path, 0);
	snprintf(path, sizeof(path), "%.40s/access~", name);
	unlinkat(at, path, 0);
	unlinkat(at, name, AT_REMOVEDIR);
}

static void remove_files(const struct node *node, unsigned gpu, const struct wanted *wanted)
{
	char path[TREE_PATH_MAX], name[24];
	int at;

	snprintf(path, sizeof(path), "%s/root/proc/driver/nvidia/capabilities/gpu%u/mig", node->dir,
		gpu);
	at = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned gi = 0; at >= 0 && gi < CAP_INSTANCES; gi++) {
		snprintf(name, sizeof(name), "gi%u", gi);
		if (faccessat(at, name, F_OK, 0) < 0)
			continue;
		for (unsigned ci = 0; ci < CAP_COMPUTES; ci++) {
			snprintf(name, sizeof(name), "gi%u/ci%u", gi, ci);
			if (!(wanted->instance[gi] & 2u << ci))
				remove_access(at, name);
		}
		snprintf(name, sizeof(name), "gi%u", gi);
		if (!wanted->instance[gi])
			remove_access(at, name);
	}
	if (at >= 0)
		close(at);
}

void tree_sync(struct node *node, unsigned gpu)
{
	struct gpu *at = &node->gpus[gpu];
	struct wanted wanted;

	if (__atomic_load_n(&at->tree_in_step, __ATOMIC_ACQUIRE) == gpu_now(at)->instances_changed)
		return;
	wanted = wanted_of(node, gpu);
	remove_nodes(node, gpu, &wanted);
	if (!node->settings.live_files)
		remove_files(node, gpu, &wanted);
	if (add_missing(node, gpu, &wanted) == 0)
		__atomic_store_n(&at->tree_in_step, wanted.changed, __ATOMIC_RELEASE);
}
