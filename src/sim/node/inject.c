/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/inject.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/node/mps_rule.h"
#include "sim/node/write_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define HANG_LOOK_NS 10000000 /* how often a hanging call looks whether its rule is gone */

static const char *const function_names[] = {
#define SIM_FN(name, params, args) #name,
#include "sim/node/entries.def"
};
const unsigned inject_n_functions = ARRAY_SIZE(function_names);
_Static_assert(ARRAY_SIZE(function_names) <= 64 * RULE_FUNCTIONS, "a rule's bits are too few");

const char *inject_function_name(unsigned function)
{
	return function < ARRAY_SIZE(function_names) ? function_names[function] : NULL;
}

static const struct {
	int code;
	const char *name;
} codes[] = {
#define CODE(name)                                                                                 \
	{                                                                                          \
		NVML_ERROR_##name, #name                                                           \
	}
	CODE(UNINITIALIZED), CODE(INVALID_ARGUMENT), CODE(NOT_SUPPORTED), CODE(NO_PERMISSION),
	CODE(NOT_FOUND), CODE(INSUFFICIENT_SIZE), CODE(INSUFFICIENT_POWER), CODE(DRIVER_NOT_LOADED),
	CODE(TIMEOUT), CODE(IRQ_ISSUE), CODE(LIBRARY_NOT_FOUND), CODE(FUNCTION_NOT_FOUND),
	CODE(CORRUPTED_INFOROM), CODE(GPU_IS_LOST), CODE(RESET_REQUIRED), CODE(OPERATING_SYSTEM),
	CODE(LIB_RM_VERSION_MISMATCH), CODE(IN_USE), CODE(MEMORY), CODE(NO_DATA),
	CODE(INSUFFICIENT_RESOURCES), CODE(ARGUMENT_VERSION_MISMATCH), CODE(DEPRECATED),
	CODE(NOT_READY), CODE(GPU_NOT_FOUND), CODE(INVALID_STATE), CODE(UNKNOWN)
#undef CODE
};

const char *inject_code_name(int code)
{
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].name;
	return NULL;
}

int inject_code_parse(const char *text)
{
	uint32_t number;

	if (strncasecmp(text, "NVML_ERROR_", 11) == 0)
		text += 11;
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		if (strcasecmp(codes[i].name, text) == 0)
			return codes[i].code;
	return parse_u32(text, &number) == 0 && number <= 999 ? (int)number : -1;
}

int inject_duration(const char *text, uint64_t *ret_ns)
{
	size_t n = strlen(text);
	char number[16];
	uint32_t ms;

	if (n < 3 || n - 2 >= sizeof(number) || !text_eq(text + n - 2, "ms"))
		return parse_duration(text, ret_ns);
	memcpy(number, text, n - 2);
	number[n - 2] = '\0';
	if (parse_u32(number, &ms) < 0)
		return -EINVAL;
	*ret_ns = ms * 1000000ull;
	return 0;
}

static int match_functions(struct rule *rule, const char *pattern, struct error *err)
{
	const char *nearest = function_names[0];
	bool found = false;

	for (unsigned i = 0; i < ARRAY_SIZE(function_names); i++) {
		if (text_matches(function_names[i], pattern)) {
			rule->functions[i / 64] |= 1ull << i % 64;
			found = true;
		}
		if (text_distance(pattern, function_names[i]) < text_distance(pattern, nearest))
			nearest = function_names[i];
	}
	if (!found)
		return error_set(err, -EINVAL,
			"no entry point of NVML matches '%s'; did you mean %s?", pattern, nearest);
	return 0;
}

static int rule_set(struct rule *rule, const char *key, const char *value, struct error *err)
{
	uint32_t number = 0;

	if (text_eq(key, "hang") && !value) {
		rule->action = RULE_HANG;
	} else if (text_eq(key, "code") && value) {
		rule->code = inject_code_parse(value);
		if (rule->code < 0)
			return error_set(err, -EINVAL, "'%s' is no NVML return code", value);
	} else if (text_eq(key, "delay") && value) {
		if (inject_duration(value, &rule->delay_ns) < 0)
			return error_set(err, -EINVAL, "'%s' is no duration (250ms, 2s)", value);
	} else if (text_eq(key, "times") && text_eq(value, "all")) {
		rule->left = UINT32_MAX;
	} else if (value && parse_u32(value, &number) == 0 && text_eq(key, "times") && number) {
		rule->left = number;
	} else if (value && parse_u32(value, &number) == 0 && text_eq(key, "call") && number) {
		rule->skip = number - 1;
	} else if (value && parse_u32(value, &number) == 0 && text_eq(key, "gpu") &&
		   number < NODE_GPUS) {
		rule->gpu = (int32_t)number;
	} else {
		return error_set(err, -EINVAL,
			"'%s%s%s' is none of code=, hang, delay=, call=, times=, gpu=", key,
			value ? "=" : "", value ?: "");
	}
	return 0;
}

