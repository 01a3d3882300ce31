/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGPUs by vendor-specific VFIO: a VF stays with NVIDIA's driver and becomes a vGPU by the id of a
 * type in its file nvidia/current_vgpu_type, and nothing again by 0. What can be made on it now
 * stands in nvidia/creatable_vgpu_types, a list that shrinks with what there is:
 *
 *	ID    : vGPU Name
 *	1155  : NVIDIA L40S-24Q
 *
 * Where a vGPU backed by MIG lies the driver chooses, and tells afterwards (gpu_instance_id).
 */
#include "driver/vf_nvidia.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/nvml_mig.h"
#include "driver/nvml_vgpu.h"
#include "driver/root.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE	  "nvidia/current_vgpu_type"
#define CREATABLE "nvidia/creatable_vgpu_types"

/* ---- facts ---- */

bool vf_is_nvidia(const struct vf_pf *pf)
{
	int64_t vendor = 0;

	return pci_number(pf->pci, "vendor", &vendor) == 0 && vendor == PCI_VENDOR_NVIDIA &&
	       text_eq(pf->facts->vf.pf_driver, "nvidia");
}

bool vf_nvidia_type_of(uint32_t id, const char *name, struct vf_type *ret_type)
{
	/* "NVIDIA H100XM-1-10C": the last number before the series */
	const char *last = strrchr(name, '-');
	const char *before = last;
	uint64_t gib = last ? strtoull(last + 1, NULL, 10) : 0;

	if (!id || !gib || strlen(name) >= VF_NAME_MAX)
		return false;
	*ret_type =
		(struct vf_type){ .id = id, .memory_bytes = gib << 30, .profile_id = UINT32_MAX };
	while (before > name && before[-1] >= '0' && before[-1] <= '9')
		before--;
	/* which MIG profile it lies in, only NVML tells */
	if (before < last && before > name && before[-1] == '-')
		return false;
	text_copy(ret_type->name, sizeof(ret_type->name), name);
	return true;
}

/* The next line "1155  : NVIDIA L40S-24Q"; *name is trimmed. False at the end. */
static bool next_creatable(char **rest, uint32_t *ret_id, const char **ret_name)
{
	char *line, *colon;

	while ((line = strsep(rest, "\n"))) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon++ = '\0';
		line[strcspn(line, " \t")] = '\0';
		colon += strspn(colon, " \t");
		if (parse_u32(line, ret_id) < 0)
			continue;
		*ret_name = colon;
		return true;
	}
	return false;
}

static int read_creatable(const char *pci, char **ret_text)
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/" CREATABLE, pci);

	return root_read(path, ret_text);
}

static void add_creatable(const char *pci, struct vf_facts *facts)
{
	AUTO_FREE char *text = NULL;
	const char *name;
	char *rest;
	uint32_t id;

	if (read_creatable(pci, &text) < 0)
		return;
	rest = text;
	while (next_creatable(&rest, &id, &name)) {
		struct vf_type type;

		if (vf_nvidia_type_of(id, name, &type))
			vf_type_add(facts, &type);
	}
}

static void read_version(const struct vf_pf *pf, struct vf_facts *facts)
{
	vf_read(pf->pci, "driver/module/version", facts->driver_version,
		sizeof(facts->driver_version));
}

/* Without NVML those that can be made now, as a VF says that is no vGPU yet. */
void vf_nvidia_types(const struct vf_pf *pf, struct vf_facts *facts)
{
	char pci[PCI_ADDRESS_MAX];

	if (pf->nvml && nvml_vgpu_types(pf->nvml, facts, NULL) == 0)
		return;
	facts->types_from_vfs = true;
	read_version(pf, facts);
	for (uint32_t i = 0; facts->n_types == 0 && vf_address(pf->pci, i, pci) == 0; i++)
		add_creatable(pci, facts);
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	int mode = pf->nvml ? nvml_vgpu_is_sriov(pf->nvml) : 1;
	char *text = ret_capability->text;
	size_t size = sizeof(ret_capability->text);

	facts->all_or_none = true;
	facts->may_mix = pf->nvml && nvml_vgpu_may_mix(pf->nvml);
	if (mode > 0) {
		vf_nvidia_types(pf, facts);
		if (facts->types_from_vfs)
			snprintf(text, size, "%u virtual functions for vGPUs", facts->total);
		else
			snprintf(text, size, "%u virtual functions for vGPUs of %u types%s",
				facts->total, facts->n_types,
				facts->may_mix ? ", of one size or mixed" : "");
		return;
	}
	ret_capability->answer = CAPABILITY_NO;
	if (mode == 0)
		snprintf(text, size,
			"its vGPU mode is \"Non SR-IOV\": this driver makes vGPUs on the GPU "
			"itself, as mediated devices, not on virtual functions");
	else
		snprintf(text, size,
			"this driver makes no vGPUs: that takes NVIDIA's driver for hosts of vGPUs "
			"(and on workstation boards the display turned off by "
			"displaymodeselector)");
}

/* ---- a look ---- */

