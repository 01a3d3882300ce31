/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/nodes.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
	NVIDIA_MAJOR = 195, /* NVIDIA's since 1998; /proc/devices is not needed for it */
	NVIDIACTL_MINOR = 255,
	UVM_MINOR = 0,
	UVM_TOOLS_MINOR = 1,
	NODES_OF_GPU_MAX = 8,
};

/* The majors of NVIDIA's modules; 0 where one is not loaded. */
struct majors {
	uint32_t nvidia, uvm, caps;
};

static struct majors majors_read(void)
{
	struct majors majors = { 0 };
	AUTO_FREE char *text = NULL;
	char *rest, *line;

	if (root_read("/proc/devices", &text) == 0) {
		rest = text;
		while ((line = strsep(&rest, "\n")) && !text_starts(line, "Block")) {
			char *driver;
			unsigned long number = strtoul(line, &driver, 10);

			driver += strspn(driver, " ");
			if (text_eq(driver, "nvidia") || text_eq(driver, "nvidia-frontend"))
				majors.nvidia = (uint32_t)number;
			else if (text_eq(driver, "nvidia-uvm"))
				majors.uvm = (uint32_t)number;
			else if (text_eq(driver, "nvidia-caps"))
				majors.caps = (uint32_t)number;
		}
	}
	majors.nvidia = majors.nvidia ?: NVIDIA_MAJOR;
	return majors;
}

static bool is_gpu_driver(const char *name)
{
	/* nvidia, nvidia-frontend, nvidiactl, nvidia-uvm, nvidia-caps, nvidia-nvswitch, ... */
	return text_starts(name, "nvidia") || text_eq(name, "drm") || text_eq(name, "kfd") ||
	       text_eq(name, "accel");
}

unsigned nodes_gpu_majors(uint32_t *ret_majors, unsigned max)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	unsigned n = 0;

	if (root_read("/proc/devices", &text) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n")) && !text_starts(line, "Block")) {
		unsigned major_number;
		char driver[64];
		bool is_new = true;

		if (sscanf(line, "%u %63s", &major_number, driver) != 2 || !is_gpu_driver(driver))
			continue;
		for (unsigned i = 0; i < n; i++)
			is_new = is_new && ret_majors[i] != major_number;
		if (is_new && n < max)
			ret_majors[n++] = major_number;
	}
	return n;
}

static struct binding_node node_make(uint32_t major_number, uint32_t minor_number, const char *path)
{
	struct binding_node node = { .major = major_number, .minor = minor_number };

	text_copy(node.path, sizeof(node.path), path);
	return node;
}

bool node_exists(const struct binding_node *node)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), node->path);
	struct stat st;

	return lstat(path, &st) == 0;
}

static int node_add(struct binding *binding, const struct binding_node *node, struct error *err)
{
	for (unsigned i = 0; i < binding->n_nodes; i++) {
		if (text_eq(binding->node[i].path, node->path))
			return 0;
	}
	if (binding->n_nodes == BINDING_NODES_MAX)
		return error_set(err, -E2BIG, "more than %d device nodes for one holder",
			(int)BINDING_NODES_MAX);
	binding->node[binding->n_nodes++] = *node;
	return 0;
}

/* "226:1" in a file below /sys. */
static int dev_number(const char *file, uint32_t *ret_major, uint32_t *ret_minor)
{
	AUTO_FREE char *text = NULL;
	int r = root_read(file, &text);

	if (r < 0)
		return r;
	return sscanf(text, "%u:%u", ret_major, ret_minor) == 2 ? 0 : -EINVAL;
}

static unsigned add_dri(const char *pci, struct binding_node *ret_nodes, unsigned max)
{
	AUTO_FREE char *drm = must_asprintf("/sys/bus/pci/devices/%s/drm", pci);
	AUTO_FREE char *directory = must_asprintf("%s%s", root_path(), drm);
	DIR *dir = opendir(directory);
	unsigned n = 0;

	for (struct dirent *entry; dir && n < max && (entry = readdir(dir));) {
		AUTO_FREE char *file = must_asprintf("%s/%s/dev", drm, entry->d_name);
		AUTO_FREE char *path = must_asprintf("/dev/dri/%s", entry->d_name);
		uint32_t major_number, minor_number;

		if (!text_starts(entry->d_name, "card") && !text_starts(entry->d_name, "render"))
			continue;
		if (dev_number(file, &major_number, &minor_number) == 0)
			ret_nodes[n++] = node_make(major_number, minor_number, path);
	}
	if (dir)
		closedir(dir);
	return n;
}

