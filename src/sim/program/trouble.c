/* SPDX-License-Identifier: Apache-2.0 */
/* What befalls a node: failing calls, XIDs, ECC errors, lost GPUs, resets. */
#include "sim/program/pressure.h"
#include "sim/program/program.h"
#include "sim/program/programs.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/node/gpu.h"
#include "sim/node/inject.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
	{ "clear", optional_argument, NULL, 'c' }, { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 } };

/* The programs of MPS belong to another driver, or ("mps-version" alone) to the node's again. */
static bool mps_version_is_meant(const char *spec)
{
	return text_eq(spec, "mps-version") || text_starts(spec, "mps-version=");
}

static int mps_version_put(const struct node *node, const char *spec, struct error *err)
{
	const char *version = strchr(spec, '=');

	return programs_put_mps(
		node->dir, version ? version + 1 : node->settings.driver_version, err);
}

int verb_inject(const struct verb *verb, int argc, char **argv)
{
	const char *dir = NULL, *cleared = NULL;
	struct error err = ERROR_NONE;
	struct node *node;
	bool is_clear = false;
	uint32_t id = 0;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option == '?')
			return usage_bad_option(verb, argv);
		if (option == 'D')
			dir = optarg;
		is_clear |= option == 'c';
		cleared = option == 'c' ? optarg : cleared;
	}
	if (is_clear && !cleared && optind < argc)
		cleared = argv[optind++];
	if (cleared && parse_u32(cleared, &id) < 0)
		return usage_error(verb, "'%s' is not the number of a failure", cleared);
	if (!is_clear && optind == argc)
		return usage_error(verb, "what is to fail?");
	if (where_node(dir, &node, &err) < 0)
		return report(verb, &err);
	if (is_clear) {
		unsigned n = inject_clear(node, id);

		printf("%u removed\n", n);
		return n || !id ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	for (; optind < argc; optind++) {
		if (pressure_is_meant(argv[optind])) {
			pid_t pid;

			if (pressure_start(node, argv[optind], &pid, &err) < 0)
				return report(verb, &err);
			printf("process %d\n", (int)pid);
			continue;
		}
		if (mps_version_is_meant(argv[optind])) {
			if (mps_version_put(node, argv[optind], &err) < 0)
				return report(verb, &err);
			continue;
		}
		if (inject_add(node, argv[optind], &id, &err) < 0)
			return report(verb, &err);
		printf("%u\n", id);
	}
	return EXIT_SUCCESS;
}

static int report_code(const struct verb *verb, unsigned gpu, int code)
{
	if (code == NVML_SUCCESS)
		return EXIT_SUCCESS;
	if (code == NVML_ERROR_IN_USE)
		fprintf(stderr, "carve-sim %s: processes use GPU %u\n", verb->name, gpu);
	else if (code == NVML_ERROR_GPU_IS_LOST)
		fprintf(stderr, "carve-sim %s: GPU %u is lost\n", verb->name, gpu);
	else
		fprintf(stderr, "carve-sim %s: GPU %u: %s\n", verb->name, gpu,
			inject_code_name(code) ?: "failed");
	return EXIT_FAILURE;
}

static int befall(const struct verb *verb, struct node *node, unsigned gpu, const char *argument)
{
	uint32_t xid;

	if (text_eq(verb->name, "xid")) {
		if (!argument || parse_u32(argument, &xid) < 0)
			return usage_error(verb, "which XID?");
		return report_code(
			verb, gpu, gpu_xid(node, gpu, xid, NVML_NO_INSTANCE, NVML_NO_INSTANCE));
	}
	if (text_eq(verb->name, "ecc")) {
		bool uncorrected = text_eq(argument, "uncorrected");

		if (argument && !uncorrected && !text_eq(argument, "corrected"))
			return usage_error(
				verb, "'%s' is neither corrected nor uncorrected", argument);
		return report_code(verb, gpu, gpu_ecc(node, gpu, uncorrected));
	}
	if (argument)
		return usage_error(verb, "'%s' is one too many", argument);
	if (text_eq(verb->name, "lose"))
		return report_code(verb, gpu, gpu_lose(node, gpu));
	if (text_eq(verb->name, "recover"))
		return report_code(verb, gpu, gpu_recover(node, gpu));
	return report_code(verb, gpu, gpu_reset(node, gpu));
}

int verb_gpu(const struct verb *verb, int argc, char **argv)
{
	const char *dir = NULL;
	struct error err = ERROR_NONE;
	struct node *node;
	unsigned gpu;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option != 'D')
			return usage_bad_option(verb, argv);
		dir = optarg;
	}
	if (optind == argc)
		return usage_error(verb, "which GPU?");
	if (argc - optind > 2)
		return usage_error(verb, "'%s' is one too many", argv[optind + 2]);
	if (where_node(dir, &node, &err) < 0 || where_gpu(node, argv[optind], &gpu, &err) < 0)
		return report(verb, &err);
	return befall(verb, node, gpu, argv[optind + 1]);
}

/* In nvidia-smi's words, because clients look at them. */
static int smi_reset(struct node *node, unsigned gpu)
{
	char pci[64];
	int r;

	snprintf(pci, sizeof(pci), "%08X:%02X:%02X.0", node->gpus[gpu].pci_domain,
		node->gpus[gpu].pci_bus, node->gpus[gpu].pci_device);
	if (!gpu_may_change(node)) {
		printf("Unable to reset this GPU because you lack permission to do so. (%s)\n",
			pci);
		return 4;
	}
	r = gpu_reset(node, gpu);
	if (r == NVML_SUCCESS) {
		printf("GPU %s was successfully reset.\nAll done.\n", pci);
		return EXIT_SUCCESS;
	}
	if (r == NVML_ERROR_IN_USE)
		printf("GPU %s is currently in use by another process.\n\n1 device is currently "
		       "being used by one or more other processes (e.g., Fabric Manager, CUDA "
		       "application, graphics application such as an X server, or a monitoring "
		       "application such as another instance of nvidia-smi). Please first kill all "
		       "processes using this device and all compute applications running in the "
		       "system.\n",
			pci);
	else
		printf("GPU %s: Unable to reset: GPU is lost\n", pci);
	return r == NVML_ERROR_IN_USE ? 255 : 15;
}

int verb_smi(const struct verb *verb, int argc, char **argv)
{
	static const struct option smi_options[] = { { "gpu-reset", no_argument, NULL, 'r' },
		{ "id", required_argument, NULL, 'i' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	const char *name = NULL;
	struct error err = ERROR_NONE;
	bool is_reset = false, is_other = false;
	struct node *node;
	unsigned gpu;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "ri:", smi_options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		is_reset |= option == 'r';
		name = option == 'i' ? optarg : name;
		is_other |= option == '?';
	}
	if (!is_reset || is_other || !name || optind != argc)
		return usage_error(verb,
			"this simulated nvidia-smi can do 'nvidia-smi --gpu-reset -i GPU' and "
			"nothing else");
	if (where_node(NULL, &node, &err) < 0 || where_gpu(node, name, &gpu, &err) < 0)
		return report(verb, &err);
	return smi_reset(node, gpu);
}
