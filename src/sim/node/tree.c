/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking things up in the table. A path is followed down a row's pattern part by part; a part in
 * braces is tried with what can have that name, if the node has it now: what is not there does not
 * match.
 * A row that is followed to its end is the entry; one that goes on makes the path a directory.
 */
#include "sim/node/tree_table.h"

#include "abi/nvml.h"
#include "base/list.h"
#include "base/text.h"
#include "sim/node/identity.h"
#include "sim/node/vf.h"
#include "sim/node/write_rule.h"

#include <errno.h>
#include <stdio.h>

/* What the parts in braces stand for so far; NVML_NO_INSTANCE: nothing yet. */
struct place {
	uint32_t gpu, gi, ci, vf;
};

#define NOWHERE                                                                                    \
	((struct place){ NVML_NO_INSTANCE, NVML_NO_INSTANCE, NVML_NO_INSTANCE, NVML_NO_INSTANCE })

struct kind {
	const char *word;
	uint32_t most;
};

enum { RENDER_FIRST = 128 };
enum { KIND_GPU, KIND_PCI, KIND_RENDER, KIND_GI, KIND_CI, KIND_VF, KIND_FN, KIND_GROUP };
static const struct kind kinds[] = {
	[KIND_GPU] = { "{gpu}", NODE_GPUS },
	[KIND_PCI] = { "{pci}", NODE_GPUS },
	[KIND_RENDER] = { "{render}", NODE_GPUS },
	[KIND_GI] = { "{gi}", GPU_INSTANCES },
	[KIND_CI] = { "{ci}", PRODUCT_COMPUTE },
	/* Of all GPUs, one after the other. */
	[KIND_VF] = { "{vf}", NODE_GPUS *GPU_VFS },
	[KIND_FN] = { "{fn}", GPU_VFS },
	[KIND_GROUP] = { "{group}", NODE_GPUS *GPU_VFS },
};

static size_t part_length(const char *path)
{
	return strcspn(path, "/");
}

static const char *part_next(const char *path)
{
	path += part_length(path);
	return *path ? path + 1 : path;
}

static bool place_set_vf(const struct node *node, struct place *place, uint32_t gpu, uint32_t vf)
{
	if ((place->gpu != NVML_NO_INSTANCE && place->gpu != gpu) ||
		(place->vf != NVML_NO_INSTANCE && place->vf != vf) || gpu >= node->n_gpus ||
		vf >= gpu_now(&node->gpus[gpu])->n_vfs)
		return false;
	place->gpu = gpu;
	place->vf = vf;
	return true;
}

/* Lets a part's word stand for number `n`; false if the node has no such thing, or another is
 * meant. */
static bool place_set(const struct node *node, struct place *place, unsigned kind, uint32_t n)
{
	uint32_t *at = kind == KIND_GI ? &place->gi : kind == KIND_CI ? &place->ci : &place->gpu;
	const struct gpu_instance *instance;

	if (kind == KIND_VF || kind == KIND_GROUP)
		return place_set_vf(node, place, n / GPU_VFS, n % GPU_VFS);
	if (kind == KIND_FN)
		return place_set_vf(node, place, place->gpu, n);
	if (*at != NVML_NO_INSTANCE && *at != n)
		return false;
	*at = n;
	if (place->gpu >= node->n_gpus)
		return false;
	if (kind != KIND_GI && kind != KIND_CI)
		return true;
	instance = &gpu_now(&node->gpus[place->gpu])->instances[place->gi];
	return instance->serial && (kind == KIND_GI || instance->compute[n].serial);
}

static unsigned kind_of(const char *brace)
{
	unsigned kind = 0;

	while (!text_starts(brace, kinds[kind].word))
		kind++;
	return kind;
}

/*
 * The nth name that the first part of a pattern can have here, with what it stands for in *place:
 * 1 if there is one, 0 if not this one, -1 past the end.
 */
