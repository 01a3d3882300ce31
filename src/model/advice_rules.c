/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of data/advice, as functions and a table. What their conditions are made of is here. */
#include "model/advice_part.h"

#include "base/text.h"
#include "model/need.h"
#include "model/product.h"

const char *const rule_effect_names[] = { "bars", "empties", "after", "favours", "against",
	"note" };

static inline bool is_vm(const struct advice_need *n)
{
	return n->consumer == CONSUMER_VM;
}

static inline bool trusts(const struct advice_need *n)
{
	return n->request.tenants != TENANTS_STRANGERS;
}

static inline bool has_latency(const struct advice_need *n)
{
	return n->request.latency_ns > 0;
}

static inline bool is_sized(const struct advice_need *n)
{
	return !request_is_bare(&n->request);
}

static inline bool wants_graphics(const struct advice_need *n)
{
	return request_wants_graphics(&n->request);
}

static bool has_graphics(const struct advice_gpu *g)
{
	const struct mig_geometry *geometry = &g->gpu.facts.geometry;

	for (unsigned i = 0; i < geometry->n_profiles; i++)
		if (geometry->profile[i].media == MIG_MEDIA_GFX)
			return true;
	return false;
}

/* A share of that size leaves more than half of the GPU to nobody. */
static bool is_small(const struct advice_need *n, const struct advice_gpu *g)
{
	struct request request = advice_sized(n);

	return request_is_small(&request, &g->gpu);
}

static bool is_oversized(const struct advice_need *n, const struct advice_share *s)
{
	return n->request.memory_bytes && !n->request.compute_percent &&
	       s->memory_bytes > 2 * n->request.memory_bytes;
}

/* The ways, as bits: the words of rules.def. */
enum {
	MIG = 1 << ADVICE_MIG,
	IN_MIG = 1 << ADVICE_MPS_IN_MIG,
	MPS = 1 << ADVICE_MPS,
	VF = 1 << ADVICE_VF,
	VF_ON_MIG = 1 << ADVICE_VF_ON_MIG,
	TIME = 1 << ADVICE_TIME,
	WHOLE = 1 << ADVICE_WHOLE,
	EVERY = (1 << ADVICE_OPTIONS_N) - 1,
};

#define RULE(id, condition, options, effect, weight, reason, way, source)                          \
	static bool rule_##id(const struct advice_need *n, const struct advice_gpu *g,             \
		const struct advice_share *s)                                                      \
	{                                                                                          \
		return condition;                                                                  \
	}
#include "rules.def" /* data/advice */

#define RULE(id, condition, options, effect, weight, reason, way, source)                          \
	{ #id, rule_##id, options, RULE_##effect, weight, reason, way, source },
const struct advice_rule advice_rules[] = {
#include "rules.def"
};
const unsigned advice_rules_n = ARRAY_SIZE(advice_rules);
_Static_assert(ARRAY_SIZE(advice_rules) <= ADVICE_RULES_MAX, "an item has room for all rules");
