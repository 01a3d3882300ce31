/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/verb.h"

#define END_OF_OPTIONS                                                                             \
	{                                                                                          \
		NULL, NULL, NULL, NULL                                                             \
	}
#define JSON_ROW                                                                                   \
	{                                                                                          \
		"json", NULL, "prints JSON as the API gives it", NULL                              \
	}

static const struct request_option_row list_options[] = {
	JSON_ROW,
	{ "ids", NULL, "prints only the names, one per line", NULL },
	END_OF_OPTIONS,
};

static const struct request_option_row show_options[] = {
	{ "as", "FORMAT", "a lease's binding: env prints NAME=value lines; json prints everything",
		"env json" },
	{ "json", NULL, "the same as --as json", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row run_options[] = {
	{ "name", "NAME", "a name for the lease, beside its id", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row lease_options[] = {
	{ "name", "NAME", "a name for the lease; without --pid and --cgroup it alone holds it",
		NULL },
	{ "pid", "PID", "holds it while this process lives", NULL },
	{ "cgroup", "CGROUP", "holds it while this cgroup (\"/...\", a container's) has processes",
		NULL },
	{ "for", "T", "ends after this time: 30m, 4h", NULL },
	JSON_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row extend_options[] = {
	{ "for", "T", "from now: 30m, 2h", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row release_options[] = {
	{ "grace", "T", "between SIGTERM and SIGKILL for the processes of a run", NULL },
	END_OF_OPTIONS,
};

const struct verb verbs[] = {
	{
		.name = "list",
		.synopsis = "[gpus|shares|leases] [--json|--ids]",
		.max_args = 1,
		.argument = ARGUMENT_WORD,
		.words = "gpus shares leases",
		.summary = "shows what there is: GPUs, shares, leases; or all of it as a picture",
		.text = "Without an argument: every GPU with its instances in their places, who "
			"holds what, the\n"
			"queue and totals. 'gpus' also says what each GPU can do by each "
			"mechanism, and why.\n",
		.examples = "  carve list\n"
			    "  carve list leases --json\n",
		.options = list_options,
		.run = verb_list,
	},
	{
		.name = "show",
		.synopsis = "ID [--as FORMAT]",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_ANY_ID,
		.summary = "shows one GPU, share or lease with all that is known of it",
		.text = "ID is a GPU's index, uuid or PCI address, a share's name (0:1g.10gb@4) or "
			"MIG uuid, or a\n"
			"lease's id or name.\n",
		.examples = "  carve show 0\n"
			    "  env $(carve show L3 --as env) ./program\n",
		.options = show_options,
		.run = verb_show,
	},
	{
		.name = "run",
		.synopsis = "[REQUEST] [--] COMMAND [ARGUMENT...]",
		.max_args = 0,
		.takes_request = true,
		.takes_command = true,
		.argument = ARGUMENT_NONE,
		.summary = "runs a command in a share of its own, and gives the share back",
		.text = "Asks for what the request says, waits until it is there, and runs the "
			"command in it: with\n"
			"the environment that names the share, and fenced off from all other GPUs. "
			"Signals, job\n"
			"control and the terminal are the command's. The share is given back "
			"however the command\n"
			"ends; children that outlive it keep the share until the last of them is "
			"gone.\n"
			"\n"
			"Exits as the command does: with its status, or by the signal that ended "
			"it. 124: waited\n"
			"too long; 125: Carve failed; 126: the command cannot be run; 127: there "
			"is no such\n"
			"command.\n",
		.examples = "  carve run --memory 10G --compute 25% -- python train.py\n"
			    "  carve run --profile 1g.10gb --wait=5m ./program\n"
			    "  carve run --gpus 2 torchrun --nproc-per-node 2 train.py\n",
		.options = run_options,
		.run = verb_run,
	},
	{
		.name = "lease",
		.synopsis = "[REQUEST] --name N [--pid P|--cgroup C] [--for T]",
		.takes_request = true,
		.summary = "takes a lease without running anything",
		.text = "For what is started in another way: a process that runs already, a "
			"container, a service.\n"
			"Prints CARVE_LEASE and the binding's variables as NAME=value lines. Held "
			"by a name alone\n"
			"it stays until it is released or its time is over. Exits 124 where it "
			"waited too long.\n",
		.examples = "  carve lease --memory 10G --name web1 --for 4h\n"
			    "  carve lease --profile 1g.10gb --pid 4711\n",
		.options = lease_options,
		.run = verb_lease,
	},
	{
		.name = "extend",
		.synopsis = "LEASE --for T",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_LEASE,
		.summary = "lets a lease go on for a time from now",
		.text = "The new end counts from now, not from the old end, so it can also be an "
			"earlier one.\n",
		.examples = "  carve extend web1 --for 2h\n",
		.options = extend_options,
		.run = verb_extend,
	},
	{
		.name = "release",
		.synopsis = "LEASE...",
		.min_args = 1,
		.max_args = -1,
		.argument = ARGUMENT_LEASE,
		.summary = "ends leases now",
		.text = "The processes of 'carve run' get SIGTERM and, after the grace time, "
			"SIGKILL. Those of a\n"
			"container or a process that was there before are left alone; they lose "
			"their share.\n",
		.examples = "  carve release L3 web1\n",
		.options = release_options,
		.run = verb_release,
	},
	{
		.name = "help",
		.synopsis = "[VERB]",
		.max_args = 1,
		.argument = ARGUMENT_VERB,
		.summary = "shows the verbs, or all about one of them",
		.text = "The same as 'carve VERB --help'.\n",
		.run = verb_help,
	},
	{
		.name = "version",
		.synopsis = "",
		.summary = "shows the version",
		.text = "Of this program; 'carve list --json' also has that of the daemon.\n",
		.run = verb_version,
	},
};
const unsigned verbs_n = ARRAY_SIZE(verbs);

const struct verb *verb_find(const char *name)
{
	for (unsigned i = 0; i < verbs_n; i++)
		if (text_eq(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}
