/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions from both sides: sriov-manage makes them, a virtual machine opens them. */
#include "sim/program/vf.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/node/gpu.h"
#include "sim/node/vf.h"
#include "sim/node/write_rule.h"
#include "sim/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

int where_vf(const struct node *node, const char *name, unsigned *ret_gpu, unsigned *ret_vf,
	struct error *err)
{
	char pci[PCI_TEXT_MAX];

	for (unsigned gpu = 0; gpu < node->n_gpus; gpu++)
		for (unsigned vf = 0; vf < gpu_now(&node->gpus[gpu])->n_vfs; vf++)
			if (strcasecmp(vf_pci_text(&node->gpus[gpu], vf, pci), name) == 0) {
				*ret_gpu = gpu;
				*ret_vf = vf;
				return 0;
			}
	return error_set(err, -ENODEV, "this node has no virtual function '%s'", name);
}

/* The descriptor stays open: it is by this that others see who has the VF. */
int vf_open(struct node *node, const char *address, struct device *ret_device, struct error *err)
{
	struct device device = { .gi = NVML_NO_INSTANCE, .ci = NVML_NO_INSTANCE };
	const char *root = getenv("CARVE_SYSTEM_ROOT");
	char path[700];
	unsigned vf;
	int r = where_vf(node, address, &device.gpu, &vf, err);

	if (r < 0)
		return r;
	if (root && *root)
		snprintf(path, sizeof(path), "%s/dev/vfio/%u", root, vf_group(device.gpu, vf));
	else
		snprintf(path, sizeof(path), "%s/root/dev/vfio/%u", node->dir,
			vf_group(device.gpu, vf));
	if (open(path, O_RDWR | O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	r = vf_hold(node, device.gpu, vf);
	if (r < 0)
		return error_set(
			err, r, "vfio: cannot get %s from %s: %s", address, path, strerror(-r));
	snprintf(device.name, sizeof(device.name), "%s", address);
	*ret_device = device;
	return 0;
}

/* ---- sriov-manage ---- */

static int manage_one(const struct verb *verb, struct node *node, unsigned gpu, bool on)
{
	const struct gpu *at = &node->gpus[gpu];
	char pci[PCI_TEXT_MAX];
	int r;

	identity_pci_text(at, pci);
	if (!vf_is_possible(node, at)) {
		fprintf(stderr, "GPU at %s is incompatible with vGPU\n", pci);
		return EXIT_FAILURE;
	}
	printf("%s VFs on %s\n", on ? "Enabling" : "Disabling", pci);
	fflush(stdout);
	if ((vf_count(node, gpu) != 0) == on)
		return EXIT_SUCCESS;
	if (vf_set_unbind_lock(node, gpu, true) < 0) {
		fprintf(stderr, "Cannot obtain unbindLock for %s\n", pci);
		return EXIT_FAILURE;
	}
	r = write_rule_strike(node, "sriov_numvfs", gpu);
	if (r == 0)
		r = vf_set_count(node, gpu, on ? at->product.total_vfs : 0);
	vf_set_unbind_lock(node, gpu, false);
	if (r < 0)
		fprintf(stderr, "carve-sim %s: %s: %s\n", verb->name, pci, strerror(-r));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_sriov(const struct verb *verb, int argc, char **argv)
{
	struct error err = ERROR_NONE;
	int status = EXIT_SUCCESS;
	struct node *node;
	bool is_all, on;
	unsigned only = 0;

	if (argc == 2 && text_eq(argv[1], "--help"))
		return verb_help(verb);
	if (argc != 3 || (!text_eq(argv[1], "-e") && !text_eq(argv[1], "-d")))
		return usage_error(verb, "-e or -d is wanted, and a GPU or ALL");
	on = text_eq(argv[1], "-e");
	is_all = text_eq(argv[2], "ALL");
	if (where_node(NULL, &node, &err) < 0 ||
		(!is_all && where_gpu(node, argv[2], &only, &err) < 0))
		return report(verb, &err);
	if (!node->settings.live_files) {
		error_set(&err, -ENOTSUP,
			"this node's files are plain, virtual functions want live ones");
		return report(verb, &err);
	}
	if (!gpu_may_change(node)) {
		error_set(&err, -EPERM, "only root may do this");
		return report(verb, &err);
	}
	for (unsigned gpu = 0; gpu < node->n_gpus; gpu++) {
		bool is_meant = is_all ? node->gpus[gpu].product.total_vfs > 0 : gpu == only;

		if (is_meant && manage_one(verb, node, gpu, on) != EXIT_SUCCESS)
			status = EXIT_FAILURE;
	}
	return status;
}
