/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judgement. Each way is judged on each GPU: the share that it would make, then the rules that
 * hold. The weights add up; one rule that bars is enough. Of each way the GPU that suits it best
 * stands for it, and the ways are ranked by their sums, those that are impossible last. Ties go to
 * the order of the ways, so that the same question has always the same answer.
 */
#include "model/advice_part.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/product.h"

#include <stdio.h>
#include <stdlib.h>

const char *const advice_verdict_names[] = { "now", "after", "no" };

const char *advice_gpu_text(const struct advice_gpu *gpu, char ret_text[ADVICE_GPU_TEXT_MAX])
{
	if (gpu->is_here)
		snprintf(ret_text, ADVICE_GPU_TEXT_MAX, "GPU %u", gpu->gpu.index);
	else
		snprintf(ret_text, ADVICE_GPU_TEXT_MAX, "%s %s",
			strchr("aefhilmorx", gpu->product->key[0]) ? "an" : "a", gpu->product->key);
	return ret_text;
}

static void weigh(struct advice_item *item, const struct advice_rule *rule)
{
	switch (rule->effect) {
	case RULE_BARS:
		item->verdict = VERDICT_NO;
		break;
	case RULE_EMPTIES:
	case RULE_AFTER:
		if (item->verdict == VERDICT_NOW)
			item->verdict = VERDICT_AFTER;
		item->score -= (int)rule->weight;
		break;
	case RULE_FAVOURS:
		item->score += (int)rule->weight;
		break;
	case RULE_AGAINST:
		item->score -= (int)rule->weight;
		break;
	case RULE_NOTE:
		break;
	}
}

/* What it costs that people have to leave the GPU. */
enum { WEIGHT_OF_PEOPLE = 30 };

static void judge(
	struct advice_item *item, const struct advice_need *need, const struct advice_gpu *gpu)
{
	bool empties = false;
	AUTO_BUF whom = { 0 };

	for (unsigned r = 0; r < advice_rules_n; r++) {
		const struct advice_rule *rule = &advice_rules[r];

		if (!(rule->options >> item->option & 1) || !rule->holds(need, gpu, &item->share))
			continue;
		item->rule[item->n_rules++] = (uint8_t)r;
		empties |= rule->effect == RULE_EMPTIES;
		weigh(item, rule);
	}
	if (!empties || item->verdict == VERDICT_NO || !advice_has_users(&gpu->gpu))
		return;
	item->score -= WEIGHT_OF_PEOPLE;
	advice_say_users(&gpu->gpu, &whom);
	text_copy(item->whom, sizeof(item->whom), buf_text(&whom));
}

static bool is_better(const struct advice_item *a, const struct advice_item *b)
{
	bool a_is_no = a->verdict == VERDICT_NO, b_is_no = b->verdict == VERDICT_NO;

	if (a_is_no != b_is_no)
		return b_is_no;
	if (!a_is_no && a->score != b->score)
		return a->score > b->score;
	/* Nearest to what it takes: fewer bars. */
	if (a_is_no && a->share.is_possible != b->share.is_possible)
		return a->share.is_possible;
	return false;
}

/* A lease of several shares is all or nothing: what the node's GPUs have together decides. */
static void look_together(enum advice_option option, const struct advice_need *need,
	const struct advice_gpu *gpus, struct advice_share *shares, unsigned n)
{
	unsigned wanted = need->request.n_gpus, now = 0, ever = 0;

	for (unsigned g = 0; g < n; g++) {
		if (!shares[g].is_possible)
			continue;
		now += shares[g].fit;
		ever += shares[g].fit_empty;
	}
	for (unsigned g = 0; g < n && wanted > 1 && gpus[g].is_here; g++) {
		struct advice_share *share = &shares[g];

		share->waits |= share->is_possible && wanted > now;
		if (!share->is_possible || wanted <= ever)
			continue;
		share->is_possible = false;
		snprintf(share->lack, sizeof(share->lack),
			"The GPUs have room for %u %s together, and %u were asked for.", ever,
			option == ADVICE_WHOLE ? "of them"
			: ever == 1	       ? "such share"
					       : "such shares",
			wanted);
		text_copy(share->way, sizeof(share->way), "fewer, or smaller ones");
	}
}

static void judge_everywhere(struct advice_item *best, const struct advice_need *need,
	const struct advice_gpu *gpus, unsigned n)
{
	AUTO_FREE struct advice_share *shares = must_alloc(n + 1, sizeof(*shares));
	enum advice_option option = best->option;
	unsigned n_fit = 0;

	for (unsigned g = 0; g < n; g++)
		advice_share_of(option, need, &gpus[g], &shares[g]);
	look_together(option, need, gpus, shares, n);
	for (unsigned g = 0; g < n; g++) {
		struct advice_item item = { .option = option, .gpu = g, .share = shares[g] };

		judge(&item, need, &gpus[g]);
		if (item.verdict != VERDICT_NO)
			n_fit += item.share.fit_empty;
		if (g == 0 || is_better(&item, best))
			*best = item;
	}
	best->fit_node = n_fit;
}

