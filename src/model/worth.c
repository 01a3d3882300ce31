/* SPDX-License-Identifier: Apache-2.0 */
/* The worth of a GPU is the number of instances, (profile, start), that it could still take. */
#include "model/worth.h"

static uint32_t count_places(const struct mig_geometry *geometry, uint32_t taken)
{
	uint32_t n = 0;

	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		for (uint32_t s = 0; s < geometry->n_slots; s++)
			n += (geometry->profile[p].starts >> s & 1) &&
			     !(mig_slots(&geometry->profile[p], s) & taken);
	}
	return n;
}

/* The mask of units that the slots touch. */
static uint32_t units_of(const struct mig_geometry *geometry, uint32_t slots)
{
	uint32_t units = 0, one = (1u << geometry->unit) - 1;

	if (geometry->unit == 1)
		return slots;
	for (uint32_t u = 0; slots; u++, slots >>= geometry->unit)
		units |= (uint32_t)((slots & one) != 0) << u;
	return units;
}

void worth_fill(struct mig_geometry *geometry)
{
	uint32_t n_units = geometry->n_slots / geometry->unit;

	for (uint32_t mask = 0; mask < 1u << MIG_UNITS_MAX; mask++) {
		uint32_t taken = 0;

		for (uint32_t u = 0; u < n_units && n_units <= MIG_UNITS_MAX; u++) {
			if (mask >> u & 1)
				taken |= ((1u << geometry->unit) - 1) << u * geometry->unit;
		}
		geometry->worth[mask] = n_units > MIG_UNITS_MAX || mask >> n_units
						? 0
						: count_places(geometry, taken);
	}
}

uint32_t worth_of(const struct mig_geometry *geometry, uint32_t taken)
{
	if (geometry->n_slots > geometry->unit * MIG_UNITS_MAX)
		return count_places(geometry, taken);
	return geometry->worth[units_of(geometry, taken)];
}
