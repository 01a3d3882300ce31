/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine file from a machine, seen through NVML as any program sees it: so that what goes wrong
 * on hardware that few people have can be tried on everyone's. Nothing is changed. What cannot be
 * said in a machine file stands in comments.
 */
#include "sim/program/program.h"

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/list.h"
#include "base/text.h"
#include "sim/node/geometry.h"
#include "sim/program/machine.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define PROCESSES 128

static struct {
#define NVML_FN(name, params, args) nvmlReturn_t(*name) params;
#include "abi/nvml.def"
} nvml;

static int nvml_open(struct error *err)
{
	void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL), *symbol;
	nvmlReturn_t r;

	if (!library)
		return error_set(err, -ENOENT, "no driver here: %s", dlerror());
#define NVML_FN(name, params, args)                                                                \
	symbol = dlsym(library, #name);                                                            \
	memcpy(&nvml.name, &symbol, sizeof(symbol));
#include "abi/nvml.def"
	if (!nvml.nvmlInit_v2)
		return error_set(err, -ENOSYS, "this driver's library has no nvmlInit_v2");
	r = nvml.nvmlInit_v2();
	if (r == NVML_ERROR_DRIVER_NOT_LOADED)
		return error_set(err, -ENODEV, "no driver here: its module is not loaded");
	return r == NVML_SUCCESS ? 0 : error_set(err, -EIO, "nvmlInit_v2 fails with %d", r);
}

/* A call that this library may not have. */
#define ASK(name, ...) (nvml.name ? nvml.name(__VA_ARGS__) : NVML_ERROR_FUNCTION_NOT_FOUND)

/* By PCI id, and by memory where several have the same. */
static const struct product *product_of(nvmlDevice_t gpu, const nvmlPciInfo_t *pci)
{
	const struct product *product, *found = NULL;
	nvmlMemory_t memory = { 0 };

	ASK(nvmlDeviceGetMemoryInfo, gpu, &memory);
	for (unsigned i = 0; (product = product_at(i)); i++) {
		uint64_t bytes = (uint64_t)product->memory_mib << 20;

		if (pci->pciDeviceId >> 16 != product->device_id)
			continue;
		if (!found || (bytes >= memory.total && bytes - memory.total < bytes / 10))
			found = product;
	}
	return found;
}

static int numa_of(const char *pci)
{
	const char *root = getenv("CARVE_SYSTEM_ROOT");
	AUTO_FREE char *path =
		must_asprintf("%s/sys/bus/pci/devices/%s/numa_node", root ?: "", pci);
	AUTO_FREE char *text = NULL;

	if (read_file_at(AT_FDCWD, path, 32, &text, NULL) < 0)
		return -1;
	return atoi(text);
}

/* ---- instances ---- */

/* Nothing where one compute instance is the whole, which is what machine files mean without it. */
static void record_compute(
	nvmlGpuInstance_t instance, const struct profile *profile, struct buf *text)
{
	nvmlComputeInstance_t compute;
	nvmlComputeInstanceInfo_t info;
	struct compute_shape shape;
	AUTO_BUF list = { 0 };
	bool is_whole = false;
	unsigned n = 0;

	for (unsigned ci = 0; ci < PRODUCT_COMPUTE; ci++) {
		if (ASK(nvmlGpuInstanceGetComputeInstanceById, instance, ci, &compute) !=
				NVML_SUCCESS ||
			ASK(nvmlComputeInstanceGetInfo_v2, compute, &info) != NVML_SUCCESS ||
			!compute_shape_of(profile, info.profileId, &shape))
			continue;
		is_whole = shape.slices == profile->slices;
		buf_addf(&list, "%s%uc", n++ ? ", " : "", shape.slices);
	}
	if (n != 1 || !is_whole)
		buf_addf(text, "compute: [%s]", buf_text(&list));
}

/* Returns the instances' ids in the order in which they are listed. */
static int record_instances(nvmlDevice_t gpu, const struct product *product, uint32_t *ids,
	unsigned *ret_n, struct buf *text, struct error *err)
{
	unsigned n = 0;

	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++) {
		nvmlGpuInstance_t instance;
		nvmlGpuInstanceInfo_t info;
		AUTO_BUF compute = { 0 };
		nvmlReturn_t r = ASK(nvmlDeviceGetGpuInstanceById, gpu, gi, &instance);
		int index;

		if (r == NVML_ERROR_NO_PERMISSION)
			return error_set(err, -EPERM,
				"the driver shows instances to root only: record as root");
		if (r != NVML_SUCCESS ||
			ASK(nvmlGpuInstanceGetInfo, instance, &info) != NVML_SUCCESS)
			continue;
		index = product_profile_by_id(product, info.profileId);
		if (index < 0) {
			buf_addf(text, "  # instance %u: profile %u is not known\n", gi,
				info.profileId);
			continue;
		}
		if (!n)
			buf_add(text, "  instances:\n");
		ids[n++] = gi;
		record_compute(instance, &product->profiles[index], &compute);
		if (compute.length)
			buf_addf(text, "  - {profile: %s, start: %u, %s}\n",
				product->profiles[index].label, info.placement.start,
				buf_text(&compute));
		else
			buf_addf(text, "  - %s@%u\n", product->profiles[index].label,
				info.placement.start);
	}
	*ret_n = n;
	return 0;
}

