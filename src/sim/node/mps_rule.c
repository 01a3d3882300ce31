/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/mps_rule.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/node/inject.h"

#include <errno.h>

static const struct {
	const char *word;
	enum rule_kind kind;
} kinds[] = { { "mps-fault", RULE_MPS_FAULT }, { "mps-hang", RULE_MPS_HANG },
	{ "mps-start", RULE_MPS_START } };

static int kind_of(const char *spec)
{
	size_t n = strcspn(spec, ":");

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].word) == n && text_starts(spec, kinds[i].word))
			return (int)kinds[i].kind;
	return -1;
}

bool mps_rule_is_meant(const char *spec)
{
	return text_starts(spec, "mps-");
}

static int rule_set(struct rule *rule, const char *key, const char *value, struct error *err)
{
	uint32_t number = 0;
	bool is_number = value && parse_u32(value, &number) == 0 && number <= INT32_MAX;

	if (text_eq(key, "unnamed") && !value)
		rule->is_unnamed = 1;
	else if (text_eq(key, "times") && text_eq(value, "all"))
		rule->left = UINT32_MAX;
	else if (text_eq(key, "times") && is_number && number)
		rule->left = number;
	else if (text_eq(key, "gpu") && is_number && number < NODE_GPUS)
		rule->gpu = (int32_t)number;
	else if (text_eq(key, "client") && is_number && number)
		rule->client = (int32_t)number;
	else if (text_eq(key, "server") && is_number && number)
		rule->server = (int32_t)number;
	else if (text_eq(key, "control") && is_number && number)
		rule->control = (int32_t)number;
	else if (text_eq(key, "delay") && value && inject_duration(value, &rule->delay_ns) == 0)
		rule->action = RULE_DELAY;
	else
		return error_set(err, -EINVAL,
			"'%s%s%s' is none of client=PID, server=PID, control=PID, gpu=INDEX, "
			"times=N, delay=T, unnamed",
			key, value ? "=" : "", value ?: "");
	return 0;
}

int mps_rule_parse(const char *spec, struct rule *ret_rule, struct error *err)
{
	struct rule rule = { .gpu = NODE_ANY_GPU, .left = 1 };
	char text[sizeof(rule.text)], *rest = text, *key;
	int kind = kind_of(spec), r = 0;

	if (kind < 0)
		return error_set(err, -EINVAL,
			"'%s' is none of mps-fault, mps-hang, mps-start, mps-version", spec);
	if (text_copy(text, sizeof(text), spec) < 0)
		return error_set(err, -EINVAL, "the failure to inject is too long");
	text_copy(rule.text, sizeof(rule.text), spec);
	rule.kind = (uint32_t)kind;
	rule.action = kind == RULE_MPS_HANG ? RULE_HANG : RULE_FAIL;
	strsep(&rest, ":");
	while (r == 0 && (key = strsep(&rest, ","))) {
		char *value = key;

		strsep(&value, "=");
		r = rule_set(&rule, key, value, err);
	}
	if (r < 0)
		return r;
	if (kind == RULE_MPS_HANG && !rule.server && !rule.control && rule.gpu == NODE_ANY_GPU)
		return error_set(
			err, -EINVAL, "what is to hang? server=PID, control=PID or gpu=INDEX");
	*ret_rule = rule;
	return 0;
}

static bool is_about(const struct rule *rule, const struct mps_party *party)
{
	bool is_client = !rule->client;

	for (unsigned i = 0; i < party->n_clients && !is_client; i++)
		is_client = party->clients[i] == rule->client;
	/* A hang is a control daemon's or a server's, as the rule says. */
	if (rule->kind == RULE_MPS_HANG && !rule->control != (party->server != 0))
		return false;
	if (rule->gpu != NODE_ANY_GPU && !(party->gpus >> rule->gpu & 1))
		return false;
	if (rule->server && rule->server != party->server)
		return false;
	return is_client && (!rule->control || rule->control == party->control);
}

bool mps_rule_take(struct node *node, enum rule_kind kind, const struct mps_party *party,
	struct rule *ret_rule)
{
	bool found = false;

	if (!__atomic_load_n(&node->n_rules, __ATOMIC_ACQUIRE))
		return false;
	node_lock(node);
	for (unsigned i = 0; i < NODE_RULES && !found; i++) {
		struct rule *rule = &node->rules[i];

		if (!rule->id || rule->kind != (uint32_t)kind || !rule->left ||
			!is_about(rule, party))
			continue;
		found = true;
		rule->struck++;
		if (rule->left != UINT32_MAX && rule->action != RULE_HANG)
			rule->left--;
		*ret_rule = *rule;
		if (!rule->left)
			inject_forget(node, rule);
	}
	node_unlock(node);
	return found;
}

bool mps_rule_lasts(const struct node *node, uint32_t id)
{
	for (unsigned i = 0; i < NODE_RULES; i++)
		if (__atomic_load_n(&node->rules[i].id, __ATOMIC_ACQUIRE) == id)
			return true;
	return false;
}
