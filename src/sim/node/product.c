/* SPDX-License-Identifier: Apache-2.0 */
/* The products, expanded from data/products: simulated.def and vgpu.def. */
#include "sim/node/product.h"

#include "abi/nvml.h"
#include "base/text.h"

#include <strings.h>

enum product_symbol {
#define PRODUCT(symbol, ...) PRODUCT_##symbol,
#define PROFILE(...)
#include "simulated.def" /* data/products */
};

static const struct board boards[] = {
#define PRODUCT(...)
#define PROFILE(...)
#define BOARD(symbol, ...) [PRODUCT_##symbol] = { __VA_ARGS__ },
#include "simulated.def" /* data/products */
};

struct profile_row {
	enum product_symbol product;
	struct profile profile;
};

static const struct profile_row profile_rows[] = {
#define PRODUCT(...)
#define PROFILE(symbol, label_, kind_, id_, slices_, size_, starts_, most_, mib_, sm_, copy_,      \
	dec_, enc_, jpeg_, ofa_, media_)                                                           \
	{ PRODUCT_##symbol,                                                                        \
		{ label_, NVML_GPU_INSTANCE_PROFILE_##kind_, id_, slices_, size_, starts_, most_,  \
			mib_, sm_, copy_, dec_, enc_, jpeg_, ofa_, MEDIA_##media_ } },
#include "simulated.def" /* data/products */
};

struct vgpu_row {
	enum product_symbol product;
	struct vgpu_type type;
	const char *profile;
};

static const struct vgpu_row vgpu_rows[] = {
#define VGPU(symbol, id_, name_, mib_, most_, mixed_, profile_, per_)                              \
	{ PRODUCT_##symbol, { id_, name_, mib_, most_, mixed_, -1, per_ }, profile_ },
#include "vgpu.def" /* data/products */
};

static struct product products[] = {
#define PRODUCT(symbol, key_, name_, arch_, major_, minor_, device_, subsystem_, mib_, reserved_,  \
	slots_, slices_, limit_, idle_, sm_, mem_, pcie_, vfs_)                                    \
	{ key_, name_, NVML_DEVICE_ARCH_##arch_, major_, minor_, device_, subsystem_, mib_,        \
		reserved_, slots_, slices_, limit_, idle_, sm_, mem_, pcie_, vfs_, { 0 }, 0,       \
		{ { "" } }, 0, { { 0 } } },
#define PROFILE(...)
#include "simulated.def" /* data/products */
};

__attribute__((constructor)) static void products_join(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(products); i++)
		products[i].board = boards[i];
	for (unsigned i = 0; i < ARRAY_SIZE(profile_rows); i++) {
		struct product *product = &products[profile_rows[i].product];

		product->profiles[product->n_profiles++] = profile_rows[i].profile;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(vgpu_rows); i++) {
		struct product *product = &products[vgpu_rows[i].product];
		struct vgpu_type *type = &product->vgpus[product->n_vgpus++];

		*type = vgpu_rows[i].type;
		type->profile = product_profile_by_label(product, vgpu_rows[i].profile);
	}
}

const struct product *product_find(const char *key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(products); i++)
		if (strcasecmp(products[i].key, key) == 0)
			return &products[i];
	return NULL;
}

const struct product *product_at(unsigned index)
{
	return index < ARRAY_SIZE(products) ? &products[index] : NULL;
}

int product_profile_by_id(const struct product *product, uint32_t id)
{
	for (unsigned i = 0; i < product->n_profiles; i++)
		if (product->profiles[i].id == id)
			return (int)i;
	return -1;
}

int product_profile_by_kind(const struct product *product, uint32_t kind)
{
	for (unsigned i = 0; i < product->n_profiles; i++)
		if (product->profiles[i].kind == kind)
			return (int)i;
	return -1;
}

int product_profile_by_label(const struct product *product, const char *label)
{
	for (unsigned i = 0; i < product->n_profiles; i++)
		if (strcasecmp(product->profiles[i].label, label) == 0)
			return (int)i;
	return -1;
}
