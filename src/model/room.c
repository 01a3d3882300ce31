/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Legality. An instance may be created where its slots are free, while its profile's greatest
 * number is not reached, and while the media engines that it takes are not taken:
 *
 *  - "+me" takes the engines of which a GPU has one set (JPEG, OFA), whatever the instance's size:
 *    all of them together count against each one's greatest number;
 *  - "+me.all" takes every engine: beside it only "-me" may be.
 */
#include "model/mig.h"

bool mig_room_allows(
	const struct mig_room *room, const struct mig_geometry *geometry, uint32_t profile)
{
	const struct mig_profile *p = &geometry->profile[profile];
	const uint8_t *media = room->n_media;

	if (room->count[profile] >= p->max)
		return false;
	switch (p->media) {
	case MIG_MEDIA_NONE:
		return true;
	case MIG_MEDIA_ALL:
		return media[MIG_MEDIA_PLAIN] + media[MIG_MEDIA_ME] + media[MIG_MEDIA_ALL] +
			       media[MIG_MEDIA_GFX] ==
		       0;
	case MIG_MEDIA_ME:
		return media[MIG_MEDIA_ALL] == 0 && media[MIG_MEDIA_ME] < p->max;
	default:
		return media[MIG_MEDIA_ALL] == 0;
	}
}

uint32_t mig_room_starts(
	const struct mig_room *room, const struct mig_geometry *geometry, uint32_t profile)
{
	const struct mig_profile *p = &geometry->profile[profile];
	uint32_t blocked = room->taken;

	if (!mig_room_allows(room, geometry, profile))
		return 0;
	/* blocked, bit s: one of the slots s .. s+size-1 is taken. */
	for (uint32_t width = 1; width < p->size; width *= 2)
		blocked |= blocked >> (2 * width <= p->size ? width : p->size - width);
	return p->starts & ~blocked;
}
