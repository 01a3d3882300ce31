/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/details.h"
#include "cli/node.h"
#include "cli/vf_text.h"

static void add_state(struct buf *buf, const json_t *gpu)
{
	const json_t *vf = json_object_get(gpu, "vf");
	const char *origin = json_text(vf, "origin");
	long long hardware = json_whole(vf, "hardware_total");

	if (vf_is_on(gpu)) {
		buf_addf(buf, "%lld of %lld on", json_whole(vf, "on"), json_whole(vf, "total"));
		buf_addf(buf, " (%s), %u set up, %lld free", *origin ? origin : "foreign",
			vf_count_taken(gpu), json_whole(vf, "free"));
	} else {
		buf_addf(buf, "off, %lld can be turned on", json_whole(vf, "total"));
	}
	if (hardware > json_whole(vf, "total"))
		buf_addf(buf, "; the hardware has %lld", hardware);
}

void vf_gpu_details(const json_t *gpu, const struct terminal *terminal, FILE *out)
{
	const json_t *vf = json_object_get(gpu, "vf"), *item;
	AUTO_BUF state = { 0 }, licences = { 0 };
	const char *kind = json_text(vf, "kind");
	bool is_first = true;
	size_t i;

	if (!*kind || text_eq(kind, "none"))
		return;
	add_state(&state, gpu);
	detail_line(terminal, out, "VFs", "%s", buf_text(&state));
	detail_line(terminal, out, "made by", "%s", kind);
	if (json_array_size(json_object_get(vf, "types")) > 0)
		detail_line(terminal, out, "sizes", "%s",
			json_flag(vf, "mixed")	   ? "several at once"
			: json_flag(vf, "may_mix") ? "one at a time; several after a change of mode"
						   : "one at a time");
	json_array_foreach(json_object_get(vf, "types"), i, item)
	{
		AUTO_BUF type = { 0 };

		vf_add_type(&type, item);
		detail_line(terminal, out, i ? "" : "types", "%s", buf_text(&type));
	}
	vf_add_licences(&licences, vf);
	detail_paragraph(terminal, out, "licences", buf_text(&licences));
	json_array_foreach(json_object_get(vf, "vfs"), i, item)
	{
		if (json_is_true(json_object_get(item, "free")))
			continue;
		detail_line(terminal, out, is_first ? "set up" : "", "%-8s %s  %s",
			json_text(item, "share"), json_text(item, "pci"),
			json_text(item, "driver"));
		is_first = false;
	}
}

static void group_line(const json_t *vf, const struct terminal *terminal, FILE *out)
{
	const json_t *group = json_object_get(vf, "group");

	if (!json_is_integer(group))
		detail_line(terminal, out, "IOMMU group",
			"none: no IOMMU translates for it, and no VM can have it ('carve doctor' "
			"says more)");
	else
		detail_line(terminal, out, "IOMMU group", "%lld%s",
			(long long)json_integer_value(group),
			json_flag(vf, "viable")
				? ""
				: ": others in it keep their drivers, and no VM can have it "
				  "('carve doctor' says more)");
}

void vf_share_details(const json_t *share, const struct terminal *terminal, FILE *out)
{
	const json_t *vf = json_object_get(share, "vf");
	AUTO_BUF user = { 0 };

	if (!json_is_object(vf))
		return;
	detail_line(terminal, out, "PCI address", "%s", json_text(vf, "pci"));
	detail_line(terminal, out, "driver", "%s",
		*json_text(vf, "driver") ? json_text(vf, "driver") : "none");
	group_line(vf, terminal, out);
	if (json_is_integer(json_object_get(vf, "numa")) && json_whole(vf, "numa") >= 0)
		detail_line(terminal, out, "NUMA node", "%lld", json_whole(vf, "numa"));
	if (json_is_integer(json_object_get(vf, "placement")))
		detail_line(terminal, out, "placement", "%lld", json_whole(vf, "placement"));
	if (json_is_integer(json_object_get(vf, "gi")))
		detail_line(terminal, out, "GPU instance", "%lld", json_whole(vf, "gi"));
	vf_add_user(&user, share);
	detail_line(terminal, out, "used by", "%s", buf_text(&user));
	detail_line(terminal, out, "belongs to", "%s", json_text(vf, "owner"));
	detail_line(terminal, out, "licence", "%s", json_text(vf, "licence"));
}

void vf_lease_details(
	const json_t *lease, const json_t *node, const struct terminal *terminal, FILE *out)
{
	const json_t *got = json_array_get(json_object_get(lease, "got"), 0);
	const json_t *share = node_share(node, json_text(got, "share"));

	if (!text_eq(json_text(got, "mechanism"), "vf"))
		return;
	if (share)
		detail_line(terminal, out, "in use", "%s",
			json_flag(share, "has_users") ? "yes" : "no");
	vf_share_details(share, terminal, out);
	detail_line(terminal, out, "hand it over",
		"carve show %s --as qemu, libvirt, proxmox, kubevirt or cloud-hypervisor",
		json_text(lease, "id"));
}
