/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPUs an entry is for, as NVIDIA's own files say it: mig-parted's and vgpu-device-manager's.
 */
#include "base/error.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>
#include <stdlib.h>

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
	struct layout_reader *reader, const struct yaml_node *node, struct layout_devices *devices)
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
	devices->is_filtered = true;
	for (unsigned i = 0; reader->layout && i < reader->n_gpus; i++) {
		if (reader->gpus[i].facts.pci_device != id)
			continue;
		if (has_subsystem)
			return yaml_error(node, reader->err, -EINVAL,
				"device-filter '%.60s': this version does not tell GPUs apart by "
				"their "
				"subsystem; write the id before the colon alone",
				node->text);
		devices->filtered |= 1u << i;
	}
	return 0;
}

static int read_filters(
	struct layout_reader *reader, const struct yaml_node *node, struct layout_devices *devices)
{
	int r = 0;

	if (node->kind == YAML_TEXT && !*node->text)
		return 0;
	if (node->kind != YAML_LIST)
		return read_filter(reader, node, devices);
	for (size_t i = 0; i < node->n && r == 0; i++)
		r = read_filter(reader, node->item[i], devices);
	return r;
}

static int read_indices(
	struct layout_reader *reader, const struct yaml_node *node, struct layout_devices *devices)
{
	if (node->kind == YAML_TEXT && text_eq(node->text, "all")) {
		devices->is_all = true;
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
			devices->devices |= 1u << index;
	}
	return 0;
}

int layout_devices_read(struct layout_reader *reader, const struct yaml_node *entry,
	struct layout_devices *ret_devices)
{
	const struct yaml_node *filter = yaml_get(entry, "device-filter");
	int r = read_indices(reader, yaml_get(entry, "devices"), ret_devices);

	return r == 0 && filter ? read_filters(reader, filter, ret_devices) : r;
}

bool layout_devices_has(const struct layout_devices *devices, unsigned index)
{
	return (devices->is_all || (devices->devices >> index & 1)) &&
	       (!devices->is_filtered || (devices->filtered >> index & 1));
}
