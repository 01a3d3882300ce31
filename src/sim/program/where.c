/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/program.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LIBRARY	    "libnvidia-ml.so.1"
#define MPS_PROGRAM "nvidia-cuda-mps-control"

const char *where_self(void)
{
	static char path[512];
	ssize_t n;

	if (!path[0]) {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
	}
	return path;
}

/* Where this file is: beside the program, or one of the places of an installation. */
static int where_file(
	const char *beside, const char *name, char *ret_path, size_t size, struct error *err)
{
	/* As it is built; from the build's top; installed. */
	const char *const places[] = { beside, "src/sim", "../lib/carve-sim",
		"../lib/x86_64-linux-gnu/carve-sim", "../lib64/carve-sim" };
	const char *self = where_self(), *slash = strrchr(self, '/');
	char file[700];

	for (unsigned i = 0; slash && i < ARRAY_SIZE(places); i++) {
		snprintf(ret_path, size, "%.*s/%s%s%s", (int)(slash - self), self, places[i],
			i == 1 ? "/" : "", i == 1 ? beside : "");
		snprintf(file, sizeof(file), "%s/%s", ret_path, name);
		if (access(file, R_OK) == 0)
			return 0;
	}
	return error_set(err, -ENOENT, "the simulated %s is not beside %s", name, self);
}

int where_library(char *ret_path, size_t size, struct error *err)
{
	return where_file("lib", LIBRARY, ret_path, size, err);
}

int where_mps(char *ret_path, size_t size, struct error *err)
{
	return where_file("mps", MPS_PROGRAM, ret_path, size, err);
}

int where_node(const char *dir, struct node **ret_node, struct error *err)
{
	dir = dir ?: getenv("CARVE_SIM_NODE");
	if (!dir || !*dir)
		return error_set(err, -ENOENT,
			"which node? Say --dir DIR, or run this under 'carve-sim run'");
	return node_open(dir, ret_node, err);
}

int where_gpu(const struct node *node, const char *name, unsigned *ret_gpu, struct error *err)
{
	const char *pci = text_starts(name, "00000000:") ? name + 4 : name;
	char text[PCI_TEXT_MAX];
	uint32_t index;

	if (parse_u32(name, &index) == 0 && index < node->n_gpus) {
		*ret_gpu = index;
		return 0;
	}
	for (unsigned i = 0; i < node->n_gpus; i++) {
		identity_pci_text(&node->gpus[i], text);
		if (text_eq(node->gpus[i].uuid, name) || strcasecmp(text, pci) == 0 ||
			strcasecmp(text + 5, pci) == 0) {
			*ret_gpu = i;
			return 0;
		}
	}
	return error_set(err, -ENODEV, "no GPU '%s' on this node (it has %u: 0 to %u)", name,
		node->n_gpus, node->n_gpus - 1);
}

int where_device(struct node *node, const char *name, unsigned *ret_gpu,
	char ret_uuid[UUID_TEXT_MAX], struct error *err)
{
	unsigned index, gi, ci = 0, end = 0;
	const struct gpu_state *now;
	int r;

	if (sscanf(name, "%u.%u%n.%u%n", &index, &gi, (int *)&end, &ci, (int *)&end) < 2 ||
		name[end]) {
		r = where_gpu(node, name, ret_gpu, err);
		if (r == 0)
			text_copy(ret_uuid, UUID_TEXT_MAX, node->gpus[*ret_gpu].uuid);
		return r;
	}
	if (index >= node->n_gpus || gi >= GPU_INSTANCES || ci >= PRODUCT_COMPUTE)
		return error_set(err, -ENODEV, "no device '%s' on this node", name);
	node_lock(node);
	now = gpu_now(&node->gpus[index]);
	r = now->instances[gi].serial && now->instances[gi].compute[ci].serial ? 0 : -ENODEV;
	if (r == 0)
		identity_uuid_text("MIG", now->instances[gi].compute[ci].uuid, ret_uuid);
	node_unlock(node);
	if (r < 0)
		return error_set(err, r, "GPU %u has no instance %u with a compute instance %u",
			index, gi, ci);
	*ret_gpu = index;
	return 0;
}

/* Device nodes cannot be opened on a file system that is mounted without them. */
static bool allows_nodes(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 && !(fs.f_flag & (ST_NODEV | ST_RDONLY));
}

int where_nodes(char *ret_dir, size_t size, struct error *err)
{
	static const char *const places[] = { "/run/carve-sim", "/var/lib/carve-sim" };
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");
	int r;

	for (unsigned i = 0; geteuid() == 0 && i < ARRAY_SIZE(places); i++)
		if (make_dirs(places[i], 0755, NULL) == 0 && allows_nodes(places[i]))
			return text_copy(ret_dir, size, places[i]);
	if (runtime && *runtime)
		r = snprintf(ret_dir, size, "%s/carve-sim", runtime);
	else
		r = snprintf(ret_dir, size, "%s/carve-sim-%u", temporary ?: "/tmp", geteuid());
	if (r < 0 || (size_t)r >= size)
		return error_set(err, -ENAMETOOLONG, "$TMPDIR is too long");
	return make_dirs(ret_dir, 0755, err);
}

int where_named(const char *name, char ret_dir[256], struct error *err)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	char nodes[180];
	int r;

	if (!*name || *name == '.' || strlen(name) > 64 || name[strspn(name, letters)])
		return error_set(err, -EINVAL,
			"'%s' is not a name for a node (letters, digits, '-', '_', '.')", name);
	r = where_nodes(nodes, sizeof(nodes), err);
	if (r == 0)
		snprintf(ret_dir, 256, "%s/%s", nodes, name);
	return r;
}