/* ---- processes ---- */

static void record_name(unsigned pid, struct buf *text)
{
	char name[64] = "python3", *slash;

	if (ASK(nvmlSystemGetProcessName, pid, name, sizeof(name)) != NVML_SUCCESS)
		text_copy(name, sizeof(name), "python3");
	slash = strrchr(name, '/');
	buf_add(text, "\"");
	for (const char *c = slash ? slash + 1 : name; *c; c++)
		if (*c >= ' ' && *c != '"' && *c != '\\')
			buf_add_n(text, c, 1);
	buf_add(text, "\"");
}

static unsigned busy_of(nvmlDevice_t gpu, unsigned pid)
{
	nvmlProcessUtilizationSample_t samples[PROCESSES];
	unsigned n = PROCESSES;

	if (ASK(nvmlDeviceGetProcessUtilization, gpu, samples, &n, 0) != NVML_SUCCESS)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (samples[i].pid == pid)
			return samples[i].smUtil;
	return 0;
}

static void record_process(nvmlDevice_t gpu, const nvmlProcessInfo_t *process,
	enum process_type type, const uint32_t *ids, unsigned n_ids, struct buf *text)
{
	unsigned busy = busy_of(gpu, process->pid);

	buf_add(text, "  - {name: ");
	record_name(process->pid, text);
	buf_addf(text, ", memory: %llu",
		process->usedGpuMemory == (unsigned long long)NVML_VALUE_NOT_AVAILABLE
			? 0
			: process->usedGpuMemory);
	for (unsigned i = 0; i < n_ids; i++)
		if (process->gpuInstanceId == ids[i])
			buf_addf(text, ", instance: %u", i);
	if (busy)
		buf_addf(text, ", busy: %u", busy);
	if (type != PROCESS_COMPUTE)
		buf_addf(text, ", type: %s", process_type_words[type]);
	buf_add(text, "}\n");
}

static void record_processes(
	nvmlDevice_t gpu, const uint32_t *ids, unsigned n_ids, bool is_mig, struct buf *text)
{
	nvmlProcessInfo_t processes[PROCESSES];
	bool is_first = true;

	for (enum process_type type = PROCESS_COMPUTE; type <= PROCESS_MPS; type++) {
		unsigned n = PROCESSES;
		nvmlReturn_t r =
			type == PROCESS_COMPUTE
				? ASK(nvmlDeviceGetComputeRunningProcesses_v3, gpu, &n, processes)
			: type == PROCESS_GRAPHICS
				? ASK(nvmlDeviceGetGraphicsRunningProcesses_v3, gpu, &n, processes)
				: ASK(nvmlDeviceGetMPSComputeRunningProcesses_v3, gpu, &n,
					  processes);

		for (unsigned i = 0; r == NVML_SUCCESS && i < n; i++) {
			bool has_instance = false;

			for (unsigned k = 0; k < n_ids; k++)
				has_instance |= processes[i].gpuInstanceId == ids[k];
			if (is_mig && !has_instance)
				continue;
			if (is_first)
				buf_add(text, "  processes:\n");
			is_first = false;
			record_process(gpu, &processes[i], type, ids, n_ids, text);
		}
	}
}

/* ---- GPUs ---- */

/* What a GPU is, beside its place: GPUs of which this is the same are one group. */
static int record_gpu(
	nvmlDevice_t gpu, const struct product *product, struct buf *text, struct error *err)
{
	unsigned current = 0, pending = 0, persistence = 0, n = 0;
	uint32_t ids[GPU_INSTANCES];
	int r = 0;

	if (ASK(nvmlDeviceGetMigMode, gpu, &current, &pending) == NVML_SUCCESS && product->slots) {
		buf_addf(text, "  mig: %s\n", current ? "on" : "off");
		if (current != pending)
			buf_addf(text, "  # mig: %s after a reset\n", pending ? "on" : "off");
	}
	if (ASK(nvmlDeviceGetPersistenceMode, gpu, &persistence) == NVML_SUCCESS && persistence)
		buf_add(text, "  persistence: on\n");
	if (current)
		r = record_instances(gpu, product, ids, &n, text, err);
	if (r == 0)
		record_processes(gpu, ids, n, current, text);
	return r;
}

