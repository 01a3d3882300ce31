/* SPDX-License-Identifier: Apache-2.0 */
/* Why a virtual machine's VF goes where it goes, or nowhere, and the way out. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/place_vf.h"
#include "model/wish_say.h"

#include <inttypes.h>

enum { NAMED_MAX = 8 };

/* The types that there is room for, or all of them; "nothing" where there are none. */
static void say_types(const struct gpu *gpu, bool with_room, struct buf *text)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	unsigned n = 0;

	for (uint32_t t = 0; t < facts->n_types; t++) {
		if (with_room ? !vf_type_room(gpu, t)
			      : vf_type_is_mig(&facts->type[t]) != gpu->seen.mig_on)
			continue;
		if (n < NAMED_MAX)
			buf_addf(text, "%s%s", n ? ", " : "", facts->type[t].name);
		n++;
	}
	if (n > NAMED_MAX)
		buf_addf(text, " and %u more", n - NAMED_MAX);
	else if (n == 0)
		buf_add(text, "nothing");
}

static void say_holder(const struct gpu *gpu, const struct vf *vf, struct buf *text)
{
	vf_say(gpu, vf, text);
	if (vf->lease)
		buf_addf(text, " of lease L%" PRIu64, vf->lease);
	else if (vf->user && vf->vm[0])
		buf_addf(text, " of virtual machine %s, pid %d", vf->vm, vf->user);
	else if (vf->user)
		buf_addf(text, " open in process %d", vf->user);
	else if (vf->owner[0])
		buf_addf(text, " of %s", vf->owner);
	else if (vf->origin == SHARE_FOREIGN)
		buf_addf(text, ", which is not Carve's (`carve adopt %u:vf%u`)", gpu->index,
			vf->number);
	else if (vf->origin == SHARE_PINNED)
		buf_add(text, ", pinned");
}

/* Who has the VFs that are not free. */
static void say_holders(const struct gpu *gpu, struct buf *text)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if (vf_is_free(vf))
			continue;
		if (n < NAMED_MAX) {
			buf_add(text, n ? ", " : "");
			say_holder(gpu, vf, text);
		}
		n++;
	}
	if (n > NAMED_MAX)
		buf_addf(text, " and %u more", n - NAMED_MAX);
}

/* Another size would have room, were sizes mixed: not while there are vGPUs. */
static void say_mixing(const struct gpu *gpu, const struct vf_offer *offer, struct buf *text)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	struct vf_room room;

	if (!facts->may_mix || gpu->seen.vfs.is_mixed || vf_type_is_mig(&facts->type[offer->type]))
		return;
	vf_room_of(&room, gpu);
	if (room.n_sized && room.size != facts->type[offer->type].memory_bytes)
		buf_add(text, " (several sizes at once are for a layout to say, while no vGPU is "
			      "there)");
}

/* "GPU 0 has 0:vf0 (...) of lease L3; beside them fit ...". */
static void say_full(const struct gpu *gpu, const struct vf_offer *offer, struct buf *text)
{
	char size[SIZE_TEXT_MAX];
	struct vf_room room;

	vf_room_of(&room, gpu);
	buf_addf(text, "GPU %u has ", gpu->index);
	if (room.n_free == 0)
		buf_addf(text, "no virtual function free of %u: ", gpu->seen.vfs.n);
	if (gpu->seen.vfs.n)
		say_holders(gpu, text);
	else
		buf_add(text, "virtual functions that are just coming or going");
	if (room.n_free && offer->type >= 0) {
		buf_add(text, "; what fits beside them: ");
		say_types(gpu, true, text);
		say_mixing(gpu, offer, text);
	} else if (room.n_free && offer->setup.memory_bytes) {
		buf_addf(text, "; %s are left", size_text(vf_room_memory(&room), size));
	}
}

static void say_leases_on(const struct gpu *gpu, struct buf *text)
{
	uint64_t lease[MPS_SHARES_MAX + MIG_INSTANCES_MAX * MIG_CIS_MAX + 1];
	unsigned n = 0;

	if (gpu->whole_lease)
		lease[n++] = gpu->whole_lease;
	for (unsigned i = 0; i < gpu->n_mps; i++)
		if (gpu->mps[i].lease)
			lease[n++] = gpu->mps[i].lease;
	for (uint32_t i = 0; i < gpu->seen.n_instances; i++)
		for (unsigned c = 0; c < gpu->seen.instance[i].n_ci; c++)
			if (gpu->seen.instance[i].ci[c].lease)
				lease[n++] = gpu->seen.instance[i].ci[c].lease;
	wish_say_leases(text, lease, n);
	buf_addf(text,
		" hold%s GPU %u, which has virtual functions only while no other share is on it",
		n > 1 ? "" : "s", gpu->index);
}

