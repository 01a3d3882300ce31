/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/hotplug.h"

#include "adapters/qmp.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "client/json.h"

#include <errno.h>

#define SECOND_NS 1000000000ULL

/* A refusal of QEMU's is passed on as a failure, in its words. */
static int as_failure(int r, const char *what, struct error *err)
{
	return r > 0 ? error_prefix(err, -EREMOTEIO, "QEMU refuses %s", what) : r;
}

/* 1 if a device with that id is in the virtual machine, 0 if not. */
static int is_there(struct qmp *qmp, const char *id, uint64_t deadline_ns, struct error *err)
{
	AUTO_JSON *devices = NULL;
	const json_t *device;
	size_t i;
	int r = qmp_ask(qmp, "qom-list", json_pack("{ss}", "path", "/machine/peripheral"),
		deadline_ns, &devices, err);

	if (r != 0)
		return as_failure(r, "to say what devices it has", err);
	json_array_foreach(devices, i, device) if (text_eq(json_text(device, "name"), id)) return 1;
	return 0;
}

/* Whether the device of that id is the one that is meant: its properties are the same. */
static int compare(struct qmp *qmp, const struct hotplug_device *device, uint64_t deadline_ns,
	struct error *err)
{
	AUTO_FREE char *path = must_asprintf("/machine/peripheral/%s", device->id);
	const json_t *wanted;
	const char *name;

	json_object_foreach((json_t *)device->properties, name, wanted)
	{
		AUTO_JSON *value = NULL;
		int r = qmp_ask(qmp, "qom-get",
			json_pack("{ss ss}", "path", path, "property", name), deadline_ns, &value,
			err);

		if (r < 0)
			return r;
		if (r > 0 || !json_equal(value, wanted))
			return error_set(err, -EEXIST,
				"the virtual machine has another device called %s (%s %s): take "
				"that out first",
				device->id, name, json_string_value(value) ?: "unknown");
	}
	return HOTPLUG_ALREADY;
}

static json_t *arguments_of(const struct hotplug_device *device, const char *bus)
{
	json_t *arguments =
		json_pack("{ss ss ss}", "driver", device->driver, "id", device->id, "bus", bus);

	json_object_update(arguments, (json_t *)device->properties);
	return arguments;
}

int hotplug_add(struct qmp *qmp, const struct hotplug_device *device, uint64_t deadline_ns,
	struct hotplug_port *ret_port, struct error *err)
{
	struct hotplug_port port = { .window_bytes = 0 };
	int r = is_there(qmp, device->id, deadline_ns, err);

	if (r != 0)
		return r < 0 ? r : compare(qmp, device, deadline_ns, err);
	if (!device->bus)
		r = hotplug_find_port(qmp, device->mmio_bytes, deadline_ns, &port, err);
	else if (text_copy(port.bus, sizeof(port.bus), device->bus) < 0)
		r = error_set(err, -ENAMETOOLONG, "'%.40s...' is too long for a bus", device->bus);
	if (r != 0)
		return r;
	r = qmp_ask(qmp, "device_add", arguments_of(device, port.bus), deadline_ns, NULL, err);
	if (r != 0)
		return as_failure(r, "the device", err);
	*ret_port = port;
	return 0;
}

static const json_t *data_of(const json_t *event)
{
	return json_object_get(event, "data");
}

/* The end of an unplug of this device, whichever it is. Its parts have events without an id. */
static bool is_end_of(const json_t *event, const void *id)
{
	const char *name = json_text(event, "event");

	return text_eq(json_text(data_of(event), "device"), id) &&
	       (text_eq(name, "DEVICE_DELETED") || text_eq(name, "DEVICE_UNPLUG_GUEST_ERROR"));
}

/* The guest has not let go in time: by what it does, what helps. */
static int say_late(struct qmp *qmp, const char *id, struct error *err)
{
	uint64_t deadline_ns = now_ns() + SECOND_NS;
	AUTO_JSON *status = NULL;
	int r = is_there(qmp, id, deadline_ns, err);

	if (r <= 0)
		return r;
	r = qmp_ask(qmp, "query-status", NULL, deadline_ns, &status, err);
	if (r != 0)
		return as_failure(r, "to say how it is", err);
	if (!json_flag(status, "running"))
		return error_set(err, -ETIMEDOUT,
			"the guest has not let go of %s: its virtual machine is stopped (%s), and "
			"only a running guest can; let it go on and say it again, or shut it down",
			id, json_text(status, "status"));
	return error_set(err, -ETIMEDOUT,
		"the guest has not let go of %s yet: it is still starting, or its driver holds the "
		"device; end what uses the GPU in the guest and say it again (with a longer "
		"--timeout), or shut the virtual machine down",
		id);
}

int hotplug_remove(struct qmp *qmp, const char *id, uint64_t deadline_ns, struct error *err)
{
	struct error why = ERROR_NONE;
	AUTO_JSON *event = NULL;
	int r = qmp_ask(qmp, "device_del", json_pack("{ss}", "id", id), deadline_ns, NULL, &why);

	if (r == QMP_E_NOT_FOUND)
		return HOTPLUG_ALREADY;
	/* Asked before, by whomever: the same end is waited for. */
	if (r != 0 && !strstr(why.text, "already in the process of unplug")) {
		error_set(err, r, "%s", why.text);
		return as_failure(r, "to take it out", err);
	}
	r = qmp_wait(qmp, is_end_of, id, deadline_ns, &event, err);
	if (r == -ETIMEDOUT)
		return say_late(qmp, id, err);
	if (r == 0 && !text_eq(json_text(event, "event"), "DEVICE_DELETED"))
		return error_set(err, -EREMOTEIO,
			"the guest refuses to let go of %s: end what uses the GPU in the guest and "
			"say it again",
			id);
	return r;
}
