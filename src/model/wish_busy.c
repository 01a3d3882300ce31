/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request that could be served was not: who holds the room. */
#include "base/error.h"
#include "base/text.h"
#include "model/wish.h"
#include "model/wish_say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEASES_NAMED_MAX = 8 };

static int compare_u64(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

void wish_say_leases(struct buf *text, uint64_t *lease, unsigned n)
{
	unsigned different = 0;

	qsort(lease, n, sizeof(lease[0]), compare_u64);
	for (unsigned i = 0; i < n; i++) {
		if (different == 0 || lease[different - 1] != lease[i])
			lease[different++] = lease[i];
	}
	for (unsigned i = 0; i < different && i < LEASES_NAMED_MAX; i++)
		buf_addf(text, "%s L%" PRIu64,
			i		? ","
			: different > 1 ? "leases"
					: "lease",
			lease[i]);
	if (different > LEASES_NAMED_MAX)
		buf_addf(text, " and %u more", different - LEASES_NAMED_MAX);
}

/* The slots of a GPU where the request could be, if they were free. */
static uint32_t slots_for(const struct need *need)
{
	uint32_t slots = 0;

	for (unsigned m = 0; m < need->n_make; m++) {
		const struct mig_profile *p = &need->geometry->profile[need->make[m]];

		for (uint32_t starts = p->starts; starts; starts &= starts - 1)
			slots |= mig_slots(p, (uint32_t)__builtin_ctz(starts));
	}
	return need->ci_slices ? UINT32_MAX : slots;
}

/* Who is in the way on the GPUs that could serve the request. */
struct holders {
	uint64_t lease[GPUS_MAX * MPS_SHARES_MAX];
	unsigned n_leases;
	uint32_t on; /* GPUs that leases hold */
	struct buf others;
};

static const char *next_part(const struct holders *holders)
{
	return holders->others.length ? "; " : "";
}

static void add_lease(struct holders *holders, const struct gpu *gpu, uint64_t lease)
{
	holders->on |= 1u << gpu->index;
	if (holders->n_leases < sizeof(holders->lease) / sizeof(holders->lease[0]))
		holders->lease[holders->n_leases++] = lease;
}

/* The MPS shares and servers on the GPU itself (NULL) or on a compute instance. */
static void add_mps_holders(struct holders *holders, const struct gpu *gpu,
	const struct mig_instance *instance, const struct mig_ci *ci)
{
	struct mps_place place = ci ? mps_place_of(gpu, instance, ci) : MPS_WHOLE_GPU;
	bool is_leased = false, is_there = false;
	char name[SHARE_NAME_MAX];

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (!mps_place_is(&gpu->mps[i].place, &place))
			continue;
		is_there = true;
		if (!gpu->mps[i].lease)
			continue;
		is_leased = true;
		add_lease(holders, gpu, gpu->mps[i].lease);
	}
	for (unsigned i = 0; i < gpu->n_mps_servers; i++)
		is_there |= mps_place_is(&gpu->mps_server[i].place, &place);
	if (is_leased || !is_there)
		return;
	if (ci)
		share_name(gpu, instance, ci, name);
	else
		snprintf(name, sizeof(name), "GPU %u", gpu->index);
	buf_addf(&holders->others, "%s%s is shared by MPS", next_part(holders), name);
}

static void add_instance_holders(struct holders *holders, const struct gpu *gpu,
	const struct mig_instance *instance, const struct need *need)
{
	const struct mig_profile *profile = &need->geometry->profile[instance->profile];
	char name[SHARE_NAME_MAX];

	if (!(mig_slots(profile, instance->start) & slots_for(need)))
		return;
	if (instance->origin == SHARE_FOREIGN)
		buf_addf(&holders->others, "%s%s is not Carve's (`carve adopt %s`)",
			next_part(holders), share_name(gpu, instance, NULL, name), name);
	for (unsigned c = 0; c < instance->n_ci; c++) {
		const struct mig_ci *ci = &instance->ci[c];

		if (ci->lease)
			add_lease(holders, gpu, ci->lease);
		else if (mps_is_on_ci(gpu, instance, ci, false))
			add_mps_holders(holders, gpu, instance, ci);
		else if (ci->has_users && instance->origin != SHARE_FOREIGN)
			buf_addf(&holders->others, "%sprocesses without a lease use %s",
				next_part(holders), share_name(gpu, instance, ci, name));
	}
}

