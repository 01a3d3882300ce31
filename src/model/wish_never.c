/* SPDX-License-Identifier: Apache-2.0 */
/* Why no GPU of the node could serve a request as they are set up, and the way out. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/place_mps.h"
#include "model/place_vf.h"
#include "model/wish_say.h"

/* "GPU 3" or "GPUs 0-2, 5". */
void wish_say_gpus(struct buf *text, uint32_t gpus)
{
	const char *comma = "";

	buf_add(text, gpus & (gpus - 1) ? "GPUs " : "GPU ");
	for (unsigned g = 0; g < 32; g++) {
		unsigned last = g;

		if (!(gpus >> g & 1))
			continue;
		while (last < 31 && (gpus >> (last + 1) & 1))
			last++;
		if (last > g + 1)
			buf_addf(text, "%s%u-%u", comma, g, last);
		else
			buf_addf(text, last > g ? "%s%u, %u" : "%s%u", comma, g, last);
		comma = ", ";
		g = last;
	}
}

/* What was asked, with the profile that it means where all of `gpus` agree on it. */
void wish_say_asked(struct wish *wish, uint32_t gpus, struct buf *text)
{
	char asked[REQUEST_TEXT_MAX];
	const char *name = NULL;

	if (wish->is_bare && wish->request->n_gpus == 1)
		buf_add(text, "a whole GPU");
	else
		buf_add(text, request_text(wish->request, asked));
	for (; gpus; gpus &= gpus - 1) {
		const struct need *need = wish_need(wish, (unsigned)__builtin_ctz(gpus));

		if (need->n_make == 0 ||
			(name && !text_eq(name, need->geometry->profile[need->make[0]].name)))
			return;
		name = need->geometry->profile[need->make[0]].name;
	}
	if (name && !text_eq(name, wish->request->profile))
		buf_addf(text, " (%s)", name);
}

/* Where the sentences name a command, the one that does it for all of `gpus`. */
static void say_way_out(struct wish *wish, enum hope hope, uint32_t gpus, struct buf *text)
{
	uint32_t resets = 0;

	wish_say_gpus(text, gpus);
	switch (hope) {
	case HOPE_MODE_OFF:
		buf_addf(text,
			" %s not in MIG mode, which it takes: `carve apply` a layout with "
			"mig for %s",
			gpus & (gpus - 1) ? "are" : "is", gpus & (gpus - 1) ? "them" : "it");
		for (unsigned g = 0; g < wish->n_gpus; g++)
			resets |= (uint32_t)wish->gpus[g].facts.mode_needs_reset << g;
		buf_addf(text, " (%s must be idle for it", gpus & (gpus - 1) ? "they" : "it");
		if (gpus & resets) {
			buf_add(text, "; on ");
			wish_say_gpus(text, gpus & resets);
			buf_add(text, " the change takes a GPU reset: --reset");
		}
		buf_add(text, ")");
		return;
	case HOPE_MODE_ON:
		buf_addf(text,
			" %s in MIG mode and cannot be leased whole: ask for a profile, or "
			"`carve apply` a layout that turns MIG off",
			gpus & (gpus - 1) ? "are" : "is");
		return;
	case HOPE_VFS:
		buf_addf(text,
			" %s shared by virtual functions, and in no other way while they are on: "
			"`carve apply` a layout with `vf: []` for %s",
			gpus & (gpus - 1) ? "are" : "is", gpus & (gpus - 1) ? "them" : "it");
		return;
	case HOPE_PINNED:
		if (!wish->gpus[__builtin_ctz(gpus)].seen.mig_on) {
			buf_addf(text,
				" %s pinned MPS shares and cannot be leased whole: `carve apply` "
				"another layout, or ask for mechanism mps",
				gpus & (gpus - 1) ? "have" : "has");
			return;
		}
		buf_add(text, gpus & (gpus - 1) ? " have no place beside their pinned instances"
						: " has no place beside its pinned instances");
		buf_add(text, ": `carve apply` another layout, or one that is dynamic");
		return;
	default:
		buf_addf(text,
			" %s not managed by Carve, which only looks at %s: `carve manage %u`",
			gpus & (gpus - 1) ? "are" : "is", gpus & (gpus - 1) ? "them" : "it",
			(unsigned)__builtin_ctz(gpus));
	}
}

/* The profiles that there are, product by product. */
static void say_profiles(struct wish *wish, uint32_t gpus, struct buf *text)
{
	char names[200];

	while (gpus) {
		const struct gpu_facts *facts = &wish->gpus[__builtin_ctz(gpus)].facts;
		uint32_t same = 0;

		for (unsigned g = 0; g < wish->n_gpus; g++) {
			if ((gpus >> g & 1) &&
				wish->gpus[g].facts.geometry.digest == facts->geometry.digest)
				same |= 1u << g;
		}
		wish_say_gpus(text, same);
		buf_addf(text, " (%s) %s ", facts->product, same & (same - 1) ? "have" : "has");
		if (facts->geometry.n_profiles)
			buf_add(text, mig_profile_names(&facts->geometry, names, sizeof(names)));
		else
			buf_add(text, "none");
		gpus &= ~same;
		buf_add(text, gpus ? "; " : "");
	}
}

