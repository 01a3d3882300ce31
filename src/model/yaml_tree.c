/* SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml_tree.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

const char *const yaml_kind_names[] = { "text", "list", "mapping" };

struct yaml *yaml_new(const char *file)
{
	struct yaml *yaml = must_alloc(1, sizeof(*yaml));

	yaml->file = must_strdup(file);
	return yaml;
}

struct yaml *yaml_free(struct yaml *yaml)
{
	if (!yaml)
		return NULL;
	for (size_t i = 0; i < yaml->n_nodes; i++) {
		free((char *)yaml->node[i]->text);
		free(yaml->node[i]->key);
		free(yaml->node[i]->item);
		free(yaml->node[i]);
	}
	free(yaml->node);
	free(yaml->file);
	free(yaml);
	return NULL;
}

const struct yaml_node *yaml_root(const struct yaml *yaml)
{
	return yaml->root;
}

struct yaml_node *yaml_node_new(struct yaml *yaml, enum yaml_kind kind)
{
	struct yaml_node *node = must_alloc(1, sizeof(*node));

	node->kind = kind;
	node->yaml = yaml;
	node->line = node->column = 1;
	node->weight = 1;
	if (yaml->n_nodes == yaml->room) {
		yaml->room = yaml->room ? 2 * yaml->room : 64;
		yaml->node = must_realloc(yaml->node, yaml->room, sizeof(yaml->node[0]));
	}
	yaml->node[yaml->n_nodes++] = node;
	return node;
}

void yaml_node_add(struct yaml_node *node, struct yaml_node *key, struct yaml_node *item)
{
	/* The arrays grow at the powers of two. */
	if ((node->n & (node->n - 1)) == 0) {
		size_t room = node->n ? 2 * node->n : 1;

		node->item = must_realloc(node->item, room, sizeof(node->item[0]));
		if (key)
			node->key = must_realloc(node->key, room, sizeof(node->key[0]));
	}
	if (key)
		node->key[node->n] = key;
	node->item[node->n++] = item;
}

static int merge_one(struct yaml_node *map, const struct yaml_node *from,
	const struct yaml_node *where, size_t keys_max, struct error *err)
{
	if (from->kind != YAML_MAP)
		return yaml_error(where, err, -EINVAL,
			"<< takes a mapping or a list of mappings, not a %s",
			yaml_kind_names[from->kind]);
	for (size_t i = 0; i < from->n; i++) {
		if (yaml_get(map, from->key[i]->text))
			continue;
		if (map->n == keys_max)
			return yaml_error(where, err, -E2BIG,
				"a mapping with more than %zu keys is too large", keys_max);
		yaml_node_add(map, from->key[i], from->item[i]);
	}
	return 0;
}

int yaml_merge(struct yaml_node *map, size_t keys_max, struct error *err)
{
	struct yaml_node *key = NULL, *from = NULL;
	int r = 0;

	for (size_t i = 0; i < map->n; i++) {
		if (!key && map->key[i]->is_plain && text_eq(map->key[i]->text, "<<")) {
			key = map->key[i];
			from = map->item[i];
		} else if (key) {
			map->key[i - 1] = map->key[i];
			map->item[i - 1] = map->item[i];
		}
	}
	if (!key)
		return 0;
	map->n--;
	if (from->kind != YAML_LIST)
		return merge_one(map, from, key, keys_max, err);
	for (size_t i = 0; i < from->n && r == 0; i++)
		r = merge_one(map, from->item[i], key, keys_max, err);
	return r;
}
