/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to what is wanted on each GPU: which schema it is (by its version), which of its
 * layouts is meant, and every other one checked too, so that a mistake is found when it is written
 * and not on the night when that layout is needed.
 */
#include "model/layout.h"

#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>
#include <stdlib.h>

static const struct layout_schema *const schemas[] = { &layout_schema_carve, &layout_schema_vgpu,
	&layout_schema_parted };

void layout_done(struct layout *layout)
{
	for (unsigned i = 0; i < GPUS_MAX; i++)
		wanted_gpu_done(&layout->wanted[i]);
	*layout = (struct layout){ 0 };
}

static int find_schema(
	const struct yaml_node *root, const struct layout_schema **ret_schema, struct error *err)
{
	const struct yaml_node *version = yaml_get(root, "version");
	const char *text;
	int r = yaml_want(root, YAML_MAP, "a layout file", err);

	if (r < 0)
		return r;
	if (!version)
		return yaml_error(root, err, -EINVAL,
			"no 'version' in this file: write 'version: carve/v1' (mig-parted's files "
			"have "
			"'version: v1')");
	r = yaml_word(version, "version", &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
		/* Two tools of NVIDIA's have the same version: their keys tell them apart. */
		if (!text_eq(text, schemas[i]->version) ||
			(schemas[i] == &layout_schema_vgpu && !yaml_get(root, schemas[i]->key)))
			continue;
		*ret_schema = schemas[i];
		return schemas[i]->check_root(root, err);
	}
	return yaml_error(version, err, -EINVAL,
		"unknown version '%.60s': carve/v1 is Carve's own, v1 is mig-parted's "
		"and vgpu-device-manager's",
		text);
}

/* The names of the file's layouts, cut to what fits a sentence. */
static void add_names(struct buf *to, const struct yaml_node *layouts)
{
	for (size_t i = 0; i < layouts->n; i++) {
		if (to->length > 300) {
			buf_addf(to, " and %zu more", layouts->n - i);
			return;
		}
		buf_addf(to, "%s%s", i ? ", " : "", layouts->key[i]->text);
	}
}

static int find_layout(
	const struct yaml_node *layouts, const char *name, size_t *ret_index, struct error *err)
{
	AUTO_BUF names = { 0 };
	const char *nearest, **keys;

	if (!name && layouts->n == 1) {
		*ret_index = 0;
		return 0;
	}
	for (size_t i = 0; name && i < layouts->n; i++) {
		if (text_eq(layouts->key[i]->text, name)) {
			*ret_index = i;
			return 0;
		}
	}
	add_names(&names, layouts);
	if (!name)
		return yaml_error(layouts, err, -EINVAL,
			"which layout? this file has %s: choose one by its name (--layout NAME)",
			buf_text(&names));
	keys = must_alloc(layouts->n, sizeof(*keys));
	for (size_t i = 0; i < layouts->n; i++)
		keys[i] = layouts->key[i]->text;
	nearest = text_nearest(name, keys, layouts->n);
	free(keys);
	if (nearest)
		return yaml_error(layouts, err, -EINVAL,
			"no layout '%.60s' in this file: did you mean '%.60s'?", name, nearest);
	return yaml_error(layouts, err, -EINVAL, "no layout '%.60s' in this file: it has %s", name,
		buf_text(&names));
}

static int read_file(const struct yaml_node *root, const char *name, struct layout_reader *reader,
	struct layout *layout)
{
	const struct layout_schema *schema = NULL;
	const struct yaml_node *layouts;
	size_t chosen = 0;
	int r = find_schema(root, &schema, reader->err);

	if (r < 0)
		return r;
	layouts = yaml_get(root, schema->key);
	if (!layouts)
		return yaml_error(root, reader->err, -EINVAL, "no '%s' in this file", schema->key);
	r = yaml_want(layouts, YAML_MAP, schema->key, reader->err);
	if (r < 0)
		return r;
	if (layouts->n == 0)
		return yaml_error(
			layouts, reader->err, -EINVAL, "there is nothing in '%s'", schema->key);
	r = find_layout(layouts, name, &chosen, reader->err);
	if (r < 0)
		return r;
	if (text_copy(layout->name, sizeof(layout->name), layouts->key[chosen]->text) < 0)
		return yaml_error(layouts->key[chosen], reader->err, -EINVAL,
			"a layout's name has at most %zu bytes", sizeof(layout->name) - 1);
	for (size_t i = 0; i < layouts->n && r == 0; i++) {
		reader->layout = i == chosen ? layout : NULL;
		r = schema->read(reader, layouts->item[i]);
	}
	return r;
}

int layout_parse(const char *file, const char *text, size_t length, const char *name,
	const struct gpu *gpus, unsigned n_gpus, struct layout *ret_layout, struct error *err)
{
	struct layout_reader reader = { .gpus = gpus, .n_gpus = n_gpus, .err = err };
	struct layout layout = { .n_gpus = n_gpus };
	AUTO_YAML *yaml = NULL;
	int r;

	if (n_gpus > GPUS_MAX)
		return error_set(err, -E2BIG, "more than %d GPUs", GPUS_MAX);
	r = yaml_load(file, text, length, &yaml, err);
	if (r < 0)
		return r;
	if (!yaml_root(yaml) || yaml_is_nothing(yaml_root(yaml)))
		return error_set(err, -EINVAL,
			"%s: this file is empty: a layout begins with 'version: carve/v1'", file);
	r = read_file(yaml_root(yaml), name, &reader, &layout);
	if (r < 0) {
		layout_done(&layout);
		return r;
	}
	*ret_layout = layout;
	return 0;
}
