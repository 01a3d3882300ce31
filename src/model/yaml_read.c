/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "model/yaml_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

int yaml_error_prefix(const struct yaml_node *node, struct error *err, int code)
{
	return error_prefix(err, code, "%s:%u:%u", node->yaml->file, node->line, node->column);
}

int yaml_error(const struct yaml_node *node, struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return yaml_error_prefix(node, err, code);
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map->kind == YAML_MAP && i < map->n; i++)
		if (text_eq(map->key[i]->text, key))
			return map->item[i];
	return NULL;
}

bool yaml_is_nothing(const struct yaml_node *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; node->kind == YAML_TEXT && node->is_plain && i < ARRAY_SIZE(words); i++)
		if (text_eq(node->text, words[i]))
			return true;
	return false;
}

int yaml_want(
	const struct yaml_node *node, enum yaml_kind kind, const char *what, struct error *err)
{
	if (node->kind == kind)
		return 0;
	return yaml_error(node, err, -EINVAL, "%s must be a %s, not a %s", what,
		yaml_kind_names[kind],
		yaml_is_nothing(node) ? "nothing" : yaml_kind_names[node->kind]);
}

int yaml_word(
	const struct yaml_node *node, const char *what, const char **ret_text, struct error *err)
{
	int r = yaml_want(node, YAML_TEXT, what, err);

	if (r < 0)
		return r;
	if (yaml_is_nothing(node) || !*node->text)
		return yaml_error(node, err, -EINVAL, "%s has no value", what);
	*ret_text = node->text;
	return 0;
}

int yaml_number(const struct yaml_node *node, const char *what, uint64_t min, uint64_t max,
	uint64_t *ret_value, struct error *err)
{
	const char *text;
	uint64_t value;
	int r = yaml_word(node, what, &text, err);

	if (r < 0)
		return r;
	/* In YAML a number that begins with 0 may be octal: nobody means that here. */
	if (!node->is_plain || (text[0] == '0' && text[1]) || parse_u64(text, &value) < 0 ||
		value < min || value > max)
		return yaml_error(node, err, -EINVAL,
			"%s must be a number from %" PRIu64 " to %" PRIu64 ", not %s%s%s", what,
			min, max, node->is_plain ? "" : "\"", text, node->is_plain ? "" : "\"");
	*ret_value = value;
	return 0;
}

bool yaml_is_truth(const struct yaml_node *node, bool value)
{
	static const char *const words[2][9] = {
		{ "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF" },
		{ "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON" },
	};

	for (size_t i = 0; node->kind == YAML_TEXT && node->is_plain && i < 9; i++)
		if (text_eq(node->text, words[value][i]))
			return true;
	return false;
}

int yaml_truth(const struct yaml_node *node, const char *what, bool *ret_value, struct error *err)
{
	int r = yaml_want(node, YAML_TEXT, what, err);

	if (r < 0)
		return r;
	if (!yaml_is_truth(node, true) && !yaml_is_truth(node, false))
		return yaml_error(
			node, err, -EINVAL, "%s must be true or false, not '%s'", what, node->text);
	*ret_value = yaml_is_truth(node, true);
	return 0;
}

int yaml_keys(const struct yaml_node *map, const char *what, const char *const *keys, size_t n,
	struct error *err)
{
	for (size_t i = 0; i < map->n; i++) {
		const char *key = map->key[i]->text, *nearest;
		AUTO_BUF all = { 0 };
		bool is_known = false;

		for (size_t k = 0; k < n; k++)
			is_known |= text_eq(key, keys[k]);
		if (is_known)
			continue;
		nearest = text_nearest(key, keys, n);
		if (nearest)
			return yaml_error(map->key[i], err, -EINVAL,
				"unknown key '%.60s' in %s: did you mean '%s'?", key, what,
				nearest);
		for (size_t k = 0; k < n; k++)
			buf_addf(&all, "%s%s", k == 0 ? "" : k + 1 < n ? ", " : " and ", keys[k]);
		return yaml_error(map->key[i], err, -EINVAL,
			"unknown key '%.60s' in %s: known are %s", key, what, buf_text(&all));
	}
	return 0;
}
