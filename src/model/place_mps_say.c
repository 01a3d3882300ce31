/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request for an MPS share goes where it goes, or nowhere, and the way out. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/place_mps.h"
#include "model/wish_say.h"

#include <inttypes.h>
#include <stdio.h>

/* The place as people name it: "GPU 0" or "0:3g.40gb@4". */
static const char *place_text(
	const struct gpu *gpu, const struct mps_place *place, char ret_text[SHARE_NAME_MAX])
{
	unsigned c;
	const struct mig_instance *instance = mps_place_instance(gpu, place, &c);

	if (instance)
		return share_name(gpu, instance, &instance->ci[c], ret_text);
	snprintf(ret_text, SHARE_NAME_MAX, "GPU %u", gpu->index);
	return ret_text;
}

/* The places of these GPUs, as a list. */
static void say_places(
	struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text)
{
	char name[SHARE_NAME_MAX];
	const char *comma = "";

	for (uint32_t rest = gpus; rest; rest &= rest - 1) {
		unsigned g = (unsigned)__builtin_ctz(rest);

		if (wish->gpus[g].seen.mig_on)
			buf_addf(text, "%s%s", comma,
				place_text(&wish->gpus[g], &offers[g].place, name));
		else
			buf_addf(text, "%sGPU %u", comma, g);
		comma = ", ";
	}
}

/* The leases that hold these places. */
static void say_holders(
	struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text)
{
	uint64_t lease[GPUS_MAX * MPS_SHARES_MAX];
	unsigned n = 0;

	for (uint32_t rest = gpus; rest; rest &= rest - 1) {
		unsigned g = (unsigned)__builtin_ctz(rest), c;
		const struct gpu *gpu = &wish->gpus[g];
		const struct mig_instance *instance = mps_place_instance(gpu, &offers[g].place, &c);
		uint64_t whole = instance ? instance->ci[c].lease : gpu->whole_lease;

		if (whole)
			lease[n++] = whole;
		for (unsigned i = 0; i < gpu->n_mps; i++) {
			if (gpu->mps[i].lease && mps_place_is(&gpu->mps[i].place, &offers[g].place))
				lease[n++] = gpu->mps[i].lease;
		}
	}
	wish_say_leases(text, lease, n);
}

/* ", 4G and 10 % are left": of the place where there is most. */
static void say_left(
	struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text)
{
	struct mps_room best = { 0 };
	const struct gpu *on = NULL;
	char size[SIZE_TEXT_MAX];

	for (; gpus; gpus &= gpus - 1) {
		unsigned g = (unsigned)__builtin_ctz(gpus);
		struct mps_room room = mps_room_of(&wish->gpus[g], &offers[g].place);

		if (on && mps_room_memory_left(&room) <= mps_room_memory_left(&best))
			continue;
		best = room;
		on = &wish->gpus[g];
	}
	if (best.n_shares >= best.n_clients)
		buf_addf(text, ", which is all that the hardware serves: %u", best.n_clients);
	else
		buf_addf(text, "; %s and %u %% are left at most",
			size_text(mps_room_memory_left(&best) >> 20 << 20, size),
			mps_room_percent_left(&best, on));
}

/* The server that keeps the first of the places from serving. */
static const char *state_of(struct wish *wish, uint32_t gpus, const struct mps_offer *offers)
{
	unsigned g = (unsigned)__builtin_ctz(gpus);
	const struct gpu *gpu = &wish->gpus[g];

	for (unsigned i = 0; i < gpu->n_mps_servers; i++) {
		const struct mps_server *server = &gpu->mps_server[i];

		if (mps_place_is(&server->place, &offers[g].place) &&
			(server->state == MPS_FAULTY || server->state == MPS_STOPPING))
			return server->state == MPS_FAULTY ? "faulty: Carve starts it again"
							   : mps_state_names[server->state];
	}
	return "in the way of a new one";
}

