/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/handover.h"

#include "base/error.h"
#include "base/text.h"
#include "client/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GIB (1ULL << 30)

/* What firmware gives a guest's devices without being told: OVMF's and q35's window is 32 GiB. */
enum { USUAL_WINDOW_GIB = 32 };

const struct adapter adapters[] = {
	{ "env", false, env_write },
	{ "qemu", true, qemu_write },
	{ "libvirt", true, libvirt_write },
	{ "proxmox", true, proxmox_write },
	{ "kubevirt", true, kubevirt_write },
	{ "cloud-hypervisor", true, cloud_hypervisor_write },
};
const unsigned adapters_n = ARRAY_SIZE(adapters);

const struct adapter *adapter_find(const char *name)
{
	for (unsigned i = 0; i < adapters_n; i++)
		if (text_eq(adapters[i].name, name))
			return &adapters[i];
	return NULL;
}

/* Copies a name that somebody chose so that it ends no comment, string or line of any format. */
static void copy_name(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++) {
		bool is_plain = isalnum((unsigned char)*from) || strchr(" ._:+", *from) ||
				(*from == '-' && (n == 0 || to[n - 1] != '-'));

		to[n++] = is_plain ? *from : '_';
	}
	if (n > 0 && to[n - 1] == '-') /* "--" and "->" end what they stand in */
		to[n - 1] = '_';
	to[n] = '\0';
}

/* Copies a word of these characters only; false if it is none. */
static bool copy_word(char *to, size_t size, const char *from, const char *more)
{
	for (const char *c = from; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(more, *c))
			return false;
	return text_copy(to, size, from) == 0;
}

static bool is_pci(const char *text)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return strlen(text) == 12 &&
	       sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) == 4 &&
	       end == 12 && slot < 32 && function < 8;
}

static bool read_vf(const json_t *json, struct binding_vf *vf)
{
	const json_t *group = json_object_get(json, "group"), *numa = json_object_get(json, "numa");

	vf->is_vendor_vfio = json_flag(json, "vendor_vfio");
	vf->group = json_is_integer(group) ? (int32_t)json_integer_value(group) : -1;
	vf->numa = json_is_integer(numa) ? (int32_t)json_integer_value(numa) : -1;
	vf->vendor = (uint16_t)json_whole(json, "vendor");
	vf->device = (uint16_t)json_whole(json, "device");
	vf->memory_bytes = (uint64_t)json_whole(json, "memory");
	vf->mmio_bytes = (uint64_t)json_whole(json, "mmio");
	copy_name(vf->type, sizeof(vf->type), json_text(json, "type"));
	return copy_word(vf->pci, sizeof(vf->pci), json_text(json, "pci"), ":.") &&
	       copy_word(vf->gpu_pci, sizeof(vf->gpu_pci), json_text(json, "gpu_pci"), ":.") &&
	       copy_word(vf->driver, sizeof(vf->driver), json_text(json, "driver"), "-_") &&
	       copy_word(vf->cdev, sizeof(vf->cdev), json_text(json, "cdev"), "") &&
	       copy_word(vf->mdev, sizeof(vf->mdev), json_text(json, "mdev"), "-") &&
	       is_pci(vf->pci) && is_pci(vf->gpu_pci);
}

static int say_no_vf(const struct handover *handover, struct error *err)
{
	const json_t *got = json_array_get(json_object_get(handover->lease, "got"), 0);
	const char *mechanism = json_text(got, "mechanism");

	return error_set(err, -EINVAL,
		"lease %s has no VF: it is a %s share, for processes on this machine; use --as "
		"env, or take a VF with 'carve lease --vm --name NAME'",
		handover->id, *mechanism ? mechanism : "GPU");
}

int handover_read(const json_t *lease, struct handover *ret_handover, struct error *err)
{
	struct handover handover = { .lease = lease, .vf = { .group = -1, .numa = -1 } };
	const json_t *binding = json_object_get(lease, "binding");
	const json_t *vf = json_object_get(binding, "vf");
	const json_t *got = json_array_get(json_object_get(lease, "got"), 0);
	const char *state = json_text(lease, "state");

	if (!copy_word(handover.id, sizeof(handover.id), json_text(lease, "id"), "") ||
		handover.id[0] != 'L' || parse_u32(handover.id + 1, &handover.number) < 0)
		return error_set(err, -EBADMSG, "carved gives the lease no id");
	if (!text_eq(state, "active"))
		return error_set(err, -EINVAL,
			"lease %s is %s: only an active lease has a VF to hand over", handover.id,
			state);
	if (!json_is_object(binding) && *json_text(lease, "reason"))
		return error_set(err, -ENODEV, "lease %s has no VF now: %s", handover.id,
			json_text(lease, "reason"));
	if (!json_is_object(binding))
		return error_set(err, -EPERM,
			"lease %s is another user's: only its user and root see what it is bound "
			"to",
			handover.id);
	if (!json_is_object(vf))
		return say_no_vf(&handover, err);
	if (!read_vf(vf, &handover.vf))
		return error_set(err, -EBADMSG,
			"carved says of the VF of lease %s what this carve does not understand: "
			"are both of one version?",
			handover.id);
	snprintf(handover.device, sizeof(handover.device), "carve-%s", handover.id);
	copy_name(handover.name, sizeof(handover.name), json_text(lease, "name"));
	copy_name(handover.share, sizeof(handover.share), json_text(got, "share"));
	*ret_handover = handover;
	return 0;
}

void handover_add_title(struct buf *out, const struct handover *handover)
{
	const struct binding_vf *vf = &handover->vf;

	buf_addf(out, "Lease %s", handover->id);
	if (handover->name[0])
		buf_addf(out, " (%s)", handover->name);
	buf_addf(out, ": VF %s of the GPU at %s", vf->pci, vf->gpu_pci);
	if (vf->type[0])
		buf_addf(out, ", %s", vf->type);
}

unsigned handover_window_gib(const struct handover *handover)
{
	unsigned gib = 1;

	if (handover->vf.mmio_bytes < GIB)
		return 0;
	while (gib < (1U << 20) && gib * GIB < handover->vf.mmio_bytes)
		gib *= 2;
	return gib;
}

unsigned handover_guest_window_gib(const struct handover *handover)
{
	unsigned gib = handover_window_gib(handover);

	/* From half of it on, the guest's other devices may be what does not fit. */
	return gib * 2 >= USUAL_WINDOW_GIB ? (gib * 4 > 64 ? gib * 4 : 64) : 0;
}
