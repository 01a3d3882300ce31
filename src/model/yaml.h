/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A YAML file as a tree whose every node knows its place, for files that people write.
 *
 * One document; scalars, lists and mappings with scalar keys. Anchors, aliases and merge keys (<<)
 * are resolved while reading. Refused, each with its sentence: broken YAML, tags, a key that stands
 * twice, and files made to be large when read (depth, number of nodes, what aliases multiply).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct yaml;

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool is_plain;		/* YAML_TEXT: written without quotes */
	unsigned line, column;	/* from 1 */
	const char *text;	/* YAML_TEXT: never NULL, "" if nothing is written */
	size_t n;		/* items */
	struct yaml_node **key; /* YAML_MAP: key[i] is the YAML_TEXT before item[i] */
	struct yaml_node **item;
	size_t weight; /* nodes in it, those of aliases counted each time */
	const struct yaml *yaml;
};

/* Reads a file's text; `file` is its name in messages. *ret_yaml is freed by yaml_free. */
int yaml_load(const char *file, const char *text, size_t length, struct yaml **ret_yaml,
	struct error *err);
struct yaml *yaml_free(struct yaml *yaml);
static inline void yaml_cleanup(struct yaml **yaml)
{
	yaml_free(*yaml);
}
#define AUTO_YAML __attribute__((cleanup(yaml_cleanup))) struct yaml

/* What the file holds; NULL if nothing. */
const struct yaml_node *yaml_root(const struct yaml *yaml);

/* error_set with "FILE:LINE:COLUMN: " of the node before the sentence. */
int yaml_error(const struct yaml_node *node, struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for a sentence that is there already. */
int yaml_error_prefix(const struct yaml_node *node, struct error *err, int code);

/* The item of that key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/*
 * The node as something certain, else -EINVAL with a sentence that begins with `what` ("count",
 * "the list of layouts"). Numbers and truths must not be in quotes; the words true, yes, on and
 * false, no, off are truths in the usual three spellings.
 */
int yaml_want(
	const struct yaml_node *node, enum yaml_kind kind, const char *what, struct error *err);
int yaml_word(const struct yaml_node *node, const char *what, const char **ret_text,
	struct error *err); /* not empty */
int yaml_number(const struct yaml_node *node, const char *what, uint64_t min, uint64_t max,
	uint64_t *ret_value, struct error *err);
int yaml_truth(const struct yaml_node *node, const char *what, bool *ret_value, struct error *err);
/* True where the scalar would be read as that truth. */
bool yaml_is_truth(const struct yaml_node *node, bool value);
/* Plain and empty, or null: "key:" with nothing behind it. */
bool yaml_is_nothing(const struct yaml_node *node);

/* -EINVAL for a key of the mapping that is not in the list, with the one that was probably meant.
 */
int yaml_keys(const struct yaml_node *map, const char *what, const char *const *keys, size_t n,
	struct error *err);
