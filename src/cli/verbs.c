/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/verb.h"
#include "model/advice.h"

#define END_OF_OPTIONS                                                                             \
	{                                                                                          \
		NULL, NULL, NULL, NULL                                                             \
	}
#define JSON_ROW                                                                                   \
	{                                                                                          \
		"json", NULL, "prints JSON as the API gives it", NULL                              \
	}

#define LIKE_ROW                                                                                   \
	{                                                                                          \
		"like", "NAME",                                                                    \
			"asks for what 'carve profile --save NAME' found; other options win", NULL \
	}

static const struct request_option_row list_options[] = {
	JSON_ROW,
	{ "ids", NULL, "prints only the names, one per line", NULL },
	END_OF_OPTIONS,
};

static const struct request_option_row show_options[] = {
	{ "as", "FORMAT",
		"a lease's binding: env prints NAME=value lines; qemu, libvirt, proxmox, kubevirt "
		"and cloud-hypervisor print a VF in the words of each; json prints everything",
		"env json qemu libvirt proxmox kubevirt cloud-hypervisor" },
	{ "json", NULL, "the same as --as json", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row run_options[] = {
	{ "name", "NAME", "a name for the lease, beside its id", NULL },
	LIKE_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row lease_options[] = {
	{ "name", "NAME", "a name for the lease; without --pid and --cgroup it alone holds it",
		NULL },
	{ "pid", "PID", "holds it while this process lives", NULL },
	{ "cgroup", "CGROUP", "holds it while this cgroup (\"/...\", a container's) has processes",
		NULL },
	{ "for", "T", "ends after this time: 30m, 4h", NULL },
	LIKE_ROW,
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
static const struct request_option_row attach_options[] = {
	{ "qmp", "SOCKET",
		"the monitor of the virtual machine: QEMU's -qmp unix:SOCKET,server=on,wait=off",
		NULL },
	{ "bus", "ID", "the bus it goes to; without, a PCIe root port that is free", NULL },
	{ "timeout", "T", "how long QEMU may take; 10s", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row detach_options[] = {
	{ "qmp", "SOCKET",
		"the monitor of the virtual machine: QEMU's -qmp unix:SOCKET,server=on,wait=off",
		NULL },
	{ "timeout", "T", "how long the guest may take to let go; 30s", NULL },
	END_OF_OPTIONS,
};

static const struct request_option_row unmanage_options[] = {
	{ "keep", NULL, "leaves everything as it is now", NULL },
	{ "reset", NULL, "allows a reset of the GPU where its MIG mode has to change back", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row plan_options[] = {
	{ "layout", "NAME", "this layout of the file, where it has several", NULL },
	{ "reset", NULL, "allows GPU resets, which a change of MIG mode may take", NULL },
	JSON_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row apply_options[] = {
	{ "layout", "NAME", "this layout of the file, where it has several", NULL },
	{ "reset", NULL, "allows GPU resets, which a change of MIG mode may take", NULL },
	{ "stop-services", "FILE",
		"stops the services that FILE names, one unit per line, and starts them again "
		"whatever happens",
		NULL },
	{ "no-remember", NULL, "does not make this the layout that is made again at boot", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row export_options[] = {
	{ "name", "NAME", "calls the layout so; now by default", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row drain_options[] = {
	{ "driver", NULL, "all GPUs, and lets go of the driver, so that it can be changed", NULL },
	{ "no-wait", NULL, "does not wait until no lease is left", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row undrain_options[] = {
	{ "driver", NULL, "takes up the driver again", NULL },
	END_OF_OPTIONS,
};
static const struct request_option_row advise_options[] = {
	ADVICE_OPTION_ROWS LIKE_ROW,
	JSON_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row measure_options[] = {
	{ "gpu", "GPU", "this one, by index, uuid or PCI address; else the first that nobody uses",
		NULL },
	{ "copies", "N", "by turns and by MPS, up to so many copies at once; 4", NULL },
	{ "seconds", "S", "that each run is measured; 3", NULL },
	{ "only", "WAY,...", "these ways, beside the whole GPU, which all are compared with",
		"whole time mps mig" },
	{ "dry-run", NULL, "says what would be run, and runs nothing", NULL },
	{ "show", NULL, "prints what was measured on this node", NULL },
	{ "forget", NULL, "drops what was measured, on all GPUs or one (--gpu)", NULL },
	JSON_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row profile_options[] = {
	{ "save", "NAME", "keeps it, for --like NAME of run, lease and advise", NULL },
	{ "replace", NULL, "saves over a profile of that name", NULL },
	{ "margin", "PERCENT", "so much more memory than it was seen to use: 20", NULL },
	{ "json", "[=FILE]", "prints JSON instead: on standard error, or to FILE (/dev/fd/3)",
		NULL },
	{ "name", "NAME", "a name for the lease, beside its id", NULL },
	LIKE_ROW,
	{ "list", NULL, "runs nothing: lists what is saved", NULL },
	{ "ids", NULL, "with --list: only the names, one per line", NULL },
	{ "remove", "NAME", "runs nothing: removes what is saved", NULL },
	ADVICE_OPTION_ROWS END_OF_OPTIONS,
};
static const struct request_option_row doctor_options[] = {
	JSON_ROW,
	END_OF_OPTIONS,
};
static const struct request_option_row events_options[] = {
	{ "follow", NULL, "goes on with what happens from now", NULL },
	{ "json", NULL, "prints JSON; with --follow one object per line", NULL },
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
		.text = "Without an argument: every GPU with its instances in their places or its "
			"MPS shares, who\n"
			"holds what, the queue and totals. 'gpus' also says what each GPU can do "
			"by each\n"
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
		.text = "ID is a GPU's index, uuid or PCI address, a share's name (0:1g.10gb@4, "
			"0:mps2,\n"
			"0:vf3, or the PCI address of a VF) or MIG uuid, or a lease's id or "
			"name.\n",
		.examples = "  carve show 0\n"
			    "  env $(carve show L3 --as env) ./program\n"
			    "  virsh attach-device web1 <(carve show web1 --as libvirt)\n",
		.options = show_options,
		.run = verb_show,
	},
	{
		.name = "manage",
		.synopsis = "GPU...",
		.min_args = 1,
		.max_args = -1,
		.argument = ARGUMENT_GPU,
		.summary = "lets Carve change a GPU: its modes, instances and MPS servers",
		.text = "On all other GPUs Carve only looks. Instances that are there already stay "
			"as they are:\n"
			"foreign, until they are adopted. For root and the group carve.\n",
		.examples = "  carve manage 0 1\n",
		.run = verb_manage,
	},
	{
		.name = "unmanage",
		.synopsis = "GPU... [--keep] [--reset]",
		.min_args = 1,
		.max_args = -1,
		.argument = ARGUMENT_GPU,
		.summary = "puts a GPU back as it was when it was managed, and only looks again",
		.text = "What Carve made goes, and the MIG mode comes back. Leases must have ended "
			"(carve drain).\n",
		.examples = "  carve unmanage 0\n",
		.options = unmanage_options,
		.run = verb_unmanage,
	},
	{
		.name = "adopt",
		.synopsis = "SHARE...",
		.min_args = 1,
		.max_args = -1,
		.argument = ARGUMENT_SHARE,
		.summary = "makes a foreign share Carve's: it is pinned, and can be leased",
		.text = "A foreign share is one that somebody else made on a managed GPU.\n",
		.examples = "  carve adopt 0:3g.40gb@4\n",
		.run = verb_adopt,
	},
	{
		.name = "plan",
		.synopsis = "FILE [--layout NAME]",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_FILE,
		.summary = "shows what a layout would change, what stays, and what is in the way",
		.text = "FILE is a layout in Carve's format or mig-parted's; - is standard input. "
			"Changes nothing.\n"
			"Exits 0: nothing to do; 2: there are changes; 1: it cannot be done.\n",
		.examples = "  carve plan day.yaml --layout day\n",
		.options = plan_options,
		.run = verb_plan,
	},
	{
		.name = "apply",
		.synopsis = "FILE [--layout NAME] [--stop-services FILE]",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_FILE,
		.summary = "makes the GPUs as a layout wants them",
		.text = "Touches only what must change, and nothing that is in use. Where a step "
			"fails, everything\n"
			"is put back to its exact former place. The layout is made again at boot. "
			"For root and the\n"
			"group carve.\n",
		.examples = "  carve apply day.yaml --layout day\n"
			    "  carve apply day.yaml --stop-services services.txt\n",
		.options = apply_options,
		.run = verb_apply,
	},
	{
		.name = "export",
		.synopsis = "[--name NAME]",
		.summary = "prints what is now as a layout file",
		.text = "Of the managed GPUs, with exact places: to apply it at once changes "
			"nothing.\n",
		.examples = "  carve export --name night > night.yaml\n",
		.options = export_options,
		.run = verb_export,
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
			"With --mechanism mps the command shares a GPU, at the same time, with "
			"others of the same\n"
			"user, and a fatal fault of one ends all of them. 'carve show LEASE' says "
			"who holds its limits.\n"
			"\n"
			"Exits as the command does: with its status, or by the signal that ended "
			"it. 124: waited\n"
			"too long; 125: Carve failed; 126: the command cannot be run; 127: there "
			"is no such\n"
			"command.\n",
		.examples = "  carve run --memory 10G --compute 25% -- python train.py\n"
			    "  carve run --profile 1g.10gb --wait=5m ./program\n"
			    "  carve run --mechanism mps --memory 8G --compute 30% ./serve\n"
			    "  carve run --gpus 2 torchrun --nproc-per-node 2 train.py\n",
		.options = run_options,
		.run = verb_run,
	},
	{
		.name = "lease",
		.synopsis = "[REQUEST] --name N [--vm|--pid P|--cgroup C] [--for T]",
		.takes_request = true,
		.summary = "takes a lease without running anything",
		.text = "For what is started in another way: a process that runs already, a "
			"container, a service.\n"
			"Prints CARVE_LEASE and the binding's variables as NAME=value lines. Held "
			"by a name alone\n"
			"it stays until it is released or its time is over. Exits 124 where it "
			"waited too long.\n"
			"\n"
			"With --vm it is a VF for a virtual machine: it stays, also when the "
			"machine "
			"is off and over\n"
			"a reboot, until it is released.\n",
		.examples = "  carve lease --memory 10G --name web1 --for 4h\n"
			    "  carve lease --profile 1g.10gb --pid 4711\n"
			    "  carve lease --vm --name web1 --profile H200X-35C\n",
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
		.name = "attach",
		.synopsis = "LEASE --qmp SOCKET [--bus ID] [--timeout T]",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_LEASE,
		.summary = "puts a lease's VF into a virtual machine that runs",
		.text = "Through QEMU's monitor. It stands behind a PCIe root port that the "
			"virtual "
			"machine was started\n"
			"with ('carve show LEASE --as qemu' has the line), and is called "
			"carve-LEASE "
			"there. What is in\n"
			"there already stays. Exits 124 where QEMU took too long.\n",
		.examples = "  carve attach web1 --qmp /run/vm/web1.qmp\n",
		.options = attach_options,
		.run = verb_attach,
	},
	{
		.name = "detach",
		.synopsis = "LEASE --qmp SOCKET [--timeout T]",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_LEASE,
		.summary = "takes a lease's VF out of a virtual machine that runs",
		.text = "The guest is asked to let go, and may refuse; a stopped one never "
			"answers. "
			"The lease stays\n"
			"until it is released. Exits 124 where the guest took too long: it may "
			"still let go later.\n",
		.examples = "  carve detach web1 --qmp /run/vm/web1.qmp && carve release web1\n",
		.options = detach_options,
		.run = verb_detach,
	},
	{
		.name = "drain",
		.synopsis = "GPU...|--driver [--no-wait]",
		.max_args = -1,
		.argument = ARGUMENT_GPU,
		.summary = "gives a GPU no new leases, and waits until it has none",
		.text = "For maintenance. Running leases go on until they end. With --driver Carve "
			"lets go of the\n"
			"driver in the end, so that it can be unloaded or upgraded.\n",
		.examples = "  carve drain 3\n"
			    "  carve drain --driver\n",
		.options = drain_options,
		.run = verb_drain,
	},
	{
		.name = "undrain",
		.synopsis = "GPU...|--driver",
		.max_args = -1,
		.argument = ARGUMENT_GPU,
		.summary = "ends a drain",
		.text = "Waiting requests get the GPU's room at once.\n",
		.examples = "  carve undrain 3\n",
		.options = undrain_options,
		.run = verb_undrain,
	},
	{
		.name = "advise",
		.synopsis = "[REQUEST] [NEEDS] [--gpu GPU|PRODUCT] | FILE",
		.max_args = 1,
		.takes_request = true,
		.argument = ARGUMENT_FILE,
		.summary = "says which way of sharing suits a workload, and why",
		.text = "Ranks MIG, MPS, both together, virtual functions, vGPUs in MIG instances "
			"and whole GPUs:\n"
			"the share that each would make here, who holds its limits, what stays "
			"shared, how fast it\n"
			"is and how that is known, licences, drivers, what is done first and whom "
			"that disturbs; and\n"
			"why the others are impossible. Changes nothing.\n"
			"\n"
			"--gpu also takes a product that is not here (h100-80gb; 'list' prints "
			"all): that needs no\n"
			"daemon. FILE has several workloads: a list 'workloads' whose items have "
			"a name and these\n"
			"options as keys; - is standard input. Without a word on a terminal it "
			"asks.\n"
			"\n"
			"What is as with the first way is not said again. --explain prints each "
			"rule that holds, with\n"
			"its source. Exits 64 where needs contradict each other, 1 where there is "
			"no such GPU.\n",
		.examples = "  carve advise --memory 10G --tenants same --count 4 --workload "
			    "inference\n"
			    "  carve advise --memory 35G --vm --isolation fault\n"
			    "  carve advise --gpu h100-80gb --memory 10G --latency 20@p99 "
			    "--explain\n"
			    "  carve advise workloads.yaml --json\n",
		.options = advise_options,
		.run = verb_advise,
	},
	{
		.name = "measure",
		.synopsis = "[--gpu GPU] [--copies N] [--seconds S] [--only WAY,...] [--dry-run]",
		.summary = "measures how fast shares of a GPU are, for carve advise to cite",
		.text = "A benchmark of three kinds of work (bound by compute, by the memory's "
			"bandwidth, by launches)\n"
			"runs alone on the whole GPU, then in several copies at once: by the "
			"driver's own turns (time),\n"
			"in MPS shares, and in MIG instances where MIG mode is on. It takes leases "
			"as anyone does and\n"
			"changes no mode; what it leaves out is said, with what would make it "
			"possible.\n"
			"\n"
			"Where others are on the GPU it refuses, names them and exits 75. What was "
			"measured to its end\n"
			"is kept by the daemon for 'carve advise', and replaces what was measured "
			"before in the same\n"
			"ways; Ctrl-C ends everything and keeps nothing. For root and the group "
			"carve; --show is for\n"
			"everyone.\n",
		.examples = "  carve measure --dry-run\n"
			    "  carve measure --gpu 0 --copies 7 --only time,mps\n"
			    "  carve measure --show\n",
		.options = measure_options,
		.run = verb_measure,
	},
	{
		.name = "profile",
		.synopsis = "[REQUEST] [--save NAME] [--margin PERCENT] [NEEDS] [--] COMMAND "
			    "[ARGUMENT...]",
		.max_args = 0,
		.takes_request = true,
		.takes_command = true,
		.instead = "list remove",
		.argument = ARGUMENT_NONE,
		.summary = "runs a command, watches what it uses, and proposes its share",
		.text = "Runs it as 'carve run' does, on a whole GPU if no request says else,\n"
			"and then tells on standard error how long it took, its memory and\n"
			"processes at most, how busy the SMs, the memory and the copies were,\n"
			"in bursts or steadily, what could not be seen and why; and the size\n"
			"that it needs, by which way of sharing, as 'carve advise' judges with\n"
			"these NEEDS. carved looks every 100 ms: a peak of memory in between\n"
			"is not seen, hence the margin.\n"
			"\n"
			"--save keeps it in ~/.local/share/carve/profiles ($XDG_DATA_HOME), and\n"
			"'carve run --like NAME' asks for what it proposes. One share only, and\n"
			"not of a virtual machine.\n"
			"\n"
			"Exits as 'carve run' does; 125 also where the command was done and the\n"
			"profile could not be made or saved. --list and --remove: 0 or 1.\n",
		.examples = "  carve profile --save train -- python train.py --epochs 1\n"
			    "  carve run --like train -- python train.py\n"
			    "  carve profile --memory 20G --json=/dev/fd/3 ./serve 3>p.json\n"
			    "  carve profile --list\n",
		.options = profile_options,
		.run = verb_profile,
	},
	{
		.name = "doctor",
		.synopsis = "[--json]",
		.summary = "says what is wrong with this node, and the way out",
		.text = "Looks for itself: at the driver, the kernel, the GPUs, the daemon. It "
			"changes nothing and\n"
			"needs no daemon; as root it sees more. Where a GPU can have virtual "
			"functions, it also says\nwhat keeps them from virtual machines: IOMMU and "
			"its groups, room on the bus, firmware, drivers,\nNVIDIA's vGPU manager, "
			"other "
			"tools. Exits 1 where something stands in Carve's way.\n",
		.examples = "  carve doctor\n",
		.options = doctor_options,
		.run = verb_doctor,
	},
	{
		.name = "events",
		.synopsis = "[--follow] [--json]",
		.summary = "shows what happened lately: leases, changes, health",
		.text = "The last hundred. --follow ends with Ctrl-C and goes on when the daemon "
			"is restarted.\n",
		.examples = "  carve events --follow\n",
		.options = events_options,
		.run = verb_events,
	},
	{
		.name = "reload",
		.synopsis = "",
		.summary = "lets the daemon read its configuration again",
		.text = "A configuration with a mistake is refused whole, and the former one stays "
			"in force.\n",
		.examples = "  carve reload\n",
		.run = verb_reload,
	},
	{
		.name = "completion",
		.synopsis = "bash|zsh|fish",
		.min_args = 1,
		.max_args = 1,
		.argument = ARGUMENT_WORD,
		.words = "bash zsh fish",
		.summary = "prints the completions for a shell",
		.text = "Packages install them; by hand: source <(carve completion bash)\n",
		.run = verb_completion,
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

const struct request_option_row *verb_option(const struct verb *verb, unsigned i)
{
	static const struct request_option_row help_row = { "help", NULL, "shows this", NULL };

	for (const struct request_option_row *row = verb->options; row && row->name; row++, i--)
		if (i == 0)
			return row;
	if (i == 0)
		return &help_row;
	i--;
	return verb->takes_request && i < request_options_n ? &request_options[i] : NULL;
}

enum value_use option_value_use(const struct request_option_row *row)
{
	if (!row->argument)
		return VALUE_NONE;
	return row->argument[0] == '[' ? VALUE_OPTIONAL : VALUE_NEEDED;
}
