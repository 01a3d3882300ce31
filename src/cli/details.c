/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/details.h"

#include "adapters/handover.h"
#include "base/text.h"
#include "cli/mps_text.h"
#include "cli/node.h"

#include <stdarg.h>

void detail_line(
	const struct terminal *terminal, FILE *out, const char *name, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text && *text) {
		terminal_paint(terminal, out, PAINT_BOLD);
		fprintf(out, "%-13s ", name);
		terminal_paint(terminal, out, PAINT_PLAIN);
		terminal_print_safe(terminal, out, text);
		fputc('\n', out);
	}
	free(text);
}

void detail_paragraph(
	const struct terminal *terminal, FILE *out, const char *name, const char *text)
{
	while (*text) {
		int n = (int)strcspn(text, "\n");

		detail_line(terminal, out, name, "%.*s", n, text);
		text += n + (text[n] != '\0');
		name = "";
	}
}

static void mig_details(const json_t *mig, const struct terminal *terminal, FILE *out)
{
	const json_t *profile, *start;
	char text[32];
	size_t i, j;

	if (!json_flag(mig, "capable"))
		return;
	detail_line(terminal, out, "MIG mode", "%s%s", json_flag(mig, "on") ? "on" : "off",
		json_flag(mig, "on") == json_flag(mig, "pending")
			? ""
			: ", changes with the next reset");
	json_array_foreach(json_object_get(mig, "profiles"), i, profile)
	{
		AUTO_BUF starts = { 0 };

		json_array_foreach(json_object_get(profile, "starts"), j, start)
			buf_addf(&starts, " %lld", (long long)json_integer_value(start));
		detail_line(terminal, out, i ? "" : "profiles",
			"%-14s %8s  %lld of %lld slices  at%s", json_text(profile, "name"),
			memory_text(json_number(profile, "memory"), text),
			json_whole(profile, "slices"), json_whole(mig, "slices"),
			buf_text(&starts));
	}
}

static void mps_details(const json_t *mps, const struct terminal *terminal, FILE *out)
{
	const json_t *item;
	size_t i;

	if (!mps)
		return;
	detail_line(terminal, out, "compute mode", "%s", json_text(mps, "compute_mode"));
	json_array_foreach(json_object_get(mps, "servers"), i, item)
	{
		AUTO_BUF server = { 0 };

		mps_add_server(&server, mps, item);
		detail_line(terminal, out, i ? "" : "MPS servers", "%s", buf_text(&server));
	}
	if (json_flag(mps, "time_sliced"))
		detail_line(terminal, out, "", "%s", MPS_TIME_SLICED);
	json_array_foreach(json_object_get(mps, "foreign"), i, item) detail_line(terminal, out,
		i ? "" : "not Carve's", "MPS control daemon, process %lld of uid %lld, in %s",
		json_whole(item, "pid"), json_whole(item, "uid"),
		*json_text(item, "pipe_directory") ? json_text(item, "pipe_directory")
						   : "a directory that cannot be read");
}

