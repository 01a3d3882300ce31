/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mig.h"

#include "base/error.h"
#include "base/text.h"
#include "model/worth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const media_endings[MIG_MEDIA_N] = {
	[MIG_MEDIA_PLAIN] = "",
	[MIG_MEDIA_ME] = "+me",
	[MIG_MEDIA_ALL] = "+me.all",
	[MIG_MEDIA_NONE] = "-me",
	[MIG_MEDIA_GFX] = "+gfx",
};

static int check_profile(const struct mig_profile *profile, uint64_t total_bytes, struct error *err)
{
	if (profile->n_ci > MIG_CI_PROFILES_MAX || profile->media >= MIG_MEDIA_N)
		return error_set(err, -EINVAL, "MIG profile %u is not understood", profile->id);
	if (profile->slices == 0 || profile->size == 0 || profile->starts == 0 || profile->max == 0)
		return error_set(err, -EINVAL, "MIG profile %u has no place", profile->id);
	if (profile->size > MIG_SLOTS_MAX ||
		31 - __builtin_clz(profile->starts) + profile->size > MIG_SLOTS_MAX)
		return error_set(err, -EINVAL, "MIG profile %u needs more than %d slots",
			profile->id, MIG_SLOTS_MAX);
	if (profile->memory_bytes == 0 || profile->memory_bytes > total_bytes)
		return error_set(err, -EINVAL, "MIG profile %u has %s memory", profile->id,
			profile->memory_bytes ? "more than the GPU's" : "no");
	return 0;
}

static int compare_profiles(const void *left, const void *right)
{
	const struct mig_profile *a = left, *b = right;

	if (a->slices != b->slices)
		return a->slices < b->slices ? -1 : 1;
	if (a->memory_bytes != b->memory_bytes)
		return a->memory_bytes < b->memory_bytes ? -1 : 1;
	return a->enum_id < b->enum_id ? -1 : a->enum_id > b->enum_id;
}

static int compare_ci(const void *left, const void *right)
{
	const struct mig_ci_profile *a = left, *b = right;

	if (a->slices != b->slices)
		return a->slices < b->slices ? -1 : 1;
	return a->enum_id < b->enum_id ? -1 : a->enum_id > b->enum_id;
}

/* Integers only: the answer must be NVIDIA's to the last half gigabyte. */
static uint32_t label_gb(uint64_t memory_bytes, uint64_t total_bytes)
{
	uint64_t eighths = (8 * memory_bytes + total_bytes - 1) / total_bytes;
	uint64_t total_gib = (total_bytes + (1ULL << 30) - 1) >> 30;

	return (uint32_t)((2 * eighths * total_gib + 8) / 16);
}

static void name_profiles(struct mig_geometry *geometry, uint64_t total_bytes)
{
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		struct mig_profile *p = &geometry->profile[i];

		p->label_gb = label_gb(p->memory_bytes, total_bytes);
		snprintf(p->name, sizeof(p->name), "%ug.%ugb%s", p->slices, p->label_gb,
			media_endings[p->media]);
		/* A product to come may have two that NVIDIA's rule gives one name. */
		for (unsigned j = 0; j < i; j++) {
			if (text_eq(geometry->profile[j].name, p->name))
				snprintf(p->name, sizeof(p->name), "%ug.%ugb%s.id%u", p->slices,
					p->label_gb, media_endings[p->media], p->id);
		}
	}
}

static uint64_t digest_add(uint64_t digest, uint64_t value)
{
	/* FNV-1a over 64-bit words, with a shift so that high bits reach low ones. */
	digest = (digest ^ value) * 0x100000001b3ULL;
	return digest ^ digest >> 29;
}

