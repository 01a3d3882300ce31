/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of workloads: a list under `workloads`, each a mapping whose keys are the options of
 * `carve advise`, and `name`.
 */
#include "cli/advise.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "model/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { FILE_MAX = 512 * 1024, WORKLOADS_MAX = 256 };

/* The row of an option that a workload may have, or NULL. */
static const struct request_option_row *row_find(const char *name)
{
	static const char *const not_here[] = { "explain", "gpu", "wait", "no-wait" };

	for (size_t i = 0; i < ARRAY_SIZE(not_here); i++)
		if (text_eq(not_here[i], name))
			return NULL;
	for (unsigned i = 0; i < request_options_n; i++)
		if (text_eq(request_options[i].name, name))
			return &request_options[i];
	for (const struct request_option_row *row = advice_options; row->name; row++)
		if (text_eq(row->name, name))
			return row;
	return NULL;
}

static int say_unknown(const struct yaml_node *key, struct error *err)
{
	const char *names[64], *near;
	unsigned n = 0;

	names[n++] = "name";
	for (unsigned i = 0; i < request_options_n; i++)
		if (row_find(request_options[i].name))
			names[n++] = request_options[i].name;
	for (const struct request_option_row *row = advice_options; row->name; row++)
		names[n++] = row->name;
	near = text_nearest(key->text, names, n);
	return yaml_error(key, err, -EINVAL, "a workload has no '%s'%s%s%s", key->text,
		near ? ": did you mean " : ": see 'carve advise --help'", near ?: "",
		near ? "?" : "");
}

static int read_option(struct advice_need *need, const struct yaml_node *key,
	const struct yaml_node *value, struct error *err)
{
	const struct request_option_row *row = row_find(key->text);
	const char *text = NULL;
	bool is_on = true;
	int r;

	if (text_eq(key->text, "name")) {
		r = yaml_word(value, "name", &text, err);
		return r < 0 ? r : (text_copy(need->name, sizeof(need->name), text), 0);
	}
	if (!row)
		return say_unknown(key, err);
	r = row->argument ? yaml_word(value, key->text, &text, err)
			  : yaml_truth(value, key->text, &is_on, err);
	if (r < 0 || !is_on)
		return r;
	r = advice_need_option(need, key->text, text, err);
	if (r == REQUEST_E_UNKNOWN)
		r = request_option(&need->request, key->text, text, err);
	return r < 0 ? yaml_error_prefix(value, err, r) : 0;
}

static int read_workload(
	const struct yaml_node *workload, struct advice_need *ret_need, struct error *err)
{
	int r = yaml_want(workload, YAML_MAP, "a workload", err);

	advice_need_init(ret_need);
	for (size_t i = 0; r == 0 && i < workload->n; i++)
		r = read_option(ret_need, workload->key[i], workload->item[i], err);
	if (r < 0)
		return r;
	r = advice_need_check(ret_need, err);
	return r < 0 ? yaml_error_prefix(workload, err, r) : 0;
}

static int read_list(const struct yaml *yaml, const char *path, struct advice_need **ret_needs,
	unsigned *ret_n, struct error *err)
{
	static const char *const keys[] = { "version", "workloads" };
	const struct yaml_node *root = yaml_root(yaml), *list;
	AUTO_FREE struct advice_need *needs = NULL;
	int r;

	if (!root)
		return error_set(
			err, -EINVAL, "%s is empty: it should have a list 'workloads'", path);
	r = yaml_want(root, YAML_MAP, "a file of workloads", err);
	if (r == 0)
		r = yaml_keys(root, "a file of workloads", keys, ARRAY_SIZE(keys), err);
	if (r < 0)
		return r;
	list = yaml_get(root, "workloads");
	if (!list)
		return yaml_error(root, err, -EINVAL, "there is no list 'workloads'");
	r = yaml_want(list, YAML_LIST, "workloads", err);
	if (r < 0)
		return r;
	if (list->n < 1 || list->n > WORKLOADS_MAX)
		return yaml_error(list, err, -EINVAL,
			"workloads has %zu items: 1 to %d can be judged", list->n, WORKLOADS_MAX);
	needs = must_alloc(list->n, sizeof(*needs));
	for (size_t i = 0; i < list->n; i++) {
		r = read_workload(list->item[i], &needs[i], err);
		if (r < 0)
			return r;
	}
	*ret_n = (unsigned)list->n;
	*ret_needs = TAKE_PTR(needs);
	return 0;
}

int advise_file(
	const char *path, struct advice_need **ret_needs, unsigned *ret_n, struct error *err)
{
	bool is_input = text_eq(path, "-");
	AUTO_FREE char *text = NULL;
	struct yaml *yaml = NULL;
	size_t length;
	int r = read_file_at(AT_FDCWD, is_input ? "/dev/stdin" : path, FILE_MAX, &text, &length);

	if (r == -EFBIG)
		return error_set(err, r, "%s is larger than %d KiB: that is no file of workloads",
			path, FILE_MAX / 1024);
	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", path, strerror(-r));
	r = yaml_load(is_input ? "standard input" : path, text, length, &yaml, err);
	if (r == 0)
		r = read_list(yaml, path, ret_needs, ret_n, err);
	yaml_free(yaml);
	return r;
}
