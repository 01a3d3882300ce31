/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be decided: its options, what contradicts itself, and how it is said to people. */
#include "model/advice.h"

#include "base/error.h"
#include "base/text.h"
#include "model/need.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 1024 };

void advice_need_init(struct advice_need *need)
{
	*need = (struct advice_need){ .count = 1 };
	request_init(&need->request);
}

const struct request_option_row advice_options[] = {
	ADVICE_OPTION_ROWS{ NULL, NULL, NULL, NULL },
};

static int set_count(struct advice_need *need, const char *value, struct error *err)
{
	uint32_t n;

	if (parse_u32(value, &n) < 0 || n < 1 || n > COUNT_MAX)
		return error_set(
			err, -EINVAL, "count: '%s' is not a number from 1 to %d", value, COUNT_MAX);
	need->count = n;
	return 0;
}

static void say_consumer(struct advice_need *need, enum advice_consumer consumer)
{
	need->consumer = consumer;
	need->consumers_said[consumer] = true;
}

int advice_need_option(
	struct advice_need *need, const char *name, const char *value, struct error *err)
{
	const struct request_option_row *row = advice_options;

	while (row->name && !text_eq(row->name, name))
		row++;
	if (!row->name) {
		need->has_tenants |= text_eq(name, "tenants");
		return REQUEST_E_UNKNOWN;
	}
	if (!row->argument != !value)
		return error_set(
			err, -EINVAL, "%s %s", name, value ? "takes no value" : "needs a value");
	if (text_eq(name, "count"))
		return set_count(need, value, err);
	if (text_eq(name, "container"))
		say_consumer(need, CONSUMER_CONTAINER);
	else if (text_eq(name, "process"))
		say_consumer(need, CONSUMER_PROCESS);
	else if (text_eq(name, "no-licence"))
		need->no_licence = true;
	else if (text_eq(name, "no-reset"))
		need->no_reset = true;
	else
		need->driver_per_tenant = true;
	return 0;
}

/* ---- contradictions ---- */

static bool is_on_host(const struct advice_need *n)
{
	return n->consumers_said[CONSUMER_PROCESS] || n->consumers_said[CONSUMER_CONTAINER];
}

static bool is_vm(const struct advice_need *n)
{
	return n->request.is_vm;
}

static bool is_mechanism(const struct advice_need *n, enum mechanism mechanism)
{
	return n->request.mechanism == (int)mechanism;
}

static bool is_vm_and_host(const struct advice_need *n)
{
	return is_vm(n) && is_on_host(n);
}
static bool is_both_on_host(const struct advice_need *n)
{
	return n->consumers_said[CONSUMER_PROCESS] && n->consumers_said[CONSUMER_CONTAINER];
}
static bool is_vm_by_mps(const struct advice_need *n)
{
	return is_vm(n) && is_mechanism(n, MECHANISM_MPS);
}
static bool is_driver_on_host(const struct advice_need *n)
{
	return n->driver_per_tenant && is_on_host(n);
}
static bool is_driver_by_mechanism(const struct advice_need *n)
{
	return n->driver_per_tenant && n->request.mechanism != REQUEST_ANY_MECHANISM &&
	       !is_mechanism(n, MECHANISM_VF);
}
static bool is_desktop_on_host(const struct advice_need *n)
{
	return n->request.workload == WORKLOAD_VDI && is_on_host(n);
}
static bool is_mps_of_strangers(const struct advice_need *n)
{
	return is_mechanism(n, MECHANISM_MPS) && n->has_tenants &&
	       n->request.tenants == TENANTS_STRANGERS;
}
static bool is_mps_of_graphics(const struct advice_need *n)
{
	return is_mechanism(n, MECHANISM_MPS) &&
	       (n->request.workload == WORKLOAD_RENDERING || n->request.workload == WORKLOAD_VDI);
}
static bool is_security_of_same(const struct advice_need *n)
{
	return n->request.isolation == ISOLATION_SECURITY && n->has_tenants &&
	       n->request.tenants == TENANTS_SAME;
}

