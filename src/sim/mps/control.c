/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-cuda-mps-control of a simulated node: the control daemon, or a front end to one. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/mps/daemon.h"
#include "sim/mps/front.h"
#include "sim/mps/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_DIR "/tmp/nvidia-mps"
#define LOG_DIR	 "/var/log/nvidia-mps"

struct options {
	bool is_daemon, is_foreground, is_partitioning;
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

static int control_prepare(struct control *control, const struct options *options)
{
	struct error err = ERROR_NONE;

	*control =
		(struct control){ .server_log = -1, .is_partitioning = options->is_partitioning };
	if (dialect_node(&control->node, &err) < 0) {
		fprintf(stderr, "nvidia-cuda-mps-control: %s\n", err.text);
		return -1;
	}
	dialect_read(control->node, &control->dialect);
	text_copy(control->log_dir, sizeof(control->log_dir),
		directory("CUDA_MPS_LOG_DIRECTORY", LOG_DIR));
	if (text_copy(control->pipe_dir, sizeof(control->pipe_dir),
		    directory("CUDA_MPS_PIPE_DIRECTORY", PIPE_DIR)) < 0) {
		printf("Cannot access CUDA_MPS_PIPE_DIRECTORY=%s\n",
			directory("CUDA_MPS_PIPE_DIRECTORY", PIPE_DIR));
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
static int control_detach(struct control *control)
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
	if (control_open(control) == 0) {
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

static int control_start(const struct options *options)
{
	struct control control;

	if (control_prepare(&control, options) < 0)
		return EXIT_FAILURE;
	if (options->is_daemon)
		return control_detach(&control);
	open_logs(&control, true);
	return control_open(&control) < 0 ? EXIT_FAILURE : control_serve(&control);
}

static void options_read(int argc, char **argv, struct options *ret_options)
{
	*ret_options = (struct options){ 0 };
	for (int i = 1; i < argc; i++) {
		ret_options->is_daemon |= text_eq(argv[i], "-d");
		ret_options->is_foreground |= text_eq(argv[i], "-f");
		ret_options->is_partitioning |= text_eq(argv[i], "-S");
	}
}

int main(int argc, char **argv)
{
	struct options options;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && (text_eq(argv[1], "-h") || text_eq(argv[1], "--help")))
		return help();
	options_read(argc, argv, &options);
	if (options.is_daemon || options.is_foreground)
		return control_start(&options);
	return front_run(directory("CUDA_MPS_PIPE_DIRECTORY", PIPE_DIR));
}
