/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The share that each way would make on one GPU, and how many of them it has room for.
 *
 * Each way is asked of a copy of the GPU that is set up for it: managed, and MIG mode as the way
 * needs it. What is there stays in the copy where it could; where that leaves no room, the share is
 * that of the empty GPU, and waits.
 */
#include "model/advice_part.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/mps_room.h"
#include "model/need.h"
#include "model/place.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct request advice_sized(const struct advice_need *need)
{
	struct request request = need->request;
	unsigned percent = need->count ? 100 / need->count : 100;

	if (request_is_bare(&request) && need->count > 1)
		request.compute_percent = percent ? percent : 1;
	return request;
}

static void lack(struct advice_share *share, const char *way, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void lack(struct advice_share *share, const char *way, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(share->lack, sizeof(share->lack), format, args);
	va_end(args);
	text_copy(share->way, sizeof(share->way), way);
}

/* The GPU without anybody on it, in MIG mode or not. */
static struct gpu *emptied(const struct gpu *gpu, bool mig_on)
{
	struct gpu *empty = must_alloc(1, sizeof(*empty));

	*empty = *gpu;
	empty->index = 0;
	empty->managed = true;
	empty->drained = false;
	empty->health = GPU_HEALTHY;
	empty->seen = (struct gpu_seen){ .mig_on = mig_on, .mig_pending = mig_on };
	empty->whole_allowed = !mig_on;
	empty->whole_lease = 0;
	empty->whole_in_use = false;
	empty->n_mps = empty->n_mps_servers = 0;
	return empty;
}

struct gpu *advice_opened(const struct gpu *gpu)
{
	struct gpu *open = must_alloc(1, sizeof(*open));

	*open = *gpu;
	open->index = 0;
	open->managed = true;
	open->drained = false;
	open->health = GPU_HEALTHY;
	return open;
}

/* ---- MIG ---- */

/* Places instances until no more fit; the first one's placement. */
static unsigned place_instances(
	struct gpu *gpu, const struct request *request, struct placement *ret_first)
{
	unsigned n = 0;

	while (n < MIG_INSTANCES_MAX) {
		struct placement placement;
		struct mig_instance *instance;

		if (place(gpu, 1, request, 0, &placement, NULL) != 0)
			break;
		if (n++ == 0)
			*ret_first = placement;
		if (placement.how == PLACE_CACHED) {
			gpu->seen.instance[placement.instance].ci[placement.ci].lease = 1;
			continue;
		}
		for (unsigned i = gpu->seen.n_instances; i-- > 0;)
			if (placement.evict >> i & 1)
				gpu->seen.instance[i] = gpu->seen.instance[--gpu->seen.n_instances];
		if (gpu->seen.n_instances == MIG_INSTANCES_MAX)
			break;
		instance = &gpu->seen.instance[gpu->seen.n_instances++];
		*instance = (struct mig_instance){
			.profile = placement.profile,
			.start = placement.start,
			.origin = SHARE_DYNAMIC,
			.n_ci = 1,
			.ci = { { .ci = gpu->facts.geometry.profile[placement.profile].n_ci - 1,
				.lease = 1 } },
		};
	}
	return n;
}

static unsigned percent_of(const struct mig_geometry *geometry, const struct mig_profile *profile)
{
	return geometry->n_slices ? 100 * profile->slices / geometry->n_slices : 0;
}

static void lack_profile(struct advice_share *share, const struct need *need)
{
	const struct mig_geometry *geometry = need->geometry;
	const struct mig_profile *largest = &geometry->profile[geometry->n_profiles - 1];
	char names[160], size[SIZE_TEXT_MAX];

	mig_profile_names(geometry, names, sizeof(names));
	if (need->lack == LACK_PROFILE)
		lack(share, "one of its own profiles, or leave --profile out",
			"It has no such profile: it has %s.", names);
	else if (need->lack == LACK_GRAPHICS)
		lack(share, "a whole GPU, or a product whose instances have them",
			"None of its MIG instances has graphics.");
	else if (need->lack == LACK_MEMORY)
		lack(share, "less memory, or a larger GPU",
			"Its largest profile, %s, has %s of memory.", largest->name,
			size_text(largest->memory_bytes, size));
	else
		lack(share, "less compute, or a larger GPU",
			"None of its profiles has so much memory and compute: the largest is %s.",
			largest->name);
}

static struct request request_by(const struct advice_need *need, enum mechanism mechanism)
{
	struct request request = advice_sized(need);

	request.mechanism = (int)mechanism;
	request.gpu[0] = '\0';
	request.n_gpus = 1;
	request.has_n_gpus = request.is_vm = false;
	return request;
}

static void share_mig(
	const struct advice_need *need, const struct advice_gpu *gpu, struct advice_share *share)
{
	const struct mig_geometry *geometry = &gpu->gpu.facts.geometry;
	struct request request = request_by(need, MECHANISM_MIG);
	AUTO_FREE struct gpu *empty = NULL, *open = NULL;
	const struct mig_profile *profile;
	struct placement first, now;
	struct need what;

	if (geometry->n_profiles == 0)
		return lack(share, "a GPU that has it", "It has no MIG profiles.");
	need_of(&request, geometry, &what);
	if (what.lack != LACK_NOTHING)
		return lack_profile(share, &what);
	empty = emptied(&gpu->gpu, true);
	open = gpu->gpu.seen.mig_on ? advice_opened(&gpu->gpu) : emptied(&gpu->gpu, true);
	share->fit_empty = place_instances(empty, &request, &first);
	share->fit = place_instances(open, &request, &now);
	if (share->fit_empty == 0 && share->fit == 0)
		return lack(share, "an instance of the whole profile",
			"Such compute instances are made by a layout only.");
	if (share->fit)
		first = now;
	share->is_possible = true;
	share->waits = share->fit == 0;
	profile = &geometry->profile[first.profile];
	text_copy(share->profile, sizeof(share->profile), profile->name);
	share->start = (int)first.start;
	share->memory_bytes = profile->memory_bytes;
	share->percent = percent_of(geometry, profile);
	share->sm = profile->sm;
}

/* ---- MPS ---- */

/* The size as the place gives it; how many of them an empty place holds, 0 if none. */
static unsigned size_mps(const struct gpu *gpu, struct mps_extent extent,
	const struct request *request, uint64_t *ret_memory, uint32_t *ret_percent)
{
	struct mps_room room = mps_room_empty(gpu, extent);
	struct mps_share share = { .place = MPS_WHOLE_GPU };
	unsigned n = 0;

	*ret_memory = request->memory_bytes;
	*ret_percent = request->compute_percent;
	mps_size_complete(gpu, &extent, ret_memory, ret_percent);
	if (*ret_percent < mps_least_percent(gpu))
		return 0;
	share.memory_bytes = *ret_memory;
	share.percent = *ret_percent;
	while (mps_room_lacks(&room, gpu, share.memory_bytes, share.percent, false) ==
		MPS_LACK_NOTHING) {
		mps_room_add(&room, gpu, &share);
		n++;
	}
	return n;
}

static bool lacks_size(const struct request *request, struct advice_share *share)
{
	if (request->memory_bytes || request->compute_percent)
		return false;
	lack(share, "--memory or --compute", "An MPS share has a size, and none was asked for.");
	return true;
}

/* How many fit beside those that are there. */
static unsigned count_mps(const struct gpu *gpu, const struct advice_share *share)
{
	struct mps_room room = mps_room_of(gpu, &MPS_WHOLE_GPU);
	struct mps_share one = { .place = MPS_WHOLE_GPU,
		.memory_bytes = share->memory_bytes,
		.percent = share->percent };
	unsigned n = 0;

	if (gpu->whole_lease || (gpu->whole_in_use && gpu->n_mps_servers == 0))
		return 0;
	while (gpu->n_mps + n < MPS_SHARES_MAX && mps_room_lacks(&room, gpu, one.memory_bytes,
							  one.percent, false) == MPS_LACK_NOTHING) {
		mps_room_add(&room, gpu, &one);
		n++;
	}
	return n;
}

static void share_mps(
	const struct advice_need *need, const struct advice_gpu *gpu, struct advice_share *share)
{
	struct request request = request_by(need, MECHANISM_MPS);
	AUTO_FREE struct gpu *empty = emptied(&gpu->gpu, false);
	struct placement placement;
	uint32_t percent;
	char size[SIZE_TEXT_MAX];

	if (lacks_size(&request, share))
		return;
	share->fit_empty =
		size_mps(empty, mps_extent_of_gpu(empty), &request, &share->memory_bytes, &percent);
	if (request.profile[0])
		return lack(share, "leave --profile out", "A profile means an instance of MIG.");
	if (share->fit_empty == 0)
		return lack(share, "less, or a larger GPU",
			"It has %s of memory, and so much with %" PRIu32
			" %% of its compute is not there.",
			size_text(gpu->gpu.facts.memory_bytes, size), percent);
	share->is_possible = true;
	share->percent = percent;
	share->sm = gpu->gpu.facts.sm * percent / 100;
	if (gpu->gpu.seen.mig_on) {
		share->fit = share->fit_empty;
		return;
	}
	share->fit = count_mps(&gpu->gpu, share);
	if (share->fit) { /* another tenant's server may be in the way yet */
		AUTO_FREE struct gpu *open = advice_opened(&gpu->gpu);

		request.isolation = ISOLATION_NONE;
		if (place(open, 1, &request, 0, &placement, NULL) != 0)
			share->fit = 0;
	}
	share->waits = share->fit == 0;
}

static bool may_hold_mps(const struct mig_geometry *geometry, unsigned p, const char *named)
{
	const struct mig_profile *profile = &geometry->profile[p];

	/* The whole GPU as one instance is no better than the GPU. */
	return *named ? text_eq(named, profile->name)
		      : profile->media == MIG_MEDIA_PLAIN && profile->slices < geometry->n_slices;
}

/* The smallest profile that holds as many of them as are wanted, else the one with the most. */
static int profile_for_mps(const struct advice_need *need, const struct gpu *gpu,
	const struct request *request, struct advice_share *share)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	unsigned most = 0;
	int best = -1;

	for (unsigned p = 0; p < geometry->n_profiles && most < need->count; p++) {
		uint64_t memory;
		uint32_t percent;
		unsigned n;

		if (!may_hold_mps(geometry, p, request->profile))
			continue;
		n = size_mps(gpu, mps_extent_of_profile(gpu, p, 0), request, &memory, &percent);
		if (n <= most)
			continue;
		most = n;
		best = (int)p;
		share->memory_bytes = memory;
		share->percent = percent;
	}
	share->fit = share->fit_empty = most;
	return best;
}

