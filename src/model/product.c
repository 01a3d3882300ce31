/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of data/products as GPUs that could be asked about. */
#include "model/product.h"

#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define KNOWN(symbol, key, name, aliases, mib, sm, major, minor, mig, vf, vfs, confidential,       \
	display, remark, source)                                                                   \
	{ #symbol, key, name, aliases, mib, sm, major, minor, PRODUCT_##mig, VF_KIND_##vf, vfs,    \
		confidential, display, remark, source },
const struct product products[] = {
#include "known.def" /* data/products */
};
const unsigned products_n = ARRAY_SIZE(products);

/* The driver's numbers of the kinds of profiles: only their order matters. */
enum {
	KIND_1_SLICE,
	KIND_2_SLICE,
	KIND_3_SLICE,
	KIND_4_SLICE,
	KIND_7_SLICE,
	KIND_1_SLICE_REV1 = 7,
	KIND_2_SLICE_REV1,
	KIND_1_SLICE_REV2,
	KIND_1_SLICE_GFX,
	KIND_2_SLICE_GFX,
	KIND_4_SLICE_GFX,
	KIND_1_SLICE_NO_ME,
	KIND_2_SLICE_NO_ME,
	KIND_1_SLICE_ALL_ME,
	KIND_2_SLICE_ALL_ME,
};

static const struct shape_row {
	const char *symbol;
	uint32_t slots, slices;
} shape_rows[] = {
#define PRODUCT(symbol, key, name, arch, major, minor, device, subsystem, mib, reserved, slots,    \
	slices, ...)                                                                               \
	{ #symbol, slots, slices },
#define PROFILE(...)
#include "simulated.def"
};

static const struct profile_row {
	const char *symbol, *label;
	uint32_t kind, id, slices, size, starts, max, mib, sm, copy, decoders, encoders;
} profile_rows[] = {
#define PRODUCT(...)
#define PROFILE(symbol, label, kind, id, slices, size, starts, max, mib, sm, copy, decoders,       \
	encoders, jpeg, ofa, media)                                                                \
	{ #symbol, label, KIND_##kind, id, slices, size, starts, max, mib, sm, copy, decoders,     \
		encoders },
#include "simulated.def"
};

static const struct type_row {
	const char *symbol;
	uint32_t id;
	const char *name;
	uint32_t mib, max, max_mixed;
	const char *profile;
	uint32_t max_per_instance;
} type_rows[] = {
#define VGPU(symbol, ...) { #symbol, __VA_ARGS__ },
#include "vgpu.def"
};

/* "NVIDIA H100 80GB" and "h100-80" are one: letters and digits without the maker's name and "gb".
 */
static void fold(const char *text, size_t length, char ret_folded[64])
{
	static const char *const makers[] = { "nvidia", "tesla", "geforce", "intel", "amd" };
	size_t n = 0;

	for (size_t i = 0; i < length && n < 63; i++)
		if (isalnum((unsigned char)text[i]))
			ret_folded[n++] = (char)tolower((unsigned char)text[i]);
	ret_folded[n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		size_t maker = strlen(makers[i]);

		if (text_starts(ret_folded, makers[i])) {
			n -= maker;
			memmove(ret_folded, ret_folded + maker, n + 1);
		}
	}
	if (n > 3 && text_eq(ret_folded + n - 2, "gb"))
		ret_folded[n - 2] = '\0';
}

static bool is_spelt(const char *folded, const char *text, size_t length)
{
	char other[64];

	fold(text, length, other);
	return text_eq(folded, other);
}

static bool is_called(const struct product *product, const char *folded)
{
	const char *alias = product->aliases;

	if (is_spelt(folded, product->key, strlen(product->key)) ||
		is_spelt(folded, product->name, strlen(product->name)))
		return true;
	while (*alias) {
		size_t n = strcspn(alias, " ");

		if (is_spelt(folded, alias, n))
			return true;
		alias += n + (alias[n] == ' ');
	}
	return false;
}

/* The nearest by the letters that agree at the start, then by the distance of the words. */
static unsigned farness(const struct product *product, const char *folded)
{
	char key[64];
	unsigned same = 0;

	fold(product->key, strlen(product->key), key);
	while (folded[same] && folded[same] == key[same])
		same++;
	return 64 * (16 - (same < 16 ? same : 16)) + text_distance(folded, key);
}

static int say_nearest(const char *text, const char *folded, struct error *err)
{
	const struct product *near[3] = { NULL };

	for (unsigned i = 0; i < products_n; i++) {
		const struct product *product = &products[i];

		for (unsigned k = 0; k < ARRAY_SIZE(near); k++) {
			const struct product *other = near[k];

			if (other && farness(other, folded) <= farness(product, folded))
				continue;
			near[k] = product;
			product = other;
			if (!product)
				break;
		}
	}
	return error_set(err, -ENODEV,
		"no product '%s' is known: the nearest are %s, %s and %s ('carve advise --gpu "
		"list' prints all)",
		text, near[0]->key, near[1]->key, near[2]->key);
}

