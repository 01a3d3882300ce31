/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that stay: made, entered and removed by name, or in a directory. */
#include "sim/program/build.h"
#include "sim/program/enter.h"
#include "sim/program/program.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
	{ "no-namespace", no_argument, NULL, 'n' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

/* NAME MACHINE, or MACHINE with a directory. */
int verb_create(const struct verb *verb, int argc, char **argv)
{
	struct build build = BUILD_DEFAULT;
	struct error err = ERROR_NONE;
	struct node *node;
	char dir[256];
	int r = build_parse(verb, argc, argv, &build);

	if (r < 0)
		return r == -ECANCELED ? verb_help(verb) : EXIT_USAGE;
	if (optind < argc)
		return usage_error(verb, "'%s' is one too many", argv[optind]);
	if (build.dir && build.name)
		return usage_error(verb, "a name or --dir DIR, not both");
	if (!build.dir && !build.name)
		return usage_error(verb, "which name? NAME MACHINE, or MACHINE --dir DIR");
	if (build.name) {
		if (where_named(build.name, dir, &err) < 0)
			return report(verb, &err);
		build.dir = dir;
	}
	if (build_node(&build, &node, &err) < 0)
		return report(verb, &err);
	node_close(node);
	return EXIT_SUCCESS;
}

/* The node's directory from NAME or --dir; what follows "--" is left in argv[optind]. */
static int parse(
	const struct verb *verb, int argc, char **argv, char ret_dir[256], bool *ret_in_namespace)
{
	const char *dir = NULL, *name = NULL;
	struct error err = ERROR_NONE;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb), -1;
		if (option == '?')
			return usage_bad_option(verb, argv);
		if (option == 1 && name)
			return usage_error(verb, "'%s' is one too many", optarg);
		if (option == 1)
			name = optarg;
		else if (option == 'n')
			*ret_in_namespace = false;
		else
			dir = optarg;
	}
	if (name && dir)
		return usage_error(verb, "a name or --dir DIR, not both");
	if (name)
		return where_named(name, ret_dir, &err) < 0 ? report(verb, &err) : 0;
	dir = dir ?: getenv("CARVE_SIM_NODE");
	if (!dir || text_copy(ret_dir, 256, dir) < 0)
		return usage_error(verb, "which node? Its name, or --dir DIR");
	return 0;
}

int verb_exec(const struct verb *verb, int argc, char **argv)
{
	bool in_namespace = true;
	struct error err = ERROR_NONE;
	struct node *node;
	char dir[256];
	int r = parse(verb, argc, argv, dir, &in_namespace);

	if (r != 0)
		return r < 0 ? EXIT_SUCCESS : r;
	if (optind >= argc)
		return usage_error(verb, "which command? It stands after --");
	if (node_open(dir, &node, &err) < 0)
		return report(verb, &err);
	return node_enter(verb, node, in_namespace, argv + optind);
}

int verb_destroy(const struct verb *verb, int argc, char **argv)
{
	bool in_namespace;
	struct error err = ERROR_NONE;
	char dir[256];
	int r = parse(verb, argc, argv, dir, &in_namespace);

	if (r != 0)
		return r < 0 ? EXIT_SUCCESS : r;
	if (optind < argc)
		return usage_error(verb, "'%s' is one too many", argv[optind]);
	return build_remove(dir, &err) < 0 ? report(verb, &err) : EXIT_SUCCESS;
}
