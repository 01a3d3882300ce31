/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The adapters, by hand:
 *
 *	adapters_tool show FORMAT			a lease's JSON on standard input
 *	adapters_tool add SOCKET MS ID DRIVER BUS|- MMIO [NAME=VALUE...]
 *	adapters_tool remove SOCKET MS ID
 *	adapters_tool port SOCKET MS MMIO
 *
 * Prints what comes out, and exits 0, 1 where it was so already, or 2 with the errno's name and
 * the sentence.
 */
#include "adapters/handover.h"
#include "adapters/hotplug.h"
#include "adapters/qmp.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int say(int r, const struct error *err)
{
	if (r < 0)
		printf("%s: %s\n", strerrorname_np(-r), err->text);
	return r < 0 ? 2 : r;
}

static int show(const char *format)
{
	const struct adapter *adapter = adapter_find(format);
	struct error err = ERROR_NONE;
	struct handover handover;
	struct buf text = { 0 };
	json_t *lease = json_loadf(stdin, 0, NULL);
	int r;

	if (!adapter)
		return 64;
	handover = (struct handover){ .lease = lease };
	r = adapter->needs_vf ? handover_read(lease, &handover, &err) : 0;
	if (r == 0)
		adapter->write(&handover, &text);
	fputs(buf_text(&text), stdout);
	buf_done(&text);
	json_decref(lease);
	return say(r, &err);
}

static int add(struct qmp *qmp, int argc, char **argv, uint64_t deadline_ns, struct error *err)
{
	json_t *properties = json_object();
	struct hotplug_device device = {
		.id = argv[0],
		.driver = argv[1],
		.bus = text_eq(argv[2], "-") ? NULL : argv[2],
		.mmio_bytes = strtoull(argv[3], NULL, 0),
		.properties = properties,
	};
	struct hotplug_port port;
	int r;

	for (int i = 4; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		*equals = '\0';
		json_object_set_new(properties, argv[i], json_string(equals + 1));
	}
	r = hotplug_add(qmp, &device, deadline_ns, &port, err);
	if (r == 0)
		printf("%s\n", port.bus);
	json_decref(properties);
	return r;
}

static int find_port(struct qmp *qmp, const char *mmio, uint64_t deadline_ns, struct error *err)
{
	struct hotplug_port port;
	int r = hotplug_find_port(qmp, strtoull(mmio, NULL, 0), deadline_ns, &port, err);

	if (r == 0)
		printf("%s %llu\n", port.bus, (unsigned long long)port.window_bytes);
	return r;
}

int main(int argc, char **argv)
{
	struct error err = ERROR_NONE;
	uint64_t deadline_ns;
	struct qmp qmp;
	int r;

	if (argc == 3 && text_eq(argv[1], "show"))
		return show(argv[2]);
	if (argc < 5)
		return 64;
	deadline_ns = now_ns() + strtoull(argv[3], NULL, 10) * 1000000;
	r = qmp_open(&qmp, argv[2], deadline_ns, &err);
	if (r < 0)
		return say(r, &err);
	if (text_eq(argv[1], "add") && argc >= 8)
		r = add(&qmp, argc - 4, argv + 4, deadline_ns, &err);
	else if (text_eq(argv[1], "remove"))
		r = hotplug_remove(&qmp, argv[4], deadline_ns, &err);
	else
		r = find_port(&qmp, argv[4], deadline_ns, &err);
	qmp_close(&qmp);
	return say(r, &err);
}