static int part_name(const struct node *node, const char *pattern, uint32_t n, struct place *place,
	char ret_name[TREE_NAME_MAX])
{
	size_t length = part_length(pattern), before;
	const char *brace = memchr(pattern, '{', length);
	char value[PCI_TEXT_MAX];
	unsigned kind;

	if (!brace) {
		snprintf(ret_name, TREE_NAME_MAX, "%.*s", (int)length, pattern);
		return n == 0 ? 1 : -1;
	}
	kind = kind_of(brace);
	if (n >= kinds[kind].most ||
		((kind == KIND_VF || kind == KIND_GROUP) && n >= node->n_gpus * GPU_VFS))
		return -1;
	if (!place_set(node, place, kind, n))
		return 0;
	before = (size_t)(brace - pattern);
	if (kind == KIND_PCI)
		identity_pci_text(&node->gpus[n], value);
	else if (kind == KIND_VF)
		vf_pci_text(&node->gpus[place->gpu], place->vf, value);
	else if (kind == KIND_GROUP)
		snprintf(value, sizeof(value), "%u", vf_group(place->gpu, place->vf));
	else
		snprintf(value, sizeof(value), "%u", kind == KIND_RENDER ? RENDER_FIRST + n : n);
	snprintf(ret_name, TREE_NAME_MAX, "%.*s%s", (int)before, pattern, value);
	return 1;
}

/* A number of so many hexadecimal digits and the character after it (0: whatever); false if the
 * text has no such. */