struct group {
	const struct product *product;
	struct buf pci, numa, rest;
	bool has_numa;
};

static void group_print(struct group *group, struct buf *text)
{
	if (!group->product)
		return;
	buf_addf(text, "- product: %s\n  pci: [%s]\n", group->product->key, buf_text(&group->pci));
	if (group->has_numa)
		buf_addf(text, "  numa: [%s]\n", buf_text(&group->numa));
	buf_add(text, buf_text(&group->rest));
	buf_clear(&group->pci);
	buf_clear(&group->numa);
	buf_clear(&group->rest);
	*group = (struct group){ .pci = group->pci, .numa = group->numa, .rest = group->rest };
}

static int record_one(unsigned index, struct group *group, struct buf *text, struct error *err)
{
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = "?", address[16];
	const struct product *product;
	nvmlPciInfo_t pci = { 0 };
	AUTO_BUF rest = { 0 };
	nvmlDevice_t gpu;
	int r, numa;

	if (ASK(nvmlDeviceGetHandleByIndex_v2, index, &gpu) != NVML_SUCCESS ||
		ASK(nvmlDeviceGetPciInfo_v3, gpu, &pci) != NVML_SUCCESS) {
		buf_addf(text, "# GPU %u does not answer\n", index);
		return 0;
	}
	ASK(nvmlDeviceGetName, gpu, name, sizeof(name));
	product = product_of(gpu, &pci);
	if (!product) {
		group_print(group, text);
		buf_addf(text, "# GPU %u, %s (PCI id %04x), cannot be simulated yet\n", index, name,
			pci.pciDeviceId >> 16);
		return 0;
	}
	r = record_gpu(gpu, product, &rest, err);
	if (r < 0)
		return r;
	snprintf(address, sizeof(address), "%04x:%02x:%02x.0", pci.domain & 0xffff, pci.bus & 0xff,
		pci.device & 0xff);
	if (group->product &&
		(group->product != product || !text_eq(buf_text(&group->rest), buf_text(&rest))))
		group_print(group, text);
	if (!group->product)
		buf_add(&group->rest, buf_text(&rest));
	group->product = product;
	numa = numa_of(address);
	group->has_numa |= numa > 0;
	buf_addf(&group->pci, "%s\"%s\"", group->pci.length ? ", " : "", address);
	buf_addf(&group->numa, "%s%d", group->numa.length ? ", " : "", numa > 0 ? numa : 0);
	return 0;
}

static int record(struct buf *text, struct error *err)
{
	struct group group = { 0 };
	char driver[32] = "?";
	unsigned n = 0;
	int cuda = 0, r = nvml_open(err);

	if (r < 0)
		return r;
	if (ASK(nvmlDeviceGetCount_v2, &n) != NVML_SUCCESS)
		return error_set(err, -EIO, "the driver does not say how many GPUs there are");
	ASK(nvmlSystemGetDriverVersion, driver, sizeof(driver));
	buf_addf(text, "version: carve-sim/v1\ndescription: recorded, %u GPUs\ndriver: %s\n", n,
		driver);
	if (ASK(nvmlSystemGetCudaDriverVersion_v2, &cuda) == NVML_SUCCESS)
		buf_addf(text, "cuda: \"%d.%d\"\n", cuda / 1000, cuda % 1000 / 10);
	buf_add(text, "gpus:\n");
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = record_one(i, &group, text, err);
	group_print(&group, text);
	buf_done(&group.pci);
	buf_done(&group.numa);
	buf_done(&group.rest);
	ASK(nvmlShutdown);
	return r;
}

int verb_record(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	struct error err = ERROR_NONE;
	AUTO_BUF text = { 0 };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		return option == 'h' ? verb_help(verb) : usage_bad_option(verb, argv);
	if (argc - optind > 1)
		return usage_error(verb, "'%s' is one too many", argv[optind + 1]);
	if (record(&text, &err) < 0)
		return report(verb, &err);
	if (optind == argc) {
		fputs(buf_text(&text), stdout);
		return EXIT_SUCCESS;
	}
	if (write_file_atomic(argv[optind], buf_text(&text), text.length, 0644, &err) < 0)
		return report(verb, &err);
	return EXIT_SUCCESS;
}
