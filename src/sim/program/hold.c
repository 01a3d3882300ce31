/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that uses a GPU or a MIG device as a CUDA program does: it looks for its device as CUDA
 * does (devices.h), is on the GPU's list of processes while it runs, and ends with the node.
 */
#include "sim/program/program.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/node/inject.h"
#include "sim/node/process.h"
#include "sim/program/devices.h"
#include "sim/program/machine.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 100 /* how often it looks whether the node is still there */

struct hold {
	const char *dir, *device;
	uint64_t memory, time_ns; /* 0: for ever */
	uint32_t busy;
	enum process_type type;
	char **command;
};

static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
	{ "device", required_argument, NULL, 'd' }, { "memory", required_argument, NULL, 'm' },
	{ "busy", required_argument, NULL, 'b' }, { "type", required_argument, NULL, 'y' },
	{ "time", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

static int hold_option(struct hold *hold, int option, const char *value)
{
	switch (option) {
	case 'D':
		hold->dir = value;
		return 0;
	case 'd':
		hold->device = value;
		return 0;
	case 'm':
		return parse_size(value, &hold->memory);
	case 'b':
		return parse_u32(value, &hold->busy) < 0 || hold->busy > 100 ? -EINVAL : 0;
	case 't':
		return parse_duration(value, &hold->time_ns);
	case 'y':
		return process_type_parse(value, &hold->type) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* Puts this process on the device's list. */
static int hold_start(
	const struct hold *hold, struct node *node, const struct device *device, struct error *err)
{
	struct process process = { .pid = getpid(),
		.type = (uint8_t)hold->type,
		.busy = (uint8_t)hold->busy,
		.memory = hold->memory,
		.gi = device->gi,
		.ci = device->ci };
	int r = process_add(node, device->gpu, &process);
	char size[SIZE_TEXT_MAX];

	if (r == NVML_SUCCESS)
		return 0;
	if (r == NVML_ERROR_MEMORY)
		return error_set(err, -ENOMEM, "CUDA: out of memory: %s has not %s free",
			device->name, size_text(hold->memory, size));
	if (r == NVML_ERROR_IN_USE)
		return error_set(err, -EBUSY,
			"CUDA: all CUDA-capable devices are busy or unavailable (%s is in "
			"exclusive process mode)",
			device->name);
	if (r == NVML_ERROR_INVALID_ARGUMENT)
		return error_set(err, -ENODEV, "CUDA: %s is gone", device->name);
	return error_set(err, -ENODEV, "CUDA: %s cannot be used (%s)", device->name,
		inject_code_name(r) ?: "?");
}

static bool is_lost(struct node *node, unsigned gpu)
{
	bool lost;

	node_lock(node);
	lost = gpu_now(&node->gpus[gpu])->lost;
	node_unlock(node);
	return lost;
}

static pid_t start_command(char **command, const sigset_t *waited)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, waited, NULL);
		execvp(command[0], command);
		fprintf(stderr, "carve-sim hold: cannot run %s: %m\n", command[0]);
		_exit(errno == ENOENT ? 127 : 126);
	}
	return pid;
}

/* Stays until something ends it; the exit status, or minus the signal to end by. */
static int hold_stay(const struct hold *hold, struct node *node, unsigned gpu)
{
	const struct timespec look = { 0, LOOK_MS * 1000000l };
	uint64_t end = hold->time_ns ? now_ns() + hold->time_ns : UINT64_MAX;
	pid_t child = 0;
	sigset_t waited;
	int status;

	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGINT);
	sigaddset(&waited, SIGHUP);
	sigprocmask(SIG_BLOCK, &waited, NULL);
	if (hold->command)
		child = start_command(hold->command, &waited);
	for (;;) {
		uint64_t now = now_ns(), left = end > now ? end - now : 0;
		struct timespec rest = { 0, (long)left };
		int signal =
			sigtimedwait(&waited, NULL, left < (uint64_t)look.tv_nsec ? &rest : &look);

		if (child > 0 && waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		if (signal > 0 && signal != SIGCHLD && child <= 0)
			return -signal;
		if (signal > 0 && signal != SIGCHLD)
			kill(child, signal);
		if (now_ns() >= end || !node_is_there(node))
			return EXIT_SUCCESS;
		if (is_lost(node, gpu)) {
			fprintf(stderr, "carve-sim hold: CUDA: the GPU is lost\n");
			return EXIT_FAILURE;
		}
	}
}

static int hold_on(const struct verb *verb, const struct hold *hold)
{
	struct error err = ERROR_NONE;
	struct device device;
	struct node *node;
	int status;

	if (where_node(hold->dir, &node, &err) < 0)
		return report(verb, &err);
	if (device_open(node, hold->device, &device, &err) < 0 ||
		hold_start(hold, node, &device, &err) < 0)
		return report(verb, &err);
	if (!hold->command) {
		printf("process %d uses %s\n", (int)getpid(), device.name);
		fflush(stdout);
	}
	status = hold_stay(hold, node, device.gpu);
	process_remove(node, device.gpu, getpid());
	if (status < 0) {
		sigset_t all;

		sigfillset(&all);
		signal(-status, SIG_DFL);
		raise(-status);
		sigprocmask(SIG_UNBLOCK, &all, NULL);
	}
	return status < 0 ? 128 - status : status;
}

int verb_hold(const struct verb *verb, int argc, char **argv)
{
	struct hold hold = { .memory = 1000000000 };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option == '?')
			return usage_bad_option(verb, argv);
		if (hold_option(&hold, option, optarg) < 0)
			return usage_error(verb, "'%s' is not a value for this option", optarg);
	}
	if (optind < argc)
		hold.command = argv + optind;
	return hold_on(verb, &hold);
}
