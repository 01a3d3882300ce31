/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs have virtual functions or should have them, and whether anybody here runs virtual
 * machines. */
#include "doctor/vm.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/kernel_log.h"
#include "driver/root.h"
#include "model/config.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

enum { CLASS_DISPLAY = 0x03, CLASS_ACCELERATOR = 0x12, FUNCTIONS_PER_BUS = 256 };

static const char devices[] = "/sys/bus/pci/devices";

static const struct vm_board boards[] = {
#define SRIOV_BOARD(vendor, device, name, display) { vendor, device, name, DISPLAY_##display },
#include "sriov.def" /* data/products */
};

static const struct vm_board *board_of(int64_t vendor, int64_t device)
{
	for (unsigned i = 0; i < ARRAY_SIZE(boards); i++) {
		if (boards[i].vendor == vendor && boards[i].device == device)
			return &boards[i];
	}
	return NULL;
}

/* Which other classes the administrator wants to be GPUs; a bad file is the daemon's to refuse. */
static void config_look(struct config_vf *ret_config)
{
	static const char path[] = "/etc/carve/carved.yaml";
	AUTO_FREE char *text = NULL;
	struct config config;

	memset(ret_config, 0, sizeof(*ret_config));
	if (root_read(path, &text) < 0 || config_parse(path, text, strlen(text), &config, NULL) < 0)
		return;
	*ret_config = config.vf;
	config_done(&config);
}

static bool is_gpu_class(const struct config_vf *config, int64_t class)
{
	if (class >> 16 == CLASS_DISPLAY || class >> 16 == CLASS_ACCELERATOR)
		return true;
	for (unsigned i = 0; i < config->n_classes; i++) {
		if (config->class[i] == class >> 8)
			return true;
	}
	return false;
}

/* By the links, not by sriov_numvfs: the kernel lets nobody read that while it is at work on it. */
static void look_vfs(struct vm_gpu *gpu)
{
	while (gpu->n_vfs < VFS_MAX) {
		AUTO_FREE char *path = must_asprintf(
			"%s%s/%s/virtfn%u", root_path(), devices, gpu->pci, gpu->n_vfs);
		char target[PATH_MAX];
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		const char *last;

		if (n < 0)
			return;
		target[n] = '\0';
		last = strrchr(target, '/');
		text_copy(gpu->vf[gpu->n_vfs++], PCI_ADDRESS_MAX, last ? last + 1 : target);
	}
}

/*
 * A BAR for which the kernel found no room has lost its size in /sys; what is left is what the
 * kernel said when it found it: "VF BAR 0 [mem 0x0-0x1fbfff 64bit]: contains BAR 0 for 127 VFs", or
 * "VF(n) BAR0 space: [mem 0x0-0x1fbfff 64bit] (contains BAR0 for 127 VFs)".
 */
static void read_bar_line(char *line, struct vm_gpu *gpu)
{
	const char *range = strstr(line, "[mem "), *contains = strstr(line, "contains BAR");
	unsigned long long start, end;
	unsigned bar, n;

	if (!strstr(line, gpu->pci) || !range || !contains ||
		sscanf(range, "[mem %llx-%llx", &start, &end) != 2 ||
		sscanf(contains, "contains BAR%u for %u", &bar, &n) != 2 || bar >= PCI_VF_BARS ||
		n == 0 || end <= start || gpu->sriov.bar_size[bar] > 0)
		return;
	gpu->sriov.bar_size[bar] = (end - start + 1) / n;
}

static void look_lost_bars(struct vm_gpu *gpu)
{
	AUTO_BUF text = { 0 };
	char *rest, *line;

	if (gpu->sriov.total == 0 || vm_gpu_bars_are_known(gpu) || kernel_log_read(&text) < 0)
		return;
	rest = text.text;
	while ((line = strsep(&rest, "\n")))
		read_bar_line(line, gpu);
}

static void name_gpu(const char *pci, struct vm_gpu *gpu)
{
	if (gpu->board)
		snprintf(gpu->name, sizeof(gpu->name), "GPU %.15s (%s)", pci, gpu->board->name);
	else
		snprintf(gpu->name, sizeof(gpu->name), "GPU %.15s (%04x:%04x)", pci,
			(unsigned)gpu->vendor, (unsigned)gpu->device);
}

/* False if it is none, or one that nobody expects to have VFs. */
static bool look_gpu(const char *pci, const struct config_vf *config, struct vm_gpu *gpu)
{
	memset(gpu, 0, sizeof(*gpu));
	if (text_copy(gpu->pci, sizeof(gpu->pci), pci) < 0 || pci_is_virtual(pci) ||
		pci_number(pci, "class", &gpu->class) < 0 || !is_gpu_class(config, gpu->class) ||
		pci_number(pci, "vendor", &gpu->vendor) < 0 ||
		pci_number(pci, "device", &gpu->device) < 0)
		return false;
	gpu->board = board_of(gpu->vendor, gpu->device);
	if (pci_number(pci, "sriov_totalvfs", &gpu->total) < 0)
		gpu->total = -1;
	gpu->sriov_result = pci_sriov_read(pci, &gpu->sriov);
	if (!gpu->board && gpu->total < 0 && gpu->sriov_result < 0)
		return false;
	pci_driver(pci, gpu->driver, sizeof(gpu->driver));
	look_lost_bars(gpu);
	look_vfs(gpu);
	name_gpu(pci, gpu);
	return true;
}

