/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Making a node's directory from a machine, and removing it. */

#include "sim/program/machine.h"

#include <getopt.h>

struct verb;

struct build {
	const char *name;    /* of the node; NULL: none was given */
	const char *machine; /* name or file */
	const char *dir;     /* NULL: one is chosen */
	uint64_t create_ns, destroy_ns, mps_start_ns, vf_enable_ns, vf_disable_ns;
	const char *inject[NODE_RULES];
	unsigned n_inject;
	bool dies_with_us; /* the machine's own processes */
	bool keep;
	bool plain;	   /* no file system process: plain files */
	bool no_namespace; /* the command looks below $CARVE_SYSTEM_ROOT only */
};

#define BUILD_DEFAULT                                                                              \
	((struct build){ .create_ns = 250000000,                                                   \
		.destroy_ns = 100000000,                                                           \
		.mps_start_ns = 400000000,                                                         \
		.vf_enable_ns = 100000000,                                                         \
		.vf_disable_ns = 1000000000 })

/*
 * The options that make a node, for getopt_long(): --fast, --create, --destroy, --mps-start,
 * --inject,
 * --dir, --keep, --plain, --no-namespace, --help. build_option() takes what it returned: 0, or
 * -EINVAL (the value is no good).
 */
extern const struct option build_options[];
int build_option(struct build *build, int option, const char *value);

/*
 * Reads them: for `create` a name may stand before the machine; what follows "--" is left in
 * argv[optind]. -EINVAL: usage was printed; -ECANCELED: help is wanted.
 */
int build_parse(const struct verb *verb, int argc, char **argv, struct build *build);

/*
 * Makes the node: DIR/node (the model), DIR/root (the system's files), DIR/kernel (where they are
 * live), DIR/bin (programs.h), DIR/run and DIR/state (for daemons). Where they cannot be live a
 * line on stderr says why, and they are plain ones. What was made is removed again where it fails.
 */
int build_node(const struct build *build, struct node **ret_node, struct error *err);

/* Removes a node's directory and what is in it; -ENOENT if there is no node in it. */
int build_remove(const char *dir, struct error *err);
