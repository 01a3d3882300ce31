/* SPDX-License-Identifier: Apache-2.0 */
/* SR-IOV as a mechanism. What kernels and drivers do is the driver's (driver/vf.h). */
#include "mechanism/vf.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf.h"
#include "driver/vf_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int vf_observe(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct gpu_seen *seen,
	struct error *err)
{
	return vf_look(facts->pci, nvml, facts, seen, err);
}

static int vf_step(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err)
{
	return vf_do_step(facts->pci, nvml, facts, step, err);
}

struct vf_enforcers vf_enforcers(const struct gpu *gpu, const struct vf_setup *setup)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	int t = setup->type ? vf_type_find_id(facts, setup->type) : -1;
	struct vf_enforcers by = { ENFORCED_BY_HARDWARE, ENFORCED_BY_NOBODY, ENFORCED_BY_NOBODY };

	/* vGPUs that are not backed by MIG take turns on all of the GPU, and fall with it */
	if (t >= 0 && vf_type_is_mig(&facts->type[t]))
		by.compute = by.faults = ENFORCED_BY_HARDWARE;
	else if (setup->quantum_ms)
		by.compute = ENFORCED_BY_HARDWARE;
	return by;
}

/* ---- what a monitor needs ---- */

static int add_node(struct binding *binding, const char *path, struct error *err)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root_path(), path);
	struct binding_node *node;
	struct stat st;

	/* one that is not there, nobody needs: the kernel has the older or the newer kind */
	if (stat(whole, &st) < 0)
		return 0;
	if (binding->n_nodes == BINDING_NODES_MAX)
		return error_set(err, -E2BIG, "too many device nodes for one holder");
	node = &binding->node[binding->n_nodes++];
	text_copy(node->path, sizeof(node->path), path);
	node->major = major(st.st_rdev);
	node->minor = minor(st.st_rdev);
	return 0;
}

static int add_nodes(struct binding *binding, struct error *err)
{
	const struct binding_vf *vf = &binding->vf;
	char path[64];
	int r = add_node(binding, "/dev/vfio/vfio", err);

	snprintf(path, sizeof(path), "/dev/vfio/%d", vf->group);
	if (r == 0 && vf->group >= 0)
		r = add_node(binding, path, err);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", vf->cdev);
	if (r == 0 && vf->cdev[0])
		r = add_node(binding, path, err);
	return r == 0 && vf->cdev[0] ? add_node(binding, "/dev/iommu", err) : r;
}

static void fill(const struct gpu *gpu, const struct vf *vf, struct binding_vf *ret)
{
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;
	struct vf_device device;

	vf_device_read(vf->pci, &device);
	*ret = (struct binding_vf){
		.is_vendor_vfio = gpu->facts.vf.kind == VF_KIND_NVIDIA,
		.group = vf->group,
		.numa = device.numa >= 0 ? device.numa : gpu->facts.numa,
		.vendor = device.vendor,
		.device = device.device,
		.memory_bytes = vf_memory(gpu, &vf->setup),
		.mmio_bytes = device.mmio_bytes,
	};
	text_copy(ret->pci, sizeof(ret->pci), vf->pci);
	text_copy(ret->gpu_pci, sizeof(ret->gpu_pci), gpu->facts.pci);
	text_copy(ret->driver, sizeof(ret->driver), vf->driver);
	text_copy(ret->cdev, sizeof(ret->cdev), device.cdev);
	text_copy(ret->mdev, sizeof(ret->mdev), device.mdev);
	if (t >= 0)
		text_copy(ret->type, sizeof(ret->type), gpu->facts.vf.type[t].name);
}

int vf_bind(const struct gpu *gpu, const struct vf *vf, struct binding *binding, struct error *err)
{
	char name[SHARE_NAME_MAX];

	if (vf->group < 0)
		return error_set(err, -ENOTSUP,
			"no IOMMU translates for %s (%s), so no virtual machine can have it: turn "
			"on VT-d or AMD-Vi in the firmware and boot with intel_iommu=on or "
			"amd_iommu=on",
			vf_share_name(gpu, vf, name), vf->pci);
	if (!vf->is_viable)
		return error_set(err, -EBUSY,
			"IOMMU group %d of %s (%s) also holds devices that the host uses, so no "
			"virtual machine can have it: take their drivers away, or put the GPU into "
			"a slot whose ports separate devices (ACS)",
			vf->group, vf_share_name(gpu, vf, name), vf->pci);
	fill(gpu, vf, &binding->vf);
	binding->has_vf = true;
	return add_nodes(binding, err);
}

const struct mechanism_ops mechanism_vf = {
	.mechanism = MECHANISM_VF,
	.observe = vf_observe,
	.do_step = vf_step,
	.memory = ENFORCED_BY_HARDWARE,
	.compute = ENFORCED_BY_NOBODY,
	.faults = ENFORCED_BY_NOBODY,
};
