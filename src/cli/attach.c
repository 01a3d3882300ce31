/* SPDX-License-Identifier: Apache-2.0 */
/* A lease's VF put into a virtual machine that runs, and taken out of it, through QEMU's monitor.
 */
#include "adapters/handover.h"
#include "adapters/hotplug.h"
#include "adapters/qmp.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/verb.h"
#include "client/http.h"
#include "client/json.h"
#include "client/lease.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define SECOND_NS	  1000000000ULL
#define ATTACH_TIMEOUT_NS (10 * SECOND_NS)
#define DETACH_TIMEOUT_NS (30 * SECOND_NS)

/* What both verbs are told. */
struct plug {
	const char *socket;
	uint64_t timeout_ns;
};

static int plug_read(const struct invocation *invocation, uint64_t usual_ns, struct plug *ret_plug,
	struct error *err)
{
	const char *timeout = said_value(invocation, "timeout");
	struct plug plug = { said_value(invocation, "qmp"), usual_ns };

	if (!plug.socket)
		return error_set(err, -EINVAL,
			"which virtual machine? --qmp SOCKET, of a QEMU started with -qmp "
			"unix:SOCKET,server=on,wait=off");
	if (timeout && (parse_duration(timeout, &plug.timeout_ns) < 0 || plug.timeout_ns == 0))
		return error_set(err, -EINVAL, "--timeout: '%s' is no time: write 30s", timeout);
	*ret_plug = plug;
	return 0;
}

static int exit_of(const struct invocation *invocation, int r)
{
	return r == -ETIMEDOUT ? EXIT_TIMEOUT : status_of(invocation, r);
}

/* Who has the VF open, as carved sees it: QEMU's own words for it name nobody. */
static void add_user(
	struct invocation *invocation, const struct handover *handover, struct error *err)
{
	AUTO_JSON *answer = NULL;
	struct error first = *err;
	const json_t *vf, *user;
	char segment[64];
	const char *vm;

	if (http_segment_encode(segment, sizeof(segment), handover->share) < 0 ||
		client_get(&invocation->client, &answer, NULL, "/v1/shares/%s", segment) != 0)
		return;
	vf = json_object_get(json_object_get(answer, "share"), "vf");
	user = json_object_get(vf, "user");
	vm = json_text(vf, "vm");
	if (json_is_object(user))
		error_set(err, first.code, "%s; %s is in use by %s%s%sprocess %lld%s", first.text,
			handover->share, *vm ? "the virtual machine " : "", vm, *vm ? " (" : "",
			json_whole(user, "pid"), *vm ? ")" : "");
}

static json_t *properties_of(const struct binding_vf *vf)
{
	if (!vf->mdev[0])
		return json_pack("{ss}", "host", vf->pci);
	return json_pack("{ss+}", "sysfsdev", "/sys/bus/mdev/devices/", vf->mdev);
}

static void say_attached(const struct handover *handover, const struct hotplug_port *port)
{
	printf("VF %s is in the virtual machine as %s, on bus %s.\n", handover->vf.pci,
		handover->device, port->bus);
	if (port->window_bytes > 0 && port->window_bytes < handover->vf.mmio_bytes)
		fprintf(stderr,
			"carve: warning: bus %s keeps less room for BARs than this VF needs, and "
			"the guest may not be able to use it: 'carve show %s --as qemu' has a port "
			"that is large enough\n",
			port->bus, handover->id);
}

static int attach(struct invocation *invocation, const struct handover *handover,
	const struct plug *plug, struct error *err)
{
	AUTO_JSON *properties = properties_of(&handover->vf);
	struct hotplug_device device = {
		.id = handover->device,
		.driver = "vfio-pci",
		.properties = properties,
		.bus = said_value(invocation, "bus"),
		.mmio_bytes = handover->vf.mmio_bytes,
	};
	uint64_t deadline_ns = now_ns() + plug->timeout_ns;
	struct hotplug_port port;
	struct qmp qmp;
	int r = qmp_open(&qmp, plug->socket, deadline_ns, err);

	if (r < 0)
		return exit_of(invocation, r);
	r = hotplug_add(&qmp, &device, deadline_ns, &port, err);
	qmp_close(&qmp);
	if (r == 0)
		say_attached(handover, &port);
	else if (r == HOTPLUG_ALREADY)
		printf("VF %s is in that virtual machine already, as %s.\n", handover->vf.pci,
			handover->device);
	else if (r == -EREMOTEIO)
		add_user(invocation, handover, err);
	return r < 0 ? exit_of(invocation, r) : EXIT_DONE;
}

int verb_attach(struct invocation *invocation, struct error *err)
{
	struct handover handover;
	AUTO_JSON *lease = NULL;
	struct plug plug;
	int r;

	if (plug_read(invocation, ATTACH_TIMEOUT_NS, &plug, err) < 0)
		return EXIT_USAGE;
	r = lease_get(&invocation->client, invocation->args[0], NULL, 0, &lease, err);
	if (r == 0)
		r = handover_read(lease, &handover, err);
	if (r != 0)
		return status_of(invocation, r);
	return attach(invocation, &handover, &plug, err);
}

static bool is_lease_id(const char *text)
{
	uint64_t number;

	return text[0] == 'L' && isdigit((unsigned char)text[1]) &&
	       parse_u64(text + 1, &number) == 0;
}

/* The lease's id. One that has ended already may have left its VF in a virtual machine: then its
 * id is enough. */
static int find_id(struct invocation *invocation, char **ret_id, struct error *err)
{
	const char *name = invocation->args[0];
	struct error why = ERROR_NONE;
	AUTO_JSON *lease = NULL;
	int r = lease_get(&invocation->client, name, NULL, 0, &lease, &why);

	if (r != 0 && !(r == CARVE_NOT_FOUND && is_lease_id(name)))
		return error_set(err, r, "%s", why.text);
	*ret_id = must_strdup(r == 0 ? json_text(lease, "id") : name);
	return 0;
}

int verb_detach(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *id = NULL, *device = NULL;
	uint64_t deadline_ns;
	struct plug plug;
	struct qmp qmp;
	int r;

	if (plug_read(invocation, DETACH_TIMEOUT_NS, &plug, err) < 0)
		return EXIT_USAGE;
	r = find_id(invocation, &id, err);
	if (r != 0)
		return status_of(invocation, r);
	device = must_asprintf("carve-%s", id);
	deadline_ns = now_ns() + plug.timeout_ns;
	r = qmp_open(&qmp, plug.socket, deadline_ns, err);
	if (r < 0)
		return exit_of(invocation, r);
	r = hotplug_remove(&qmp, device, deadline_ns, err);
	qmp_close(&qmp);
	if (r < 0)
		return exit_of(invocation, r);
	printf(r == 0 ? "%s is out of the virtual machine.\n"
		      : "%s is not in that virtual machine.\n",
		device);
	return EXIT_DONE;
}