void gpu_details(const json_t *gpu, const json_t *node, const struct terminal *terminal, FILE *out)
{
	const json_t *item;
	char text[32];
	size_t i;

	detail_line(terminal, out, "GPU", "%lld", json_whole(gpu, "index"));
	detail_line(terminal, out, "product", "%s", json_text(gpu, "product"));
	detail_line(terminal, out, "uuid", "%s", json_text(gpu, "uuid"));
	detail_line(terminal, out, "PCI address", "%s", json_text(gpu, "pci"));
	if (json_whole(gpu, "numa") >= 0)
		detail_line(terminal, out, "NUMA node", "%lld", json_whole(gpu, "numa"));
	if (json_number(gpu, "memory") > 0)
		detail_line(terminal, out, "memory", "%s",
			memory_text(json_number(gpu, "memory"), text));
	detail_line(terminal, out, "managed", "%s",
		json_flag(gpu, "managed") ? "yes"
					  : "no: Carve only looks ('carve manage' changes that)");
	detail_line(terminal, out, "drained", "%s", json_flag(gpu, "drained") ? "yes" : "no");
	detail_line(terminal, out, "health", "%s%s%s", json_text(gpu, "health"),
		*json_text(gpu, "health_text") ? ": " : "", json_text(gpu, "health_text"));
	detail_line(terminal, out, "working on", "%s", json_text(gpu, "busy"));
	detail_line(terminal, out, "lease", "%s", json_text(gpu, "lease"));
	json_array_foreach(json_object_get(gpu, "capabilities"), i, item)
		detail_line(terminal, out, i ? "" : "can do", "%-5s %s%s%s",
			json_text(item, "mechanism"), json_text(item, "answer"),
			!*json_text(item, "text")		      ? ""
			: text_eq(json_text(item, "answer"), "after") ? " "
								      : ": ",
			json_text(item, "text"));
	mig_details(json_object_get(gpu, "mig"), terminal, out);
	mps_details(json_object_get(gpu, "mps"), terminal, out);
	vf_gpu_details(gpu, terminal, out);
	json_array_foreach(json_object_get(gpu, "instances"), i, item) detail_line(terminal, out,
		i ? "" : "instances", "%-14s at slot %lld, %s", json_text(item, "profile"),
		json_whole(item, "start"), json_text(item, "origin"));
	json_array_foreach(json_object_get(gpu, "processes"), i, item)
		detail_line(terminal, out, i ? "" : "processes", "%lld  %s  %s  %s  %s",
			json_whole(item, "pid"), json_text(item, "user"),
			*json_text(item, "lease")  ? json_text(item, "lease")
			: mps_is_server(gpu, item) ? "MPS server"
						   : "no lease",
			json_text(item, "share"), json_text(item, "command"));
}

/* Who holds a share's limits, and why where nobody does. */
static void enforcer_lines(
	const json_t *share, const json_t *node, const struct terminal *terminal, FILE *out)
{
	static const char *const limits[] = { "memory", "compute", "faults" };
	const json_t *by = json_object_get(share, "enforced_by");

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const char *why = mps_why_nobody(node, share, limits[i]);
		char name[16];

		snprintf(name, sizeof(name), "%s by", limits[i]);
		detail_line(terminal, out, name, "%s%s%s", json_text(by, limits[i]),
			*why ? ": " : "", why);
	}
}

void share_details(
	const json_t *share, const json_t *node, const struct terminal *terminal, FILE *out)
{
	char text[32];

	detail_line(terminal, out, "share", "%s", json_text(share, "id"));
	detail_line(terminal, out, "GPU", "%lld", json_whole(share, "gpu"));
	detail_line(terminal, out, "mechanism", "%s", json_text(share, "mechanism"));
	detail_line(terminal, out, "profile", "%s", json_text(share, "profile"));
	if (json_whole(share, "size") == 1)
		detail_line(terminal, out, "slot", "%lld", json_whole(share, "start"));
	if (json_whole(share, "size") > 1)
		detail_line(terminal, out, "slots", "%lld to %lld", json_whole(share, "start"),
			json_whole(share, "start") + json_whole(share, "size") - 1);
	detail_line(terminal, out, "in", "%s", json_text(share, "place"));
	if (json_number(share, "memory") > 0)
		detail_line(terminal, out, "memory", "%s",
			memory_text(json_number(share, "memory"), text));
	if (json_is_number(json_object_get(share, "compute")))
		detail_line(terminal, out, "compute", "%.1f%% of the GPU",
			json_number(share, "compute"));
	enforcer_lines(share, node, terminal, out);
	detail_line(terminal, out, "uuid", "%s", json_text(share, "uuid"));
	detail_line(terminal, out, "origin", "%s",
		json_is_null(json_object_get(share, "origin")) ? "none: it is free"
							       : json_text(share, "origin"));
	detail_line(terminal, out, "lease", "%s",
		*json_text(share, "lease") ? json_text(share, "lease") : "none");
	detail_line(terminal, out, "in use", "%s", json_flag(share, "has_users") ? "yes" : "no");
	detail_line(terminal, out, "MPS server", "%s", json_text(share, "server"));
	vf_share_details(share, terminal, out);
}

static void times(const json_t *lease, const struct terminal *terminal, FILE *out)
{
	char text[32];

	detail_line(terminal, out, "asked for", "%s ago",
		age_text(json_number(lease, "created"), text));
	if (json_is_number(json_object_get(lease, "active")))
		detail_line(terminal, out, "active", "for %s",
			age_text(json_number(lease, "active"), text));
	if (json_is_number(json_object_get(lease, "ends")))
		detail_line(
			terminal, out, "ends", "in %s", age_text(json_number(lease, "ends"), text));
}