static int compare_gpus(const void *a, const void *b)
{
	return strcmp(((const struct vm_gpu *)a)->pci, ((const struct vm_gpu *)b)->pci);
}

static void look_gpus(struct vm_look *look)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), devices);
	DIR *dir = opendir(path);
	struct config_vf config;

	config_look(&config);
	look->is_configured = config.n_classes > 0;
	for (struct dirent *entry; dir && look->n < GPUS_MAX && (entry = readdir(dir));) {
		if (entry->d_name[0] != '.')
			look->n += look_gpu(entry->d_name, &config, &look->gpu[look->n]);
	}
	if (dir)
		closedir(dir);
	qsort(look->gpu, look->n, sizeof(look->gpu[0]), compare_gpus);
}

static void look_programs(struct vm_look *look)
{
	static const char *const monitors[] = { "qemu-system-x86_64", "qemu-system-aarch64",
		"qemu-kvm", "cloud-hypervisor", "libvirtd", "virtqemud" };
	AUTO_FREE char *manager = must_asprintf("%s/usr/lib/nvidia/sriov-manage", root_path());
	char path[512];
	struct stat st;

	for (unsigned i = 0; i < ARRAY_SIZE(monitors) && !*look->monitor; i++) {
		if (find_program(monitors[i], path, sizeof(path), &st))
			text_copy(look->monitor, sizeof(look->monitor), monitors[i]);
	}
	look->has_manager = true;
	if (find_program("sriov-manage", path, sizeof(path), &st))
		text_copy(look->manager, sizeof(look->manager), path);
	else if (access(manager, F_OK) == 0)
		text_copy(look->manager, sizeof(look->manager), manager);
	else
		look->has_manager = false;
}

struct vm_look *vm_look_new(void)
{
	struct vm_look *look = must_alloc(1, sizeof(*look));

	look_programs(look);
	look_gpus(look);
	iommu_look(&look->iommu);
	return look;
}

struct vm_look *vm_look_free(struct vm_look *look)
{
	free(look);
	return NULL;
}

bool vm_is_of_interest(const struct vm_look *look)
{
	return look->n > 0 || *look->monitor;
}

enum doctor_verdict vm_gravest(const struct vm_look *look)
{
	for (unsigned i = 0; i < look->n; i++) {
		if (look->gpu[i].n_vfs > 0)
			return DOCTOR_BAD;
	}
	if (look->has_manager || look->is_configured)
		return DOCTOR_BAD;
	return *look->monitor ? DOCTOR_WARN : DOCTOR_OK;
}

/* Of those that lost their size, that they are 64-bit ones stays; and each VF has some BAR. */
bool vm_gpu_bars_are_known(const struct vm_gpu *gpu)
{
	for (unsigned i = 0; i < PCI_VF_BARS; i++)
		if (gpu->sriov.bar_is_64[i] && gpu->sriov.bar_size[i] == 0)
			return false;
	return vm_gpu_bar_bytes(gpu) > 0;
}

uint64_t vm_gpu_bar_bytes(const struct vm_gpu *gpu)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < PCI_VF_BARS; i++)
		bytes += gpu->sriov.bar_size[i];
	return bytes;
}

/* Its place among the functions behind its root, by which VFs are counted on; -1: none. */
static long function_number(const char *pci, unsigned *ret_domain)
{
	unsigned bus, device, function;

	if (sscanf(pci, "%x:%x:%x.%x", ret_domain, &bus, &device, &function) != 4)
		return -1;
	return (long)bus * FUNCTIONS_PER_BUS + device * 8 + function;
}

static bool is_at(const struct vm_gpu *gpu, const char *pci)
{
	unsigned domain = 0, own_domain = 0;
	long at = function_number(pci, &domain), own = function_number(gpu->pci, &own_domain);

	if (text_eq(gpu->pci, pci))
		return true;
	for (unsigned i = 0; i < gpu->n_vfs; i++) {
		if (text_eq(gpu->vf[i], pci))
			return true;
	}
	if (at < 0 || domain != own_domain || gpu->sriov.stride == 0)
		return false;
	at -= own + gpu->sriov.offset;
	return at >= 0 && at % gpu->sriov.stride == 0 && at / gpu->sriov.stride < gpu->sriov.total;
}

const struct vm_gpu *vm_gpu_at(const struct vm_look *look, const char *pci)
{
	for (unsigned i = 0; i < look->n; i++) {
		if (is_at(&look->gpu[i], pci))
			return &look->gpu[i];
	}
	return NULL;
}
