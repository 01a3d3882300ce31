/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request by size is served by any profile with enough memory and compute slices; a number that
 * is a profile's label means that profile, though the instance has a little less. The smallest
 * takes the fewest slots, then the fewest slices. Profiles that take media engines beyond their
 * part are for those who name them; one without media engines serves a request by size as well, but
 * only where the plain one of the same shape is not to be had. Graphics take an instance that has
 * them.
 */
#include "model/need.h"

#include "model/profile.h"

bool request_is_bare(const struct request *request)
{
	return request->memory_bytes == 0 && request->memory_label == 0 &&
	       request->compute_percent == 0 && request->profile[0] == '\0';
}

bool request_is_small(const struct request *request, const struct gpu *gpu)
{
	return !request_is_bare(request) && request->memory_bytes * 2 < gpu->facts.memory_bytes &&
	       request->compute_percent < 50;
}

unsigned request_slices(const struct request *request, unsigned n_slices)
{
	return (request->compute_percent * n_slices + 99) / 100;
}

static void need_profile(struct need *need, const char *text)
{
	const struct mig_geometry *geometry = need->geometry;
	struct profile_name name;
	int p;

	if (profile_name_parse(text, &name) < 0)
		name = (struct profile_name){ 0 };
	p = mig_profile_find(geometry, name.gi[0] ? name.gi : text);
	if (p < 0 || (name.ci_slices && mig_ci_find(&geometry->profile[p], name.ci_slices) < 0)) {
		need->lack = LACK_PROFILE;
		return;
	}
	if (name.ci_slices != geometry->profile[p].slices)
		need->ci_slices = name.ci_slices;
	need->exact = need->serves = 1u << p;
	need->make[0] = (uint8_t)p;
	need->n_make = need->ci_slices == 0;
}

static bool has_memory(const struct mig_profile *profile, const struct request *request)
{
	return request->memory_bytes <= profile->memory_bytes ||
	       (request->memory_label && request->memory_label == profile->label_gb);
}

static bool may_serve(const struct mig_profile *profile, const struct request *request)
{
	if (request_wants_graphics(request))
		return profile->media == MIG_MEDIA_GFX;
	return profile->media == MIG_MEDIA_PLAIN || profile->media == MIG_MEDIA_NONE;
}

static bool is_smaller(const struct mig_profile *a, const struct mig_profile *b)
{
	return a->size != b->size ? a->size < b->size : a->slices < b->slices;
}

void need_of(
	const struct request *request, const struct mig_geometry *geometry, struct need *ret_need)
{
	unsigned slices = request_is_bare(request) ? geometry->n_slices
						   : request_slices(request, geometry->n_slices);
	const struct mig_profile *least = NULL;
	struct need need = { .geometry = geometry, .whole_memory = request->memory_bytes };

	if (geometry->n_profiles == 0)
		need.lack = LACK_GEOMETRY;
	else if (request->profile[0])
		need_profile(&need, request->profile);
	else
		need.lack = request_wants_graphics(request) ? LACK_GRAPHICS : LACK_MEMORY;
	for (unsigned i = 0; i < geometry->n_profiles && !request->profile[0]; i++) {
		const struct mig_profile *p = &geometry->profile[i];

		if (!may_serve(p, request))
			continue;
		if (need.lack == LACK_GRAPHICS)
			need.lack = LACK_MEMORY;
		if (!has_memory(p, request))
			continue;
		if (need.lack == LACK_MEMORY)
			need.lack = LACK_COMPUTE;
		if (p->slices < slices)
			continue;
		need.lack = LACK_NOTHING;
		need.serves |= 1u << i;
		if (!least || is_smaller(p, least))
			least = p;
	}
	for (unsigned i = 0; i < geometry->n_profiles && least; i++) {
		const struct mig_profile *p = &geometry->profile[i];

		if (!(need.serves >> i & 1) || is_smaller(least, p))
			continue;
		need.exact |= 1u << i;
		if (p->media == MIG_MEDIA_PLAIN && need.n_make > 0) {
			need.make[need.n_make++] = need.make[0];
			need.make[0] = (uint8_t)i;
		} else if (need.n_make < MIG_MEDIA_N) {
			need.make[need.n_make++] = (uint8_t)i;
		}
	}
	*ret_need = need;
}
