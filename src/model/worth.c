/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What room is worth. A place is a start from which an instance of a profile could still be made.
 * Whatever is placed takes places away from requests to come, of its own profile and of others, and
 * the rule is to take away what will be missed least:
 *
 *	loss  =  sum over profiles of  demand * places lost / places left on the node
 *	demand  =  instances of the profile that are there, and four more
 *
 * As if so many requests came, each to any of the places: the loss is how many would find theirs
 * gone. What is there, in use or idle, tells what is asked for on this node. The four more stand
 * for what nobody has asked for yet, and keep a few instances from deciding everything.
 *
 * To count the places lost, each as one, is the rule known as "mincap". It does not see that the
 * last place of a profile is worth more than one of forty, so it breaks open one whole GPU after
 * the other: for a 3g, an empty GPU's right half costs it less than the left half beside another
 * 3g, as fewer places are in it. Nor does it see that on this node nobody asks for 4g. The numbers
 * are in docs/decisions ("What a place costs").
 */
#include "model/worth.h"

#include <string.h>

enum { UNASKED = 4 };

static void count_places(
	const struct mig_geometry *geometry, uint32_t taken, uint8_t ret_places[MIG_PROFILES_MAX])
{
	memset(ret_places, 0, MIG_PROFILES_MAX);
	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		for (uint32_t s = 0; s < geometry->n_slots; s++)
			ret_places[p] += (geometry->profile[p].starts >> s & 1) &&
					 !(mig_slots(&geometry->profile[p], s) & taken);
	}
}

/* The mask of units that the slots touch. */
static uint32_t units_of(const struct mig_geometry *geometry, uint32_t slots)
{
	uint32_t units = 0, one = (1u << geometry->unit) - 1;

	for (uint32_t u = 0; slots; u++, slots >>= geometry->unit)
		units |= (uint32_t)((slots & one) != 0) << u;
	return units;
}

void worth_fill(struct mig_geometry *geometry)
{
	uint32_t n_units = geometry->n_slots / geometry->unit;

	memset(geometry->places, 0, sizeof(geometry->places));
	for (uint32_t mask = 0; n_units <= MIG_UNITS_MAX && mask < 1u << n_units; mask++) {
		uint32_t taken = 0;

		for (uint32_t u = 0; u < n_units; u++) {
			if (mask >> u & 1)
				taken |= ((1u << geometry->unit) - 1) << u * geometry->unit;
		}
		count_places(geometry, taken, geometry->places[mask]);
	}
}

/* The places left to each profile; `room` is for a geometry that has no table. */
static inline const uint8_t *places_of(
	const struct mig_geometry *geometry, uint32_t taken, uint8_t room[MIG_PROFILES_MAX])
{
	if (geometry->n_slots <= geometry->unit * MIG_UNITS_MAX)
		return geometry->places[geometry->unit == 1 ? taken : units_of(geometry, taken)];
	count_places(geometry, taken, room);
	return room;
}

uint32_t worth_of(const struct mig_geometry *geometry, uint32_t taken)
{
	uint8_t room[MIG_PROFILES_MAX];
	const uint8_t *places = places_of(geometry, taken, room);
	uint32_t n = 0;

	for (unsigned p = 0; p < geometry->n_profiles; p++)
		n += places[p];
	return n;
}

void worth_add(struct worth *worth, const struct mig_geometry *geometry,
	const struct mig_room *room, uint32_t taken)
{
	uint8_t scratch[MIG_PROFILES_MAX];
	const uint8_t *places = places_of(geometry, taken, scratch);

	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		worth->left[p] += places[p];
		worth->held[p] += room->count[p];
	}
}

void worth_price(struct worth *worth, const struct mig_geometry *geometry)
{
	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		uint32_t demand = worth->held[p] + UNASKED;

		worth->price[p] = worth->left[p] ? demand * WORTH_ONE / worth->left[p] : 0;
	}
}

uint32_t worth_left(const struct worth *worth, const struct mig_geometry *geometry, uint32_t taken)
{
	uint8_t scratch[MIG_PROFILES_MAX];
	const uint8_t *places = places_of(geometry, taken, scratch);
	uint32_t left = 0;

	for (unsigned p = 0; p < geometry->n_profiles; p++)
		left += places[p] * worth->price[p];
	return left;
}

uint32_t worth_most_lost(const struct worth *worth, const struct mig_geometry *geometry,
	uint32_t taken, uint32_t slots, uint32_t *ret_places)
{
	uint8_t room[2][MIG_PROFILES_MAX];
	const uint8_t *before = places_of(geometry, taken, room[0]);
	const uint8_t *after = places_of(geometry, taken | slots, room[1]);
	uint32_t most = 0, loss = 0;

	*ret_places = 0;
	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		uint32_t lost = (uint32_t)(before[p] - after[p]);

		if (lost * worth->price[p] <= loss)
			continue;
		loss = lost * worth->price[p];
		most = p;
		*ret_places = lost;
	}
	return most;
}
