/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is, as a layout. GPUs that hold the same share one entry. Foreign instances are not Carve's
 * to make again: they stand in comments, and to apply the file leaves them alone.
 */
#include "model/layout_export.h"
#include "base/cleanup.h"
#include "base/list.h"
#include "base/size.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct mig_profile *profile_of(
	const struct gpu *gpu, const struct mig_instance *instance)
{
	return instance->profile < gpu->facts.geometry.n_profiles
		       ? &gpu->facts.geometry.profile[instance->profile]
		       : NULL;
}

static bool is_ours(const struct gpu *gpu, const struct mig_instance *instance)
{
	return instance->origin != SHARE_FOREIGN && profile_of(gpu, instance);
}

static bool is_all_dynamic(const struct gpu *gpu)
{
	unsigned n = 0;

	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		if (!is_ours(gpu, &gpu->seen.instance[i]))
			continue;
		if (gpu->seen.instance[i].origin != SHARE_DYNAMIC)
			return false;
		n++;
	}
	return n > 0;
}

/* "12G" where that is read back as just that many bytes, else the bytes. */
static void add_memory(struct buf *to, uint64_t bytes)
{
	char size[SIZE_TEXT_MAX];
	uint64_t back;

	if (parse_size(size_text(bytes, size), &back) == 0 && back == bytes)
		buf_add(to, size);
	else
		buf_addf(to, "%" PRIu64, bytes);
}

static bool is_alike(const struct mps_share *a, const struct mps_share *b)
{
	return a->is_pinned && b->is_pinned && mps_place_is(&a->place, &b->place) &&
	       a->memory_bytes == b->memory_bytes && a->percent == b->percent;
}

/* "[{memory: 12G, compute: 30%, count: 3}, ...]": the pinned shares of a place; "" for none. */
static char *mps_text(const struct gpu *gpu, struct mps_place place)
{
	struct buf text = { 0 };

	for (unsigned i = 0; i < gpu->n_mps; i++) {
		const struct mps_share *share = &gpu->mps[i];
		unsigned count = 0, first = i;

		if (!share->is_pinned || !mps_place_is(&share->place, &place))
			continue;
		for (unsigned k = gpu->n_mps; k-- > 0;) {
			if (!is_alike(&gpu->mps[k], share))
				continue;
			count++;
			first = k;
		}
		if (first < i)
			continue;
		buf_add(&text, text.length ? ", {memory: " : "[{memory: ");
		add_memory(&text, share->memory_bytes);
		buf_addf(&text, ", compute: %u%%", share->percent);
		if (count > 1)
			buf_addf(&text, ", count: %u", count);
		buf_add(&text, "}");
	}
	if (text.length)
		buf_add(&text, "]");
	return buf_take(&text);
}

static bool is_over_committed(const struct gpu *gpu)
{
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (gpu->mps[i].is_pinned && gpu->mps[i].over_commit)
			return true;
	}
	return false;
}

static bool has_pinned_mps(const struct gpu *gpu)
{
	for (unsigned i = 0; i < gpu->n_mps; i++) {
		if (gpu->mps[i].is_pinned)
			return true;
	}
	return false;
}

/* What all compute instances of one item are. */
struct item {
	const struct mig_instance *instance;
	const struct mig_profile *profile;
	unsigned slices; /* 0: the whole */
	bool say_dynamic;
};

/* One item of the list of instances: `n` compute instances of `slices`, or the whole (0). */
static void add_item(struct buf *to, const struct item *item, unsigned n, const char *mps)
{
	const struct mig_instance *instance = item->instance;
	const struct mig_profile *profile = item->profile;
	char part[16] = "";

	if (item->slices)
		snprintf(part, sizeof(part), "%uc.", item->slices);
	if (to->length)
		buf_add(to, ", ");
	if (!item->say_dynamic && !*mps) {
		buf_addf(to, "%s%s@%u", part, profile->name, instance->start);
		if (n > 1)
			buf_addf(to, "*%u", n);
		return;
	}
	buf_addf(to, "{profile: %s%s, at: %u", part, profile->name, instance->start);
	if (n > 1)
		buf_addf(to, ", count: %u", n);
	if (*mps)
		buf_addf(to, ", mps: %s", mps);
	buf_add(to, item->say_dynamic ? ", dynamic: true}" : "}");
}

static unsigned slices_of(const struct mig_profile *profile, const struct mig_ci *ci)
{
	unsigned slices = ci->ci < profile->n_ci ? profile->ci[ci->ci].slices : profile->slices;

	return slices == profile->slices ? 0 : slices;
}

static void add_instance(struct buf *to, const struct gpu *gpu, const struct mig_instance *instance,
	bool say_dynamic)
{
	const struct mig_profile *profile = profile_of(gpu, instance);
	struct item item = { instance, profile, 0, say_dynamic };
	unsigned run = 1;

	if (instance->n_ci == 0)
		add_item(to, &item, 1, "");
	for (unsigned c = 0; c < instance->n_ci; c += run) {
		AUTO_FREE char *mps = mps_text(gpu, mps_place_of(gpu, instance, &instance->ci[c]));

		item.slices = slices_of(profile, &instance->ci[c]);
		for (run = 1; c + run < instance->n_ci; run++) {
			const struct mig_ci *ci = &instance->ci[c + run];
			AUTO_FREE char *next = mps_text(gpu, mps_place_of(gpu, instance, ci));

			if (slices_of(profile, ci) != item.slices || !text_eq(mps, next))
				break;
		}
		add_item(to, &item, run, mps);
	}
}

