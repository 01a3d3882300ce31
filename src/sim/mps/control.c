/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-cuda-mps-control of a simulated node: the control daemon, or a front end to one. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/mps/daemon.h"
#include "sim/mps/front.h"
#include "sim/mps/journal.h"
#include "sim/mps/v3.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_DIR    "/tmp/nvidia-mps"
#define V3_PIPE_DIR "/run/nvidia-mps"
#define LOG_DIR	    "/var/log/nvidia-mps"

struct options {
	bool is_daemon, is_foreground, is_partitioning, is_v3, is_quit, is_version, is_help;
	const char *file; /* -a */
	int words;	  /* where the words of a command line begin */
};

static const char *directory(const char *name, const char *otherwise)
{
	const char *dir = getenv(name);

	return dir && *dir ? dir : otherwise;
}

static int help(void)
{
	puts("CUDA MPS Control for Linux/Unix.\n"
	     "A part of carve-sim: the simulated node's own.\n\n"
	     "  -d  start the control daemon in the background\n"
	     "  -f  start it in the foreground\n"
	     "  without options: commands from standard input, as carve-sim(1) says\n");
	return EXIT_SUCCESS;
}

static const char *pipe_directory(bool is_v3)
{
	return directory(
		"CUDA_MPS_PIPE_DIRECTORY", is_v3 && geteuid() == 0 ? V3_PIPE_DIR : PIPE_DIR);
}

static int control_prepare(
	struct control *control, const struct options *options, struct node *node)
{
	*control = (struct control){ .node = node,
		.server_log = -1,
		.is_partitioning = options->is_partitioning,
		.is_v3 = options->is_v3 };
	dialect_read(control->node, &control->dialect);
	text_copy(control->log_dir, sizeof(control->log_dir),
		directory("CUDA_MPS_LOG_DIRECTORY", LOG_DIR));
	if (text_copy(control->pipe_dir, sizeof(control->pipe_dir),
		    pipe_directory(options->is_v3)) == 0)
		return 0;
	printf("Cannot access CUDA_MPS_PIPE_DIRECTORY=%s\n", pipe_directory(options->is_v3));
	return -1;
}

/* Listens, and in v3 makes what the file says. */
static int control_begin(struct control *control, const struct options *options)
{
	struct error err = ERROR_NONE;

	if (control_open(control) < 0)
		return -1;
	if (!control->is_v3)
		return 0;
	printf("To connect CUDA applications to this daemon, set CUDA_MPS_PIPE_DIRECTORY=%s\n",
		control->pipe_dir);
	if (options->file && v3_apply(control, options->file, &err) < 0) {
		printf("Configuration error: %s\n", err.text);
		return -1;
	}
	return 0;
}

static void open_logs(struct control *control, bool is_front)
{
	char path[300];

	mkdir(control->log_dir, 0755);
	/* Before R550 the log of a daemon in the foreground went to its output. */
	journal_open(
		is_front && !control->dialect.has_status ? NULL : control->log_dir, "control.log");
	snprintf(path, sizeof(path), "%s/server.log", control->log_dir);
	control->server_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

/* The parent waits until the daemon listens, or has failed. */
static int control_detach(struct control *control, const struct options *options)
{
	int ready[2], null, status = EXIT_FAILURE;
	char letter;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return EXIT_FAILURE;
	fflush(stdout);
	pid = fork();
	if (pid != 0) {
		close(ready[1]);
		return pid > 0 && read(ready[0], &letter, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	setsid();
	open_logs(control, false);
	if (control_begin(control, options) == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		fflush(stdout);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		write_all(ready[1], ".", 1);
		close(ready[1]);
		close(ready[0]);
		status = control_serve(control);
	}
	fflush(stdout);
	_exit(status);
}

static int control_start(const struct options *options, struct node *node)
{
	struct control control;

	if (control_prepare(&control, options, node) < 0)
		return EXIT_FAILURE;
	if (options->is_daemon)
		return control_detach(&control, options);
	open_logs(&control, true);
	return control_begin(&control, options) < 0 ? EXIT_FAILURE : control_serve(&control);
}

/* Of programs before R590 "-d" and "-f" alone are options, and all else starts a front end. */
static void options_read_old(int argc, char **argv, struct options *options)
{
	options->words = argc;
	if (argc != 2)
		return;
	options->is_daemon = text_eq(argv[1], "-d");
	options->is_foreground = text_eq(argv[1], "-f");
	options->is_help = text_eq(argv[1], "-h") || text_eq(argv[1], "--help");
}

static int options_read(
	int argc, char **argv, const struct dialect *dialect, struct options *ret_options)
{
	static const struct option long_options[] = { { "daemon", no_argument, NULL, 'd' },
		{ "foreground", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' },
		{ "static-partitioning", no_argument, NULL, 'S' },
		{ "version", no_argument, NULL, 'v' }, { "multiuser", no_argument, NULL, 'm' },
		{ "apply", required_argument, NULL, 'a' },
		{ "protocol", required_argument, NULL, 'p' }, { "quit", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 } };
	const char *protocol = dialect->has_v3 ? getenv("CUDA_MPS_PROTOCOL_VERSION") : NULL;
	const char *asked = NULL;
	int option;

	*ret_options = (struct options){ 0 };
	if (!dialect->has_partitions) {
		options_read_old(argc, argv, ret_options);
		return 0;
	}
	while ((option = getopt_long(argc, argv, dialect->has_v3 ? "+dfhSvma:p:q" : "+dfhSv",
			long_options, NULL)) != -1) {
		ret_options->is_daemon |= option == 'd';
		ret_options->is_foreground |= option == 'f';
		ret_options->is_help |= option == 'h';
		ret_options->is_partitioning |= option == 'S';
		ret_options->is_version |= option == 'v';
		ret_options->is_quit |= option == 'q';
		ret_options->file = option == 'a' ? optarg : ret_options->file;
		asked = option == 'p' ? optarg : asked;
		if (option == '?')
			return -1;
	}
	/* The environment has the last word. */
	protocol = protocol ?: asked;
	if (protocol && !text_eq(protocol, "2") && !text_eq(protocol, "3"))
		return -1;
	ret_options->is_v3 = text_eq(protocol, "3");
	ret_options->words = optind;
	return 0;
}

static int front(const struct options *options, int argc, char **argv)
{
	static char quit[] = "quit";
	char *words[] = { quit };
	const char *dir = pipe_directory(options->is_v3);

	if (options->is_quit)
		return front_run_line(dir, 1, words);
	if (options->words < argc)
		return front_run_line(dir, argc - options->words, argv + options->words);
	return front_run(dir);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_NONE;
	struct options options;
	struct dialect dialect;
	struct node *node;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (dialect_node(&node, &err) < 0) {
		fprintf(stderr, "nvidia-cuda-mps-control: %s\n", err.text);
		return EXIT_FAILURE;
	}
	dialect_read(node, &dialect);
	if (options_read(argc, argv, &dialect, &options) < 0)
		return EXIT_FAILURE;
	if (options.is_help)
		return help();
	if (options.is_version) {
		printf("CUDA MPS Control, driver version %s\n", dialect.version);
		return EXIT_SUCCESS;
	}
	if (options.is_daemon || options.is_foreground)
		return control_start(&options, node);
	return front(&options, argc, argv);
}