static void share_mps_in_mig(
	const struct advice_need *need, const struct advice_gpu *gpu, struct advice_share *share)
{
	const struct mig_geometry *geometry = &gpu->gpu.facts.geometry;
	struct request request = request_by(need, MECHANISM_MPS), instance;
	AUTO_FREE struct gpu *empty = emptied(&gpu->gpu, true), *open = NULL;
	struct placement placement;
	int p;

	if (geometry->n_profiles == 0)
		return lack(share, "a GPU that has it", "It has no MIG profiles.");
	if (lacks_size(&request, share))
		return;
	p = profile_for_mps(need, empty, &request, share);
	if (p < 0)
		return lack(share, "less, or a larger GPU",
			"None of its profiles, but the whole GPU, holds an MPS share of that "
			"size.");
	share->is_possible = true;
	text_copy(share->profile, sizeof(share->profile), geometry->profile[p].name);
	share->sm = geometry->profile[p].sm;
	share->start = -1;
	instance = request_by(need, MECHANISM_MIG);
	instance.memory_bytes = instance.memory_label = instance.compute_percent = 0;
	text_copy(instance.profile, sizeof(instance.profile), share->profile);
	open = gpu->gpu.seen.mig_on ? advice_opened(&gpu->gpu) : emptied(&gpu->gpu, true);
	if (place(open, 1, &instance, 0, &placement, NULL) == 0)
		share->start = (int)placement.start;
	else
		share->fit = 0;
	share->waits = share->fit == 0;
}

