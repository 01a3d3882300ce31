/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/program.h"

#include "base/error.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DIR_HELP "  --dir DIR        the node (default: the one of $CARVE_SIM_NODE)\n"
#define MAKE_HELP                                                                                  \
	"  --fast           no latencies\n"                                                        \
	"  --plain          plain files for /proc and /sys, which may be edited\n"                 \
	"  --create MS      how long making an instance takes (250)\n"                             \
	"  --destroy MS     how long removing one takes (100)\n"                                   \
	"  --mps-start MS   how long an MPS server takes to start (400)\n"                         \
	"  --inject SPEC    a failure to inject from the start; may be repeated\n"

static const struct verb verbs[] = {
	{ "machines", "", "lists the machines that are built in", "", verb_machines },
	{ "run", "MACHINE [OPTION...] -- CMD [ARG...]",
		"makes a node, runs CMD on it, removes the node; exits as CMD",
		"  MACHINE          a name (carve-sim machines) or a FILE.yaml\n" MAKE_HELP
		"  --dir DIR        make it there, and keep it\n"
		"  --keep           keep it; its directory is printed\n"
		"  --no-namespace   as root too, its files only below $CARVE_SYSTEM_ROOT\n",
		verb_run },
	{ "create", "NAME MACHINE [OPTION...] | MACHINE --dir DIR [OPTION...]",
		"makes a node that stays",
		MAKE_HELP "  --dir DIR        its directory, instead of a name\n", verb_create },
	{ "exec", "NAME [OPTION...] -- CMD [ARG...]", "runs CMD on a node; exits as CMD",
		"  --dir DIR        the node, instead of a name\n"
		"  --no-namespace   as root too, its files only below $CARVE_SYSTEM_ROOT\n",
		verb_exec },
	{ "destroy", "NAME | --dir DIR", "removes a node; its processes end", DIR_HELP,
		verb_destroy },
	{ "state", "[--json]", "shows GPUs, instances, processes, failures to inject",
		"  --json           as JSON\n" DIR_HELP, verb_state },
	{ "inject", "SPEC | --clear [ID]",
		"makes driver calls and MPS fail, hang or be late; puts processes in the way",
		"  SPEC is FUNCTION[:KEY[=VALUE],...]; FUNCTION may have * and ?. Keys:\n"
		"    code=IN_USE    fail with this NVML code (UNKNOWN)\n"
		"    hang           do not return until the failure is cleared\n"
		"    delay=250ms    be late\n"
		"    call=K         from the Kth matching call on (1)\n"
		"    times=N|all    so many calls (1)\n"
		"    gpu=INDEX      on this GPU only\n"
		"  or memory[:KEY=VALUE,...]: a process takes memory; or holder: one holds a "
		"device.\n"
		"    device=N.I.C   a GPU, its instance I, its compute instance C, or a UUID (0)\n"
		"    size=SIZE      so much memory (memory: all that is free; holder: 64Mi)\n"
		"    busy=PERCENT   so much compute (0)\n"
		"  or write:file=NAME[,KEY[=VALUE],...]: writes to the kernel's files of this "
		"name, "
		"with\n"
		"    error=ENOMEM   fail so (EIO)\n"
		"    ignored        succeed, and do nothing\n"
		"    hang, delay=, call=, times=, gpu= as above\n"
		"  or of MPS:\n"
		"    mps-fault:client=PID[,unnamed]  a client's fatal fault; or of one on "
		"server=PID, "
		"gpu=INDEX\n"
		"    mps-hang:server=PID|gpu=INDEX|control=PID  does nothing until cleared\n"
		"    mps-start[:delay=T][,gpu=INDEX][,control=PID][,times=N|all]  a server fails "
		"to "
		"start, or is late\n"
		"    mps-version=VERSION  its programs are of this driver; without a version: of "
		"the "
		"node's\n"
		"  --clear [ID]     removes one failure, or all\n" DIR_HELP,
		verb_inject },
	{ "load", "FILE|-", "plays processes that use memory and compute over time",
		"  --seed N         draw by this seed, not the file's\n"
		"  --step           time moves by what standard input says: one time (1s) a line\n"
		"  --print          print what would happen, and do nothing\n" DIR_HELP,
		verb_load },
	{ "record", "[FILE]", "writes a real machine as a file, through NVML",
		"  FILE             else standard output\n", verb_record },
	{ "xid", "GPU CODE", "the GPU reports an XID", DIR_HELP, verb_gpu },
	{ "ecc", "GPU [corrected|uncorrected]", "the GPU counts an ECC error", DIR_HELP, verb_gpu },
	{ "lose", "GPU", "the GPU falls off the bus (XID 79)", DIR_HELP, verb_gpu },
	{ "recover", "GPU", "a lost GPU comes back", DIR_HELP, verb_gpu },
	{ "reset", "GPU", "resets a GPU that nobody uses", DIR_HELP, verb_gpu },
	{ "hold", "[OPTION...] [-- CMD [ARG...]]",
		"uses a GPU or MIG device as a CUDA program would",
		"  --device NAME    UUID or index (default: as CUDA_VISIBLE_DEVICES says)\n"
		"  --memory SIZE    so much of its memory (1G)\n"
		"  --busy PERCENT   of the time its kernels run (0)\n"
		"  --sms PERCENT    of the SMs are busy then (100)\n"
		"  --bandwidth PERCENT  of its memory's is in use then\n"
		"  --copy-in SIZE, --copy-out SIZE  a second go over PCIe then\n"
		"  --burst ON/PERIOD  does all this for ON of each PERIOD (300ms/1s)\n"
		"  --vf ADDRESS     be a virtual machine that has this virtual function open\n"
		"  --type TYPE      compute, graphics or mps (compute)\n"
		"  --time T         so long (for ever)\n"
		"  --print          print what it got of MPS\n"
		"  --stay           go on living when CUDA has failed\n"
		"  CMD              while this runs; exits as CMD\n" DIR_HELP,
		verb_hold },
	{ "sriov-manage", "-e|-d GPU|ALL",
		"stands for NVIDIA's on the node: makes and removes virtual functions", DIR_HELP,
		verb_sriov },
	{ "nvidia-smi", "--gpu-reset -i GPU", "stands for nvidia-smi on the node: this call only",
		DIR_HELP, verb_smi },
};

