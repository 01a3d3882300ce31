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
#include "sim/program/kernel.h"
#include "sim/program/populate.h"
#include "sim/program/program.h"
#include "sim/program/programs.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const struct option build_options[] = { { "fast", no_argument, NULL, 'f' },
	{ "create", required_argument, NULL, 'c' }, { "destroy", required_argument, NULL, 'd' },
	{ "mps-start", required_argument, NULL, 'm' }, { "inject", required_argument, NULL, 'i' },
	{ "dir", required_argument, NULL, 'D' }, { "keep", no_argument, NULL, 'k' },
	{ "plain", no_argument, NULL, 'p' }, { "no-namespace", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };

int build_option(struct build *build, int option, const char *value)
{
	uint32_t ms = 0;

	switch (option) {
	case 'f':
		build->create_ns = build->destroy_ns = build->mps_start_ns = 0;
		build->vf_enable_ns = build->vf_disable_ns = 0;
		return 0;
	case 'c':
	case 'd':
	case 'm':
		if (parse_u32(value, &ms) < 0)
			return -EINVAL;
		*(option == 'c'		? &build->create_ns
			: option == 'd' ? &build->destroy_ns
					: &build->mps_start_ns) = ms * 1000000ull;
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
	case 'p':
		build->plain = true;
		return 0;
	case 'n':
		build->no_namespace = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int build_parse(const struct verb *verb, int argc, char **argv, struct build *build)
{
	bool named = text_eq(verb->name, "create");
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "-", build_options, NULL)) != -1) {
		if (option == 'h')
			return -ECANCELED;
		if (option == 1 && !build->machine) {
			build->machine = optarg;
		} else if (option == 1 && named && !build->name) {
			build->name = build->machine;
			build->machine = optarg;
		} else if (option == 1) {
			usage_error(
				verb, "'%s' is one too many (a command stands after --)", optarg);
			return -EINVAL;
		} else if (option == '?') {
			usage_bad_option(verb, argv);
			return -EINVAL;
		} else if (build_option(build, option, optarg) < 0) {
			usage_error(verb, "'%s' is not a value for %s", optarg, argv[optind - 2]);
			return -EINVAL;
		}
	}
	if (!build->machine) {
		usage_error(verb, "which machine? ('carve-sim machines' lists them)");
		return -EINVAL;
	}
	return 0;
}

static int choose_dir(const char *name, char *ret_dir, size_t size, struct error *err)
{
	char places[180];
	int r = where_nodes(places, sizeof(places), err);

	if (r < 0)
		return r;
	snprintf(ret_dir, size, "%.170s/%.63s.XXXXXX", places, name);
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

/* /proc and /sys: live, below DIR/kernel and linked to from DIR/root, or plain. */
static int put_files(const struct build *build, struct node *node, struct error *err)
{
	static const char *const names[] = { "proc", "sys" };
	bool ends_with_us = build->dies_with_us && !build->keep && !build->dir;
	struct error why = ERROR_NONE;
	char path[TREE_PATH_MAX], target[32];
	int r;

	node->settings.live_files = !build->plain && kernel_start(node, ends_with_us, &why) == 0;
	if (!build->plain && !node->settings.live_files)
		fprintf(stderr,
			"carve-sim: %s; /proc and /sys are plain files below %s/root, all else "
			"works\n",
			why.text, node->dir);
	r = tree_make(node, !node->settings.live_files, err);
	for (unsigned i = 0; r == 0 && node->settings.live_files && i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/root/%s", node->dir, names[i]);
		snprintf(target, sizeof(target), "../kernel/%s", names[i]);
		if (symlink(target, path) < 0)
			r = error_set(err, -errno, "cannot make %s: %m", path);
	}
	return r;
}

static int fill_node(const struct build *build, const struct machine *machine, struct node *node,
	struct error *err)
{
	int r = put_files(build, node, err);

	for (unsigned i = 0; r == 0 && i < build->n_inject; i++) {
		uint32_t id;

		r = inject_add(node, build->inject[i], &id, err);
	}
	if (r == 0)
		r = populate(node, machine, build->dies_with_us, err);
	/* What the machine had from the start took no time. */
	node->settings.create_ns = build->create_ns;
	node->settings.destroy_ns = build->destroy_ns;
	node->settings.mps_start_ns = build->mps_start_ns;
	node->settings.vf_enable_ns = build->vf_enable_ns;
	node->settings.vf_disable_ns = build->vf_disable_ns;
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
		r = programs_put(dir, &machine.plan->settings, err);
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
	kernel_stop(dir);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (access(dir, F_OK) == 0)
		return error_set(err, -ENOTEMPTY, "could not remove all of %s", dir);
	return 0;
}