static uint64_t digest_of(const struct mig_geometry *geometry)
{
	uint64_t digest = 0xcbf29ce484222325ULL;

	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		const struct mig_profile *p = &geometry->profile[i];

		digest = digest_add(digest, p->id | (uint64_t)p->enum_id << 32);
		digest = digest_add(digest, p->slices | (uint64_t)p->size << 32);
		digest = digest_add(digest, p->starts | (uint64_t)p->max << 32);
		digest = digest_add(digest, p->memory_bytes);
		digest = digest_add(digest, p->label_gb | (uint64_t)p->media << 32);
		for (unsigned c = 0; c < p->n_ci; c++)
			digest = digest_add(digest, p->ci[c].id | (uint64_t)p->ci[c].slices << 32);
	}
	return digest ?: 1;
}

int mig_geometry_finish(struct mig_geometry *geometry, uint64_t total_bytes, struct error *err)
{
	uint32_t unit = 0;
	int r;

	if (geometry->n_profiles == 0 || geometry->n_profiles > MIG_PROFILES_MAX)
		return error_set(err, -EINVAL, "%u MIG profiles", geometry->n_profiles);
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		r = check_profile(&geometry->profile[i], total_bytes, err);
		if (r < 0)
			return r;
	}
	qsort(geometry->profile, geometry->n_profiles, sizeof(geometry->profile[0]),
		compare_profiles);
	name_profiles(geometry, total_bytes);
	geometry->n_slots = geometry->n_slices = 0;
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		struct mig_profile *p = &geometry->profile[i];
		uint32_t end = 31 - (uint32_t)__builtin_clz(p->starts) + p->size;

		qsort(p->ci, p->n_ci, sizeof(p->ci[0]), compare_ci);
		geometry->n_slots = end > geometry->n_slots ? end : geometry->n_slots;
		geometry->n_slices =
			p->slices > geometry->n_slices ? p->slices : geometry->n_slices;
		for (uint32_t s = 0; s <= MIG_SLOTS_MAX; s++) {
			uint32_t rest = s == MIG_SLOTS_MAX ? p->size : p->starts >> s & 1 ? s : 0;
			while (rest) { /* the greatest common divisor */
				uint32_t next = unit % rest;
				unit = rest;
				rest = next;
			}
		}
	}
	geometry->unit = unit;
	geometry->digest = digest_of(geometry);
	worth_fill(geometry);
	return 0;
}

int mig_profile_find(const struct mig_geometry *geometry, const char *name)
{
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		if (text_eq(geometry->profile[i].name, name))
			return (int)i;
	}
	return -1;
}

int mig_profile_find_id(const struct mig_geometry *geometry, uint32_t id)
{
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		if (geometry->profile[i].id == id)
			return (int)i;
	}
	return -1;
}

const char *mig_profile_names(const struct mig_geometry *geometry, char *ret_text, unsigned size)
{
	static const char more[] = ", ...";
	size_t at = 0;

	ret_text[0] = '\0';
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		bool is_last = i + 1 == geometry->n_profiles;
		size_t need = strlen(geometry->profile[i].name) + (i ? 2 : 0);

		if (at + need + (is_last ? 1 : sizeof(more)) > size) {
			if (at + sizeof(more) <= size)
				memcpy(ret_text + at, at ? more : more + 2,
					sizeof(more) - (at ? 0 : 2));
			break;
		}
		at += (size_t)snprintf(
			ret_text + at, size - at, "%s%s", i ? ", " : "", geometry->profile[i].name);
	}
	return ret_text;
}

uint32_t mig_place_id(const struct mig_geometry *geometry, uint32_t profile, uint32_t start)
{
	uint32_t size = geometry->profile[profile].size;

	/* 0 is the root, 1-2 the halves, 3-6 the quarters, 7-14 the eighths. */
	return geometry->n_slots / size - 1 + start / size;
}

int mig_ci_find(const struct mig_profile *profile, uint32_t slices)
{
	/* From the end: of two with the same slices, the later has the whole instance's units. */
	for (unsigned c = profile->n_ci; c-- > 0;) {
		if (profile->ci[c].slices == slices)
			return (int)c;
	}
	return -1;
}
