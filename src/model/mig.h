/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * MIG geometry: what GPU instances one GPU can hold, and where.
 *
 * A GPU's memory is cut into placement slots (8 on A100, H100, H200, B200; 4 on A30; 12 on RTX PRO
 * 6000); an instance of a profile takes `size` adjacent slots from one of its legal starts.
 * Everything here comes from the driver's own answers, so that products that Carve has never seen
 * work too. Two instances collide if and only if their slots overlap; beside that, a profile has a
 * greatest number of instances, and media engines may be exclusive (enum mig_media).
 */

#include <stdbool.h>
#include <stdint.h>

struct error;

enum {
	MIG_SLOTS_MAX = 16,	/* the widest known part has 12 */
	MIG_PROFILES_MAX = 24,	/* NVML knows 18 */
	MIG_INSTANCES_MAX = 16, /* GPU instances on one GPU; the driver's ids go to 14 */
	MIG_CI_PROFILES_MAX = 10,
	MIG_CIS_MAX = 8, /* compute instances in one GPU instance */
	MIG_NAME_MAX = 32,
	MIG_UNITS_MAX = 8,
};

/* Media engines: plain profiles take what is theirs, ALL_ME takes every one, NONE takes none. */
enum mig_media {
	MIG_MEDIA_PLAIN,
	MIG_MEDIA_ME,
	MIG_MEDIA_ALL,
	MIG_MEDIA_NONE,
	MIG_MEDIA_GFX,
	MIG_MEDIA_N,
};

/* A compute instance's profile within one GPU instance profile. */
struct mig_ci_profile {
	uint32_t id;	  /* the driver's id: what is created, and what an instance's info names */
	uint32_t enum_id; /* NVML's index of it */
	uint32_t slices;  /* compute slices */
	uint32_t max;	  /* how many of it a GPU instance of this profile holds */
};

struct mig_profile {
	char name[MIG_NAME_MAX]; /* "1g.10gb", "1g.10gb+me": as NVIDIA writes it */
	uint32_t label_gb;	 /* the number in the name: 10 */
	uint32_t id;		 /* the driver's id (19, 9, ...): used for creating */
	uint32_t enum_id;	 /* NVML's index of it (0..17): used for asking */
	uint32_t slices;	 /* compute slices: the number before the g */
	uint32_t size;		 /* slots taken */
	uint32_t starts;	 /* bit s: may start at slot s */
	uint32_t max;		 /* greatest number on one GPU */
	uint64_t memory_bytes;
	uint32_t sm, copy_engines, decoders, encoders;
	enum mig_media media;
	uint32_t n_ci;
	struct mig_ci_profile ci[MIG_CI_PROFILES_MAX]; /* by rising slices; the last is the whole */
};

struct mig_geometry {
	uint32_t n_slots;  /* of the whole GPU */
	uint32_t n_slices; /* compute slices of the whole GPU: 7 or 4 */
	uint32_t n_profiles;
	struct mig_profile profile[MIG_PROFILES_MAX]; /* by rising slices, then rising memory */

	/* What follows is derived (mig_geometry_finish). */
	uint64_t digest; /* the same for the same geometry; never 0 */
	uint32_t unit;	 /* the most slots that divide every size and start */
	/*
	 * How many places (starts) each profile has left, by the mask of the taken units: see
	 * worth.h, the only reader. All 0 where the GPU has more than MIG_UNITS_MAX units.
	 */
	uint8_t places[1 << MIG_UNITS_MAX][MIG_PROFILES_MAX];
};

/* What a share's instance is to Carve. */
enum share_origin {
	SHARE_FOREIGN, /* somebody else made it: shown, never leased or removed until adopted */
	SHARE_PINNED,  /* a layout wants it: stays when idle */
	SHARE_DYNAMIC, /* made for a request: kept as a cache when idle, removed when its room is
			  needed */
};

struct mig_ci {
	uint32_t id;	/* the driver's, counted from 0 in each GPU instance */
	uint32_t ci;	/* index into profile.ci[] */
	char uuid[48];	/* "MIG-..." of the MIG device; "" if there is none */
	uint64_t lease; /* number of the lease that holds it; 0 none */
	bool has_users; /* processes were seen on it */
};

struct mig_instance {
	uint32_t gi;	  /* the driver's GPU instance id */
	uint32_t profile; /* index into geometry.profile[]: always one of them */
	uint32_t start;	  /* first slot */
	enum share_origin origin;
	uint32_t n_ci;
	struct mig_ci ci[MIG_CIS_MAX];
};

/* The slots that an instance of a profile at `start` takes, as a mask. */
static inline uint32_t mig_slots(const struct mig_profile *profile, uint32_t start)
{
	return ((1u << profile->size) - 1) << start;
}

/*
 * Sorts the profiles into their order, derives names (rule of NVIDIA's own tools: GB = round(ceil(8
 * * memory / total) / 8 * ceil(total GiB)), with the "+me", "-me", "+gfx", "+me.all" endings),
 * labels, n_slots, n_slices and all that is derived. To be called once after the driver's answers
 * were filled in: id, enum_id, slices, size, starts, max, memory_bytes, sm, engines, media, ci.
 * -EINVAL if they contradict each other.
 */
int mig_geometry_finish(struct mig_geometry *geometry, uint64_t total_bytes, struct error *err);

/* Index of the profile with that name (case as NVIDIA's) or with the driver's id, or -1. */
int mig_profile_find(const struct mig_geometry *geometry, const char *name);
int mig_profile_find_id(const struct mig_geometry *geometry, uint32_t id);

/* The names of all profiles, "1g.10gb, 1g.20gb, ...", for messages; cut to fit. */
const char *mig_profile_names(const struct mig_geometry *geometry, char *ret_text, unsigned size);

/* The driver's GPU instance id of a place: a node of the binary tree over the slots. */
uint32_t mig_place_id(const struct mig_geometry *geometry, uint32_t profile, uint32_t start);

/* The index into profile->ci[] of compute instances with so many slices, or -1. */
int mig_ci_find(const struct mig_profile *profile, uint32_t slices);

/* What one GPU holds, as far as it matters for what it can take. { 0 } is an empty GPU. */
struct mig_room {
	uint32_t taken;			 /* mask of slots */
	uint8_t n_media[MIG_MEDIA_N];	 /* instances by media engines */
	uint8_t count[MIG_PROFILES_MAX]; /* instances by profile */
};
static inline void mig_room_add(struct mig_room *room, const struct mig_geometry *geometry,
	uint32_t profile, uint32_t start)
{
	room->taken |= mig_slots(&geometry->profile[profile], start);
	room->n_media[geometry->profile[profile].media]++;
	room->count[profile]++;
}

static inline void mig_room_remove(struct mig_room *room, const struct mig_geometry *geometry,
	uint32_t profile, uint32_t start)
{
	room->taken &= ~mig_slots(&geometry->profile[profile], start);
	room->n_media[geometry->profile[profile].media]--;
	room->count[profile]--;
}

/* May one more instance of the profile be there, as far as numbers and media engines go? */
bool mig_room_allows(
	const struct mig_room *room, const struct mig_geometry *geometry, uint32_t profile);

/* The starts (bit s: slot s) from which an instance of the profile could be created. */
uint32_t mig_room_starts(
	const struct mig_room *room, const struct mig_geometry *geometry, uint32_t profile);
