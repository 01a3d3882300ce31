/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Playing a load: its processes are real ones that use the device as `hold` does; what they use is
 * changed as the plan says. A process that asks for more than there is ends, as a CUDA program does
 * that runs out of memory. Time is the clock's, or stepped: then it moves by what standard input
 * says, and each step is answered when all of it has happened.
 */
#include "sim/program/load.h"

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/node/inject.h"
#include "sim/node/process.h"
#include "sim/program/populate.h"
#include "sim/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define LOOK_NS	 100000000ull /* how often it looks whether the node is still there */
#define TEXT_MAX (1 << 20)

struct playing {
	pid_t pid; /* 0: not there now */
	unsigned gpu;
};

struct player {
	struct node *node;
	const struct load *load;
	struct playing *playing; /* one for each process of the load */
	bool is_step;
	uint64_t started_ns; /* real time */
	uint64_t stepped_ns; /* how far steps have come */
};

static void say(const struct load *load, const struct load_event *event)
{
	static const char *const words[] = { "starts", "changes", "ends" };
	char size[SIZE_TEXT_MAX];

	printf("%.3fs %u %s %s", (double)event->at_ns / 1e9, event->process,
		load->processes.at[event->process].name, words[event->deed]);
	if (event->deed != LOAD_STOP)
		printf(" memory %s busy %u", size_text(event->memory, size), event->busy);
	putchar('\n');
}

static void end_process(struct playing *playing)
{
	if (playing->pid > 0) {
		kill(playing->pid, SIGKILL);
		waitpid(playing->pid, NULL, 0);
	}
	playing->pid = 0;
}

static int start_process(struct player *player, const struct load_event *event, struct error *err)
{
	const struct load_process *process = &player->load->processes.at[event->process];
	struct playing *playing = &player->playing[event->process];
	struct machine_process wanted = {
		.type = process->type, .memory = event->memory, .busy = event->busy
	};
	char uuid[UUID_TEXT_MAX];
	int r = where_device(player->node, process->device, &wanted.gpu, uuid, err);

	if (r < 0)
		return r;
	text_copy(wanted.name, sizeof(wanted.name), process->name);
	playing->gpu = wanted.gpu;
	r = populate_process(player->node, &wanted, uuid, true, &playing->pid, err);
	if (r < 0)
		playing->pid = 0;
	return r;
}

/* A device that is not there is the load's error; one that is full is what loads are for. */
static int play_event(struct player *player, const struct load_event *event, struct error *err)
{
	struct playing *playing = &player->playing[event->process];
	struct error why = ERROR_NONE;
	int r;

	if (event->deed != LOAD_START && !playing->pid)
		return 0;
	say(player->load, event);
	if (event->deed == LOAD_START) {
		r = start_process(player, event, &why);
		if (r == -ENODEV)
			return error_set(err, r, "%s", why.text);
		if (r < 0)
			printf("%.3fs %u %s\n", (double)event->at_ns / 1e9, event->process,
				why.text);
	} else if (event->deed == LOAD_STOP) {
		end_process(playing);
	} else {
		r = process_change(
			player->node, playing->gpu, playing->pid, event->memory, event->busy);
		if (r != NVML_SUCCESS) {
			printf("%.3fs %u ends early: %s\n", (double)event->at_ns / 1e9,
				event->process,
				r == NVML_ERROR_MEMORY	    ? "out of memory"
				: r == NVML_ERROR_NOT_FOUND ? "it has been killed"
							    : inject_code_name(r) ?: "?");
			end_process(playing);
		}
	}
	return 0;
}

/* Reads steps until time has come to `at`; false at the end of standard input. */
static bool step_to(struct player *player, uint64_t at)
{
	char line[64];
	uint64_t step;

	while (player->stepped_ns < at) {
		/* All that lay before has happened: the answer to the last step. */
		printf("at %.3fs\n", (double)player->stepped_ns / 1e9);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return false;
		line[strcspn(line, "\n")] = '\0';
		if (parse_duration(line, &step) < 0)
			fprintf(stderr, "carve-sim load: '%s' is not a time such as 1s\n", line);
		else
			player->stepped_ns += step;
	}
	return true;
}

static bool wait_to(struct player *player, uint64_t at)
{
	uint64_t now;

	if (player->is_step)
		return step_to(player, at) && node_is_there(player->node);
	fflush(stdout);
	while ((now = now_ns() - player->started_ns) < at) {
		if (!node_is_there(player->node))
			return false;
		node_work(at - now < LOOK_NS ? at - now : LOOK_NS);
	}
	return node_is_there(player->node);
}

static int play(struct player *player, const struct load_plan *plan, struct error *err)
{
	int r = 0;

	player->playing = must_alloc(player->load->processes.n + 1, sizeof(player->playing[0]));
	player->started_ns = now_ns();
	for (size_t i = 0; r == 0 && i < plan->events.n; i++) {
		if (!wait_to(player, plan->events.at[i].at_ns))
			break;
		r = play_event(player, &plan->events.at[i], err);
	}
	if (player->is_step && r == 0)
		printf("at %.3fs\n", (double)player->stepped_ns / 1e9);
	for (size_t i = 0; i < player->load->processes.n; i++)
		end_process(&player->playing[i]);
	free(player->playing);
	return r;
}

static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
	{ "seed", required_argument, NULL, 's' }, { "step", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

static int load_read(const char *file, struct load *ret_load, struct error *err)
{
	AUTO_FREE char *text = NULL;
	bool is_stdin = text_eq(file, "-");
	int r = read_file_at(AT_FDCWD, is_stdin ? "/dev/stdin" : file, TEXT_MAX, &text, NULL);

	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", file, strerror(-r));
	return load_parse(is_stdin ? "stdin" : file, text, ret_load, err);
}

int verb_load(const struct verb *verb, int argc, char **argv)
{
	const char *dir = NULL, *seed = NULL;
	struct error err = ERROR_NONE;
	struct load load = { 0 };
	struct load_plan plan = { 0 };
	struct player player = { .load = &load };
	bool is_print = false;
	int option, r;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option == '?')
			return usage_bad_option(verb, argv);
		dir = option == 'D' ? optarg : dir;
		seed = option == 's' ? optarg : seed;
		player.is_step |= option == 't';
		is_print |= option == 'p';
	}
	if (optind + 1 != argc)
		return usage_error(verb, "which load? One FILE, or - for standard input");
	if (player.is_step && text_eq(argv[optind], "-"))
		return usage_error(verb, "standard input has the steps: the load is to be a file");
	if (load_read(argv[optind], &load, &err) < 0)
		return report(verb, &err);
	if (seed && parse_u64(seed, &load.seed) < 0) {
		load_done(&load);
		return usage_error(verb, "'%s' is not a number", seed);
	}
	load_draw(&load, &plan);
	r = is_print ? 0 : where_node(dir, &player.node, &err);
	if (is_print)
		for (size_t i = 0; i < plan.events.n; i++)
			say(&load, &plan.events.at[i]);
	else if (r == 0)
		r = play(&player, &plan, &err);
	node_close(player.node);
	vec_done(&plan.events);
	load_done(&load);
	return r < 0 ? report(verb, &err) : EXIT_SUCCESS;
}
