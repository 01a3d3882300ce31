/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/build.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/gpu.h"
#include "sim/node/identity.h"
#include "sim/node/inject.h"
#include "sim/node/tree.h"
#include "sim/program/populate.h"
#include "sim/program/program.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

const struct option build_options[] = { { "fast", no_argument, NULL, 'f' },
	{ "create", required_argument, NULL, 'c' }, { "destroy", required_argument, NULL, 'd' },
	{ "inject", required_argument, NULL, 'i' }, { "dir", required_argument, NULL, 'D' },
	{ "keep", no_argument, NULL, 'k' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

int build_option(struct build *build, int option, const char *value)
{
	uint32_t ms = 0;

	switch (option) {
	case 'f':
		build->create_ns = build->destroy_ns = 0;
		return 0;
	case 'c':
	case 'd':
		if (parse_u32(value, &ms) < 0)
			return -EINVAL;
		*(option == 'c' ? &build->create_ns : &build->destroy_ns) = ms * 1000000ull;
		return 0;
	case 'i':
		if (build->n_inject == NODE_RULES)
			return -EINVAL;
		build->inject[build->n_inject++] = value;
		return 0;
	case 'D':
		build->dir = value;
		return 0;
	case 'k':
		build->keep = true;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Device nodes cannot be opened on a file system that is mounted without them. */
static bool allows_nodes(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) == 0 && !(fs.f_flag & (ST_NODEV | ST_RDONLY));
}

static int choose_dir(const char *name, char *ret_dir, size_t size, struct error *err)
{
	static const char *const places[] = { "/run/carve-sim", "/var/lib/carve-sim" };
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");

	snprintf(ret_dir, size, "%s/carve-sim-%s.XXXXXX",
		runtime && *runtime ? runtime : temporary ?: "/tmp", name);
	for (unsigned i = 0; geteuid() == 0 && i < ARRAY_SIZE(places); i++) {
		if (make_dirs(places[i], 0755, NULL) < 0 || !allows_nodes(places[i]))
			continue;
		snprintf(ret_dir, size, "%s/%s.XXXXXX", places[i], name);
		break;
	}
	if (!mkdtemp(ret_dir) || chmod(ret_dir, 0755) < 0)
		return error_set(
			err, -errno, "cannot make a directory for the node: %s: %m", ret_dir);
	return 0;
}

static int prepare_dir(const char *wanted, char *ret_dir, size_t size, struct error *err)
{
	char file[300];
	int r = make_dirs(wanted, 0755, err);

	if (r < 0)
		return r;
	if (!realpath(wanted, file) || text_copy(ret_dir, size, file) < 0)
		return error_set(err, -ENAMETOOLONG, "%s: %s", wanted, strerror(ENAMETOOLONG));
	snprintf(file, sizeof(file), "%.250s/node", ret_dir);
	if (access(file, F_OK) == 0)
		return error_set(err, -EEXIST, "there is a node in %s already", ret_dir);
	return 0;
}

/*
 * The programs of the node: a driver brings nvidia-smi, which clients call to reset a GPU; and this
 * one, for what is to happen to the node.
 */
static int put_programs(const char *dir, struct error *err)
{
	char path[TREE_PATH_MAX], text[1400];
	int r;

	snprintf(path, sizeof(path), "%s/bin/nvidia-smi", dir);
	snprintf(text, sizeof(text), "#!/bin/sh\nCARVE_SIM_NODE='%s' exec '%s' nvidia-smi \"$@\"\n",
		dir, where_self());
	r = tree_put(path, 0755, text, strlen(text));
	snprintf(path, sizeof(path), "%s/bin/carve-sim", dir);
	if (r == 0 && symlink(where_self(), path) < 0)
		r = -errno;
	return r < 0 ? error_set(err, r, "cannot make %s: %s", path, strerror(-r)) : 0;
}

static int put_dirs(const char *dir, struct error *err)
{
	static const char *const dirs[] = { "bin", "run", "state" };
	char path[TREE_PATH_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++) {
		int r;

		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		r = tree_put_dir(path, 0755);
		if (r < 0)
			return error_set(err, r, "cannot make %s: %s", path, strerror(-r));
	}
	return 0;
}

static int fill_node(const struct build *build, const struct machine *machine, struct node *node,
	struct error *err)
{
	int r = tree_make(node, true, err);

	for (unsigned i = 0; r == 0 && i < build->n_inject; i++) {
		uint32_t id;

		r = inject_add(node, build->inject[i], &id, err);
	}
	if (r == 0)
		r = populate(node, machine, build->dies_with_us, err);
	/* What the machine had from the start took no time. */
	node->settings.create_ns = build->create_ns;
	node->settings.destroy_ns = build->destroy_ns;
	return r;
}

int build_node(const struct build *build, struct node **ret_node, struct error *err)
{
	struct machine machine = { 0 };
	struct node *node = NULL;
	char dir[256] = "";
	int r;

	umask(022);
	r = machine_load(build->machine, &machine, err);
	if (r == 0 && build->dir)
		r = prepare_dir(build->dir, dir, sizeof(dir), err);
	else if (r == 0)
		r = choose_dir(machine.plan->settings.machine, dir, sizeof(dir), err);
	if (r < 0) {
		machine_done(&machine);
		return r;
	}
	machine.plan->settings.owner = geteuid();
	tree_choose_nodes(dir, &machine.plan->settings);
	r = put_dirs(dir, err);
	if (r == 0)
		r = put_programs(dir, err);
	if (r == 0)
		r = node_make(dir, machine.plan, &node, err);
	if (r == 0)
		r = fill_node(build, &machine, node, err);
	machine_done(&machine);
	if (r < 0 && node)
		build_remove(dir, NULL);
	if (r < 0)
		node_close(node);
	else
		*ret_node = node;
	return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)walk;
	if (type == FTW_DP || type == FTW_DNR)
		rmdir(path);
	else
		unlink(path);
	return 0;
}

int build_remove(const char *dir, struct error *err)
{
	char file[300];

	snprintf(file, sizeof(file), "%.250s/node", dir);
	if (access(file, F_OK) < 0)
		return error_set(err, -errno, "no simulated node in %s: %m", dir);
	/* First of all, so that its processes see that it is over. */
	unlink(file);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (access(dir, F_OK) == 0)
		return error_set(err, -ENOTEMPTY, "could not remove all of %s", dir);
	return 0;
}
