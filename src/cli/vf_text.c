/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/vf_text.h"

#include "base/text.h"
#include "cli/node.h"

#include <stdint.h>

bool vf_is_share_of(const json_t *share, const json_t *gpu)
{
	return text_eq(json_text(share, "mechanism"), "vf") &&
	       json_whole(share, "gpu") == json_whole(gpu, "index");
}

bool vf_is_on(const json_t *gpu)
{
	return json_whole(json_object_get(gpu, "vf"), "on") > 0;
}

unsigned vf_count_taken(const json_t *gpu)
{
	const json_t *vf = json_object_get(gpu, "vf");
	long long taken = json_whole(vf, "on") - json_whole(vf, "free");

	return taken > 0 ? (unsigned)taken : 0;
}

const char *vf_type_text(const char *type)
{
	if (text_starts(type, "NVIDIA "))
		return type + strlen("NVIDIA ");
	return text_starts(type, "GRID ") ? type + strlen("GRID ") : type;
}

void vf_add_count(struct buf *buf, const json_t *gpu)
{
	if (vf_is_on(gpu))
		buf_addf(buf, "%u of %lld VFs", vf_count_taken(gpu),
			json_whole(json_object_get(gpu, "vf"), "on"));
}

void vf_add_user(struct buf *buf, const json_t *share)
{
	const json_t *vf = json_object_get(share, "vf"), *user = json_object_get(vf, "user");
	const char *vm = json_text(vf, "vm"), *name = json_text(user, "user");

	if (!json_is_object(user))
		return;
	if (*vm)
		buf_addf(buf, "%s (process %lld)", vm, json_whole(user, "pid"));
	else
		buf_addf(buf, "process %lld%s%s", json_whole(user, "pid"), *name ? " of " : "",
			name);
}

/* "L40S-12Q x2", of the shares from the first of that type on; nothing where it was said before. */
static void add_type_count(
	struct buf *buf, const json_t *shares, const json_t *gpu, size_t first, const char *comma)
{
	const char *type = json_text(json_array_get(shares, first), "profile");
	const json_t *share;
	unsigned n = 0;
	size_t i;

	json_array_foreach(shares, i, share)
	{
		if (!vf_is_share_of(share, gpu) || !text_eq(json_text(share, "profile"), type))
			continue;
		if (i < first)
			return;
		n++;
	}
	buf_addf(buf, "%s%s", comma, *type ? vf_type_text(type) : "without a type");
	if (n > 1)
		buf_addf(buf, " x%u", n);
}

/* What keeps a VF from being handed over. */
static void add_share_notes(struct buf *buf, const json_t *share)
{
	const json_t *vf = json_object_get(share, "vf"), *group = json_object_get(vf, "group");
	const char *id = json_text(share, "id");

	if (*json_text(vf, "owner") && text_eq(json_text(share, "origin"), "foreign"))
		buf_addf(buf, "%s is left alone: it belongs to %s\n", id, json_text(vf, "owner"));
	else if (json_is_null(group))
		buf_addf(buf,
			"%s cannot be handed over: no IOMMU translates for it ('carve doctor' says "
			"how)\n",
			id);
	else if (json_is_false(json_object_get(vf, "viable")))
		buf_addf(buf,
			"%s cannot be handed over: others of its IOMMU group keep their drivers "
			"('carve doctor' says which)\n",
			id);
}

void vf_add_notes(struct buf *buf, const json_t *node, const json_t *gpu)
{
	const json_t *shares = json_object_get(node, "shares"), *share;
	long long index = json_whole(gpu, "index");
	AUTO_BUF types = { 0 };
	size_t i;

	json_array_foreach(shares, i, share) if (vf_is_share_of(share, gpu))
		add_type_count(&types, shares, gpu, i, types.length ? ", " : "");
	if (vf_is_on(gpu)) {
		buf_addf(buf, "GPU %lld: ", index);
		vf_add_count(buf, gpu);
		buf_addf(buf, "%s%s\n", types.length ? ": " : "", buf_text(&types));
	}
	json_array_foreach(shares, i, share) if (vf_is_share_of(share, gpu))
		add_share_notes(buf, share);
}

void vf_add_type(struct buf *buf, const json_t *type)
{
	const json_t *room = json_object_get(type, "room");
	const char *mig = json_text(type, "mig");
	char memory[32];

	buf_addf(buf, "%-14s %8s", vf_type_text(json_text(type, "name")),
		memory_text(json_number(type, "memory"), memory));
	if (json_is_integer(room) && json_integer_value(room) < UINT32_MAX)
		buf_addf(buf, "  %lld more", (long long)json_integer_value(room));
	if (json_whole(type, "max") > 0)
		buf_addf(buf, " of %lld", json_whole(type, "max"));
	if (*mig)
		buf_addf(buf, ", in a %s instance", mig);
}

void vf_add_licences(struct buf *buf, const json_t *vf)
{
	const json_t *types = json_object_get(vf, "types"), *type, *other;
	size_t i, j;

	json_array_foreach(types, i, type)
	{
		const char *licence = json_text(type, "licence");
		AUTO_BUF names = { 0 };
		bool is_said = !*licence;

		json_array_foreach(types, j, other)
		{
			if (!text_eq(json_text(other, "licence"), licence))
				continue;
			is_said |= j < i;
			buf_addf(&names, "%s%s", names.length ? ", " : "",
				vf_type_text(json_text(other, "name")));
		}
		if (!is_said)
			buf_addf(buf, "%s: %s\n", buf_text(&names), licence);
	}
}
