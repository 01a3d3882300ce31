/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command on a node of its own: the node is made, the command runs with an environment in which
 * the driver's library, its files and nvidia-smi are the simulated ones, and the node goes when the
 * command has ended.
 */
#include "sim/program/program.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/program/build.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND	127

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

static void set_in_front(const char *name, const char *dir)
{
	const char *rest = getenv(name);
	AUTO_BUF text = { 0 };

	buf_addf(&text, "%s%s%s", dir, rest && *rest ? ":" : "", rest ?: "");
	setenv(name, buf_text(&text), 1);
}

static void set_below(const struct node *node, const char *name, const char *below)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", node->dir, below);
	setenv(name, path, 1);
}

/* What points a command at the node. The CARVE_ names but the first are the product's. */
static int environment_set(const struct node *node, struct error *err)
{
	char library[600], bin[300];
	int r = where_library(library, sizeof(library), err);

	if (r < 0)
		return r;
	snprintf(bin, sizeof(bin), "%s/bin", node->dir);
	set_in_front("LD_LIBRARY_PATH", library);
	set_in_front("PATH", bin);
	setenv("CARVE_SIM_NODE", node->dir, 1);
	set_below(node, "CARVE_SYSTEM_ROOT", "root");
	set_below(node, "CARVE_RUN_DIR", "run");
	set_below(node, "CARVE_STATE_DIR", "state");
	setenv("CARVE_SIMULATED", "1", 1);
	return 0;
}

static int run_command(const struct verb *verb, const struct node *node, char **command)
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
		if (environment_set(node, &err) < 0)
			_exit(report(verb, &err));
		execvp(command[0], command);
		fprintf(stderr, "carve-sim run: cannot run %s: %m\n", command[0]);
		_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	child = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* MACHINE may stand before or between the options; what follows "--" is the command. */
static int build_parse(const struct verb *verb, int argc, char **argv, struct build *build)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "-", build_options, NULL)) != -1) {
		if (option == 'h')
			return -ECANCELED;
		if (option == 1 && !build->machine) {
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
	status = run_command(verb, node, argv + optind);
	node_close(node);
	if (build.keep)
		fprintf(stderr, "carve-sim run: the node is kept in %s\n", dir);
	else if (!build.dir && build_remove(dir, &err) < 0)
		report(verb, &err);
	return status;
}

int verb_create(const struct verb *verb, int argc, char **argv)
{
	struct build build = BUILD_DEFAULT;
	struct error err = ERROR_NONE;
	struct node *node;
	int r = build_parse(verb, argc, argv, &build);

	if (r < 0)
		return r == -ECANCELED ? verb_help(verb) : EXIT_USAGE;
	if (optind < argc)
		return usage_error(verb, "'%s' is one too many", argv[optind]);
	if (!build.dir)
		return usage_error(verb, "where? --dir DIR");
	if (build_node(&build, &node, &err) < 0)
		return report(verb, &err);
	node_close(node);
	return EXIT_SUCCESS;
}

int verb_destroy(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	const char *dir = getenv("CARVE_SIM_NODE");
	struct error err = ERROR_NONE;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option == '?')
			return usage_bad_option(verb, argv);
		dir = optarg;
	}
	if (optind < argc)
		return usage_error(verb, "'%s' is one too many", argv[optind]);
	if (!dir)
		return usage_error(verb, "which node? --dir DIR");
	return build_remove(dir, &err) < 0 ? report(verb, &err) : EXIT_SUCCESS;
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
