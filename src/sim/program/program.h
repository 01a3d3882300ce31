/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* carve-sim: one row per verb; and what the verbs share. */

#include "sim/node/identity.h"

struct error;

#define EXIT_USAGE 64

struct verb {
	const char *name;
	const char *arguments;					    /* as usage shows them */
	const char *purpose;					    /* one line */
	const char *details;					    /* the options, a line each */
	int (*run)(const struct verb *verb, int argc, char **argv); /* exit status */
};

int verb_create(const struct verb *verb, int argc, char **argv);
int verb_destroy(const struct verb *verb, int argc, char **argv);
int verb_exec(const struct verb *verb, int argc, char **argv);
int verb_hold(const struct verb *verb, int argc, char **argv);
int verb_inject(const struct verb *verb, int argc, char **argv);
int verb_gpu(const struct verb *verb, int argc, char **argv); /* xid, ecc, lose, recover, reset */
int verb_load(const struct verb *verb, int argc, char **argv);
int verb_machines(const struct verb *verb, int argc, char **argv);
int verb_record(const struct verb *verb, int argc, char **argv);
int verb_run(const struct verb *verb, int argc, char **argv);
int verb_sriov(const struct verb *verb, int argc, char **argv);
int verb_smi(const struct verb *verb, int argc, char **argv);
int verb_state(const struct verb *verb, int argc, char **argv);

/* Prints "carve-sim VERB: sentence" and how to get help; returns EXIT_USAGE. */
int usage_error(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for an option that getopt_long() refused. */
int usage_bad_option(const struct verb *verb, char **argv);
/* Prints the error; returns EXIT_FAILURE. */
int report(const struct verb *verb, const struct error *err);
/* Prints the help of a verb; returns EXIT_SUCCESS. */
int verb_help(const struct verb *verb);

/* This program's file. */
const char *where_self(void);
/* Where the simulated driver's library lies: built, or installed. */
int where_library(char *ret_path, size_t size, struct error *err);
/* Where the programs of MPS lie. */
int where_mps(char *ret_path, size_t size, struct error *err);
/* Where nodes are kept that have no directory of their own; it is made. */
int where_nodes(char *ret_dir, size_t size, struct error *err);
/* The directory of the node with this name, whether it is there or not. */
int where_named(const char *name, char ret_dir[256], struct error *err);
/* The node that a verb is about: `dir`, else that of $CARVE_SIM_NODE. */
int where_node(const char *dir, struct node **ret_node, struct error *err);
/*
 * A device of the node: a GPU as where_gpu() has it, GPU.INSTANCE or GPU.INSTANCE.COMPUTE by ids.
 * Its UUID as NVML tells it.
 */
int where_device(struct node *node, const char *name, unsigned *ret_gpu,
	char ret_uuid[UUID_TEXT_MAX], struct error *err);
/* A virtual function of the node by PCI address. */
int where_vf(const struct node *node, const char *name, unsigned *ret_gpu, unsigned *ret_vf,
	struct error *err);
/* A GPU of the node by index, UUID or PCI address. */
int where_gpu(const struct node *node, const char *name, unsigned *ret_gpu, struct error *err);
