/* SPDX-License-Identifier: Apache-2.0 */
/* Leases without a command: taken, extended, released. */
#include "base/error.h"
#include "base/text.h"
#include "cli/acquire.h"
#include "cli/details.h"
#include "cli/node.h"
#include "cli/verb.h"
#include "client/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static bool is_for_vm(const struct request *request)
{
	return request->is_vm || request->mechanism == MECHANISM_VF;
}

static int holder_of(
	const struct invocation *invocation, struct holder *ret_holder, struct error *err)
{
	const char *pid = said_value(invocation, "pid"), *cgroup = said_value(invocation, "cgroup");
	struct holder holder = { .name = said_value(invocation, "name") };
	uint32_t number;

	if (is_for_vm(&invocation->request)) {
		if (pid || cgroup || !holder.name)
			return error_set(err, -EINVAL,
				"a virtual machine's lease is held by its name alone, until it is "
				"released: --name NAME%s",
				pid || cgroup ? ", without --pid and --cgroup" : "");
		holder.kind = "vm";
		*ret_holder = holder;
		return 0;
	}
	if (pid && cgroup)
		return error_set(err, -EINVAL, "either --pid or --cgroup holds a lease, not both");
	if (pid && (parse_u32(pid, &number) < 0 || number < 1 || number > INT32_MAX))
		return error_set(err, -EINVAL, "--pid: '%s' is no process id", pid);
	if (!pid && !cgroup && !holder.name)
		return error_set(err, -EINVAL,
			"who is to hold it? --name NAME (until it is released or its time is "
			"over), --pid PID or --cgroup CGROUP");
	if (pid) {
		holder.kind = "pid";
		holder.pid = (pid_t)number;
	} else if (cgroup) {
		holder.kind = "cgroup";
		holder.cgroup = cgroup;
	} else {
		holder.kind = "name";
	}
	*ret_holder = holder;
	return 0;
}

int verb_lease(struct invocation *invocation, struct error *err)
{
	const char *for_time = said_value(invocation, "for");
	AUTO_JSON *lease = NULL;
	struct holder holder;
	int r;

	if (for_time && request_option(&invocation->request, "time", for_time, err) != 0)
		return EXIT_USAGE;
	if (holder_of(invocation, &holder, err) < 0)
		return EXIT_USAGE;
	r = acquire_lease(invocation, &holder, &lease, err);
	if (r != 0)
		return status_of(invocation, r);
	/* Who asked for a lease by name is not who is fenced: nothing to remark on then. */
	if (holder.pid || holder.cgroup || invocation->request.explain)
		acquire_remarks(invocation, lease);
	if (said(invocation, "json")) {
		AUTO_JSON *answer = json_pack("{sisO}", "version", 1, "lease", lease);

		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		env_print(lease, stdout);
	}
	return EXIT_DONE;
}

int verb_extend(struct invocation *invocation, struct error *err)
{
	const char *for_time = said_value(invocation, "for");
	AUTO_JSON *body = NULL, *lease = NULL;
	char text[32];
	uint64_t ns;
	int r;

	if (!for_time || parse_duration(for_time, &ns) < 0) {
		error_set(err, -EINVAL, "for how long from now? --for 2h");
		return EXIT_USAGE;
	}
	body = json_pack("{sf}", "time", (double)ns / 1e9);
	r = lease_post(&invocation->client, invocation->args[0], "extend", body, &lease, err);
	if (r != 0)
		return status_of(invocation, r);
	printf("%s ends in %s.\n", json_text(lease, "id"),
		age_text(json_number(lease, "ends"), text));
	return EXIT_DONE;
}

int verb_release(struct invocation *invocation, struct error *err)
{
	const char *grace = said_value(invocation, "grace");
	AUTO_JSON *body = NULL;
	uint64_t ns;

	if (grace && parse_duration(grace, &ns) < 0) {
		error_set(err, -EINVAL, "--grace: '%s' is no time: write 5s", grace);
		return EXIT_USAGE;
	}
	if (grace)
		body = json_pack("{sf}", "grace", (double)ns / 1e9);
	for (unsigned i = 0; i < invocation->n_args; i++) {
		AUTO_JSON *lease = NULL;
		int r = lease_post(
			&invocation->client, invocation->args[i], "release", body, &lease, err);

		if (r != 0)
			return status_of(invocation, r);
		printf("%s is %s.\n", json_text(lease, "id"), json_text(lease, "state"));
	}
	return EXIT_DONE;
}
