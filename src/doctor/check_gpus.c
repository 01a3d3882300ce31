/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs as the driver tells them, and their device nodes. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/nodes.h"
#include "driver/root.h"

#include <errno.h>
#include <unistd.h>

static bool is_told(const struct driver_look *look, const char *pci)
{
	for (unsigned i = 0; i < look->n_gpus; i++) {
		if (text_eq(look->gpu[i].pci, pci))
			return true;
	}
	return false;
}

static void check_gpu(struct doctor *doctor, unsigned index, const struct gpu_look *gpu)
{
	const struct gpu_facts *facts = &gpu->facts;
	char size[SIZE_TEXT_MAX], numa[48] = "";

	if (gpu->result < 0) {
		finding(doctor, DOCTOR_BAD, "GPU %u, %s: %s", index, gpu->pci,
			*gpu->text ? gpu->text : "was not reached: the driver hung before it");
		return;
	}
	if (facts->numa >= 0)
		snprintf(numa, sizeof(numa), ", NUMA node %d", (int)facts->numa);
	finding(doctor, DOCTOR_OK, "GPU %u, %s: %s, %s%s%s", index, gpu->pci, facts->product,
		size_text(facts->memory_bytes, size), numa, facts->has_mig ? ", MIG capable" : "");
}

void check_gpus(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;

	if (look->library_result < 0 || !look->has_versions)
		return;
	if (look->list_result < 0)
		finding(doctor, DOCTOR_BAD, "%s", look->list_text);
	for (unsigned i = 0; i < look->n_gpus; i++)
		check_gpu(doctor, i, &look->gpu[i]);
	for (unsigned i = 0; i < doctor->n_pci && look->end == LOOK_DONE; i++) {
		struct doctor_finding *found;
		char driver[64];

		pci_driver(doctor->pci[i], driver, sizeof(driver));
		if (!text_eq(driver, "nvidia") || is_told(look, doctor->pci[i]))
			continue;
		found = finding(doctor, DOCTOR_BAD,
			"GPU %s is on the bus, but the driver does not "
			"tell it",
			doctor->pci[i]);
		finding_how(found, "'dmesg' tells whether it fell off the bus or failed to start");
	}
}

static void check_node(struct doctor *doctor, const struct binding_node *node, unsigned *n_fine)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), node->path);
	struct doctor_finding *found;

	if (!node_exists(node)) {
		found = finding(doctor, DOCTOR_WARN, "%s is not there", node->path);
		finding_wanted(found, "a character device %u:%u", node->major, node->minor);
		finding_how(found,
			"nvidia-modprobe makes it at first use; 'nvidia-modprobe -c %u -u' "
			"now",
			node->minor);
	} else if (access(path, R_OK | W_OK) < 0) {
		found = finding(doctor, DOCTOR_WARN, "%s: %s", node->path,
			errno == EACCES ? "you may not open it" : "cannot be opened");
		finding_wanted(found, "open to who is to use GPUs: Carve's fences do the rest");
		finding_how(
			found, "mode 0666 (NVreg_DeviceFileMode), or a group that users are in");
	} else {
		(*n_fine)++;
	}
}

void check_nodes(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	struct binding *binding = must_alloc(1, sizeof(*binding));
	struct error err = ERROR_NONE;
	unsigned n_fine = 0, n_dri = 0;
	int r = 0;

	for (unsigned i = 0; i < look->n_gpus && r == 0; i++) {
		struct gpu *gpu = must_alloc(1, sizeof(*gpu));

		gpu->index = i;
		gpu->facts = look->gpu[i].facts;
		if (look->gpu[i].result == 0)
			r = nodes_add(binding, gpu, NULL, NULL, &err);
		free(gpu);
	}
	for (unsigned i = 0; i < binding->n_nodes; i++) {
		n_dri += text_starts(binding->node[i].path, "/dev/dri/");
		check_node(doctor, &binding->node[i], &n_fine);
	}
	if (r < 0)
		finding(doctor, DOCTOR_WARN, "%s", err.text);
	else if (n_fine > 0)
		finding(doctor, DOCTOR_OK, "%u device nodes of GPUs can be opened%s", n_fine,
			n_dri ? ", those in /dev/dri among them" : "");
	free(binding);
}

/* The capability nodes of one instance: how many are missing. */
static int check_instance(
	struct doctor *doctor, const struct gpu *gpu, const struct mig_instance *instance)
{
	int missing = 0;

	for (unsigned c = 0; c < instance->n_ci; c++) {
		struct binding *binding = must_alloc(1, sizeof(*binding));
		struct error err = ERROR_NONE;

		if (nodes_add(binding, gpu, instance, &instance->ci[c], &err) < 0)
			finding(doctor, DOCTOR_BAD, "%s", err.text);
		for (unsigned i = 0; i < binding->n_nodes; i++)
			missing += strstr(binding->node[i].path, "nvidia-cap") &&
				   !node_exists(&binding->node[i]);
		free(binding);
	}
	return missing;
}

void check_capabilities(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	unsigned n_instances = 0;
	int missing = 0;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		struct gpu *gpu = must_alloc(1, sizeof(*gpu));

		gpu->index = i;
		gpu->facts = look->gpu[i].facts;
		gpu->seen = look->gpu[i].seen;
		for (unsigned k = 0; k < gpu->seen.n_instances; k++, n_instances++)
			missing += check_instance(doctor, gpu, &gpu->seen.instance[k]);
		free(gpu);
	}
	if (missing > 0) {
		struct doctor_finding *found = finding(doctor, DOCTOR_WARN,
			"%d capability nodes of MIG instances are not in /dev/nvidia-caps",
			missing);

		finding_how(found, "CUDA makes them at first use where nvidia-modprobe is setuid");
	} else if (n_instances > 0) {
		finding(doctor, DOCTOR_OK, "%u MIG instances have their capability nodes",
			n_instances);
	}
}