static int rule_parse(const char *spec, struct rule *ret_rule, struct error *err)
{
	struct rule rule = { .gpu = NODE_ANY_GPU, .left = 1 };
	char text[sizeof(rule.text)], *rest = text, *function, *key;
	int r;

	if (text_copy(text, sizeof(text), spec) < 0)
		return error_set(err, -EINVAL, "the failure to inject is too long");
	text_copy(rule.text, sizeof(rule.text), spec);
	function = strsep(&rest, ":");
	r = match_functions(&rule, function, err);
	while (r == 0 && (key = strsep(&rest, ","))) {
		char *value = key;

		strsep(&value, "=");
		r = rule_set(&rule, key, value, err);
	}
	if (r < 0)
		return r;
	if (rule.action == RULE_FAIL && !rule.code) {
		if (rule.delay_ns)
			rule.action = RULE_DELAY;
		else
			rule.code = NVML_ERROR_UNKNOWN;
	}
	*ret_rule = rule;
	return 0;
}

int inject_add(struct node *node, const char *spec, uint32_t *ret_id, struct error *err)
{
	struct rule rule, *slot = NULL;
	int r = mps_rule_is_meant(spec)	    ? mps_rule_parse(spec, &rule, err)
		: write_rule_is_meant(spec) ? write_rule_parse(spec, &rule, err)
					    : rule_parse(spec, &rule, err);

	if (r < 0)
		return r;
	node_lock(node);
	for (unsigned i = 0; i < NODE_RULES && !slot; i++)
		if (!node->rules[i].id)
			slot = &node->rules[i];
	if (slot) {
		uint32_t id = ++node->next_rule;

		*slot = rule;
		__atomic_store_n(&slot->id, id, __ATOMIC_RELEASE);
		__atomic_add_fetch(&node->n_rules, 1, __ATOMIC_RELEASE);
		*ret_id = id;
	}
	node_unlock(node);
	return slot ? 0
		    : error_set(
			      err, -ENOSPC, "there are %d failures to inject already", NODE_RULES);
}

void inject_forget(struct node *node, struct rule *rule)
{
	__atomic_store_n(&rule->id, 0, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&node->n_rules, 1, __ATOMIC_RELEASE);
}

unsigned inject_clear(struct node *node, uint32_t id)
{
	unsigned n = 0;

	node_lock(node);
	for (unsigned i = 0; i < NODE_RULES; i++) {
		struct rule *rule = &node->rules[i];

		if (rule->id && (!id || rule->id == id)) {
			inject_forget(node, rule);
			n++;
		}
	}
	/* A killed client may have left the count behind the rules; with none it is known. */
	if (!id)
		__atomic_store_n(&node->n_rules, 0, __ATOMIC_RELEASE);
	node_unlock(node);
	return n;
}

bool inject_count(struct node *node, struct rule *rule, struct rule *ret_rule)
{
	if (rule->skip) {
		rule->skip--;
		return false;
	}
	if (rule->left != UINT32_MAX)
		rule->left--;
	rule->struck++;
	*ret_rule = *rule;
	if (!rule->left && rule->action != RULE_HANG)
		inject_forget(node, rule);
	return true;
}

/* The first rule that strikes this call; counts it. */
static bool rule_take(
	struct node *node, unsigned function, int gpu, struct rule **ret_at, struct rule *ret_rule)
{
	for (unsigned i = 0; i < NODE_RULES; i++) {
		struct rule *rule = &node->rules[i];

		if (!rule->id || !rule->left ||
			!(rule->functions[function / 64] & 1ull << function % 64) ||
			(rule->gpu != NODE_ANY_GPU && rule->gpu != gpu))
			continue;
		if (inject_count(node, rule, ret_rule)) {
			*ret_at = rule;
			return true;
		}
	}
	return false;
}

int inject_strike(struct node *node, unsigned function, int gpu)
{
	struct rule *at, rule;
	bool struck;

	if (!__atomic_load_n(&node->n_rules, __ATOMIC_ACQUIRE))
		return NVML_SUCCESS;
	node_lock(node);
	struck = rule_take(node, function, gpu, &at, &rule);
	node_unlock(node);
	if (!struck)
		return NVML_SUCCESS;
	node_work(rule.delay_ns);
	while (rule.action == RULE_HANG && __atomic_load_n(&at->id, __ATOMIC_ACQUIRE) == rule.id)
		node_work(HANG_LOOK_NS);
	return rule.action == RULE_FAIL ? rule.code : NVML_SUCCESS;
}
