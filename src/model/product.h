/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Products that one can ask about without having them: data/products. What a GPU that is here tells
 * of itself leads; a product's row adds what no driver tells.
 */

#include "model/gpu.h"

struct error;

enum product_mig { PRODUCT_NO_MIG, PRODUCT_MIG_RESETS, PRODUCT_MIG };

struct product {
	const char *symbol;  /* joins it to its profiles and types of vGPU */
	const char *key;     /* as one writes it: "h100-80gb" */
	const char *name;    /* as its driver tells it */
	const char *aliases; /* other spellings, separated by spaces */
	uint32_t memory_mib, sm, cc_major, cc_minor;
	enum product_mig mig; /* RESETS: a change of the mode takes a reset of the GPU */
	enum vf_kind vf;
	uint32_t total_vfs;
	bool has_confidential; /* confidential computing, by the whole GPU in one VM */
	bool has_display_mode; /* that must be off for VFs */
	const char *remark, *source;
};
extern const struct product products[];
extern const unsigned products_n;

/*
 * By key, name or alias: case, spaces, hyphens, the maker's name and a "gb" at the end do not
 * matter. -ENODEV with a sentence that names the nearest.
 */
int product_find(const char *text, const struct product **ret_product, struct error *err);
/* The one whose driver tells that name, or NULL. */
const struct product *product_of(const char *driver_name);

/* A GPU of that product: managed, empty, healthy, not in MIG mode. */
void product_gpu(const struct product *product, struct gpu *ret_gpu);
