/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's tree of objects is asked, and not the guest's view of its buses (query-pci): that is
 * empty until the guest's firmware has numbered them.
 */
#include "adapters/hotplug.h"
#include "adapters/qmp.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "client/json.h"

#include <errno.h>

/* Where devices are: those with an id, and those without. */
static const char *const containers[] = { "/machine/peripheral", "/machine/peripheral-anon" };

static int list(struct qmp *qmp, const char *path, uint64_t deadline_ns, json_t **ret_list,
	struct error *err)
{
	return qmp_ask(
		qmp, "qom-list", json_pack("{ss}", "path", path), deadline_ns, ret_list, err);
}

static json_t *property(struct qmp *qmp, const char *path, const char *name, uint64_t deadline_ns)
{
	json_t *value = NULL;

	/* What a QEMU does not know, it does not have. */
	if (qmp_ask(qmp, "qom-get", json_pack("{ss ss}", "path", path, "property", name),
		    deadline_ns, &value, NULL) != 0)
		return NULL;
	return value;
}

static bool is_port(const json_t *item)
{
	const char *type = json_text(item, "type");

	return text_eq(type, "child<pcie-root-port>") || text_eq(type, "child<ioh3420>") ||
	       text_eq(type, "child<xio3130-downstream>");
}

/* The bus that a port makes: its child of that type. */
static int find_bus(struct qmp *qmp, const char *port, uint64_t deadline_ns,
	char ret_bus[HOTPLUG_BUS_MAX], struct error *err)
{
	AUTO_JSON *children = NULL;
	const json_t *child;
	size_t i;
	int r = list(qmp, port, deadline_ns, &children, err);

	if (r != 0)
		return r;
	json_array_foreach(children, i, child) if (text_eq(json_text(child, "type"),
							   "child<PCIE>")) return text_copy(ret_bus,
		HOTPLUG_BUS_MAX, json_text(child, "name"));
	return -ENOENT;
}

/* 1 if nothing is on the bus, 0 if something is. */
static int is_empty(struct qmp *qmp, const char *bus, uint64_t deadline_ns, struct error *err)
{
	AUTO_JSON *children = NULL;
	const json_t *child;
	size_t i;
	int r = list(qmp, bus, deadline_ns, &children, err);

	if (r != 0)
		return r < 0 ? r : 0;
	json_array_foreach(
		children, i, child) if (text_starts(json_text(child, "name"), "child[")) return 0;
	return 1;
}

/* 1 with the port if a device can be put there now, else 0. */
static int look_at_port(struct qmp *qmp, const char *path, uint64_t deadline_ns,
	struct hotplug_port *ret_port, struct error *err)
{
	AUTO_FREE char *bus = NULL;
	AUTO_JSON *takes = NULL, *window = NULL;
	int r = find_bus(qmp, path, deadline_ns, ret_port->bus, err);

	if (r != 0)
		return r == -ENOENT || r == -ENAMETOOLONG || r > 0 ? 0 : r;
	bus = must_asprintf("%s/%s", path, ret_port->bus);
	r = is_empty(qmp, bus, deadline_ns, err);
	if (r != 1)
		return r;
	takes = property(qmp, path, "hotplug", deadline_ns);
	if (json_is_false(takes))
		return 0;
	window = property(qmp, path, "pref64-reserve", deadline_ns);
	/* All bits set: not said. */
	ret_port->window_bytes =
		json_number_value(window) < 1e18 ? (uint64_t)json_number_value(window) : 0;
	return 1;
}

/* The ports of one container; *found is set once there is one, true is returned at one that is
 * large enough. */
static int look_in(struct qmp *qmp, const char *container, uint64_t mmio_bytes,
	uint64_t deadline_ns, bool *found, struct hotplug_port *best, struct error *err)
{
	AUTO_JSON *items = NULL;
	const json_t *item;
	size_t i;
	int r = list(qmp, container, deadline_ns, &items, err);

	if (r != 0)
		return r < 0 ? r : 0;
	json_array_foreach(items, i, item)
	{
		AUTO_FREE char *path = must_asprintf("%s/%s", container, json_text(item, "name"));
		struct hotplug_port port = { .window_bytes = 0 };

		r = is_port(item) ? look_at_port(qmp, path, deadline_ns, &port, err) : 0;
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (!*found || port.window_bytes >= mmio_bytes)
			*best = port;
		*found = true;
		if (port.window_bytes >= mmio_bytes)
			return 1;
	}
	return 0;
}

int hotplug_find_port(struct qmp *qmp, uint64_t mmio_bytes, uint64_t deadline_ns,
	struct hotplug_port *ret_port, struct error *err)
{
	struct hotplug_port best;
	bool found = false;
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(containers) && r == 0; i++)
		r = look_in(qmp, containers[i], mmio_bytes, deadline_ns, &found, &best, err);
	if (r < 0)
		return r;
	if (!found)
		return error_set(err, -ENOSPC,
			"the virtual machine has no free PCIe root port that takes a device while "
			"it runs: start it with one (carve show LEASE --as qemu has the line), or "
			"name another bus of it with --bus");
	*ret_port = best;
	return 0;
}