static void say_now(struct wish *wish, unsigned g, const struct vf_offer *offer, struct buf *text)
{
	const struct gpu *gpu = &wish->gpus[g];

	switch (offer->bar) {
	case VF_BAR_FULL:
		say_full(gpu, offer, text);
		return;
	case VF_BAR_LEASED:
		say_leases_on(gpu, text);
		return;
	case VF_BAR_IN_USE:
		buf_addf(text,
			"GPU %u's virtual functions are off, and processes without a lease use it",
			g);
		return;
	default:
		wish_say_closed(wish, g, text);
	}
}

static void say_mode(const struct gpu *gpu, const struct vf_offer *offer, struct buf *text)
{
	const struct vf_type *type = &gpu->facts.vf.type[offer->type];

	buf_addf(text,
		"%s takes MIG mode to be %s on GPU %u: `carve apply` a layout with `vf: [{type: "
		"%s}]` for it",
		type->name, vf_type_is_mig(type) ? "on" : "off", gpu->index, type->name);
}

static void say_group(const struct gpu *gpu, struct buf *text)
{
	const struct vf *vf = gpu->seen.vfs.n ? &gpu->seen.vfs.vf[0] : NULL;

	if (vf && vf->group >= 0)
		buf_addf(text,
			"GPU %u's virtual functions share their IOMMU group with devices that "
			"other drivers have: `carve doctor` says which",
			gpu->index);
	else
		buf_addf(text,
			"no IOMMU translates for GPU %u's virtual functions: turn it on in the "
			"firmware and for the kernel (`carve doctor` says how)",
			gpu->index);
}

static void say_memory(const struct wish *wish, const struct gpu *gpu, struct buf *text)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	const struct vf_type *largest = NULL;
	char size[SIZE_TEXT_MAX];

	for (uint32_t t = 0; t < facts->n_types; t++)
		if (vf_type_serves(wish, &facts->type[t]) &&
			(!largest || facts->type[t].memory_bytes >= largest->memory_bytes))
			largest = &facts->type[t];
	if (largest)
		buf_addf(text, "the most on GPU %u (%s) is %s with %s", gpu->index,
			gpu->facts.product, largest->name, size_text(largest->memory_bytes, size));
	else if (facts->n_types)
		buf_addf(text, "GPU %u (%s) has no type of vGPU for workload %s", gpu->index,
			gpu->facts.product, workload_names[wish->request->workload]);
	else
		buf_addf(text, "GPU %u (%s) has %s", gpu->index, gpu->facts.product,
			size_text(gpu->facts.memory_bytes, size));
}

static void say_type(struct wish *wish, const struct gpu *gpu, struct buf *text)
{
	const char *nearest = vf_type_nearest(&gpu->facts.vf, wish->request->profile);

	buf_addf(text, "GPU %u (%s) has no type of vGPU '%s'", gpu->index, gpu->facts.product,
		wish->request->profile);
	if (nearest) {
		buf_addf(text, ": did you mean %s?", nearest);
		return;
	}
	buf_add(text, ": it has ");
	say_types(gpu, false, text);
}

static void say_setup(
	struct wish *wish, const struct gpu *gpu, const struct vf_offer *offer, struct buf *text)
{
	unsigned g = gpu->index;

	switch (offer->bar) {
	case VF_BAR_PINNED:
		say_full(gpu, offer, text);
		buf_add(text, ": `carve apply` another layout, or ask for what fits");
		return;
	case VF_BAR_KEPT:
		buf_addf(text,
			"GPU %u has pinned shares, or instances that are not Carve's, and so its "
			"virtual functions stay off: `carve apply` a layout with vf for it",
			g);
		return;
	case VF_BAR_OFF:
		buf_addf(text,
			"GPU %u's virtual functions are off, and the configuration leaves it to "
			"layouts to turn them on (`vf: {enable: never}`): `carve apply` one with "
			"vf for it",
			g);
		return;
	case VF_BAR_MODE:
		say_mode(gpu, offer, text);
		return;
	case VF_BAR_GROUP:
		say_group(gpu, text);
		return;
	default:
		buf_addf(text,
			"GPU %u is not managed by Carve, which only looks at it: `carve manage %u`",
			g, g);
	}
}

static void say_never(struct wish *wish, unsigned g, const struct vf_offer *offer, struct buf *text)
{
	const struct gpu *gpu = &wish->gpus[g];
	const char *why = gpu->capability[MECHANISM_VF].text;

	switch (offer->bar) {
	case VF_BAR_ISOLATION:
		buf_addf(text,
			"GPU %u's virtual functions take turns on the same engines, and isolation "
			"%s needs parts of their own: take a type that is backed by MIG, or leave "
			"the isolation out",
			g, isolation_names[wish->request->isolation]);
		return;
	case VF_BAR_WHICH:
		buf_addf(text,
			"which type of vGPU? say it with profile, or how much memory: GPU %u (%s) "
			"has ",
			g, gpu->facts.product);
		say_types(gpu, false, text);
		return;
	case VF_BAR_MEMORY:
		say_memory(wish, gpu, text);
		return;
	case VF_BAR_TYPE:
		say_type(wish, gpu, text);
		return;
	case VF_BAR_UNKNOWN:
		vf_say_unknown_types(gpu, text);
		return;
	case VF_BAR_NO_SIZES:
		buf_addf(text,
			"GPU %u (%s) has virtual functions without types or sizes of their own: "
			"leave profile and memory out",
			g, gpu->facts.product);
		return;
	case VF_BAR_CANNOT:
		buf_addf(text, "GPU %u has no virtual functions%s%s", g, why[0] ? ": " : "", why);
		return;
	default:
		say_setup(wish, gpu, offer, text);
	}
}

