/* SPDX-License-Identifier: Apache-2.0 */
/* The answer as JSON. */
#include "model/advice.h"

#include "base/cleanup.h"
#include "model/product.h"

static json_t *render_rule(const struct advice_rule *rule)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:o, s:s}", "id", rule->id, "effect",
		rule_effect_names[rule->effect], "weight", (int)rule->weight, "reason",
		rule->reason, "way", *rule->way ? json_string(rule->way) : json_null(), "source",
		rule->source);
}

static json_t *render_rules(const struct advice_item *item)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < item->n_rules; i++)
		json_array_append_new(list, render_rule(&advice_rules[item->rule[i]]));
	return list;
}

static json_t *render_share(const struct advice_item *item, const struct advice_gpu *gpus)
{
	const struct advice_share *share = &item->share;
	const struct advice_gpu *gpu = &gpus[item->gpu];
	AUTO_FREE char *text = advice_share_text(item, gpus);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:i, s:i, s:i}", "text", text,
		"gpu", gpu->is_here ? json_integer(gpu->gpu.index) : json_null(), "product",
		gpu->product ? json_string(gpu->product->key) : json_null(), "profile",
		*share->profile ? json_string(share->profile) : json_null(), "start",
		share->start >= 0 ? json_integer(share->start) : json_null(), "memory",
		(json_int_t)share->memory_bytes, "compute",
		share->percent ? json_integer(share->percent) : json_null(), "sm",
		share->sm ? json_integer(share->sm) : json_null(), "fit", (int)share->fit,
		"fit_empty", (int)share->fit_empty, "fit_node", (int)item->fit_node);
}

static json_t *render_span(const struct advice_span *span)
{
	return json_pack("{s:f, s:o}", "low", span->low / 100.0, "high",
		span->high ? json_real(span->high / 100.0) : json_null());
}

static json_t *render_estimate(const struct advice_estimate *estimate)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:s}", "throughput",
		render_span(&estimate->throughput), "latency", render_span(&estimate->latency),
		"latency_is", estimate->is_mean ? "mean" : "tail", "source",
		advice_source_names[estimate->source], "text", estimate->text, "where",
		estimate->where);
}

static json_t *render_about(enum advice_option option)
{
	json_t *about = json_object();

	for (unsigned t = 0; t < TOPICS_N; t++)
		json_object_set_new(about, advice_topic_names[t],
			json_pack("{s:s, s:s}", "text", advice_about[option][t].text, "source",
				advice_about[option][t].source));
	return about;
}

static json_t *render_first(const struct advice_item *item)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < item->n_rules; i++) {
		const struct advice_rule *rule = &advice_rules[item->rule[i]];

		if (rule->effect == RULE_AFTER || rule->effect == RULE_EMPTIES)
			json_array_append_new(list, json_string(rule->way));
	}
	return list;
}

static json_t *render_item(const struct advice_item *item, const struct advice_gpu *gpus)
{
	const struct advice_enforcers *by = advice_enforcers_of(item->option, &item->share);
	bool is_possible = item->verdict != VERDICT_NO;
	json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}}", "way",
		advice_option_names[item->option], "mechanism",
		mechanism_names[advice_mechanism(item->option)], "verdict",
		advice_verdict_names[item->verdict], "score",
		is_possible ? json_integer(item->score) : json_null(), "enforced_by", "memory",
		enforcer_names[by->memory], "compute", enforcer_names[by->compute], "faults",
		enforcer_names[by->faults]);

	json_object_set_new(json, "share", is_possible ? render_share(item, gpus) : json_null());
	json_object_set_new(
		json, "expected", is_possible ? render_estimate(&item->estimate) : json_null());
	json_object_set_new(json, "licence",
		*item->share.licence ? json_string(item->share.licence) : json_null());
	json_object_set_new(json, "first", render_first(item));
	json_object_set_new(json, "disturbs", *item->whom ? json_string(item->whom) : json_null());
	json_object_set_new(
		json, "why_not", is_possible ? json_null() : json_string(advice_why_not(item)));
	json_object_set_new(
		json, "way_out", is_possible ? json_null() : json_string(advice_way_out(item)));
	json_object_set_new(json, "about", render_about(item->option));
	json_object_set_new(json, "rules", render_rules(item));
	return json;
}

json_t *advice_to_json(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice *advice)
{
	char text[ADVICE_NEED_TEXT_MAX];
	json_t *ways = json_array();

	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++)
		json_array_append_new(ways, render_item(&advice->item[i], gpus));
	return json_pack("{s:o, s:s, s:o, s:i, s:o, s:s}", "name",
		need->name[0] ? json_string(need->name) : json_null(), "need",
		advice_need_text(need, text), "request", request_to_json(&need->request), "count",
		(int)need->count, "ways", ways, "because", advice->because);
}