static bool take_hex(const char **text, unsigned digits, char after, unsigned *ret_value)
{
	unsigned value = 0;

	for (; digits > 0; digits--, (*text)++) {
		char c = **text;

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
		value = value << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (after && *(*text)++ != after)
		return false;
	*ret_value = value;
	return true;
}

static int number_of_function(const struct node *node, unsigned kind, const char *address)
{
	unsigned domain, bus, device, function;

	if (!take_hex(&address, 4, ':', &domain) || !take_hex(&address, 2, ':', &bus) ||
		!take_hex(&address, 2, '.', &device) || !take_hex(&address, 1, 0, &function))
		return -1;
	for (uint32_t i = 0; i < node->n_gpus; i++) {
		const struct gpu *gpu = &node->gpus[i];
		int vf = (int)((bus - gpu->pci_bus) * 256 + (device - gpu->pci_device) * 8) +
			 (int)function - VF_OFFSET;

		if (domain != (gpu->pci_domain & 0xffff))
			continue;
		if (kind == KIND_PCI && bus == gpu->pci_bus && device == gpu->pci_device)
			return (int)i;
		if (kind == KIND_VF && vf >= 0 && vf % VF_STRIDE == 0 &&
			(uint32_t)vf / VF_STRIDE < gpu_now(gpu)->n_vfs)
			return (int)i * GPU_VFS + vf / VF_STRIDE;
	}
	return -1;
}

/* The only number with which a word in braces can stand for a text. */
static int number_of(const struct node *node, unsigned kind, const char *text)
{
	int n;

	if (kind == KIND_PCI || kind == KIND_VF)
		return number_of_function(node, kind, text);
	if (sscanf(text, "%9d", &n) != 1)
		return -1;
	return n - (kind == KIND_RENDER		? RENDER_FIRST
			   : kind == KIND_GROUP ? (int)vf_group(0, 0)
						: 0);
}

static bool ends_part(char c)
{
	return !c || c == '/';
}

/* The first part of a path is what that of a pattern stands for, which *place then says. Most are
 * told apart by a letter, and there are many rows. */
static bool part_is(
	const struct node *node, const char *pattern, const char *path, struct place *place)
{
	char name[TREE_NAME_MAX];
	size_t same = 0, length;
	int n;

	while (pattern[same] == path[same] && !ends_part(path[same]))
		same++;
	if (pattern[same] != '{')
		return ends_part(pattern[same]) && ends_part(path[same]);
	length = part_length(path);
	n = number_of(node, kind_of(pattern + same), path + same);
	return n >= 0 && part_name(node, pattern, (uint32_t)n, place, name) > 0 &&
	       strlen(name) == length && memcmp(name, path, length) == 0;
}

/* Follows a path; where it ends, *ret_rest is what is left of the pattern. */
static bool follow(const struct node *node, const char *pattern, const char *path,
	struct place *place, const char **ret_rest)
{
	for (; *path; pattern = part_next(pattern), path = part_next(path))
		if (!*pattern || !part_is(node, pattern, path, place))
			return false;
	*ret_rest = pattern;
	return true;
}

static bool row_follow(const struct node *node, const struct tree_row *row, const char *path,
	struct place *place, const char **ret_rest)
{
	*place = NOWHERE;
	if (!follow(node, row->path, path, place, ret_rest))
		return false;
	return !row->has || place->gpu == NVML_NO_INSTANCE || row->has(node, place->gpu, place->vf);
}

static uint32_t major_of(const struct node *node, const char *path)
{
	const struct node_settings *settings = &node->settings;

	if (text_starts(path, "dev/nvidia-caps/"))
		return settings->major_caps;
	if (text_starts(path, "dev/dri/"))
		return settings->major_drm;
	return text_starts(path, "dev/nvidia-uvm") ? settings->major_uvm : settings->major_nvidia;
}

static void entry_fill(const struct node *node, const struct tree_row *row,
	const struct place *place, struct tree_entry *entry)
{
	*entry = (struct tree_entry){ .type = row->type,
		.writes = row->writes,
		.mode = row->mode,
		.gpu = place->gpu,
		.gi = place->gi,
		.ci = place->ci,
		.vf = place->vf,
		.minor_no = row->minor_no,
		.modify = 1,
		.row = row };
	if (place->gi != NVML_NO_INSTANCE) {
		const struct gpu_instance *instance =
			&gpu_now(&node->gpus[place->gpu])->instances[place->gi];

		entry->serial = place->ci == NVML_NO_INSTANCE ? instance->serial
							      : instance->compute[place->ci].serial;
		entry->minor_no =
			place->ci == NVML_NO_INSTANCE
				? identity_instance_minor(place->gpu, place->gi)
				: identity_compute_minor(place->gpu, place->gi, place->ci);
	}
	if (place->vf != NVML_NO_INSTANCE)
		entry->serial = gpu_now(&node->gpus[place->gpu])->vfs_made;
	if (row->type != TREE_DEVICE)
		return;
	entry->major_no = major_of(node, row->path);
	if (place->gpu != NVML_NO_INSTANCE)
		entry->minor_no += place->gpu;
}

int tree_find(struct node *node, const char *path, struct tree_entry *ret_entry)
{
	struct tree_entry entry = { .type = TREE_DIR, .mode = 0755 };
	bool found = false;
	struct place place;
	const char *rest;

	node_lock(node);
	for (unsigned i = 0; i < tree_n_rows; i++) {
		if (!row_follow(node, &tree_rows[i], path, &place, &rest))
			continue;
		found = true;
		if (*rest)
			continue;
		entry_fill(node, &tree_rows[i], &place, &entry);
		break;
	}
	node_unlock(node);
	if (!found)
		return -ENOENT;
	*ret_entry = entry;
	return 0;
}

struct name {
	char text[TREE_NAME_MAX];
};

void tree_list(struct node *node, const char *path, void (*visit)(void *context, const char *name),
	void *context)
{
	VEC(struct name) names = { 0 };
	struct place place, here;
	const char *rest;

	node_lock(node);
	for (unsigned i = 0; i < tree_n_rows; i++) {
		struct name one;
		int r;

		if (!row_follow(node, &tree_rows[i], path, &place, &rest) || !*rest)
			continue;
		for (uint32_t n = 0;
			here = place, (r = part_name(node, rest, n, &here, one.text)) >= 0; n++) {
			bool is_new = r > 0;

			if (is_new && tree_rows[i].has && here.gpu != NVML_NO_INSTANCE)
				is_new = tree_rows[i].has(node, here.gpu, here.vf);
			for (size_t k = 0; is_new && k < names.n; k++)
				is_new = !text_eq(names.at[k].text, one.text);
			if (is_new)
				*vec_add(&names) = one;
		}
	}
	node_unlock(node);
	for (size_t i = 0; i < names.n; i++)
		visit(context, names.at[i].text);
	vec_done(&names);
}

void tree_text(struct node *node, const struct tree_entry *entry, struct buf *text)
{
	if (entry->row && entry->row->text)
		entry->row->text(node, entry, text);
}

int tree_ready(struct node *node, const struct tree_entry *entry)
{
	return entry->row && entry->row->ready ? entry->row->ready(node, entry) : 0;
}

int tree_store(struct node *node, const struct tree_entry *entry, const char *text)
{
	int r = write_rule_strike(node, strrchr(entry->row->path, '/') + 1, entry->gpu);

	if (r != 0)
		return r < 0 ? r : 0;
	return entry->row->store(node, entry, text);
}
