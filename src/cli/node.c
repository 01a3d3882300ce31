/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/node.h"

#include "base/io.h"
#include "base/size.h"
#include "base/text.h"

#include <stdio.h>

static const json_t *member(const json_t *node, const char *list, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(node, list), i,
		item) if (text_eq(json_text(item, "id"), id)) return item;
	return NULL;
}

const json_t *node_share(const json_t *node, const char *id)
{
	return member(node, "shares", id);
}

const json_t *node_lease(const json_t *node, const char *id)
{
	return member(node, "leases", id);
}

bool gpu_has_mig(const json_t *gpu)
{
	return json_flag(json_object_get(gpu, "mig"), "on");
}

const char *gpu_product(const json_t *gpu)
{
	const char *product = json_text(gpu, "product");

	return text_starts(product, "NVIDIA ") ? product + strlen("NVIDIA ") : product;
}

const char *memory_text(double bytes, char ret_text[32])
{
	static const struct {
		const char *name;
		double bytes;
	} units[] = { { "Ti", 1099511627776.0 }, { "Gi", 1073741824.0 }, { "Mi", 1048576.0 } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (bytes >= units[i].bytes) {
			double v = bytes / units[i].bytes;

			snprintf(ret_text, 32, v < 9.95 ? "%.1f%s" : "%.0f%s", v, units[i].name);
			return ret_text;
		}
	snprintf(ret_text, 32, "%.0f", bytes);
	return ret_text;
}

const char *age_text(double seconds, char ret_text[32])
{
	double away = seconds - (double)wall_ns() / 1e9;
	char text[DURATION_TEXT_MAX];

	if (away < 0)
		away = -away;
	/* Whole seconds are enough for people. */
	duration_text((uint64_t)(away + 0.5) * 1000000000, text);
	snprintf(ret_text, 32, "%s", away < 10 ? "" : text);
	if (away < 10)
		snprintf(ret_text, 32, "%.0f s", away);
	return ret_text;
}

/* A comma where something stands already. */
static void add_comma(struct buf *buf, size_t begin)
{
	if (buf->length > begin)
		buf_add(buf, " ");
}

void lease_add_asked(struct buf *buf, const json_t *lease)
{
	const json_t *asked = json_object_get(lease, "asked");
	const json_t *memory = json_object_get(asked, "memory");
	size_t begin = buf->length;
	char text[SIZE_TEXT_MAX];

	if (json_whole(asked, "gpus") > 1)
		buf_addf(buf, "%llu GPUs", json_whole(asked, "gpus"));
	if (*json_text(asked, "profile")) {
		add_comma(buf, begin);
		buf_add(buf, json_text(asked, "profile"));
	}
	if (json_is_string(memory) || json_is_number(memory)) {
		add_comma(buf, begin);
		buf_add(buf, json_string_value(memory)
				     ?: size_text((uint64_t)json_number_value(memory), text));
	}
	if (json_number(asked, "compute") > 0) {
		add_comma(buf, begin);
		buf_addf(buf, "%.0f%%", json_number(asked, "compute"));
	}
	if (buf->length == begin)
		buf_add(buf, "any");
}

void lease_add_got(struct buf *buf, const json_t *lease)
{
	const json_t *got = json_object_get(lease, "got"), *share;
	double memory = 0, compute = 0;
	char text[32];
	size_t i;

	if (json_array_size(got) == 0)
		return;
	share = json_array_get(got, 0);
	if (text_eq(json_text(share, "mechanism"), "vf")) {
		memory = json_number(share, "memory");
		buf_addf(buf, "%s", memory > 0 ? memory_text(memory, text) : "a VF");
		return;
	}
	json_array_foreach(got, i, share)
	{
		memory += json_number(share, "memory");
		compute += json_number(share, "compute");
	}
	buf_addf(buf, "%s %.0f%%", memory_text(memory, text), compute);
}

void lease_add_where(struct buf *buf, const json_t *lease)
{
	const json_t *share;
	size_t i;

	json_array_foreach(json_object_get(lease, "got"), i, share)
	{
		const char *name = json_text(share, "share");

		if (i > 0)
			buf_add(buf, " ");
		buf_addf(buf, "%s%s", strchr(name, ':') ? "" : "GPU ", name);
	}
}

const char *lease_user(const json_t *lease)
{
	return json_text(json_object_get(lease, "tenant"), "user");
}

const char *lease_command(const json_t *lease)
{
	const json_t *holder = json_object_get(lease, "holder");
	const char *command = json_text(holder, "command");

	if (*command)
		return command;
	if (*json_text(lease, "name"))
		return json_text(lease, "name");
	return json_text(holder, "cgroup");
}