static void say_now(
	struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text)
{
	bool several = gpus & (gpus - 1);
	unsigned g = (unsigned)__builtin_ctz(gpus);

	switch (offers[g].bar) {
	case MPS_BAR_FULL:
		say_holders(wish, gpus, offers, text);
		buf_add(text, " on ");
		say_places(wish, gpus, offers, text);
		say_left(wish, gpus, offers, text);
		return;
	case MPS_BAR_TENANT:
		say_places(wish, gpus, offers, text);
		buf_addf(text, " %s another user by MPS (", several ? "each serve" : "serves");
		say_holders(wish, gpus, offers, text);
		buf_add(text, "): different users never share a server");
		return;
	case MPS_BAR_UNHELD:
		buf_add(text, "the same user's shares (");
		say_holders(wish, gpus, offers, text);
		buf_add(text, ") on ");
		say_places(wish, gpus, offers, text);
		buf_add(text, " are of another size, and the server holds one limit of memory for "
			      "all: ask for that size, or leave out isolation memory");
		return;
	case MPS_BAR_STATE:
		buf_add(text, several ? "the MPS servers on " : "the MPS server on ");
		say_places(wish, gpus, offers, text);
		buf_addf(text, " %s %s", several ? "are" : "is", state_of(wish, gpus, offers));
		return;
	case MPS_BAR_LEASED:
		say_holders(wish, gpus, offers, text);
		buf_add(text, " on all of ");
		say_places(wish, gpus, offers, text);
		return;
	case MPS_BAR_IN_USE:
		buf_add(text, "processes without a lease use ");
		say_places(wish, gpus, offers, text);
		return;
	case MPS_BAR_PENDING:
		buf_add(text, "a change of MIG mode waits for the reset of ");
		wish_say_gpus(text, gpus);
		return;
	case MPS_BAR_VFS:
		buf_add(text, several ? "the virtual functions of " : "virtual functions of ");
		wish_say_gpus(text, gpus);
		buf_add(text, " are on for leases");
		return;
	default:
		for (; gpus; gpus &= gpus - 1) {
			wish_say_closed(wish, (unsigned)__builtin_ctz(gpus), text);
			buf_add(text, gpus & (gpus - 1) ? "; " : "");
		}
	}
}

void mps_say_bar(struct wish *wish, uint32_t gpus, const struct mps_offer *offers, struct buf *text)
{
	bool several = gpus & (gpus - 1);
	unsigned g = (unsigned)__builtin_ctz(gpus);
	const struct gpu *gpu = &wish->gpus[g];
	const char *are = several ? "are" : "is", *have = several ? "have" : "has";
	char size[SIZE_TEXT_MAX];

	switch (offers[g].bar) {
	case MPS_BAR_PINNED:
		buf_add(text, "pinned MPS shares leave no room for it on ");
		wish_say_gpus(text, gpus);
		buf_add(text, ": `carve apply` another layout");
		return;
	case MPS_BAR_VFS_ON:
		wish_say_gpus(text, gpus);
		buf_addf(text,
			" %s shared by virtual functions, and in no other way while they are on: "
			"`carve apply` a layout with `vf: []`",
			are);
		return;
	case MPS_BAR_OPEN:
		buf_addf(text, "nobody would hold a limit of memory by MPS on ");
		wish_say_gpus(text, gpus);
		buf_addf(text, ", %s: ask for mechanism mig, or leave out isolation memory",
			gpu->seen.mig_on ? "because processes can get past the server in MIG mode"
					 : "because servers take turns there");
		return;
	case MPS_BAR_PROHIBITED:
		wish_say_gpus(text, gpus);
		buf_addf(text,
			" %s in compute mode PROHIBITED, which lets no process in: "
			"`nvidia-smi -i %u -c DEFAULT`",
			are, g);
		return;
	case MPS_BAR_NO_PLACE:
		wish_say_gpus(text, gpus);
		buf_addf(text,
			" %s in MIG mode, without an instance of Carve's that is large "
			"enough: ask for mechanism mig, or `carve apply` a layout that has one",
			are);
		return;
	case MPS_BAR_MODE_OFF:
		wish_say_gpus(text, gpus);
		buf_addf(text, " %s not in MIG mode: leave out the profile %s", are,
			wish->request->profile);
		return;
	case MPS_BAR_UNMANAGED:
		wish_say_gpus(text, gpus);
		buf_addf(text,
			" %s not managed by Carve, which only looks at %s: `carve manage %u`", are,
			several ? "them" : "it", g);
		return;
	case MPS_BAR_LEAST:
		buf_addf(text, "the least compute that GPU %u (%s) can give is %u %%", g,
			gpu->facts.product, mps_least_percent(gpu));
		return;
	case MPS_BAR_LARGE:
		wish_say_gpus(text, gpus);
		buf_addf(text, " %s less: the most on GPU %u (%s) is %s", have, g,
			gpu->facts.product, size_text(gpu->facts.memory_bytes, size));
		return;
	case MPS_BAR_CANNOT:
		wish_say_gpus(text, gpus);
		buf_addf(text, " (%s) cannot do MPS, which takes compute capability 3.5",
			gpu->facts.product);
		return;
	case MPS_BAR_NAMED:
		buf_add(text, "another GPU was asked for");
		return;
	default:
		say_now(wish, gpus, offers, text);
	}
}

