/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mig-parted's files, "version: v1", with its meaning: entries apply in order and a later one
 * replaces what an earlier one wanted on a GPU; an entry that matches no GPU of this node says
 * nothing; GPUs that cannot do MIG are passed over where "all" are meant or MIG is to be off.
 */
#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>

struct entry {
	struct layout_devices devices;
	struct asked asked;
};

static int read_mig_devices(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	int r = yaml_want(node, YAML_MAP, "mig-devices", reader->err);

	for (size_t i = 0; r == 0 && i < node->n; i++) {
		struct asked_share share = { .at = -1, .node = node->key[i] };
		uint64_t count;

		if (profile_name_parse(node->key[i]->text, &share.profile) < 0)
			return yaml_error(node->key[i], reader->err, -EINVAL,
				"'%.60s' is not written as MIG profiles are, for "
				"example " PROFILE_NAME_EXAMPLES,
				node->key[i]->text);
		r = yaml_number(
			node->item[i], node->key[i]->text, 0, INT32_MAX, &count, reader->err);
		if (r < 0 || count == 0)
			continue;
		if (asked->n_shares == ASKED_SHARES_MAX)
			return yaml_error(
				node, reader->err, -E2BIG, "no GPU holds that many profiles");
		share.count = (unsigned)count;
		asked->share[asked->n_shares++] = share;
	}
	if (r == 0 && node->n && !asked->n_shares)
		return yaml_error(node, reader->err, -EINVAL,
			"all counts are 0: write 'mig-devices: {}' for no instances");
	return r;
}

static int read_entry(
	struct layout_reader *reader, const struct yaml_node *node, struct entry *entry)
{
	static const char *const keys[] = { "device-filter", "devices", "mig-enabled",
		"mig-devices" };
	const struct yaml_node *devices = yaml_get(node, keys[1]),
			       *enabled = yaml_get(node, keys[2]), *mig = yaml_get(node, keys[3]);
	int r = yaml_want(node, YAML_MAP, "an entry of a config", reader->err);

	if (r == 0)
		r = yaml_keys(node, "an entry of a config", keys, ARRAY_SIZE(keys), reader->err);
	if (r < 0)
		return r;
	if (!devices || !enabled)
		return yaml_error(node, reader->err, -EINVAL, "an entry of a config needs '%s'",
			devices ? "mig-enabled" : "devices");
	entry->asked.node = node;
	r = yaml_truth(enabled, "mig-enabled", &entry->asked.mig_on, reader->err);
	if (r == 0)
		r = layout_devices_read(reader, node, &entry->devices);
	if (r == 0 && mig && !yaml_is_nothing(mig))
		r = read_mig_devices(reader, mig, &entry->asked);
	if (r < 0)
		return r;
	if (entry->asked.mig_on && (!mig || yaml_is_nothing(mig)))
		return yaml_error(node, reader->err, -EINVAL,
			"'mig-enabled: true' needs 'mig-devices' ({} for none)");
	if (!entry->asked.mig_on && entry->asked.n_shares)
		return yaml_error(mig, reader->err, -EINVAL,
			"mig-devices with 'mig-enabled: false': leave one of them out");
	return 0;
}

static int apply_entry(struct layout_reader *reader, const struct entry *entry)
{
	for (unsigned i = 0; i < reader->n_gpus; i++) {
		int r;

		if (!layout_devices_has(&entry->devices, i))
			continue;
		if (!reader->gpus[i].facts.has_mig &&
			(entry->devices.is_all || !entry->asked.mig_on))
			continue;
		r = layout_want(reader, i, &entry->asked);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_config(struct layout_reader *reader, const struct yaml_node *config)
{
	int r = yaml_want(config, YAML_LIST, "a config", reader->err);

	if (r == 0 && config->n == 0)
		return yaml_error(
			config, reader->err, -EINVAL, "a config needs at least one entry");
	for (size_t i = 0; r == 0 && i < config->n; i++) {
		struct entry entry = { 0 };

		r = read_entry(reader, config->item[i], &entry);
		if (r == 0 && reader->layout)
			r = apply_entry(reader, &entry);
	}
	return r;
}

static int check_root(const struct yaml_node *root, struct error *err)
{
	static const char *const keys[] = { "version", "mig-configs" };

	return yaml_keys(root, "mig-parted's file", keys, ARRAY_SIZE(keys), err);
}

const struct layout_schema layout_schema_parted = {
	.version = "v1",
	.key = "mig-configs",
	.check_root = check_root,
	.read = read_config,
};
