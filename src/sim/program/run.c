/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command on a node of its own: the node is made, the command runs with an environment in which
 * the driver's library, its files and nvidia-smi are the simulated ones, as root also in a mount
 * namespace that has the files where unchanged programs look, and the node goes when the command
 * has ended.
 */
#include "sim/program/program.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/program/build.h"
#include "sim/program/enter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

/* A terminal's signals have reached the command already: it is in the same process group. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (child > 0 && info->si_code != SI_KERNEL)
		kill(child, signal);
}

static const int passed[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

static void signals_pass(void)
{
	struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };

	for (unsigned i = 0; i < ARRAY_SIZE(passed); i++)
		sigaction(passed[i], &action, NULL);
}

static void signals_default(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(passed); i++)
		signal(passed[i], SIG_DFL);
}

static int run_command(
	const struct verb *verb, const struct node *node, bool in_namespace, char **command)
{
	struct error err = ERROR_NONE;
	int status;

	signals_pass();
	child = fork();
	if (child < 0) {
		error_set(&err, -errno, "cannot start %s: %m", command[0]);
		return report(verb, &err);
	}
	if (child == 0) {
		signals_default();
		_exit(node_enter(verb, node, in_namespace, command));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	child = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int verb_run(const struct verb *verb, int argc, char **argv)
{
	struct build build = BUILD_DEFAULT;
	struct error err = ERROR_NONE;
	struct node *node;
	char dir[256];
	int status, r = build_parse(verb, argc, argv, &build);

	if (r < 0)
		return r == -ECANCELED ? verb_help(verb) : EXIT_USAGE;
	if (optind >= argc)
		return usage_error(verb, "which command? It stands after --");
	build.dies_with_us = true;
	if (build_node(&build, &node, &err) < 0)
		return report(verb, &err);
	text_copy(dir, sizeof(dir), node->dir);
	status = run_command(verb, node, !build.no_namespace, argv + optind);
	node_close(node);
	if (build.keep)
		fprintf(stderr, "carve-sim run: the node is kept in %s\n", dir);
	else if (!build.dir && build_remove(dir, &err) < 0)
		report(verb, &err);
	return status;
}

int verb_machines(const struct verb *verb, int argc, char **argv)
{
	struct error err = ERROR_NONE;
	const char *name;

	if (argc > 1 && text_eq(argv[1], "--help"))
		return verb_help(verb);
	if (argc > 1)
		return usage_error(verb, "'%s' is one too many", argv[1]);
	for (unsigned i = 0; (name = machine_name(i)); i++) {
		struct machine machine = { 0 };

		if (machine_load(name, &machine, &err) < 0)
			return report(verb, &err);
		printf("%-14s %s\n", name, machine.description);
		machine_done(&machine);
	}
	return EXIT_SUCCESS;
}
