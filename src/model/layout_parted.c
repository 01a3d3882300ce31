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
#include <stdlib.h>

struct entry {
	bool is_all, is_filtered;
	uint32_t devices;  /* mask of indices, where not all */
	uint32_t filtered; /* mask of the GPUs that the filter lets through */
	struct asked asked;
};

/* "0x20B010DE", with a second such word for the subsystem behind a colon. */
static int parse_device(const char *text, uint32_t *ret_id, bool *ret_has_subsystem)
{
	unsigned long long id;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	id = strtoull(text, &end, 0);
	if (errno || id > UINT32_MAX)
		return -EINVAL;
	*ret_has_subsystem = *end == ':';
	if (*end == ':') {
		if (end[1] < '0' || end[1] > '9')
			return -EINVAL;
		strtoull(end + 1, &end, 0);
	}
	if (*end)
		return -EINVAL;
	*ret_id = (uint32_t)id;
	return 0;
}

static int read_filter(
	struct layout_reader *reader, const struct yaml_node *node, struct entry *entry)
{
	bool has_subsystem;
	uint32_t id;
	int r = yaml_want(node, YAML_TEXT, "device-filter", reader->err);

	if (r < 0)
		return r;
	if (parse_device(node->text, &id, &has_subsystem) < 0)
		return yaml_error(node, reader->err, -EINVAL,
			"device-filter '%.60s' is not a PCI device and vendor id such as "
			"0x233010DE",
			node->text);
	entry->is_filtered = true;
	for (unsigned i = 0; reader->layout && i < reader->n_gpus; i++) {
		if (reader->gpus[i].facts.pci_device != id)
			continue;
		if (has_subsystem)
			return yaml_error(node, reader->err, -EINVAL,
				"device-filter '%.60s': this version does not tell GPUs apart by "
				"their "
				"subsystem; write the id before the colon alone",
				node->text);
		entry->filtered |= 1u << i;
	}
	return 0;
}

static int read_filters(
	struct layout_reader *reader, const struct yaml_node *node, struct entry *entry)
{
	int r = 0;

	if (node->kind == YAML_TEXT && !*node->text)
		return 0;
	if (node->kind != YAML_LIST)
		return read_filter(reader, node, entry);
	for (size_t i = 0; i < node->n && r == 0; i++)
		r = read_filter(reader, node->item[i], entry);
	return r;
}

static int read_devices(
	struct layout_reader *reader, const struct yaml_node *node, struct entry *entry)
{
	if (node->kind == YAML_TEXT && text_eq(node->text, "all")) {
		entry->is_all = true;
		return 0;
	}
	if (node->kind != YAML_LIST)
		return yaml_error(node, reader->err, -EINVAL,
			"devices must be all or a list of GPU indices such as [0, 1]");
	for (size_t i = 0; i < node->n; i++) {
		uint64_t index;
		int r = yaml_number(node->item[i], "a device", 0, INT32_MAX, &index, reader->err);

		if (r < 0)
			return r;
		if (index < GPUS_MAX)
			entry->devices |= 1u << index;
	}
	return 0;
}

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
	const struct yaml_node *filter = yaml_get(node, keys[0]),
			       *devices = yaml_get(node, keys[1]),
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
		r = read_devices(reader, devices, entry);
	if (r == 0 && filter)
		r = read_filters(reader, filter, entry);
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

		if (!entry->is_all && !(entry->devices >> i & 1))
			continue;
		if (entry->is_filtered && !(entry->filtered >> i & 1))
			continue;
		if (!reader->gpus[i].facts.has_mig && (entry->is_all || !entry->asked.mig_on))
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
	const struct yaml_node *vgpu = yaml_get(root, "vgpu-configs");

	if (vgpu)
		return yaml_error(vgpu, err, -EINVAL,
			"this is a file of vgpu-device-manager: this version makes MIG shares "
			"only, "
			"virtual functions come with a later one");
	return yaml_keys(root, "mig-parted's file", keys, ARRAY_SIZE(keys), err);
}

const struct layout_schema layout_schema_parted = {
	.version = "v1",
	.key = "mig-configs",
	.check_root = check_root,
	.read = read_config,
};
