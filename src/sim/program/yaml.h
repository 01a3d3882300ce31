/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading YAML with errors that say where: "FILE:LINE:COLUMN: sentence". */

#include <libfyaml.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

struct yaml {
	const char *file; /* as it is named in errors */
	struct fy_document *document;
	struct error *err;
};

/* The document of a text; yaml_done() frees it. */
int yaml_open(struct yaml *yaml, const char *file, const char *text, struct error *err);
void yaml_done(struct yaml *yaml);

/* -EINVAL, with the sentence and the place of the node (NULL: the file as a whole). */
int yaml_fail(const struct yaml *yaml, struct fy_node *at, const char *format, ...)
	__attribute__((format(printf, 3, 4), nonnull(3)));

/* The value of a key, NULL if it is not there. */
struct fy_node *yaml_get(struct fy_node *mapping, const char *key);
/* Fails on a node that is no mapping, or has a key that is not in the list (NULL at its end). */
int yaml_only(const struct yaml *yaml, struct fy_node *mapping, const char *const *keys);

/* A plain value as text; fails if the node is none, or too long. */
int yaml_text(const struct yaml *yaml, struct fy_node *node, char *ret_text, size_t size);
int yaml_u32(const struct yaml *yaml, struct fy_node *node, uint32_t most, uint32_t *ret_value);
/* on, off, true, false. */
int yaml_switch(const struct yaml *yaml, struct fy_node *node, bool *ret_on);
