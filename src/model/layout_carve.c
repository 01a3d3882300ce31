/* SPDX-License-Identifier: Apache-2.0 */
/* Carve's own layouts, "version: carve/v1": docs/layouts.md. */
#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>

static const char later[] = "this version makes MIG and MPS shares and virtual functions; time "
			    "shares come with a later one";

/* "3g.40gb@4", "1g.10gb*2", "1c.3g.40gb@4*3". */
static int read_word(const struct yaml_node *node, struct asked_share *ret_share, struct error *err)
{
	struct asked_share share = { .at = -1, .count = 1, .node = node };
	char name[MIG_NAME_MAX + 3];
	size_t n = strcspn(node->text, "@*");
	const char *p = node->text + n;
	bool has_count = false;

	if (n >= sizeof(name))
		goto bad;
	memcpy(name, node->text, n);
	name[n] = '\0';
	if (profile_name_parse(name, &share.profile) < 0)
		goto bad;
	while (*p) {
		char sign = *p++, digits[4];
		uint32_t number;

		n = strspn(p, "0123456789");
		if (n == 0 || n >= sizeof(digits))
			goto bad;
		memcpy(digits, p, n);
		digits[n] = '\0';
		if (parse_u32(digits, &number) < 0 || (sign == '@' ? share.at >= 0 : has_count) ||
			(sign == '*' && number == 0) || (sign != '@' && sign != '*'))
			goto bad;
		if (sign == '@')
			share.at = (int)number;
		else
			share.count = number;
		has_count |= sign == '*';
		p += n;
	}
	*ret_share = share;
	return 0;
bad:
	return yaml_error(node, err, -EINVAL,
		"'%.60s' is not how an instance is written: PROFILE, PROFILE@SLOT, PROFILE*COUNT, "
		"for "
		"example 3g.40gb@4, 1g.10gb*2 or 1c.3g.40gb*3; or dynamic",
		node->text);
}

/* {profile: 1g.10gb, count: 2, at: 4, dynamic: true} */
static int read_mapping(
	const struct yaml_node *node, struct asked_share *ret_share, struct error *err)
{
	static const char *const keys[] = { "profile", "count", "at", "dynamic", "mps" };
	const struct yaml_node *profile = yaml_get(node, "profile"),
			       *count = yaml_get(node, "count"), *at = yaml_get(node, "at"),
			       *dynamic = yaml_get(node, "dynamic");
	struct asked_share share = { .at = -1, .node = node };
	uint64_t n = 1, slot = 0;
	const char *text;
	int r = yaml_keys(node, "an instance", keys, ARRAY_SIZE(keys), err);

	if (r < 0)
		return r;
	if (!profile)
		return yaml_error(node, err, -EINVAL, "an instance needs a 'profile'");
	r = yaml_word(profile, "profile", &text, err);
	if (r == 0 && profile_name_parse(text, &share.profile) < 0)
		return yaml_error(profile, err, -EINVAL,
			"'%.60s' is not written as MIG profiles are, for "
			"example " PROFILE_NAME_EXAMPLES,
			text);
	if (r == 0 && count)
		r = yaml_number(count, "count", 1, 128, &n, err);
	if (r == 0 && at)
		r = yaml_number(at, "at", 0, MIG_SLOTS_MAX - 1, &slot, err);
	if (r == 0 && dynamic)
		r = yaml_truth(dynamic, "dynamic", &share.is_dynamic, err);
	if (r < 0)
		return r;
	share.count = (unsigned)n;
	if (at)
		share.at = (int)slot;
	*ret_share = share;
	return 0;
}

static int read_instance(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	const struct yaml_node *mps = NULL;
	struct asked_share share;
	int r;

	if (node->kind == YAML_TEXT && text_eq(node->text, "dynamic")) {
		asked->is_dynamic = true;
		return 0;
	}
	if (node->kind == YAML_LIST)
		return yaml_want(node, YAML_TEXT, "an instance", reader->err);
	r = node->kind == YAML_TEXT ? read_word(node, &share, reader->err)
				    : read_mapping(node, &share, reader->err);
	if (r < 0)
		return r;
	if (node->kind == YAML_MAP)
		mps = yaml_get(node, "mps");
	share.mps.first = asked->n_mps;
	if (mps)
		r = layout_mps_read(reader, mps, asked);
	if (r < 0)
		return r;
	share.mps.n = asked->n_mps - share.mps.first;
	if (asked->n_shares == ASKED_SHARES_MAX)
		return yaml_error(node, reader->err, -E2BIG, "no GPU holds that many instances");
	asked->share[asked->n_shares++] = share;
	return 0;
}

