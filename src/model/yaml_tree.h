/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* How a YAML tree is built: for yaml.c alone. */

#include "model/yaml.h"

struct fy_token;

struct yaml {
	char *file;
	struct yaml_node *root;
	struct yaml_node **node; /* all of them: an aliased one stands in the tree several times */
	size_t n_nodes, room;
};

extern const char *const yaml_kind_names[]; /* "text", "list", "mapping" */

struct yaml *yaml_new(const char *file);
struct yaml_node *yaml_node_new(struct yaml *yaml, enum yaml_kind kind);
void yaml_node_add(struct yaml_node *node, struct yaml_node *key, struct yaml_node *item);

/*
 * The text of a token of the file `source` as a string of the caller's; NULL if there is no token.
 * It ends early where the text has a zero byte.
 */
char *yaml_token_text(const char *source, struct fy_token *token, bool *ret_has_nul);

/* Puts the items of a mapping's merge keys (<<) into it, except those whose keys it has. */
int yaml_merge(struct yaml_node *map, size_t keys_max, struct error *err);