/* The most memory that a request could have, and where. */
static void say_largest(struct wish *wish, uint32_t gpus, struct buf *text)
{
	const char *largest = "", *product = "";
	char size[SIZE_TEXT_MAX];
	uint64_t most = 0;

	for (; gpus; gpus &= gpus - 1) {
		const struct gpu *gpu = &wish->gpus[__builtin_ctz(gpus)];
		const struct mig_geometry *geometry = &gpu->facts.geometry;

		if (wish->may_whole && !gpu->seen.mig_on && gpu->facts.memory_bytes > most) {
			most = gpu->facts.memory_bytes;
			largest = "a whole GPU";
			product = gpu->facts.product;
		}
		for (unsigned p = 0; p < geometry->n_profiles && wish->may_mig; p++) {
			if (geometry->profile[p].memory_bytes <= most)
				continue;
			most = geometry->profile[p].memory_bytes;
			largest = geometry->profile[p].name;
			product = gpu->facts.product;
		}
	}
	buf_addf(text, "the most is %s with %s (%s)", largest, size_text(most, size), product);
}

static void say_lack(struct wish *wish, uint32_t gpus, struct buf *text)
{
	const struct need *need = wish_need(wish, (unsigned)__builtin_ctz(gpus));
	char asked[REQUEST_TEXT_MAX];

	request_text(wish->request, asked);
	if (wish->may_mig && need->lack == LACK_PROFILE) {
		buf_addf(text, "no GPU has the profile %s: ", wish->request->profile);
		say_profiles(wish, gpus, text);
	} else if (wish->may_mig && need->lack == LACK_GRAPHICS) {
		buf_addf(text,
			"no MIG instance of this node has graphics, which workload %s takes: ask "
			"for a whole GPU, or for a virtual machine (vm)",
			workload_names[wish->request->workload]);
	} else if (wish->may_mig && need->lack == LACK_GEOMETRY) {
		wish_say_gpus(text, gpus);
		buf_add(text, " did not tell the MIG profiles");
	} else {
		buf_addf(text, "no GPU has %s: ", asked);
		say_largest(wish, gpus, text);
	}
}

static void say_impossible(struct wish *wish, struct buf *text)
{
	char asked[REQUEST_TEXT_MAX];

	if (wish->n_gpus == 0)
		buf_add(text, "this node has no GPU");
	else if (!wish->may_whole)
		buf_addf(text, "no GPU%s can do MIG, which %s takes: ask for a whole GPU",
			wish->only >= 0 ? " that may be taken" : " of this node",
			request_text(wish->request, asked));
	else
		buf_add(text, "no GPU of this node may be leased whole");
}

int wish_refuse(struct wish *wish, struct error *err)
{
	static const enum hope in_order[] = { HOPE_MODE_OFF, HOPE_MODE_ON, HOPE_VFS, HOPE_PINNED,
		HOPE_UNMANAGED };
	uint32_t gpus[HOPE_N] = { 0 };
	enum mechanism mechanism;
	unsigned capacity;
	AUTO_BUF text = { 0 };

	if (wish->may_vf)
		return vf_refuse(wish, err);
	mechanism = wish_mechanism(wish);
	capacity = wish_capacity(wish, mechanism);
	if (mechanism == MECHANISM_MPS)
		return mps_refuse(wish, err);
	if (capacity >= wish->request->n_gpus)
		return wish_refuse_now(wish, mechanism, err);
	for (unsigned g = 0; g < wish->n_gpus; g++) {
		enum hope hope = wish_hope(wish, g, mechanism), other;

		other = capacity ? HOPE_N
				 : wish_hope(wish, g,
					   mechanism == MECHANISM_MIG ? MECHANISM_WHOLE
								      : MECHANISM_MIG);
		gpus[other < hope ? other : hope] |= 1u << g;
	}
	if (capacity) {
		wish_say_asked(wish, 0, &text);
		buf_addf(&text, ": this node could give %u at most", capacity);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(in_order); i++) {
		if (!gpus[in_order[i]])
			continue;
		if (text.length == 0) {
			wish_say_asked(wish, gpus[in_order[i]], &text);
			buf_add(&text, ": ");
		} else {
			buf_add(&text, "; ");
		}
		say_way_out(wish, in_order[i], gpus[in_order[i]], &text);
	}
	if (text.length == 0 && gpus[HOPE_LACK])
		say_lack(wish, gpus[HOPE_LACK], &text);
	else if (text.length == 0)
		say_impossible(wish, &text);
	return error_set(err, PLACE_E_NEVER, "%s", buf_text(&text));
}