static int read_mig(struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	int r = 0;

	asked->node = node;
	asked->says_mig = true;
	if (yaml_is_truth(node, false))
		return 0;
	asked->mig_on = true;
	if (node->kind == YAML_MAP || yaml_is_nothing(node) || yaml_is_truth(node, true))
		return yaml_error(node, reader->err, -EINVAL,
			"mig must be a list of instances such as [3g.40gb@4, 1g.10gb*2], [] for "
			"MIG mode "
			"without any, or off");
	if (node->kind == YAML_TEXT)
		r = read_instance(reader, node, asked);
	else
		for (size_t i = 0; i < node->n && r == 0; i++)
			r = read_instance(reader, node->item[i], asked);
	/* "dynamic" may stand anywhere in the list and is said of all of it. */
	for (unsigned i = 0; i < asked->n_shares; i++)
		asked->share[i].is_dynamic |= asked->is_dynamic;
	return r;
}

/* True if the pattern is the product's name, with or without the vendor before it. */
static bool is_product(const char *product, const char *pattern)
{
	static const char vendor[] = "NVIDIA ";

	return text_matches(product, pattern) ||
	       (text_starts(product, vendor) && text_matches(product + strlen(vendor), pattern));
}

static int no_product(
	struct layout_reader *reader, const struct yaml_node *node, const char *pattern)
{
	AUTO_BUF wider = { 0 }, products = { 0 };

	buf_addf(&wider, "*%s*", pattern);
	for (unsigned i = 0; i < reader->n_gpus; i++) {
		const char *product = reader->gpus[i].facts.product;

		if (text_matches(product, buf_text(&wider)))
			return yaml_error(node, reader->err, -ENODEV,
				"no GPU of this node is a '%.60s': did you mean '*%.60s*' (%s)?",
				pattern, pattern, product);
		if (!strstr(buf_text(&products), product))
			buf_addf(&products, "%s%s", products.length ? ", " : "", product);
	}
	return yaml_error(node, reader->err, -ENODEV, "no GPU of this node is a '%.60s': it has %s",
		pattern, products.length ? buf_text(&products) : "none");
}

static int select_product(
	struct layout_reader *reader, const struct yaml_node *node, uint32_t *ret_mask)
{
	const char *pattern;
	uint32_t mask = 0;
	int r = yaml_word(node, "product", &pattern, reader->err);

	if (r < 0 || !reader->layout)
		return r;
	for (unsigned i = 0; i < reader->n_gpus; i++)
		if (is_product(reader->gpus[i].facts.product, pattern))
			mask |= 1u << i;
	if (!mask)
		return no_product(reader, node, pattern);
	*ret_mask = mask;
	return 0;
}

static int select_one(struct layout_reader *reader, const struct yaml_node *node, uint32_t *mask)
{
	const char *name;
	unsigned index;
	int r = yaml_word(node, "a GPU", &name, reader->err);

	if (r < 0 || !reader->layout)
		return r;
	r = gpu_find(reader->gpus, reader->n_gpus, name, &index, reader->err);
	if (r < 0)
		return yaml_error_prefix(node, reader->err, r);
	*mask |= 1u << index;
	return 0;
}

static int select_by(struct layout_reader *reader, const struct yaml_node *map, uint32_t *mask)
{
	static const char *const keys[] = { "product", "pci", "uuid" };
	int r = yaml_keys(map, "gpus", keys, ARRAY_SIZE(keys), reader->err);

	if (r < 0)
		return r;
	if (map->n != 1)
		return yaml_error(map, reader->err, -EINVAL,
			"gpus takes one of {product: PATTERN}, {pci: ADDRESS} and {uuid: UUID}");
	if (text_eq(map->key[0]->text, "product"))
		return select_product(reader, map->item[0], mask);
	return select_one(reader, map->item[0], mask);
}

static int select_gpus(struct layout_reader *reader, const struct yaml_node *node, uint32_t *mask)
{
	int r = 0;

	if (node->kind == YAML_MAP)
		return select_by(reader, node, mask);
	if (node->kind == YAML_TEXT)
		return select_one(reader, node, mask);
	if (node->n == 0)
		return yaml_error(node, reader->err, -EINVAL,
			"gpus: [] names no GPU: write all, or a list of indices, uuids or PCI "
			"addresses");
	for (size_t i = 0; i < node->n && r == 0; i++)
		r = select_one(reader, node->item[i], mask);
	return r;
}

/* `mps` beside `gpus` is of the GPUs themselves; `over-commit` of all MPS shares of the entry. */
static int read_entry_mps(
	struct layout_reader *reader, const struct yaml_node *entry, struct asked *asked)
{
	const struct yaml_node *mps = yaml_get(entry, "mps"),
			       *over_commit = yaml_get(entry, "over-commit");
	int r = 0;