/* ---- the rest ---- */

static void share_whole(
	const struct advice_need *need, const struct advice_gpu *gpu, struct advice_share *share)
{
	const struct gpu *g = &gpu->gpu;
	char size[SIZE_TEXT_MAX];
	bool is_taken = !g->seen.mig_on && (g->whole_lease || g->whole_in_use || g->n_mps);

	if (need->request.profile[0])
		return lack(share, "leave --profile out", "A profile is a part of a GPU.");
	if (need->request.memory_bytes > g->facts.memory_bytes)
		return lack(share, "less memory, or a larger GPU", "It has %s of memory.",
			size_text(g->facts.memory_bytes, size));
	share->is_possible = true;
	share->memory_bytes = g->facts.memory_bytes;
	share->percent = 100;
	share->sm = g->facts.sm;
	share->fit_empty = 1;
	share->fit = !is_taken;
	share->waits = is_taken;
}

void advice_share_of(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpu, struct advice_share *ret_share)
{
	*ret_share = (struct advice_share){ .start = -1 };
	switch (option) {
	case ADVICE_MIG:
		return share_mig(need, gpu, ret_share);
	case ADVICE_MPS_IN_MIG:
		return share_mps_in_mig(need, gpu, ret_share);
	case ADVICE_MPS:
		return share_mps(need, gpu, ret_share);
	case ADVICE_VF:
	case ADVICE_VF_ON_MIG:
		return advice_share_vf(need, gpu, option == ADVICE_VF_ON_MIG, ret_share);
	case ADVICE_TIME:
		return lack(
			ret_share, "a later version of Carve", "Carve makes no time shares yet.");
	default:
		return share_whole(need, gpu, ret_share);
	}
}