int product_find(const char *text, const struct product **ret_product, struct error *err)
{
	char folded[64];

	fold(text, strlen(text), folded);
	for (unsigned i = 0; i < products_n; i++) {
		if (!is_called(&products[i], folded))
			continue;
		*ret_product = &products[i];
		return 0;
	}
	return say_nearest(text, folded, err);
}

const struct product *product_of(const char *driver_name)
{
	for (unsigned i = 0; i < products_n; i++)
		if (text_eq(products[i].name, driver_name))
			return &products[i];
	return NULL;
}

static enum mig_media media_of(const char *label)
{
	static const char *const endings[MIG_MEDIA_N] = { "", "+me", "+me.all", "-me", "+gfx" };
	const char *ending = label + strcspn(label, "+-");

	for (unsigned i = 0; i < MIG_MEDIA_N; i++)
		if (text_eq(ending, endings[i]))
			return (enum mig_media)i;
	return MIG_MEDIA_PLAIN;
}

static void add_profiles(const struct product *product, struct gpu *gpu)
{
	struct mig_geometry *geometry = &gpu->facts.geometry;

	for (size_t i = 0; i < ARRAY_SIZE(profile_rows); i++) {
		const struct profile_row *row = &profile_rows[i];

		if (!text_eq(row->symbol, product->symbol))
			continue;
		geometry->profile[geometry->n_profiles++] = (struct mig_profile){
			.id = row->id,
			.enum_id = row->kind,
			.slices = row->slices,
			.size = row->size,
			.starts = row->starts,
			.max = row->max,
			.memory_bytes = (uint64_t)row->mib << 20,
			.sm = row->sm,
			.copy_engines = row->copy,
			.decoders = row->decoders,
			.encoders = row->encoders,
			.media = media_of(row->label),
			.n_ci = 1,
			.ci = { { .slices = row->slices, .max = 1 } },
		};
	}
	if (geometry->n_profiles &&
		mig_geometry_finish(geometry, gpu->facts.memory_bytes, NULL) < 0)
		geometry->n_profiles = 0;
	/* Where the largest profile is not published, the others do not tell it. */
	for (size_t i = 0; i < ARRAY_SIZE(shape_rows) && geometry->n_profiles; i++) {
		if (!text_eq(shape_rows[i].symbol, product->symbol))
			continue;
		geometry->n_slots = shape_rows[i].slots;
		geometry->n_slices = shape_rows[i].slices;
	}
}

static void add_types(const struct product *product, struct gpu *gpu)
{
	struct vf_facts *vf = &gpu->facts.vf;

	for (size_t i = 0; i < ARRAY_SIZE(type_rows) && vf->n_types < VF_TYPES_MAX; i++) {
		const struct type_row *row = &type_rows[i];
		struct vf_type *type = &vf->type[vf->n_types];
		int p = *row->profile ? mig_profile_find(&gpu->facts.geometry, row->profile) : -1;

		if (!text_eq(row->symbol, product->symbol) || (*row->profile && p < 0))
			continue;
		type->id = row->id;
		text_copy(type->name, sizeof(type->name), row->name);
		type->memory_bytes = (uint64_t)row->mib << 20;
		type->max_per_gpu = row->max;
		type->max_per_instance = p < 0 ? 0 : row->max_per_instance;
		type->profile_id = p < 0 ? UINT32_MAX : gpu->facts.geometry.profile[p].id;
		vf->n_types++;
	}
}

void product_gpu(const struct product *product, struct gpu *ret_gpu)
{
	*ret_gpu = (struct gpu){ .managed = true, .whole_allowed = true };
	text_copy(ret_gpu->facts.product, sizeof(ret_gpu->facts.product), product->name);
	ret_gpu->facts.memory_bytes = (uint64_t)product->memory_mib << 20;
	ret_gpu->facts.sm = product->sm;
	ret_gpu->facts.cc_major = product->cc_major;
	ret_gpu->facts.cc_minor = product->cc_minor;
	ret_gpu->facts.numa = -1;
	ret_gpu->facts.has_mig = product->mig != PRODUCT_NO_MIG;
	ret_gpu->facts.mode_needs_reset = product->mig == PRODUCT_MIG_RESETS;
	ret_gpu->facts.vf.kind = product->vf;
	ret_gpu->facts.vf.total = ret_gpu->facts.vf.hardware_total = product->total_vfs;
	ret_gpu->facts.vf.all_or_none = product->vf == VF_KIND_NVIDIA;
	ret_gpu->facts.vf.has_quota = product->vf == VF_KIND_XE;
	add_profiles(product, ret_gpu);
	add_types(product, ret_gpu);
}