static void nothing_here(struct advice_item *item)
{
	item->verdict = VERDICT_NO;
	text_copy(item->share.lack, sizeof(item->share.lack), "This node has no GPU.");
	text_copy(item->share.way, sizeof(item->share.way), "name a product: --gpu h100-80gb");
}

/* By how much a rule speaks for the item. */
static int speaks_for(const struct advice_item *item, unsigned rule)
{
	const struct advice_rule *row = &advice_rules[rule];

	for (unsigned i = 0; i < item->n_rules; i++) {
		if (item->rule[i] != rule)
			continue;
		if (row->effect == RULE_FAVOURS)
			return (int)row->weight;
		return row->effect == RULE_NOTE || row->effect == RULE_BARS ? 0 : -(int)row->weight;
	}
	return 0;
}

/* The rule that makes most of the difference. */
void advice_say_before(const struct advice_item *first, const struct advice_item *second,
	char ret_text[ADVICE_BECAUSE_MAX])
{
	const char *a = advice_option_names[first->option],
		   *b = advice_option_names[second->option];
	int most = 0, r = -1;

	for (unsigned i = 0; i < advice_rules_n; i++) {
		int difference = speaks_for(first, i) - speaks_for(second, i);

		if (difference > most) {
			most = difference;
			r = (int)i;
		}
	}
	if (r >= 0)
		snprintf(ret_text, ADVICE_BECAUSE_MAX, "%s before %s, because of %s: %s", a, b,
			speaks_for(first, (unsigned)r) > 0 ? a : b, advice_rules[r].reason);
	else if (*second->whom && !*first->whom)
		snprintf(ret_text, ADVICE_BECAUSE_MAX,
			"%s before %s, because nobody has to leave a GPU for it.", a, b);
	else
		snprintf(ret_text, ADVICE_BECAUSE_MAX,
			"%s before %s: no rule tells them apart, and it stands first in Carve's "
			"order.",
			a, b);
}

static void say_because(struct advice *advice)
{
	const struct advice_item *first = &advice->item[0], *second = &advice->item[1];

	if (first->verdict == VERDICT_NO)
		text_copy(advice->because, ADVICE_BECAUSE_MAX, "None of the ways is possible.");
	else if (second->verdict == VERDICT_NO)
		snprintf(advice->because, ADVICE_BECAUSE_MAX,
			"%s is the only one that is possible.", advice_option_names[first->option]);
	else
		advice_say_before(first, second, advice->because);
}

static int compare_items(const void *left, const void *right)
{
	const struct advice_item *a = left, *b = right;

	if (is_better(a, b))
		return -1;
	if (is_better(b, a))
		return 1;
	return a->option < b->option ? -1 : a->option > b->option;
}

void advise(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice_measured *measured, unsigned n_measured, struct advice *ret_advice)
{
	*ret_advice = (struct advice){ 0 };
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		struct advice_item *item = &ret_advice->item[i];

		item->option = (enum advice_option)i;
		judge_everywhere(item, need, gpus, n);
		if (n == 0)
			nothing_here(item);
		else if (item->verdict != VERDICT_NO)
			advice_estimate_of(item->option, need, &gpus[item->gpu], &item->share,
				measured, n_measured, &item->estimate);
	}
	qsort(ret_advice->item, ADVICE_OPTIONS_N, sizeof(ret_advice->item[0]), compare_items);
	say_because(ret_advice);
}

const struct advice_rule *advice_rule_of(const struct advice_item *item, enum rule_effect effect)
{
	for (unsigned i = 0; i < item->n_rules; i++)
		if (advice_rules[item->rule[i]].effect == effect)
			return &advice_rules[item->rule[i]];
	return NULL;
}

/* The bar that is said, where there are several: a size that does not fit says more than its rule.
 */
static const struct advice_rule *bar_of(const struct advice_item *item)
{
	const struct advice_rule *bar = advice_rule_of(item, RULE_BARS);

	return bar && text_eq(bar->id, "no_such_share") && *item->share.lack ? NULL : bar;
}

const char *advice_why_not(const struct advice_item *item)
{
	const struct advice_rule *bar = bar_of(item);

	return bar ? bar->reason : item->share.lack;
}

const char *advice_way_out(const struct advice_item *item)
{
	const struct advice_rule *bar = bar_of(item);

	return bar ? bar->way : item->share.way;
}
