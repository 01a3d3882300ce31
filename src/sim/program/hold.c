/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that uses a GPU or a MIG device as a CUDA program does: it is a client of MPS where
 * there is a control daemon (mps/client.h), looks for its device as CUDA does (devices.h), is on
 * the GPU's list of processes while it runs, and ends with the node. Or one that has a virtual
 * function open, as a virtual machine's (vf.h).
 */
#include "sim/program/program.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/mps/client.h"
#include "sim/mps/codes.h"
#include "sim/node/inject.h"
#include "sim/node/process.h"
#include "sim/program/devices.h"
#include "sim/program/machine.h"
#include "sim/program/vf.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 100 /* how often it looks whether the node is still there */

struct hold {
	const char *dir, *device, *vf;
	uint64_t memory, time_ns; /* 0: for ever */
	uint32_t busy;
	struct work work;
	enum process_type type;
	bool stays;  /* whatever CUDA says */
	bool prints; /* what it got */
	char **command;
	struct mps_session mps;
};

static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
	{ "device", required_argument, NULL, 'd' }, { "memory", required_argument, NULL, 'm' },
	{ "busy", required_argument, NULL, 'b' }, { "type", required_argument, NULL, 'y' },
	{ "sms", required_argument, NULL, 'S' }, { "bandwidth", required_argument, NULL, 'B' },
	{ "copy-in", required_argument, NULL, 'i' }, { "copy-out", required_argument, NULL, 'o' },
	{ "burst", required_argument, NULL, 'u' }, { "time", required_argument, NULL, 't' },
	{ "stay", no_argument, NULL, 's' }, { "print", no_argument, NULL, 'p' },
	{ "vf", required_argument, NULL, 'v' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

static int parse_percent(const char *text, uint8_t *ret_percent)
{
	uint32_t percent;

	if (parse_u32(text, &percent) < 0 || percent > 100)
		return -EINVAL;
	*ret_percent = (uint8_t)percent;
	return 0;
}

/* "3G": bytes a second. */
static int parse_rate(const char *text, uint32_t *ret_kib)
{
	uint64_t bytes;

	if (parse_size(text, &bytes) < 0 || bytes >> 10 > UINT32_MAX)
		return -EINVAL;
	*ret_kib = (uint32_t)(bytes >> 10);
	return 0;
}

/* "300ms/1s": busy for so long in each period. */
static int parse_burst(const char *text, struct work *work)
{
	uint64_t on, period;
	char first[32];
	const char *slash = strchr(text, '/');

	if (!slash || (size_t)(slash - text) >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	if (parse_duration(first, &on) < 0 || parse_duration(slash + 1, &period) < 0 ||
		on > period || period < 1000000 || period / 1000000 > UINT32_MAX)
		return -EINVAL;
	work->on_ms = (uint32_t)(on / 1000000);
	work->period_ms = (uint32_t)(period / 1000000);
	return 0;
}

/* How it works: what is not said then is all SMs and nothing else. */
static int work_option(struct work *work, int option, const char *value)
{
	work->is_said = 1;
	switch (option) {
	case 'S':
		return parse_percent(value, &work->sms);
	case 'B':
		return parse_percent(value, &work->bandwidth);
	case 'i':
		return parse_rate(value, &work->copy_in_kib);
	case 'o':
		return parse_rate(value, &work->copy_out_kib);
	default:
		return parse_burst(value, work);
	}
}

static int hold_option(struct hold *hold, int option, const char *value)
{
	switch (option) {
	case 'D':
		hold->dir = value;
		return 0;
	case 'd':
		hold->device = value;
		return 0;
	case 'v':
		hold->vf = value;
		return 0;
	case 'm':
		return parse_size(value, &hold->memory);
	case 'b':
		return parse_u32(value, &hold->busy) < 0 || hold->busy > 100 ? -EINVAL : 0;
	case 'S':
	case 'B':
	case 'i':
	case 'o':
	case 'u':
		return work_option(&hold->work, option, value);
	case 't':
		return parse_duration(value, &hold->time_ns);
	case 's':
		hold->stays = true;
		return 0;
	case 'p':
		hold->prints = true;
		return 0;
	case 'y':
		return process_type_parse(value, &hold->type) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* For errors of CUDA: 100 and the last two digits of its number. */
static int exit_of(int code)
{
	return 100 + code % 100;
}

/* Puts this process on the device's list. */
static int hold_start(
	const struct hold *hold, struct node *node, const struct device *device, struct error *err)
{
	bool is_client = hold->mps.fd >= 0;
	struct process process = { .pid = getpid(),
		.type = (uint8_t)(is_client ? PROCESS_MPS : hold->type),
		.busy = (uint8_t)hold->busy,
		.memory = hold->memory,
		.gi = device->gi,
		.ci = device->ci,
		.server = is_client ? hold->mps.server : 0,
		.work = hold->work };
	int r;
	char size[SIZE_TEXT_MAX];

	/* Its part of the SMs is all that it can keep busy. */
	if (is_client && process.busy > hold->mps.percentage)
		process.busy = (uint8_t)hold->mps.percentage;
	r = process_add(node, device->gpu, &process);
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

/* The server has ended this client: the exit status, or 0 if it stays nevertheless. */
static int hold_failed(struct hold *hold, struct node *node, unsigned gpu)
{
	struct error err = ERROR_NONE;
	int code = mps_session_hear(&hold->mps, &err);

	fprintf(stderr, "carve-sim hold: %s\n", err.text);
	/* What it had is gone; after a fault it is not, until the process ends. */
	if (code != CUDA_LAUNCH_FAILED)
		process_remove(node, gpu, getpid());
	if (!hold->stays)
		return exit_of(code);
	/* Kept open: the server counts it until it ends. */
	hold->mps.fd = -1;
	return 0;
}

static int signals_open(sigset_t *ret_waited)
{
	sigemptyset(ret_waited);
	sigaddset(ret_waited, SIGCHLD);
	sigaddset(ret_waited, SIGTERM);
	sigaddset(ret_waited, SIGINT);
	sigaddset(ret_waited, SIGHUP);
	sigprocmask(SIG_BLOCK, ret_waited, NULL);
	return signalfd(-1, ret_waited, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The next signal that came, or 0. */
static int signal_next(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* Stays until something ends it; the exit status, or minus the signal to end by. */
static int hold_stay(struct hold *hold, struct node *node, unsigned gpu)
{
	uint64_t end = hold->time_ns ? now_ns() + hold->time_ns : UINT64_MAX;
	sigset_t waited;
	struct pollfd polled[2] = { { signals_open(&waited), POLLIN, 0 } };
	pid_t child = hold->command ? start_command(hold->command, &waited) : 0;
	int status;

	for (;;) {
		uint64_t now = now_ns(), left_ms = end > now ? (end - now) / 1000000 + 1 : 0;
		int signal;

		polled[1] = (struct pollfd){ hold->mps.fd, POLLIN, 0 };
		poll(polled, 2, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
		signal = signal_next(polled[0].fd);
		if (child > 0 && waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
		if (signal > 0 && signal != SIGCHLD && child <= 0)
			return -signal;
		if (signal > 0 && signal != SIGCHLD)
			kill(child, signal);
		if (now_ns() >= end || !node_is_there(node))
			return EXIT_SUCCESS;
		if (polled[1].revents && (status = hold_failed(hold, node, gpu))) {
			if (child > 0)
				kill(child, SIGTERM);
			return status;
		}
		if (is_lost(node, gpu)) {
			fprintf(stderr, "carve-sim hold: CUDA: the GPU is lost\n");
			return EXIT_FAILURE;
		}
	}
}

static void hold_print(const struct hold *hold, const struct device *device)
{
	if (!hold->command)
		printf("process %d uses %s\n", (int)getpid(), device->name);
	if (hold->prints && hold->mps.fd >= 0)
		printf("mps server=%d device=%s memory=%llu percentage=%.1f sm=%u\n",
			(int)hold->mps.server, hold->mps.device,
			(unsigned long long)hold->mps.memory, hold->mps.percentage, hold->mps.sm);
	else if (hold->prints)
		printf("no mps\n");
	fflush(stdout);
}

/* As CUDA starts: a client of MPS or not, then the device. 0, or the exit status. */
static int hold_open(
	const struct verb *verb, struct hold *hold, struct node *node, struct device *ret_device)
{
	char size[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
	struct error err = ERROR_NONE;
	int code = mps_session_open(hold->device, &hold->mps, &err);

	if (code > 0) {
		report(verb, &err);
		return exit_of(code);
	}
	if (device_open(node, hold->mps.fd >= 0 ? hold->mps.device : hold->device, ret_device,
		    &err) < 0)
		return report(verb, &err);
	if (hold->mps.memory && hold->memory > hold->mps.memory) {
		error_set(&err, -ENOMEM,
			"CUDA: error %d: out of memory: %s are more than this MPS client's limit "
			"of %s",
			CUDA_OUT_OF_MEMORY, size_text(hold->memory, size),
			size_text(hold->mps.memory, most));
		report(verb, &err);
		return exit_of(CUDA_OUT_OF_MEMORY);
	}
	return hold_start(hold, node, ret_device, &err) < 0 ? report(verb, &err) : 0;
}

static int hold_on(const struct verb *verb, struct hold *hold)
{
	struct error err = ERROR_NONE;
	struct device device;
	struct node *node;
	int status;

	if (where_node(hold->dir, &node, &err) < 0)
		return report(verb, &err);
	if (hold->vf)
		status = vf_open(node, hold->vf, &device, &err) < 0 ? report(verb, &err) : 0;
	else
		status = hold_open(verb, hold, node, &device);
	if (status)
		return status;
	hold_print(hold, &device);
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
	struct hold hold = { .memory = 1000000000, .work.sms = 100, .mps = MPS_SESSION_NONE };
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