static void look_vgpu(const struct vf_pf *pf, struct vf *vf)
{
	uint64_t number = 0;
	uint32_t size;
	int t;

	if (vf_read_number(vf->pci, TYPE, &number) == 0)
		vf->setup.type = (uint32_t)number;
	vf->setup.is_for_vm = vf->setup.type || strstr(vf->driver, "vfio");
	if (!vf->setup.type)
		return;
	if (vf_read_number(vf->pci, "nvidia/placement_id", &number) == 0)
		vf->placement = (uint32_t)number;
	t = vf_type_find_id(&pf->facts->vf, vf->setup.type);
	if (t < 0 || !vf_type_is_mig(&pf->facts->vf.type[t]) ||
		vf_read_number(vf->pci, "nvidia/gpu_instance_id", &number) < 0)
		return;
	vf->gi = (uint32_t)number;
	if (pf->nvml)
		nvml_mig_place(pf->nvml, vf->gi, &vf->setup.start, &size, NULL);
}

/* What can be made is told by a VF that is free, and is the same on all of them. */
static void offers(const struct vf_pf *pf, struct vfs_seen *vfs)
{
	AUTO_FREE char *text = NULL;
	const char *name;
	char *rest;
	uint32_t id, i = 0;

	while (i < vfs->n && !vf_setup_is_free(&vfs->vf[i].setup))
		i++;
	vfs->has_creatable = vfs->n > 0;
	if (i == vfs->n)
		return;
	vfs->has_creatable = read_creatable(vfs->vf[i].pci, &text) == 0;
	rest = text;
	while (rest && next_creatable(&rest, &id, &name))
		vfs_add_creatable(vfs, id);
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	if (pf->nvml)
		nvml_vgpu_mixed(pf->nvml, &seen->vfs.is_mixed, NULL);
	for (uint32_t i = 0; i < seen->vfs.n; i++)
		look_vgpu(pf, &seen->vfs.vf[i]);
}

/* ---- steps ---- */

static int mix(const struct vf_pf *pf, bool is_mixed, struct error *err)
{
	if (!pf->nvml)
		return error_set(err, -ENOTSUP,
			"only NVIDIA's library (libnvidia-ml.so.1) can let sizes of vGPUs be "
			"mixed");
	return nvml_vgpu_set_mixed(pf->nvml, is_mixed, err);
}

/* "now it takes NVIDIA L40S-12Q, ...": what the driver would not refuse. */
static void say_creatable(const char *pci, struct buf *ret_text)
{
	enum { NAMED = 6 };
	AUTO_FREE char *text = NULL;
	unsigned n = 0;
	const char *name;
	char *rest;
	uint32_t id;

	if (read_creatable(pci, &text) < 0)
		return;
	rest = text;
	while (next_creatable(&rest, &id, &name)) {
		if (n < NAMED)
			buf_addf(ret_text, "%s%s", n ? ", " : "now it takes ", name);
		n++;
	}
	if (n > NAMED)
		buf_addf(ret_text, " and %u more", n - NAMED);
	if (n == 0)
		buf_add(ret_text, "now it takes none");
}

static int write_type(const struct vf_pf *pf, const struct vf *vf, uint32_t type, struct error *err)
{
	enum vf_deed deed = type ? VF_SET_TYPE : VF_FREE_TYPE;
	AUTO_BUF detail = { 0 };
	uint64_t now = UINT64_MAX;
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%u", type);
	r = vf_write(pf->pci, vf->pci, TYPE, text, err);
	if (r == -ENOENT)
		return error_set(err, -ENODEV,
			"%s is with %s%s, not with NVIDIA's driver: turn the virtual functions of "
			"%s off and on again",
			vf->pci, vf->driver[0] ? "driver " : "no driver", vf->driver, pf->pci);
	if (r < 0 && type)
		say_creatable(vf->pci, &detail);
	if (r < 0)
		return vf_say_why(deed, r, vf->pci, detail.text, err);
	vf_read_number(vf->pci, TYPE, &now);
	if (now == type)
		return 0;
	return error_set(err, -EIO,
		"NVIDIA's driver took type %u for %s, and it is of type %d: 'dmesg' has the "
		"driver's words",
		type, vf->pci, (int)now);
}

/* The driver chooses where a vGPU backed by MIG lies. */
static int check(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	int t = setup->type ? vf_type_find_id(&pf->facts->vf, setup->type) : -1;
	struct vf now = *vf;

	if (!pf->nvml || t < 0 || !vf_type_is_mig(&pf->facts->vf.type[t]))
		return 0;
	look_vgpu(pf, &now);
	if (now.gi == UINT32_MAX || now.setup.start == setup->start)
		return 0;
	return error_set(err, -ENOSPC,
		"NVIDIA's driver put the vGPU on %s into the GPU instance at slot %u, not %u: the "
		"one at %u has no room, or another is filled before it",
		vf->pci, now.setup.start, setup->start, setup->start);
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	int r = 0;

	if (vf->setup.type)
		r = write_type(pf, vf, 0, err);
	if (r < 0 || !setup->type)
		return r;
	r = write_type(pf, vf, setup->type, err);
	if (r == 0 || r == -ETIMEDOUT || r == -ENODEV)
		return r;
	/* nothing half made, and what was there before is there again */
	if (write_type(pf, vf, 0, NULL) < 0 ||
		(vf->setup.type && write_type(pf, vf, vf->setup.type, NULL) < 0))
		return error_prefix(err, -ENOTRECOVERABLE, "it could not be put back");
	return r;
}

const struct vf_kind_ops vf_nvidia = {
	.is = vf_is_nvidia,
	.facts = facts,
	.look = look,
	.offers = offers,
	.count = vf_sriov_manage,
	.mix = mix,
	.set = set,
	.check = check,
};