void mps_say_offer(struct wish *wish, const struct mps_offer *offer, const struct mps_offer *best,
	struct buf *text)
{
	const struct placement *placement = &offer->placement;
	const struct gpu *gpu = &wish->gpus[placement->gpu];
	char size[SIZE_TEXT_MAX], name[SHARE_NAME_MAX];
	uint64_t better;

	if (placement->mps.number)
		buf_addf(text, "the pinned share %s is idle: ",
			mps_share_name(gpu, &placement->mps, name));
	buf_addf(text, "%s and %u %% on %s", size_text(placement->mps.memory_bytes, size),
		placement->mps.percent, place_text(gpu, &offer->place, name));
	if (!placement->mps.number && !wish->request->compute_percent)
		buf_add(text, " (compute in proportion to memory)");
	if (!placement->mps.number && !wish->request->memory_bytes)
		buf_add(text, " (memory in proportion to compute)");
	if (placement->stops_server)
		buf_addf(text, " after stopping the idle server of user %u", placement->stop_uid);
	if (!best || best->cost >= offer->cost)
		return;
	better = best->cost ^ offer->cost;
	if (better >> 63)
		buf_add(text, ", but it is free as a whole");
	else if (better >> 61)
		buf_add(text, ", but no server of this user runs there");
	else if (better >> 60)
		buf_add(text, ", but it is not just a pinned share");
	else if (better >> 24)
		buf_add(text, ", but more memory would be left over");
	else
		buf_add(text, ", but the GPU is larger");
}

int mps_refuse(struct wish *wish, struct error *err)
{
	struct mps_offer offers[GPUS_MAX];
	uint32_t gpus[MPS_BAR_N] = { 0 };
	char asked[REQUEST_TEXT_MAX];
	enum mps_bar nearest = MPS_BAR_NAMED;
	AUTO_BUF text = { 0 };
	bool is_for_now;

	for (unsigned g = 0; g < wish->n_gpus; g++) {
		mps_offer(wish, g, &offers[g]);
		gpus[offers[g].bar] |= 1u << g;
		nearest = offers[g].bar < nearest ? offers[g].bar : nearest;
	}
	is_for_now = mps_bar_is_for_now(nearest);
	buf_addf(&text,
		is_for_now ? "no room now for %s: " : "%s: ", request_text(wish->request, asked));
	for (enum mps_bar bar = nearest; bar < MPS_BAR_NAMED; bar++) {
		if (!gpus[bar] || mps_bar_is_for_now(bar) != is_for_now)
			continue;
		buf_add(&text, bar == nearest ? "" : "; ");
		mps_say_bar(wish, gpus[bar], offers, &text);
	}
	if (nearest == MPS_BAR_NAMED)
		buf_add(&text, "this node has no GPU");
	return error_set(err, is_for_now ? PLACE_E_NO_ROOM : PLACE_E_NEVER, "%s", buf_text(&text));
}