static void say_bar(struct wish *wish, unsigned g, const struct vf_offer *offer, struct buf *text)
{
	if (offer->bar == VF_BAR_NAMED)
		buf_add(text, "another GPU was asked for");
	else if (vf_bar_is_for_now(offer->bar))
		say_now(wish, g, offer, text);
	else
		say_never(wish, g, offer, text);
}

/* What a product cannot is said of one GPU of it, not of each. */
static bool is_said_of_another(const struct wish *wish, unsigned g, const struct vf_offer *offers)
{
	const struct gpu *gpus = wish->gpus;

	if (offers[g].bar < VF_BAR_ISOLATION || offers[g].bar > VF_BAR_NO_SIZES)
		return false;
	for (unsigned i = 0; i < g; i++)
		if (offers[i].bar == offers[g].bar && gpus[i].seen.mig_on == gpus[g].seen.mig_on &&
			text_eq(gpus[i].facts.product, gpus[g].facts.product))
			return true;
	return false;
}

int vf_refuse(struct wish *wish, struct error *err)
{
	struct vf_offer offers[GPUS_MAX];
	enum vf_bar nearest = VF_BAR_N;
	char asked[REQUEST_TEXT_MAX];
	AUTO_BUF text = { 0 };
	unsigned said = 0;

	for (unsigned g = 0; g < wish->n_gpus; g++) {
		vf_offer(wish, g, &offers[g]);
		nearest = offers[g].bar < nearest ? offers[g].bar : nearest;
	}
	if (wish->n_gpus == 0)
		return error_set(err, PLACE_E_NEVER, "this node has no GPU");
	request_text(wish->request, asked);
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		bool is_busy = vf_bar_is_for_now(offers[g].bar);

		if (vf_bar_is_for_now(nearest) ? !is_busy : offers[g].bar != nearest)
			continue;
		if (is_said_of_another(wish, g, offers))
			continue;
		if (said++ == 4)
			break;
		buf_add(&text, text.length ? "; " : "");
		say_bar(wish, g, &offers[g], &text);
	}
	if (vf_bar_is_for_now(nearest))
		return error_set(
			err, PLACE_E_NO_ROOM, "no room now for %s: %s", asked, buf_text(&text));
	return error_set(err, PLACE_E_NEVER, "%s: %s", asked, buf_text(&text));
}

static void say_offer(const struct gpu *gpu, const struct vf_offer *offer, struct buf *text)
{
	const struct placement *placement = &offer->placement;
	char name[SHARE_NAME_MAX], size[SIZE_TEXT_MAX];

	if (placement->vf_count) {
		buf_addf(text, "free, all %u virtual functions would be turned on",
			placement->vf_count);
	} else {
		buf_addf(text, "%s is %s",
			vf_share_name(gpu, &(struct vf){ .number = placement->vf }, name),
			offer->is_pinned ? "there, pinned and idle" : "free");
	}
	for (uint32_t rest = placement->evict; rest; rest &= rest - 1)
		buf_addf(text, ", %s (idle) would be removed",
			share_name(gpu, &gpu->seen.instance[__builtin_ctz(rest)], NULL, name));
	if (placement->makes_instance)
		buf_addf(text, ", %s@%u would be made for it",
			gpu->facts.geometry.profile[placement->profile].name, placement->start);
	if (offer->type >= 0)
		buf_addf(text, ", as %s with %s", gpu->facts.vf.type[offer->type].name,
			size_text(gpu->facts.vf.type[offer->type].memory_bytes, size));
	if (!offer->is_pinned)
		buf_addf(text, "; %u more have room behind it", offer->left);
}

void place_vf_explain(struct wish *wish, const struct placement *chosen, struct buf *text)
{
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		struct vf_offer offer;

		vf_offer(wish, g, &offer);
		buf_addf(text, "%sGPU %u: ", g ? "\n" : "", g);
		if (offer.bar == VF_BAR_NONE)
			say_offer(&wish->gpus[g], &offer, text);
		else
			say_bar(wish, g, &offer, text);
		if (chosen && chosen->gpu == g)
			buf_add(text, "  <- chosen");
	}
}