static void binding_details(const json_t *binding, const struct terminal *terminal, FILE *out)
{
	const json_t *value, *node;
	const char *name, *title = "environment";
	size_t i;

	json_object_foreach((json_t *)json_object_get(binding, "env"), name, value)
	{
		detail_line(terminal, out, title, "%s=%s", name, json_string_value(value) ?: "");
		title = "";
	}
	json_array_foreach(json_object_get(binding, "nodes"), i, node) detail_line(terminal, out,
		i ? "" : "device nodes", "%s (%lld:%lld)", json_text(node, "path"),
		json_whole(node, "major"), json_whole(node, "minor"));
}

static void got_line(
	const json_t *share, const char *title, const struct terminal *terminal, FILE *out)
{
	const char *profile = json_text(share, "profile");
	char text[32];

	memory_text(json_number(share, "memory"), text);
	if (!text_eq(json_text(share, "mechanism"), "vf"))
		detail_line(terminal, out, title, "%s: %s and %.1f%% of GPU %lld by %s",
			json_text(share, "share"), text, json_number(share, "compute"),
			json_whole(share, "gpu"), json_text(share, "mechanism"));
	else
		detail_line(terminal, out, title, "%s: a VF of GPU %lld%s%s%s%s",
			json_text(share, "share"), json_whole(share, "gpu"), *profile ? ", " : "",
			profile, json_number(share, "memory") > 0 ? ", " : "",
			json_number(share, "memory") > 0 ? text : "");
}

static void fence_line(const json_t *lease, const struct terminal *terminal, FILE *out)
{
	detail_line(terminal, out, "fenced", "%s",
		json_flag(lease, "fenced")	  ? "yes"
		: *json_text(lease, "fence_text") ? json_text(lease, "fence_text")
						  : "no");
}

void lease_details(
	const json_t *lease, const json_t *node, const struct terminal *terminal, FILE *out)
{
	const json_t *holder = json_object_get(lease, "holder"), *share;
	size_t i;

	detail_line(terminal, out, "lease", "%s", json_text(lease, "id"));
	detail_line(terminal, out, "name", "%s", json_text(lease, "name"));
	detail_line(terminal, out, "state", "%s", json_text(lease, "state"));
	detail_line(terminal, out, "reason", "%s", json_text(lease, "reason"));
	detail_line(terminal, out, "tenant", "%s (uid %lld)", lease_user(lease),
		json_whole(json_object_get(lease, "tenant"), "uid"));
	detail_line(terminal, out, "asked", "%s", json_text(lease, "asked_text"));
	json_array_foreach(json_object_get(lease, "got"), i, share)
	{
		got_line(share, i ? "" : "got", terminal, out);
		if (text_eq(json_text(share, "mechanism"), "mps") ||
			text_eq(json_text(share, "mechanism"), "vf"))
			enforcer_lines(
				node_share(node, json_text(share, "share")), node, terminal, out);
	}
	detail_line(terminal, out, "by choice", "%s", json_text(lease, "choice"));
	if (json_whole(lease, "queue_position") > 0)
		detail_line(terminal, out, "in the queue", "number %lld",
			json_whole(lease, "queue_position"));
	detail_line(terminal, out, "waits for", "%s", json_text(lease, "waits_for"));
	times(lease, terminal, out);
	detail_line(terminal, out, "holder", "%s", json_text(holder, "kind"));
	if (json_whole(holder, "pid") > 0)
		detail_line(terminal, out, "process", "%lld", json_whole(holder, "pid"));
	detail_line(terminal, out, "command", "%s", json_text(holder, "command"));
	detail_line(terminal, out, "cgroup", "%s", json_text(holder, "cgroup"));
	vf_lease_details(lease, node, terminal, out);
	if (!text_eq(json_text(holder, "kind"), "vm"))
		fence_line(lease, terminal, out);
	binding_details(json_object_get(lease, "binding"), terminal, out);
	detail_paragraph(terminal, out, "why", json_text(lease, "why"));
}

void env_print(const json_t *lease, FILE *out)
{
	AUTO_BUF text = { 0 };

	env_write(&(struct handover){ .lease = lease }, &text);
	fputs(buf_text(&text), out);
}
