/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vgpu-device-manager's files, "version: v1" with "vgpu-configs", with its meaning: entries apply
 * in order and a later one replaces what an earlier one wanted on a GPU; an entry that matches no
 * GPU of this node says nothing; "all" means those that have virtual functions. What it leaves to
 * mig-parted comes with the types: MIG mode, and the instances of types backed by MIG.
 */
#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>

static int read_vgpus(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	int r = yaml_want(node, YAML_MAP, "vgpu-devices", reader->err);

	for (size_t i = 0; r == 0 && i < node->n; i++) {
		struct asked_vf line = { .number = -1, .node = node->key[i] };
		uint64_t count;

		r = yaml_word(node->key[i], "a type of vGPU", &line.type, reader->err);
		if (r == 0)
			r = yaml_number(node->item[i], node->key[i]->text, 0, INT32_MAX, &count,
				reader->err);
		if (r < 0 || count == 0)
			continue;
		if (asked->n_vfs == VFS_MAX || count > VFS_MAX)
			return yaml_error(
				node->key[i], reader->err, -E2BIG, "no GPU holds that many vGPUs");
		line.count = (unsigned)count;
		asked->vf[asked->n_vfs++] = line;
	}
	if (r == 0 && node->n && !asked->n_vfs)
		return yaml_error(node, reader->err, -EINVAL,
			"all counts are 0: write 'vgpu-devices: {}' for no vGPUs");
	return r;
}

static int read_entry(struct layout_reader *reader, const struct yaml_node *node)
{
	static const char *const keys[] = { "device-filter", "devices", "vgpu-devices" };
	const struct yaml_node *vgpus;
	struct layout_devices devices = { 0 };
	struct asked asked = { .has_vfs = true, .node = node };
	int r = yaml_want(node, YAML_MAP, "an entry of a config", reader->err);

	if (r == 0)
		r = yaml_keys(node, "an entry of a config", keys, ARRAY_SIZE(keys), reader->err);
	if (r < 0)
		return r;
	vgpus = yaml_get(node, keys[2]);
	if (!yaml_get(node, keys[1]) || !vgpus)
		return yaml_error(node, reader->err, -EINVAL, "an entry of a config needs '%s'",
			vgpus ? "devices" : "vgpu-devices");
	asked.vf_node = vgpus;
	r = layout_devices_read(reader, node, &devices);
	if (r == 0)
		r = read_vgpus(reader, vgpus, &asked);
	for (unsigned i = 0; reader->layout && i < reader->n_gpus && r == 0; i++) {
		if (!layout_devices_has(&devices, i) ||
			(devices.is_all && !layout_vf_is_possible(&reader->gpus[i])))
			continue;
		r = layout_want(reader, i, &asked);
	}
	return r;
}

static int read_config(struct layout_reader *reader, const struct yaml_node *config)
{
	int r = yaml_want(config, YAML_LIST, "a config", reader->err);

	if (r == 0 && config->n == 0)
		return yaml_error(
			config, reader->err, -EINVAL, "a config needs at least one entry");
	for (size_t i = 0; r == 0 && i < config->n; i++)
		r = read_entry(reader, config->item[i]);
	return r;
}

static int check_root(const struct yaml_node *root, struct error *err)
{
	static const char *const keys[] = { "version", "vgpu-configs" };

	return yaml_keys(root, "vgpu-device-manager's file", keys, ARRAY_SIZE(keys), err);
}

const struct layout_schema layout_schema_vgpu = {
	.version = "v1",
	.key = "vgpu-configs",
	.check_root = check_root,
	.read = read_config,
};