static struct binding_node gpu_node(const struct gpu *gpu, const struct majors *majors)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/nvidia%u", gpu->facts.minor);
	return node_make(majors->nvidia, gpu->facts.minor, path);
}

unsigned nodes_of_gpu(const struct gpu *gpu, struct binding_node *ret_nodes, unsigned max)
{
	const struct majors majors = majors_read();

	if (max == 0)
		return 0;
	ret_nodes[0] = gpu_node(gpu, &majors);
	return 1 + add_dri(gpu->facts.pci, ret_nodes + 1, max - 1);
}

/* The line "NAME MINOR" of mig-minors. */
static int minor_from_table(const char *name, uint32_t *ret_minor)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	int r = root_read("/proc/driver/nvidia-caps/mig-minors", &text);

	if (r < 0)
		return r;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char word[128];
		unsigned number;

		if (sscanf(line, "%127s %u", word, &number) == 2 && text_eq(word, name)) {
			*ret_minor = number;
			return 0;
		}
	}
	return -ENOENT;
}

static int minor_from_file(const char *path, uint32_t *ret_minor)
{
	AUTO_FREE char *text = NULL;
	const char *at;
	int r = root_read(path, &text);

	if (r < 0)
		return r;
	at = strstr(text, "DeviceFileMinor:");
	return at && sscanf(at, "DeviceFileMinor: %u", ret_minor) == 1 ? 0 : -EINVAL;
}

/* The capability node of a GPU instance (ci < 0) or of a compute instance in it. */
static int add_capability(struct binding *binding, const struct gpu *gpu, uint32_t major_number,
	uint32_t gi, int ci, struct error *err)
{
	AUTO_FREE char *below = ci < 0 ? must_asprintf("gi%u/access", gi)
				       : must_asprintf("gi%u/ci%d/access", gi, ci);
	AUTO_FREE char *file = must_asprintf(
		"/proc/driver/nvidia/capabilities/gpu%u/mig/%s", gpu->facts.minor, below);
	AUTO_FREE char *row = must_asprintf("gpu%u/%s", gpu->facts.minor, below);
	struct binding_node node;
	uint32_t minor_number;
	char path[64];

	if (!major_number)
		return error_set(err, -ENODEV,
			"the driver has no capability devices (no nvidia-caps in /proc/devices): "
			"is the "
			"nvidia module loaded?");
	if (minor_from_file(file, &minor_number) < 0 && minor_from_table(row, &minor_number) < 0)
		return error_set(err, -ENODEV,
			"the driver tells no capability file of GPU instance %u on GPU %u (%s)", gi,
			gpu->index, file);
	snprintf(path, sizeof(path), "/dev/nvidia-caps/nvidia-cap%u", minor_number);
	node = node_make(major_number, minor_number, path);
	return node_add(binding, &node, err);
}

/* What every user of any GPU opens. UVM's major is the driver's choice: without its module there is
 * none, and nothing to admit. */
static int add_common(struct binding *binding, const struct majors *majors, struct error *err)
{
	struct binding_node node = node_make(majors->nvidia, NVIDIACTL_MINOR, "/dev/nvidiactl");
	int r = node_add(binding, &node, err);

	if (r < 0 || !majors->uvm)
		return r;
	node = node_make(majors->uvm, UVM_MINOR, "/dev/nvidia-uvm");
	r = node_add(binding, &node, err);
	if (r < 0)
		return r;
	node = node_make(majors->uvm, UVM_TOOLS_MINOR, "/dev/nvidia-uvm-tools");
	return node_add(binding, &node, err);
}

int nodes_add(struct binding *binding, const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct error *err)
{
	const struct majors majors = majors_read();
	struct binding_node node[NODES_OF_GPU_MAX] = { gpu_node(gpu, &majors) };
	/* an instance of a GPU takes the GPU's own node too, but not its DRI nodes: those are the
	 * whole GPU's */
	unsigned n = instance ? 1 : 1 + add_dri(gpu->facts.pci, node + 1, ARRAY_SIZE(node) - 1);
	int r = add_common(binding, &majors, err);

	for (unsigned i = 0; i < n && r == 0; i++)
		r = node_add(binding, &node[i], err);
	if (r == 0 && instance)
		r = add_capability(binding, gpu, majors.caps, instance->gi, -1, err);
	if (r == 0 && instance && ci)
		r = add_capability(binding, gpu, majors.caps, instance->gi, (int)ci->id, err);
	return r;
}
