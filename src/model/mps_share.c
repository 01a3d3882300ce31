/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds the limits of a share.
 *
 * A server holds one limit of memory and one of compute for all its clients, unless it has
 * namespaces (memory and compute) or static partitions (compute). Shares of one size are held by
 * that one limit; of shares of several sizes only the largest is, and the others' limits stand in
 * their clients' environment, where a client may leave them out. And nothing is held where a
 * process can use the GPU without the server: in MIG mode there is no EXCLUSIVE_PROCESS, and
 * servers that take turns cannot have it.
 */
#include "model/gpu.h"
#include "model/mps_room.h"

#include <stdio.h>

const char *const mps_state_names[] = { "starting", "ready", "faulty", "stopping" };

bool mps_is_on_ci(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, bool leases_only)
{
	struct mps_place place = mps_place_of(gpu, instance, ci);

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (mps_place_is(&gpu->mps[i].place, &place) && (gpu->mps[i].lease || !leases_only))
			return true;
	}
	for (unsigned i = 0; i < gpu->n_mps_servers && !leases_only; i++) {
		if (mps_place_is(&gpu->mps_server[i].place, &place))
			return true;
	}
	return false;
}

bool mps_is_on(const struct gpu *gpu, const struct mig_instance *instance, bool leases_only)
{
	for (unsigned c = 0; instance && c < instance->n_ci; c++) {
		if (mps_is_on_ci(gpu, instance, &instance->ci[c], leases_only))
			return true;
	}
	for (unsigned i = 0; !instance && i < gpu->n_mps; i++) {
		if (mps_place_is_gpu(&gpu->mps[i].place) && (gpu->mps[i].lease || !leases_only))
			return true;
	}
	for (unsigned i = 0; !instance && !leases_only && i < gpu->n_mps_servers; i++) {
		if (mps_place_is_gpu(&gpu->mps_server[i].place))
			return true;
	}
	return false;
}

const char *mps_share_name(const struct gpu *gpu, const struct mps_share *share, char *ret_text)
{
	int profile = mig_profile_find_id(&gpu->facts.geometry, share->place.profile_id);
	const struct mig_instance *instance;
	char place[SHARE_NAME_MAX];
	unsigned c = 0;

	instance = mps_place_instance(gpu, &share->place, &c);
	if (mps_place_is_gpu(&share->place))
		snprintf(place, sizeof(place), "%u", gpu->index);
	else if (instance)
		share_name(gpu, instance, &instance->ci[c], place);
	else if (profile >= 0)
		snprintf(place, sizeof(place), "%u:%s@%u", gpu->index,
			gpu->facts.geometry.profile[profile].name, share->place.start);
	else
		snprintf(place, sizeof(place), "%u:profile%u@%u", gpu->index,
			share->place.profile_id, share->place.start);
	snprintf(ret_text, SHARE_NAME_MAX, "%.48s:mps%u", place, share->number);
	return ret_text;
}

const struct mps_share *mps_share_find(const struct gpu *gpu, uint32_t number)
{
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (gpu->mps[i].number == number)
			return &gpu->mps[i];
	}
	return NULL;
}

const struct mps_server *mps_server_find(
	const struct gpu *gpu, const struct mps_place *place, uint32_t uid)
{
	for (unsigned i = 0; i < gpu->n_mps_servers; i++) {
		const struct mps_server *server = &gpu->mps_server[i];

		if (server->uid == uid && mps_place_is(&server->place, place))
			return server;
	}
	return NULL;
}

uint32_t mps_number_free(const struct gpu *gpu)
{
	uint32_t number = 1;

	while (mps_share_find(gpu, number))
		number++;
	return number;
}

void mps_limits_of(const struct gpu *gpu, const struct mps_place *place, uint32_t uid,
	uint64_t *ret_memory_bytes, uint32_t *ret_percent)
{
	uint64_t memory_bytes = 0;
	uint32_t percent = 0;

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		const struct mps_share *share = &gpu->mps[i];

		if (!share->lease || share->uid != uid || !mps_place_is(&share->place, place))
			continue;
		memory_bytes =
			share->memory_bytes > memory_bytes ? share->memory_bytes : memory_bytes;
		percent = share->percent > percent ? share->percent : percent;
	}
	*ret_memory_bytes = memory_bytes;
	*ret_percent = percent;
}

/* The limits that the share's server holds, or would once the share is leased; false: none. */
static bool held_limits(
	const struct gpu *gpu, const struct mps_share *share, struct mps_server *ret_server)
{
	const struct mps_server *server =
		share->lease ? mps_server_find(gpu, &share->place, share->uid) : NULL;

	if (!mps_place_is_gpu(&share->place) || gpu->may_time_slice)
		return false;
	*ret_server = (struct mps_server){ 0 };
	if (server) {
		*ret_server = *server;
	} else if (share->lease) {
		mps_limits_of(gpu, &share->place, share->uid, &ret_server->memory_bytes,
			&ret_server->percent);
	} else {
		ret_server->memory_bytes = share->memory_bytes;
		ret_server->percent = share->percent;
	}
	return true;
}

bool mps_memory_is_held(const struct gpu *gpu, const struct mps_share *share)
{
	struct mps_server server;

	return held_limits(gpu, share, &server) &&
	       /* MPS counts in whole MiB */
	       (server.holds_memory || server.memory_bytes >> 20 == share->memory_bytes >> 20);
}

bool mps_compute_is_held(const struct gpu *gpu, const struct mps_share *share)
{
	struct mps_server server;

	return held_limits(gpu, share, &server) &&
	       (server.holds_compute || server.percent == share->percent);
}
