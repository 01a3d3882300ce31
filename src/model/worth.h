/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What free room is worth to the requests that may come. */

#include "model/mig.h"

/* Fills geometry->places[]: part of mig_geometry_finish(). */
void worth_fill(struct mig_geometry *geometry);

/* The number of instances, (profile, start), that a GPU whose `taken` slots are gone could take. */
uint32_t worth_of(const struct mig_geometry *geometry, uint32_t taken);

/*
 * What the places of one geometry are worth on a node: { 0 }, then worth_add() for each GPU, then
 * worth_price(). In WORTH_ONEth parts of a request that finds no room.
 */
struct worth {
	uint32_t left[MIG_PROFILES_MAX];  /* places of the profile that are free */
	uint32_t held[MIG_PROFILES_MAX];  /* instances of it that are there */
	uint32_t price[MIG_PROFILES_MAX]; /* of one place */
};
#define WORTH_ONE (1u << 20)

/* Making or removing an instance costs as much as half a request. */
static inline uint32_t worth_steps(unsigned steps)
{
	return steps * (WORTH_ONE / 2);
}

/* Counts one GPU: what it holds, and the slots of it that are gone for requests to come. */
void worth_add(struct worth *worth, const struct mig_geometry *geometry,
	const struct mig_room *room, uint32_t taken);
void worth_price(struct worth *worth, const struct mig_geometry *geometry);

/*
 * What the places are worth that a GPU has left whose `taken` slots are gone: the difference is
 * what is lost by taking more. At most the instances of GPUS_MAX GPUs and four of each profile: 30
 * bits.
 */
uint32_t worth_left(const struct worth *worth, const struct mig_geometry *geometry, uint32_t taken);

/* The profile by which most of that is lost, and how many of its places. */
uint32_t worth_most_lost(const struct worth *worth, const struct mig_geometry *geometry,
	uint32_t taken, uint32_t slots, uint32_t *ret_places);
