/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGPUs by mediated devices, as NVIDIA's driver makes them on hosts before vendor-specific VFIO: on
 * each VF one device with a uuid, which is created in the directory of its type and has a directory
 * of its own below the VF's:
 *
 *	VF/mdev_supported_types/nvidia-474/{name,description,available_instances,create}
 *	VF/<uuid>/{mdev_type -> ..., remove, iommu_group -> ...}
 *
 * The uuid follows from the VF's address, so that a virtual machine that is defined with it finds
 *it again after a reboot.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_nvidia.h"

#include <dirent.h>
#include <stdio.h>

#define TYPES  "mdev_supported_types"
#define PREFIX "nvidia-"

static DIR *open_dir(const char *pci, const char *name)
{
	AUTO_FREE char *path =
		must_asprintf("%s/sys/bus/pci/devices/%s/%s", root_path(), pci, name);

	return opendir(path);
}

static bool is(const struct vf_pf *pf)
{
	char pci[PCI_ADDRESS_MAX];

	return vf_is_nvidia(pf) && vf_address(pf->pci, 0, pci) == 0 && vf_has(pci, TYPES);
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	char pci[PCI_ADDRESS_MAX];
	DIR *dir = NULL;

	facts->all_or_none = true;
	vf_nvidia_types(pf, facts);
	if (vf_address(pf->pci, 0, pci) == 0)
		dir = open_dir(pci, TYPES);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		AUTO_FREE char *file = must_asprintf(TYPES "/%s/name", entry->d_name);
		struct vf_type type;
		char name[VF_NAME_MAX];
		uint32_t id;

		if (text_starts(entry->d_name, PREFIX) &&
			parse_u32(entry->d_name + strlen(PREFIX), &id) == 0 &&
			vf_read(pci, file, name, sizeof(name)) == 0 &&
			vf_nvidia_type_of(id, name, &type))
			vf_type_add(facts, &type);
	}
	if (dir)
		closedir(dir);
	snprintf(ret_capability->text, sizeof(ret_capability->text),
		"%u virtual functions for vGPUs of %u types, as mediated devices", facts->total,
		facts->n_types);
}

/* The uuid of the mediated device on it; false if it has none. */
bool vf_mdev(const char *pci, char ret_uuid[VF_UUID_MAX])
{
	DIR *dir = open_dir(pci, "");
	bool found = false;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
		AUTO_FREE char *type = must_asprintf("%s/mdev_type", entry->d_name);

		found = strlen(entry->d_name) == VF_UUID_MAX - 1 && vf_has(pci, type);
		if (found)
			text_copy(ret_uuid, VF_UUID_MAX, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void look_one(struct vf *vf)
{
	char uuid[VF_UUID_MAX], text[32], file[80];
	uint32_t number;

	vf->setup.is_for_vm = strstr(vf->driver, "vfio") != NULL;
	if (!vf_mdev(vf->pci, uuid))
		return;
	snprintf(file, sizeof(file), "%s/mdev_type", uuid);
	if (vf_link(vf->pci, file, text, sizeof(text)) == 0 && text_starts(text, PREFIX) &&
		parse_u32(text + strlen(PREFIX), &vf->setup.type) == 0)
		vf->setup.is_for_vm = true;
	/* it is the mediated device's group that a virtual machine opens */
	snprintf(file, sizeof(file), "%s/iommu_group", uuid);
	if (vf_link(vf->pci, file, text, sizeof(text)) == 0 && parse_u32(text, &number) == 0) {
		vf->group = (int32_t)number;
		vf->is_viable = true;
	}
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	for (uint32_t i = 0; i < seen->vfs.n; i++)
		look_one(&seen->vfs.vf[i]);
}

/* A VF that is free tells it. */
static void offers(const struct vf_pf *pf, struct vfs_seen *vfs)
{
	uint32_t i = 0;

	while (i < vfs->n && !vf_setup_is_free(&vfs->vf[i].setup))
		i++;
	vfs->has_creatable = vfs->n > 0;
	for (uint32_t t = 0; t < pf->facts->vf.n_types && i < vfs->n; t++) {
		char file[80];
		uint64_t n;

		snprintf(file, sizeof(file), TYPES "/" PREFIX "%u/available_instances",
			pf->facts->vf.type[t].id);
		if (vf_read_number(vfs->vf[i].pci, file, &n) == 0 && n > 0)
			vfs_add_creatable(vfs, pf->facts->vf.type[t].id);
	}
}

/* Two hashes (FNV-1a, 64 bits) of the address, written as a uuid of version 8 (RFC 9562). */
static void make_uuid(const char *pci, char ret_uuid[VF_UUID_MAX])
{
	static const uint64_t start[] = { 0xcbf29ce484222325u, 0x84222325cbf29ce4u };
	uint64_t hash[2];

	for (unsigned i = 0; i < 2; i++) {
		hash[i] = start[i];
		for (const char *p = pci; *p; p++)
			hash[i] = (hash[i] ^ (uint8_t)*p) * 0x100000001b3u;
	}
	snprintf(ret_uuid, VF_UUID_MAX, "%08x-%04x-8%03x-%04x-%012llx", (uint32_t)(hash[0] >> 32),
		(uint32_t)(hash[0] >> 16) & 0xffff, (uint32_t)hash[0] & 0xfff,
		(uint32_t)(hash[1] >> 48 & 0x3fff) | 0x8000,
		(unsigned long long)(hash[1] & 0xffffffffffff));
}

static int drop(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	char uuid[VF_UUID_MAX], file[80];
	int r;

	if (!vf_mdev(vf->pci, uuid))
		return 0;
	snprintf(file, sizeof(file), "%s/remove", uuid);
	r = vf_write(pf->pci, vf->pci, file, "1", err);
	if (r < 0)
		return vf_say_why(VF_FREE_TYPE, r, vf->pci, NULL, err);
	if (!vf_mdev(vf->pci, uuid))
		return 0;
	return error_set(err, -EBUSY, "the mediated device %s on %s stays, though it was removed",
		uuid, vf->pci);
}

static int create(const struct vf_pf *pf, const struct vf *vf, uint32_t type, struct error *err)
{
	char uuid[VF_UUID_MAX], made[VF_UUID_MAX], file[80];
	int r;

	make_uuid(vf->pci, uuid);
	snprintf(file, sizeof(file), TYPES "/" PREFIX "%u/create", type);
	r = vf_write(pf->pci, vf->pci, file, uuid, err);
	if (r < 0)
		return vf_say_why(VF_SET_TYPE, r, vf->pci, NULL, err);
	if (vf_mdev(vf->pci, made))
		return 0;
	return error_set(err, -EIO,
		"NVIDIA's driver took type %u for %s, and there is no mediated device: 'dmesg' has "
		"the driver's words",
		type, vf->pci);
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	int r = drop(pf, vf, err);

	if (r < 0 || !setup->type)
		return r;
	r = create(pf, vf, setup->type, err);
	if (r < 0 && r != -ETIMEDOUT && vf->setup.type && create(pf, vf, vf->setup.type, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "it could not be put back");
	return r;
}

const struct vf_kind_ops vf_nvidia_mdev = {
	.is = is,
	.facts = facts,
	.look = look,
	.offers = offers,
	.count = vf_sriov_manage,
	.set = set,
};