static int by_start(const void *a, const void *b)
{
	const struct mig_instance *const *x = a, *const *y = b;

	return (*x)->start < (*y)->start ? -1 : (*x)->start > (*y)->start;
}

/* "    mig: [...]" and the comments on foreign instances. */
static char *entry_text(const struct gpu *gpu)
{
	const struct mig_instance *sorted[MIG_INSTANCES_MAX];
	bool all_dynamic = is_all_dynamic(gpu);
	AUTO_BUF items = { 0 };
	struct buf entry = { 0 };
	unsigned n = gpu->seen.n_instances;

	if (!gpu->seen.mig_on) {
		AUTO_FREE char *mps = mps_text(gpu, MPS_WHOLE_GPU);

		if (gpu->facts.has_mig)
			buf_add(&entry, "    mig: off\n");
		if (*mps)
			buf_addf(&entry, "    mps: %s\n", mps);
		if (is_over_committed(gpu))
			buf_add(&entry, "    over-commit: true\n");
		if (export_vfs_of(gpu) == EXPORT_PINNED_VFS)
			export_add_vfs(&entry, gpu);
		return buf_take(&entry);
	}
	for (unsigned i = 0; i < n; i++)
		sorted[i] = &gpu->seen.instance[i];
	qsort(sorted, n, sizeof(sorted[0]), by_start);
	for (unsigned i = 0; i < n; i++)
		if (is_ours(gpu, sorted[i]))
			add_instance(&items, gpu, sorted[i],
				!all_dynamic && sorted[i]->origin == SHARE_DYNAMIC);
	buf_addf(&entry, "    mig: [%s%s]\n", buf_text(&items), all_dynamic ? ", dynamic" : "");
	if (is_over_committed(gpu))
		buf_add(&entry, "    over-commit: true\n");
	if (export_vfs_of(gpu) == EXPORT_PINNED_VFS)
		export_add_vfs(&entry, gpu);
	for (unsigned i = 0; i < n; i++) {
		char name[SHARE_NAME_MAX];

		if (!is_ours(gpu, sorted[i]))
			buf_addf(&entry, "    # not Carve's, left alone: %s\n",
				share_name(gpu, sorted[i], NULL, name));
	}
	return buf_take(&entry);
}

static void add_name(struct buf *to, const char *name)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	if (*name && strspn(name, plain) && name[strspn(name, plain)] == '\0') {
		buf_add(to, name);
		return;
	}
	buf_add(to, "\"");
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			buf_add(to, "\\");
		buf_add_n(to, name, 1);
	}
	buf_add(to, "\"");
}

static void add_entry(struct buf *to, const struct gpu *gpus, char *const *entries, unsigned n_gpus,
	unsigned first)
{
	char product[sizeof(gpus[first].facts.product)];

	buf_addf(to, "\n  - gpus: [%u", gpus[first].index);
	for (unsigned i = first + 1; i < n_gpus; i++)
		if (text_eq(entries[i], entries[first]) &&
			text_eq(gpus[i].facts.product, gpus[first].facts.product))
			buf_addf(to, ", %u", gpus[i].index);
	memcpy(product, gpus[first].facts.product, sizeof(product));
	text_clean(product);
	buf_addf(to, "] # %s\n%s", product, entries[first]);
	to->length--; /* the line end comes with the next entry */
	to->text[to->length] = '\0';
}

/* True if an earlier GPU's entry names this one too. */
static bool is_said(const struct gpu *gpus, char *const *entries, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (text_eq(entries[k], entries[i]) &&
			text_eq(gpus[k].facts.product, gpus[i].facts.product))
			return true;
	return false;
}

static bool is_written(const struct gpu *gpu)
{
	enum export_vfs vfs = export_vfs_of(gpu);

	return gpu->managed && vfs != EXPORT_LEFT_VFS &&
	       (vfs == EXPORT_PINNED_VFS || gpu->facts.has_mig || has_pinned_mps(gpu));
}

char *layout_export(const struct gpu *gpus, unsigned n_gpus, const char *name)
{
	char **entries = must_alloc(n_gpus, sizeof(*entries));
	struct buf text = { 0 };
	bool is_empty = true;

	buf_add(&text, "version: carve/v1\nlayouts:\n  ");
	add_name(&text, name);
	buf_add(&text, ":");
	for (unsigned i = 0; i < n_gpus; i++)
		if (is_written(&gpus[i]))
			entries[i] = entry_text(&gpus[i]);
	for (unsigned i = 0; i < n_gpus; i++) {
		if (!entries[i] || is_said(gpus, entries, i))
			continue;
		add_entry(&text, gpus, entries, n_gpus, i);
		is_empty = false;
	}
	buf_add(&text, is_empty ? " []" : "");
	for (unsigned i = 0; i < n_gpus; i++)
		if (gpus[i].managed && export_vfs_of(&gpus[i]) == EXPORT_LEFT_VFS)
			export_add_left(&text, &gpus[i]);
	buf_add(&text, "\n");
	for (unsigned i = 0; i < n_gpus; i++)
		free(entries[i]);
	free(entries);
	return buf_take(&text);
}
