/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/write_rule.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/node/inject.h"

#include <errno.h>
#include <string.h>

#define WORD	     "write"
#define LAST_ERRNO   133
#define HANG_LOOK_NS 10000000 /* how often a hanging write looks whether its rule is gone */

bool write_rule_is_meant(const char *spec)
{
	return text_eq(spec, WORD) || text_starts(spec, WORD ":");
}

/* By name; 0 if there is none. */
static int errno_of(const char *name)
{
	for (int i = 1; i <= LAST_ERRNO; i++)
		if (text_eq(strerrorname_np(i), name))
			return i;
	return 0;
}

static int rule_set(struct rule *rule, const char *key, const char *value, struct error *err)
{
	uint32_t number = 0;
	bool is_number = value && parse_u32(value, &number) == 0;

	if (text_eq(key, "hang") && !value)
		rule->action = RULE_HANG;
	else if (text_eq(key, "ignored") && !value)
		rule->action = RULE_IGNORE;
	else if (text_eq(key, "error") && value && errno_of(value))
		rule->code = errno_of(value);
	else if (text_eq(key, "delay") && value && inject_duration(value, &rule->delay_ns) == 0)
		rule->action = RULE_DELAY;
	else if (text_eq(key, "file") && value &&
		 text_copy(rule->file, sizeof(rule->file), value) == 0)
		return 0;
	else if (text_eq(key, "times") && text_eq(value, "all"))
		rule->left = UINT32_MAX;
	else if (text_eq(key, "times") && is_number && number)
		rule->left = number;
	else if (text_eq(key, "call") && is_number && number)
		rule->skip = number - 1;
	else if (text_eq(key, "gpu") && is_number && number < NODE_GPUS)
		rule->gpu = (int32_t)number;
	else
		return error_set(err, -EINVAL,
			"'%s%s%s' is none of file=NAME, error=ERRNO, ignored, hang, delay=T, "
			"call=K, times=N, gpu=INDEX",
			key, value ? "=" : "", value ?: "");
	return 0;
}

int write_rule_parse(const char *spec, struct rule *ret_rule, struct error *err)
{
	struct rule rule = { .kind = RULE_WRITE, .gpu = NODE_ANY_GPU, .left = 1, .code = EIO };
	char text[sizeof(rule.text)], *rest = text, *key;
	int r = 0;

	if (text_copy(text, sizeof(text), spec) < 0)
		return error_set(err, -EINVAL, "the failure to inject is too long");
	text_copy(rule.text, sizeof(rule.text), spec);
	strsep(&rest, ":");
	while (r == 0 && (key = strsep(&rest, ","))) {
		char *value = key;

		strsep(&value, "=");
		r = rule_set(&rule, key, value, err);
	}
	if (r == 0 && !rule.file[0])
		r = error_set(err, -EINVAL, "writes to which file? file=sriov_numvfs, say");
	if (r == 0)
		*ret_rule = rule;
	return r;
}

static bool rule_take(struct node *node, const char *file, unsigned gpu, struct rule **ret_at,
	struct rule *ret_rule)
{
	for (unsigned i = 0; i < NODE_RULES; i++) {
		struct rule *rule = &node->rules[i];

		if (!rule->id || rule->kind != RULE_WRITE || !rule->left ||
			!text_eq(rule->file, file) ||
			(rule->gpu != NODE_ANY_GPU && rule->gpu != (int32_t)gpu))
			continue;
		if (inject_count(node, rule, ret_rule)) {
			*ret_at = rule;
			return true;
		}
	}
	return false;
}

static void wait_out(struct node *node, const struct rule *at, const struct rule *rule)
{
	node_work(rule->delay_ns);
	while (rule->action == RULE_HANG && node_is_there(node) &&
		__atomic_load_n(&at->id, __ATOMIC_ACQUIRE) == rule->id)
		node_work(HANG_LOOK_NS);
}

int write_rule_strike(struct node *node, const char *file, unsigned gpu)
{
	bool is_locked = text_eq(file, "sriov_numvfs");
	struct rule *at, rule;
	bool struck;

	if (!__atomic_load_n(&node->n_rules, __ATOMIC_ACQUIRE))
		return 0;
	node_lock(node);
	struck = rule_take(node, file, gpu, &at, &rule);
	node_unlock(node);
	if (!struck)
		return 0;
	if (is_locked)
		device_lock(node, gpu);
	wait_out(node, at, &rule);
	if (is_locked)
		device_unlock(node, gpu);
	if (rule.action == RULE_IGNORE)
		return 1;
	return rule.action == RULE_FAIL ? -rule.code : 0;
}