bool wish_say_closed(struct wish *wish, unsigned g, struct buf *text)
{
	const struct gpu *gpu = &wish->gpus[g];

	if (gpu->health != GPU_HEALTHY)
		buf_addf(text, "GPU %u is %s%s%s", g, gpu_health_names[gpu->health],
			gpu->health_text[0] ? ": " : "", gpu->health_text);
	else if (gpu->drained)
		buf_addf(text, "GPU %u is drained (`carve undrain %u`)", g, g);
	else if (wish->avoid >> g & 1)
		buf_addf(text, "GPU %u is kept for a request that waits longer", g);
	else
		return false;
	return true;
}

/* Virtual functions that a lease turned on, and that go off with the last one. */
static void add_vf_holders(struct holders *holders, const struct gpu *gpu)
{
	unsigned n = holders->n_leases;

	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++)
		if (gpu->seen.vfs.vf[i].lease)
			add_lease(holders, gpu, gpu->seen.vfs.vf[i].lease);
	if (holders->n_leases == n)
		buf_addf(&holders->others, "%sGPU %u's virtual functions are on",
			next_part(holders), gpu->index);
}

static void add_holders(
	struct wish *wish, unsigned g, enum mechanism mechanism, struct holders *holders)
{
	const struct gpu *gpu = &wish->gpus[g];

	AUTO_BUF closed = { 0 };

	if (wish_say_closed(wish, g, &closed))
		buf_addf(&holders->others, "%s%s", next_part(holders), buf_text(&closed));
	else if (vf_any_on(gpu))
		add_vf_holders(holders, gpu);
	else if (mechanism == MECHANISM_MIG)
		for (unsigned i = 0; i < gpu->seen.n_instances; i++)
			add_instance_holders(
				holders, gpu, &gpu->seen.instance[i], wish_need(wish, g));
	else if (gpu->whole_lease)
		add_lease(holders, gpu, gpu->whole_lease);
	else if (mps_is_on(gpu, NULL, false))
		add_mps_holders(holders, gpu, NULL, NULL);
	else if (gpu->whole_in_use)
		buf_addf(&holders->others, "%sprocesses without a lease use GPU %u",
			next_part(holders), g);
	else if (gpu->seen.mig_pending)
		buf_addf(&holders->others, "%sa change of GPU %u's MIG mode waits for its reset",
			next_part(holders), g);
}

void wish_say_busy(struct wish *wish, unsigned g, enum mechanism mechanism, struct buf *text)
{
	struct holders holders = { 0 };

	add_holders(wish, g, mechanism, &holders);
	wish_say_leases(text, holders.lease, holders.n_leases);
	buf_addf(text, "%s%s", holders.n_leases && holders.others.length ? "; " : "",
		buf_text(&holders.others));
	buf_done(&holders.others);
}

int wish_refuse_now(struct wish *wish, enum mechanism mechanism, struct error *err)
{
	unsigned capacity = wish_capacity(wish, mechanism);
	struct holders holders = { 0 };
	AUTO_BUF text = { 0 };
	uint32_t gpus = 0;

	for (unsigned g = 0; g < wish->n_gpus; g++) {
		if (wish_hope(wish, g, mechanism) != HOPE_YES)
			continue;
		gpus |= 1u << g;
		add_holders(wish, g, mechanism, &holders);
	}
	if (wish->request->n_gpus == 1 && holders.n_leases && !holders.others.length) {
		buf_addf(&text, capacity == 1 ? "the only place for " : "all %u places for ",
			capacity);
		wish_say_asked(wish, mechanism == MECHANISM_MIG ? gpus : 0, &text);
		buf_add(&text, capacity == 1 ? " is held by " : " are held by ");
		wish_say_leases(&text, holders.lease, holders.n_leases);
	} else {
		buf_add(&text, "no room now for ");
		wish_say_asked(wish, mechanism == MECHANISM_MIG ? gpus : 0, &text);
		if (holders.n_leases || holders.others.length)
			buf_add(&text, ": ");
		wish_say_leases(&text, holders.lease, holders.n_leases);
		if (holders.n_leases) {
			buf_add(&text,
				holders.n_leases > 1 ? " hold places on " : " holds places on ");
			wish_say_gpus(&text, holders.on);
		}
		buf_addf(&text, "%s%s", holders.n_leases && holders.others.length ? "; " : "",
			buf_text(&holders.others));
	}
	buf_done(&holders.others);
	return error_set(err, PLACE_E_NO_ROOM, "%s", buf_text(&text));
}