	asked->own_mps.first = asked->n_mps;
	if (mps)
		r = layout_mps_read(reader, mps, asked);
	asked->own_mps.n = asked->n_mps - asked->own_mps.first;
	if (r == 0 && over_commit)
		r = yaml_truth(over_commit, "over-commit", &asked->over_commit, reader->err);
	if (r < 0)
		return r;
	if (over_commit && asked->n_mps == 0)
		return yaml_error(over_commit, reader->err, -EINVAL,
			"over-commit is said of MPS shares, and this entry has none");
	if (asked->own_mps.n && asked->mig_on)
		return yaml_error(mps, reader->err, -EINVAL,
			"mps beside mig would share the GPU itself, which MIG mode has cut up: "
			"write it inside an instance, {profile: 3g.40gb, mps: [...]}, or 'mig: "
			"off'");
	if (mps && !asked->own_mps.n && !yaml_get(entry, "mig") && !yaml_get(entry, "vf"))
		return yaml_error(mps, reader->err, -EINVAL,
			"without MPS shares, what is wanted of MIG? write 'mig: off' or 'mig: "
			"[...]' beside it");
	return 0;
}

/* `vfs` says how many are on, `vf` what they are. */
static int read_entry_vfs(
	struct layout_reader *reader, const struct yaml_node *entry, struct asked *asked)
{
	const struct yaml_node *vf = yaml_get(entry, "vf"), *count = yaml_get(entry, "vfs");
	int r = 0;

	asked->vf_node = vf ?: count;
	if (vf)
		r = layout_vf_read(reader, vf, asked);
	if (r == 0 && count)
		r = layout_vf_count_read(reader, count, asked);
	if (r < 0)
		return r;
	if (asked->n_mps && (asked->n_vfs || asked->vf_count))
		return yaml_error(asked->vf_node, reader->err, -EINVAL,
			"a GPU is shared by MPS or by virtual functions: leave mps or vf out");
	return 0;
}

/* "all" means the GPUs that can do what the entry asks: one that was named is refused instead. */
static bool is_in_all(const struct gpu *gpu, const struct asked *asked, bool says_mps)
{
	if (asked->own_mps.n)
		return mps_is_possible(gpu);
	if (asked->has_vfs)
		return layout_vf_is_possible(gpu);
	return gpu->facts.has_mig || (says_mps && !asked->mig_on && gpu->n_mps);
}

static int read_entry(struct layout_reader *reader, const struct yaml_node *entry)
{
	static const char *const keys[] = { "gpus", "mig", "mps", "over-commit", "vf", "vfs",
		"time" };
	const struct yaml_node *gpus = yaml_get(entry, "gpus"), *mig = yaml_get(entry, "mig"),
			       *later_key = yaml_get(entry, "time"), *mps;
	struct asked asked = { 0 };
	bool is_all;
	uint32_t mask = 0;
	int r = yaml_want(entry, YAML_MAP, "an entry of a layout", reader->err);

	if (r == 0)
		r = yaml_keys(entry, "an entry of a layout", keys, ARRAY_SIZE(keys), reader->err);
	if (r < 0)
		return r;
	mps = yaml_get(entry, "mps");
	if (!gpus)
		return yaml_error(entry, reader->err, -EINVAL,
			"for which GPUs? write 'gpus: all', or a list of indices, uuids or PCI "
			"addresses");
	if (later_key && reader->layout)
		return yaml_error(later_key, reader->err, -EINVAL, "time: %s", later);
	if (!mig && !mps && !yaml_get(entry, "vf") && !yaml_get(entry, "vfs") && !later_key)
		return yaml_error(entry, reader->err, -EINVAL,
			"what is wanted on these GPUs? write 'mig: [...]', 'mps: [...]', 'vf: "
			"[...]' or 'mig: off'");
	is_all = gpus->kind == YAML_TEXT && text_eq(gpus->text, "all");
	if (!is_all)
		r = select_gpus(reader, gpus, &mask);
	if (r == 0 && mig)
		r = read_mig(reader, mig, &asked);
	if (r == 0)
		r = read_entry_mps(reader, entry, &asked);
	if (r == 0)
		r = read_entry_vfs(reader, entry, &asked);
	for (unsigned i = 0; reader->layout && i < reader->n_gpus && r == 0; i++) {
		if (is_all ? is_in_all(&reader->gpus[i], &asked, mps != NULL) : mask >> i & 1)
			r = layout_want(reader, i, &asked);
	}
	return r;
}

static int read_layout(struct layout_reader *reader, const struct yaml_node *layout)
{
	int r = yaml_want(layout, YAML_LIST, "a layout", reader->err);

	for (size_t i = 0; r == 0 && i < layout->n; i++)
		r = read_entry(reader, layout->item[i]);
	return r;
}

static int check_root(const struct yaml_node *root, struct error *err)
{
	static const char *const keys[] = { "version", "layouts" };

	return yaml_keys(root, "a layout file", keys, ARRAY_SIZE(keys), err);
}

const struct layout_schema layout_schema_carve = {
	.version = "carve/v1",
	.key = "layouts",
	.check_root = check_root,
	.read = read_layout,
};
