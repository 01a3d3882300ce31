/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/yaml.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* Where a node begins: its first plain value says it. */
static const struct fy_mark *mark_of(struct fy_node *node)
{
	struct fy_node_pair *pair;
	void *iterator = NULL;
	struct fy_token *token;

	for (unsigned depth = 0; node && depth < 16; depth++) {
		if (fy_node_is_scalar(node)) {
			token = fy_node_get_scalar_token(node);
			return token ? fy_token_start_mark(token) : NULL;
		}
		iterator = NULL;
		if (fy_node_is_mapping(node)) {
			pair = fy_node_mapping_iterate(node, &iterator);
			node = pair ? fy_node_pair_key(pair) : NULL;
		} else {
			node = fy_node_sequence_iterate(node, &iterator);
		}
	}
	return NULL;
}

int yaml_fail(const struct yaml *yaml, struct fy_node *at, const char *format, ...)
{
	const struct fy_mark *mark = NULL;
	char text[400];
	va_list args;

	/* What is empty has no place of its own: what it stands in has. */
	for (struct fy_node *node = at; node && !mark; node = fy_node_get_parent(node))
		mark = mark_of(node);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!mark)
		return error_set(yaml->err, -EINVAL, "%s: %s", yaml->file, text);
	return error_set(yaml->err, -EINVAL, "%s:%d:%d: %s", yaml->file, mark->line + 1,
		mark->column + 1, text);
}

int yaml_open(struct yaml *yaml, const char *file, const char *text, struct error *err)
{
	struct fy_diag *diag = fy_diag_create(NULL);
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET, .diag = diag };
	struct fy_diag_error *found;
	void *iterator = NULL;
	int r = 0;

	*yaml = (struct yaml){ .file = file, .err = err };
	fy_diag_set_collect_errors(diag, true);
	yaml->document = fy_document_build_from_string(&config, text, strlen(text));
	if (!yaml->document || !fy_document_root(yaml->document)) {
		found = fy_diag_errors_iterate(diag, &iterator);
		if (found)
			r = error_set(err, -EINVAL, "%s:%d:%d: %s", file, found->line,
				found->column, found->msg);
		else
			r = error_set(err, -EINVAL, "%s: there is nothing in it", file);
		yaml_done(yaml);
	}
	fy_diag_destroy(diag);
	return r;
}

void yaml_done(struct yaml *yaml)
{
	if (yaml->document)
		fy_document_destroy(yaml->document);
	yaml->document = NULL;
}

static bool is_key(struct fy_node_pair *pair, const char *key)
{
	size_t length;
	const char *text = fy_node_get_scalar(fy_node_pair_key(pair), &length);

	return text && length == strlen(key) && memcmp(text, key, length) == 0;
}

struct fy_node *yaml_get(struct fy_node *mapping, const char *key)
{
	struct fy_node_pair *pair;
	void *iterator = NULL;

	while ((pair = fy_node_mapping_iterate(mapping, &iterator)))
		if (is_key(pair, key))
			return fy_node_pair_value(pair);
	return NULL;
}

int yaml_only(const struct yaml *yaml, struct fy_node *mapping, const char *const *keys)
{
	struct fy_node_pair *pair;
	void *iterator = NULL;
	AUTO_BUF list = { 0 };

	for (unsigned i = 0; keys[i]; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", keys[i]);
	if (!fy_node_is_mapping(mapping))
		return yaml_fail(yaml, mapping, "here must stand keys and values (keys: %s)",
			buf_text(&list));
	while ((pair = fy_node_mapping_iterate(mapping, &iterator))) {
		struct fy_node *key = fy_node_pair_key(pair);
		bool known = false;

		for (unsigned i = 0; keys[i] && !known; i++)
			known = is_key(pair, keys[i]);
		if (!known) {
			size_t length = 0;
			const char *text = fy_node_get_scalar(key, &length);

			return yaml_fail(yaml, key, "'%.*s' is not a key here (keys: %s)",
				(int)length, text ?: "", buf_text(&list));
		}
	}
	return 0;
}

int yaml_text(const struct yaml *yaml, struct fy_node *node, char *ret_text, size_t size)
{
	size_t length = 0;
	const char *text = fy_node_is_scalar(node) ? fy_node_get_scalar(node, &length) : NULL;

	if (!text)
		return yaml_fail(yaml, node, "here must stand one plain value");
	if (length >= size)
		return yaml_fail(yaml, node, "'%.*s...' is too long", 20, text);
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
	return 0;
}

int yaml_u32(const struct yaml *yaml, struct fy_node *node, uint32_t most, uint32_t *ret_value)
{
	char text[32];
	int r = yaml_text(yaml, node, text, sizeof(text));

	if (r < 0)
		return r;
	if (parse_u32(text, ret_value) < 0 || *ret_value > most)
		return yaml_fail(yaml, node, "'%s' is not a number from 0 to %u", text, most);
	return 0;
}

int yaml_switch(const struct yaml *yaml, struct fy_node *node, bool *ret_on)
{
	char text[32];
	int r = yaml_text(yaml, node, text, sizeof(text));

	if (r < 0)
		return r;
	*ret_on = strcasecmp(text, "on") == 0 || strcasecmp(text, "true") == 0;
	if (!*ret_on && strcasecmp(text, "off") != 0 && strcasecmp(text, "false") != 0)
		return yaml_fail(yaml, node, "'%s' is neither on nor off", text);
	return 0;
}
