/* SPDX-License-Identifier: Apache-2.0 */
#include "model/choice.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/product.h"

#include <stdio.h>
#include <stdlib.h>

/* What advise() says to the request on these GPUs: free. */
static struct advice *ranking(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request)
{
	struct advice *advice = must_alloc(1, sizeof(*advice));
	AUTO_FREE struct advice_gpu *here = must_alloc(n_gpus + 1, sizeof(*here));
	unsigned n = 0, named = n_gpus;
	struct advice_need need;

	advice_need_init(&need);
	need.request = *request;
	need.consumer = request->is_vm ? CONSUMER_VM : CONSUMER_ANY;
	if (request->gpu[0])
		gpu_find(gpus, n_gpus, request->gpu, &named, NULL);
	for (unsigned g = 0; g < n_gpus; g++) {
		if (request->gpu[0] && g != named)
			continue;
		here[n++] = (struct advice_gpu){
			.gpu = gpus[g],
			.product = product_of(gpus[g].facts.product),
			.is_here = true,
		};
	}
	advise(&need, here, n, NULL, 0, advice);
	return advice;
}

static bool is_in(uint32_t ways, const struct advice_item *item)
{
	return ways >> item->option & 1;
}

enum advice_option choice_best(
	const struct gpu *gpus, unsigned n_gpus, const struct request *request, uint32_t ways)
{
	AUTO_FREE struct advice *advice = ranking(gpus, n_gpus, request);
	unsigned i = 0;

	while (i + 1 < ADVICE_OPTIONS_N && !is_in(ways, &advice->item[i]))
		i++;
	return advice->item[i].option;
}

static bool has_choice(const struct request *request, const struct placement *placement)
{
	return placement->ways && !request->profile[0];
}

static bool is_only(const struct placement *placement)
{
	return (placement->ways & (placement->ways - 1)) == 0;
}

/* `advice` may be NULL where there was one way only. */
static void say_choice(
	const struct advice *advice, const struct placement *placement, struct buf *text)
{
	const struct advice_item *chosen = NULL;
	char before[ADVICE_BECAUSE_MAX];

	if (is_only(placement)) {
		buf_addf(text, "%s is the only way that has room now.",
			advice_option_names[placement->way]);
		return;
	}
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];

		if (item->option == placement->way)
			chosen = item;
		else if (!chosen && item->verdict != VERDICT_NO)
			buf_addf(text, "%s %s; ", advice_option_names[item->option],
				advice_rule_of(item, RULE_EMPTIES)
					? "takes a change of the GPU's mode first"
					: "has no room now");
		else if (chosen && is_in(placement->ways, item)) {
			advice_say_before(chosen, item, before);
			buf_add(text, before);
			return;
		}
	}
}

char *choice_text(const struct gpu *gpus, unsigned n_gpus, const struct request *request,
	const struct placement *placement)
{
	AUTO_FREE struct advice *advice = NULL;
	AUTO_BUF text = { 0 };

	if (!has_choice(request, placement))
		return NULL;
	if (!is_only(placement))
		advice = ranking(gpus, n_gpus, request);
	say_choice(advice, placement, &text);
	return buf_take(&text);
}

/* Why a way that was not chosen was not. */
static const char *why_not(const struct advice_item *item, uint32_t ways)
{
	const struct advice_rule *first = advice_rule_of(item, RULE_EMPTIES);

	if (item->verdict == VERDICT_NO)
		return advice_why_not(item);
	if (is_in(ways, item))
		return "has room too, and ranks lower.";
	return first ? first->reason : "has no room now.";
}

void choice_explain(const struct gpu *gpus, unsigned n_gpus, const struct request *request,
	const struct placement *placement, struct buf *text)
{
	AUTO_FREE struct advice *advice = ranking(gpus, n_gpus, request);
	const char *before = NULL;

	if (placement && has_choice(request, placement)) {
		say_choice(advice, placement, text);
		buf_add(text, "\n");
	}
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];
		const char *name = advice_option_names[item->option];
		const char *why = why_not(item, placement ? placement->ways : 0);

		/* Nobody asks why a process got no virtual function. */
		if ((advice_mechanism(item->option) == MECHANISM_VF) != request->is_vm ||
			item->option == ADVICE_TIME ||
			(placement && item->option == placement->way))
			continue;
		if (before && text_eq(why, before))
			buf_addf(text, ", %s", name);
		else if (before)
			buf_addf(text, ": %s\n%s", before, name);
		else
			buf_add(text, name);
		before = why;
	}
	if (before)
		buf_addf(text, ": %s\n", before);
}