static int usage(FILE *to)
{
	fprintf(to, "Usage: carve-sim VERB ...\n\nA simulated GPU node.\n\n");
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-12s %s\n", verbs[i].name, verbs[i].purpose);
	fprintf(to, "\n'carve-sim VERB --help' says more.\n");
	return to == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

int verb_help(const struct verb *verb)
{
	printf("Usage: carve-sim %s %s\n\n%s.\n%s%s", verb->name, verb->arguments, verb->purpose,
		verb->details[0] ? "\n" : "", verb->details);
	return EXIT_SUCCESS;
}

int usage_error(const struct verb *verb, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "carve-sim %s: ", verb->name);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\nTry 'carve-sim %s --help'.\n", verb->name);
	va_end(args);
	return EXIT_USAGE;
}

int usage_bad_option(const struct verb *verb, char **argv)
{
	extern int optind;

	return usage_error(verb, "'%s' is not an option here, or wants a value", argv[optind - 1]);
}

int report(const struct verb *verb, const struct error *err)
{
	fprintf(stderr, "carve-sim %s: %s\n", verb->name, err->text);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (text_eq(argv[1], "--help") || text_eq(argv[1], "-h") || text_eq(argv[1], "help"))
		return usage(stdout);
	if (text_eq(argv[1], "--version")) {
		puts("carve-sim " CARVE_VERSION);
		return EXIT_SUCCESS;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++)
		if (text_eq(verbs[i].name, argv[1]))
			return verbs[i].run(&verbs[i], argc - 1, argv + 1);
	fprintf(stderr, "carve-sim: '%s' is not a verb\n", argv[1]);
	return usage(stderr);
}
