/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config_quota.h"

#include "base/error.h"
#include "base/size.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>

/* Milli-GPUs from "2" or "0.5". */
static int parse_milli(const char *text, uint64_t *ret_milli)
{
	size_t whole = strspn(text, "0123456789");
	uint64_t milli = 0;
	unsigned digits = 0;

	if (whole == 0 || whole > 6)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		milli = milli * 10 + (uint64_t)(text[i] - '0');
	text += whole;
	if (*text == '.') {
		digits = (unsigned)strspn(++text, "0123456789");
		if (digits < 1 || digits > 3)
			return -EINVAL;
	}
	for (unsigned i = 0; i < 3; i++)
		milli = milli * 10 + (i < digits ? (uint64_t)(text[i] - '0') : 0);
	if (text[digits])
		return -EINVAL;
	*ret_milli = milli;
	return 0;
}

static int parse_percent(const char *text, uint64_t *ret_percent)
{
	char digits[12];
	size_t n = strlen(text);

	if (n && text[n - 1] == '%')
		n--;
	if (n >= sizeof(digits))
		return -ERANGE;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return parse_u64(digits, ret_percent);
}

static const struct limit {
	const char *name;
	size_t offset;
	int (*parse)(const char *text, uint64_t *ret_value);
	const char *must_be;
} limits[] = {
	{ "leases", offsetof(struct quota, leases), parse_u64, "a number" },
	{ "gpus", offsetof(struct quota, gpus_milli), parse_milli, "a number such as 2 or 0.5" },
	{ "memory", offsetof(struct quota, memory_bytes), parse_size, "a size such as 80G" },
	{ "compute", offsetof(struct quota, compute_percent), parse_percent,
		"percents of one GPU, such as 250%" },
};

static int read_limits(const struct yaml_node *row, struct quota *quota, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct yaml_node *node = yaml_get(row, limits[i].name);
		uint64_t *value = (uint64_t *)((char *)quota + limits[i].offset);
		const char *text;
		int r;

		*value = QUOTA_UNLIMITED;
		if (!node)
			continue;
		r = yaml_word(node, limits[i].name, &text, err);
		if (r < 0)
			return r;
		if (!text_eq(text, "unlimited") && limits[i].parse(text, value) < 0)
			return yaml_error(node, err, -EINVAL,
				"%s must be %s, or unlimited, not '%.60s'", limits[i].name,
				limits[i].must_be, text);
	}
	return 0;
}

/* For whom a row is: exactly one of default, user and group. */
static int read_whom(const struct yaml_node *row, struct config_quota *quota, struct error *err)
{
	const struct yaml_node *all = yaml_get(row, "default"), *user = yaml_get(row, "user"),
			       *group = yaml_get(row, "group");
	const char *name = "";
	int r;

	if (!!all + !!user + !!group != 1)
		return yaml_error(row, err, -EINVAL,
			"a quota is for exactly one of 'default: true', 'user: NAME' and 'group: "
			"NAME'");
	if (all) {
		r = yaml_truth(all, "default", &quota->is_default, err);
		if (r == 0 && !quota->is_default)
			r = yaml_error(all, err, -EINVAL,
				"'default: false' is for nobody: write true, or a user or group");
		return r;
	}
	if (group) {
		r = yaml_word(group, "group", &name, err);
		if (r == 0 && text_copy(quota->group, sizeof(quota->group), name) < 0)
			r = yaml_error(
				group, err, -EINVAL, "'%.60s' is too long for a group", name);
		return r;
	}
	r = yaml_word(user, "user", &name, err);
	if (r < 0 || parse_u32(name, &quota->uid) == 0)
		return r;
	if (text_copy(quota->user, sizeof(quota->user), name) < 0)
		return yaml_error(user, err, -EINVAL, "'%.60s' is too long for a user", name);
	return 0;
}

static bool is_same_whom(const struct config_quota *a, const struct config_quota *b)
{
	return a->is_default == b->is_default && a->uid == b->uid && text_eq(a->user, b->user) &&
	       text_eq(a->group, b->group);
}

static int read_row(const struct yaml_node *row, struct config *config, struct error *err)
{
	static const char *const keys[] = { "default", "user", "group", "leases", "gpus", "memory",
		"compute" };
	struct config_quota quota = { 0 };
	int r = yaml_want(row, YAML_MAP, "a quota", err);

	if (r == 0)
		r = yaml_keys(row, "a quota", keys, ARRAY_SIZE(keys), err);
	if (r == 0)
		r = read_whom(row, &quota, err);
	if (r == 0)
		r = read_limits(row, &quota.limit, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < config->n_quotas; i++)
		if (is_same_whom(&config->quota[i], &quota))
			return yaml_error(row, err, -EINVAL,
				"this is the second quota for the same: make one of the two");
	config->quota[config->n_quotas++] = quota;
	return 0;
}

int config_quotas_read(const struct yaml_node *node, struct config *config, struct error *err)
{
	enum { QUOTAS_MAX = 1000 };
	int r = yaml_want(node, YAML_LIST, "quotas", err);

	if (r < 0)
		return r;
	if (node->n > QUOTAS_MAX)
		return yaml_error(node, err, -E2BIG, "more than %d quotas", QUOTAS_MAX);
	config->quota = must_alloc(node->n, sizeof(config->quota[0]));
	for (size_t i = 0; i < node->n && r == 0; i++)
		r = read_row(node->item[i], config, err);
	return r;
}
