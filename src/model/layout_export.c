/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is, as a layout. GPUs that hold the same share one entry. Foreign instances are not Carve's
 * to make again: they stand in comments, and to apply the file leaves them alone.
 */
#include "base/list.h"
#include "base/text.h"
#include "model/layout.h"

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

/* One item of the list of instances: `n` compute instances of `slices`, or the whole (0). */
static void add_item(struct buf *to, const struct mig_instance *instance,
	const struct mig_profile *profile, unsigned slices, unsigned n, bool say_dynamic)
{
	char part[16] = "";

	if (slices)
		snprintf(part, sizeof(part), "%uc.", slices);
	if (to->length)
		buf_add(to, ", ");
	if (!say_dynamic) {
		buf_addf(to, "%s%s@%u", part, profile->name, instance->start);
		if (n > 1)
			buf_addf(to, "*%u", n);
		return;
	}
	buf_addf(to, "{profile: %s%s, at: %u", part, profile->name, instance->start);
	if (n > 1)
		buf_addf(to, ", count: %u", n);
	buf_add(to, ", dynamic: true}");
}

static unsigned slices_of(const struct mig_profile *profile, const struct mig_ci *ci)
{
	unsigned slices = ci->ci < profile->n_ci ? profile->ci[ci->ci].slices : profile->slices;

	return slices == profile->slices ? 0 : slices;
}

static void add_instance(struct buf *to, const struct mig_instance *instance,
	const struct mig_profile *profile, bool say_dynamic)
{
	unsigned run = 1;

	if (instance->n_ci == 0)
		add_item(to, instance, profile, 0, 1, say_dynamic);
	for (unsigned c = 0; c < instance->n_ci; c += run) {
		unsigned slices = slices_of(profile, &instance->ci[c]);

		for (run = 1; c + run < instance->n_ci; run++)
			if (slices_of(profile, &instance->ci[c + run]) != slices)
				break;
		add_item(to, instance, profile, slices, run, say_dynamic);
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
		buf_add(&entry, "    mig: off\n");
		return buf_take(&entry);
	}
	for (unsigned i = 0; i < n; i++)
		sorted[i] = &gpu->seen.instance[i];
	qsort(sorted, n, sizeof(sorted[0]), by_start);
	for (unsigned i = 0; i < n; i++)
		if (is_ours(gpu, sorted[i]))
			add_instance(&items, sorted[i], profile_of(gpu, sorted[i]),
				!all_dynamic && sorted[i]->origin == SHARE_DYNAMIC);
	buf_addf(&entry, "    mig: [%s%s]\n", buf_text(&items), all_dynamic ? ", dynamic" : "");
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

char *layout_export(const struct gpu *gpus, unsigned n_gpus, const char *name)
{
	char **entries = must_alloc(n_gpus, sizeof(*entries));
	struct buf text = { 0 };
	bool is_empty = true;

	buf_add(&text, "version: carve/v1\nlayouts:\n  ");
	add_name(&text, name);
	buf_add(&text, ":");
	for (unsigned i = 0; i < n_gpus; i++)
		if (gpus[i].managed && gpus[i].facts.has_mig)
			entries[i] = entry_text(&gpus[i]);
	for (unsigned i = 0; i < n_gpus; i++) {
		if (!entries[i] || is_said(gpus, entries, i))
			continue;
		add_entry(&text, gpus, entries, n_gpus, i);
		is_empty = false;
	}
	buf_add(&text, is_empty ? " []\n" : "\n");
	for (unsigned i = 0; i < n_gpus; i++)
		free(entries[i]);
	free(entries);
	return buf_take(&text);
}