static const struct contradiction {
	bool (*holds)(const struct advice_need *n);
	const char *one, *other, *why;
} contradictions[] = {
	{ is_desktop_on_host, "--workload vdi", "--process or --container",
		"virtual desktops are virtual machines: take --vm, or --workload rendering" },
	{ is_both_on_host, "--process", "--container", "it is one or the other" },
	{ is_vm_and_host, "--vm", "--process or --container",
		"a virtual machine has a kernel and a driver of its own" },
	{ is_vm_by_mps, "--vm", "--mechanism mps",
		"MPS serves processes of the host, and no virtual machine reaches its server" },
	{ is_driver_on_host, "--driver-per-tenant", "--process or --container",
		"these use the one driver of the host's kernel: take --vm" },
	{ is_driver_by_mechanism, "--driver-per-tenant", "--mechanism",
		"only virtual functions (vf) go to guests with a driver of their own" },
	{ is_mps_of_strangers, "--mechanism mps", "--tenants strangers",
		"one MPS server serves one user, and a fault of one client ends all" },
	{ is_mps_of_graphics, "--mechanism mps", "--workload",
		"MPS is for CUDA only, and this workload has graphics" },
	{ is_security_of_same, "--isolation security", "--tenants same",
		"who is alone with himself has nobody to be kept from" },
};

int advice_need_check(struct advice_need *need, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(contradictions); i++) {
		const struct contradiction *row = &contradictions[i];

		if (row->holds(need))
			return error_set(err, -EINVAL,
				"%s and %s contradict each other: %s; leave one of them out",
				row->one, row->other, row->why);
	}
	if (need->driver_per_tenant)
		need->request.is_vm = true;
	if (need->request.is_vm)
		need->consumer = CONSUMER_VM;
	/* Who names MPS and no tenants speaks of his own processes, as with `carve run`. */
	if (is_mechanism(need, MECHANISM_MPS) && !need->has_tenants)
		need->request.tenants = TENANTS_SAME;
	return request_check(&need->request, err);
}

/* ---- in words ---- */

static void add_what(const struct advice_need *need, struct buf *text)
{
	const struct request *request = &need->request;

	if (need->count > 1)
		buf_addf(text, "%u times ", need->count);
	if (request->n_gpus > 1)
		buf_addf(text, "%u shares of ", request->n_gpus);
	if (request->profile[0])
		buf_add(text, request->profile);
	else if (request_is_bare(request))
		buf_add(text, need->count > 1 ? "a part of a GPU" : "a GPU");
	request_add_size(text, request, "a GPU's compute");
}

const char *advice_need_text(const struct advice_need *need, char ret_text[ADVICE_NEED_TEXT_MAX])
{
	static const char *const consumers[] = { "", "a process", "a container",
		"a virtual machine" };
	AUTO_BUF text = { 0 };

	if (need->name[0])
		buf_addf(&text, "%s: ", need->name);
	add_what(need, &text);
	if (need->request.workload != WORKLOAD_ANY)
		buf_addf(&text, " for %s", workload_names[need->request.workload]);
	if (need->consumer != CONSUMER_ANY)
		buf_addf(&text, " in %s", consumers[need->consumer]);
	buf_addf(&text, ", tenants: %s", tenants_names[need->request.tenants]);
	if (need->request.isolation != ISOLATION_NONE)
		buf_addf(&text, ", isolation: %s", isolation_names[need->request.isolation]);
	if (need->request.latency_ns)
		buf_addf(&text, ", p%g within %g ms", need->request.percentile,
			(double)need->request.latency_ns / 1e6);
	if (need->driver_per_tenant)
		buf_add(&text, ", a driver for each tenant");
	if (need->no_licence)
		buf_add(&text, ", no licence");
	if (need->no_reset)
		buf_add(&text, ", no reset");
	text_copy(ret_text, ADVICE_NEED_TEXT_MAX, buf_text(&text));
	text_clean(ret_text);
	return ret_text;
}
