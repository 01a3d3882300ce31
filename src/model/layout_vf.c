/* SPDX-License-Identifier: Apache-2.0 */
/* The VFs of a layout held against what one GPU can have. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/layout_read.h"
#include "model/vf_room.h"

#include <errno.h>

/* The lines of one entry on their way to one GPU. */
struct vf_want {
	struct layout_reader *reader;
	const struct gpu *gpu;
	const struct asked *asked;
	struct wanted_gpu *wanted;
	int type[VFS_MAX]; /* of each line: an index into facts.vf.type[]; -1 none */
};

bool layout_vf_is_possible(const struct gpu *gpu)
{
	return vf_any_on(gpu) ||
	       (gpu->facts.vf.total > 0 && gpu->capability[MECHANISM_VF].answer != CAPABILITY_NO);
}

static int refuse(const struct vf_want *want, const struct asked_vf *line, const char *why)
{
	return yaml_error(line ? line->node : want->asked->vf_node, want->reader->err, -EINVAL,
		"GPU %u (%s) %s", want->gpu->index, want->gpu->facts.product, why);
}

static int check_possible(const struct vf_want *want)
{
	const char *why = want->gpu->capability[MECHANISM_VF].text;

	if (layout_vf_is_possible(want->gpu) || (!want->asked->n_vfs && !want->asked->vf_count))
		return 0;
	return yaml_error(want->asked->vf_node, want->reader->err, -EINVAL,
		"GPU %u (%s) has no virtual functions%s%s: leave it out of this entry",
		want->gpu->index, want->gpu->facts.product, why[0] ? ", " : "", why);
}

static int check_line(struct vf_want *want, const struct asked_vf *line, int type)
{
	const struct vf_facts *facts = &want->gpu->facts.vf;

	if ((line->quantum_ms || line->preempt_us) && !facts->has_schedule)
		return refuse(want, line,
			"has no execution quantum or preemption timeout for its virtual "
			"functions: leave quantum and preemption out");
	if (want->asked->mig_on && type < 0)
		return refuse(want, line,
			"has virtual functions or MIG instances, not both: leave mig or vf out");
	return 0;
}

/* All are backed by MIG, or none is. */
static int check_mig(struct vf_want *want, const struct asked_vf *line, int type)
{
	const struct vf_type *types = want->gpu->facts.vf.type;
	bool is_mig = vf_type_is_mig(&types[type]);

	for (unsigned i = 0; i < want->asked->n_vfs && &want->asked->vf[i] != line; i++)
		if (vf_type_is_mig(&types[want->type[i]]) != is_mig)
			return yaml_error(line->node, want->reader->err, -EINVAL,
				"%s and %s cannot be on one GPU: one takes MIG mode to be on, the "
				"other off",
				types[want->type[i]].name, types[type].name);
	if (want->asked->says_mig && want->asked->mig_on != is_mig)
		return yaml_error(line->node, want->reader->err, -EINVAL,
			"%s takes MIG mode to be %s, and mig beside it says %s: leave mig out",
			types[type].name, is_mig ? "on" : "off", is_mig ? "off" : "on");
	want->wanted->mig_on = is_mig;
	return 0;
}

static void add_line(struct vf_want *want, const struct asked_vf *line, int type)
{
	struct wanted_vf *wanted = &want->wanted->vf[want->wanted->n_vfs++];

	*wanted = (struct wanted_vf){
		.setup = { .is_for_vm = true,
			.quantum_ms = line->quantum_ms,
			.preempt_us = line->preempt_us },
		.number = line->number,
		.count = line->count,
		.line = line->node->line,
		.column = line->node->column,
	};
	if (type >= 0)
		wanted->setup.type = want->gpu->facts.vf.type[type].id;
	else
		wanted->setup.memory_bytes = (line->memory_bytes + (1 << 20) - 1) >> 20 << 20;
}

static int take_lines(struct vf_want *want)
{
	int r = 0;

	want->wanted->vf = must_alloc(want->asked->n_vfs ?: 1, sizeof(*want->wanted->vf));
	for (unsigned i = 0; i < want->asked->n_vfs && r == 0; i++) {
		const struct asked_vf *line = &want->asked->vf[i];

		r = layout_vf_type(want->reader, want->gpu, want->asked, line, &want->type[i]);
		if (r == 0)
			r = check_line(want, line, want->type[i]);
		if (r == 0 && want->type[i] >= 0)
			r = check_mig(want, line, want->type[i]);
		for (unsigned k = 0; k < i && r == 0 && line->number >= 0; k++)
			if (want->asked->vf[k].number == line->number)
				r = yaml_error(line->node, want->reader->err, -EINVAL,
					"'vf: %d' is wanted twice", line->number);
		if (r == 0)
			add_line(want, line, want->type[i]);
	}
	return r;
}

/* So many have to be on. */
static unsigned count_needed(const struct asked *asked)
{
	unsigned sum = 0, last = 0;

	for (unsigned i = 0; i < asked->n_vfs; i++) {
		unsigned end = (unsigned)(asked->vf[i].number + 1);

		sum += asked->vf[i].count;
		last = end > last ? end : last;
	}
	return sum > last ? sum : last;
}

static int refuse_count(const struct vf_want *want, unsigned count)
{
	const struct vf_facts *facts = &want->gpu->facts.vf;
	AUTO_BUF more = { 0 };

	if (facts->hardware_total > facts->total)
		buf_addf(&more, " now, though the hardware could have %u (`carve doctor` says why)",
			facts->hardware_total);
	return yaml_error(want->asked->vf_node, want->reader->err, -EINVAL,
		"%u virtual functions are too many: GPU %u (%s) can have %u%s", count,
		want->gpu->index, want->gpu->facts.product, facts->total, buf_text(&more));
}

/* How many are to be on: what the layout says, or as many as are on where they are enough. */
static int take_count(struct vf_want *want)
{
	const struct asked *asked = want->asked;
	const struct vf_facts *facts = &want->gpu->facts.vf;
	unsigned needed = count_needed(asked), on = want->gpu->seen.vfs.count;
	unsigned count = asked->has_vf_count ? asked->vf_count : needed;

	for (unsigned i = 0; i < asked->n_vfs; i++)
		if (asked->vf[i].number >= 0 && (unsigned)asked->vf[i].number >= facts->total &&
			(unsigned)asked->vf[i].number >= on)
			return yaml_error(asked->vf[i].node, want->reader->err, -EINVAL,
				"there is no virtual function %d: GPU %u (%s) can have %u, counted "
				"from 0",
				asked->vf[i].number, want->gpu->index, want->gpu->facts.product,
				facts->total);
	if (count > facts->total && count > on)
		return refuse_count(want, count);
	if (asked->has_vf_count && needed > count)
		return yaml_error(asked->vf_node, want->reader->err, -EINVAL,
			"'vfs: %u' are too few for the %u that vf wants", count, needed);
	if (asked->has_vf_count && facts->all_or_none && count && count != facts->total)
		return yaml_error(asked->vf_node, want->reader->err, -EINVAL,
			"GPU %u (%s) has all its %u virtual functions on, or none: leave vfs out",
			want->gpu->index, want->gpu->facts.product, facts->total);
	if (!asked->has_vf_count && needed)
		count = on >= needed ? on : facts->all_or_none ? facts->total : needed;
	if (count != on && vf_count_is_fixed(facts->kind))
		return refuse(want, NULL,
			"has as many virtual functions on as its driver was loaded with, and no "
			"other number: leave vfs out, and want no more of them");
	want->wanted->has_vfs = true;
	want->wanted->vf_count = count;
	return 0;
}

/* One size on the GPU, or sizes mixed where it can. */
static int take_sizes(struct vf_want *want)
{
	const struct vf_type *types = want->gpu->facts.vf.type;

	for (unsigned i = 1; i < want->asked->n_vfs && want->type[i] >= 0; i++) {
		const struct vf_type *a = &types[want->type[0]], *b = &types[want->type[i]];

		if (vf_type_is_mig(b) || a->memory_bytes == b->memory_bytes)
			continue;
		if (!want->gpu->facts.vf.may_mix)
			return yaml_error(want->asked->vf[i].node, want->reader->err, -EINVAL,
				"%s and %s have different sizes, and GPU %u (%s) has vGPUs of one "
				"size at a time",
				a->name, b->name, want->gpu->index, want->gpu->facts.product);
		want->wanted->vf_mix = true;
	}
	return 0;
}

/* Not one more of the type has room: which types have? */
static int refuse_type(
	struct vf_want *want, const struct asked_vf *line, int type, const struct vf_room *room)
{
	const struct vf_facts *facts = &want->gpu->facts.vf;
	AUTO_BUF fits = { 0 };

	for (uint32_t t = 0; t < facts->n_types; t++)
		if (vf_room_for(room, t))
			buf_addf(&fits, "%s%s", fits.length ? ", " : "", facts->type[t].name);
	return yaml_error(line->node, want->reader->err, -EINVAL,
		"%s has no room on GPU %u (%s) beside the others%s; what fits: %s",
		facts->type[type].name, want->gpu->index, want->gpu->facts.product,
		want->wanted->vf_mix ? ", with sizes mixed" : "",
		fits.length ? buf_text(&fits) : "nothing");
}

static int refuse_room(
	struct vf_want *want, const struct asked_vf *line, int type, const struct vf_room *room)
{
	char size[SIZE_TEXT_MAX];
	uint32_t left;

	if (type < 0)
		return yaml_error(line->node, want->reader->err, -EINVAL,
			"%u of such a virtual function are too much memory: %s are left on GPU %u "
			"(%s)",
			line->count, size_text(vf_room_memory(room), size), want->gpu->index,
			want->gpu->facts.product);
	left = vf_room_for(room, (unsigned)type);
	if (left == 0)
		return refuse_type(want, line, type, room);
	return yaml_error(line->node, want->reader->err, -EINVAL,
		"%u of %s are too many: GPU %u (%s) has room for %u%s", line->count,
		want->gpu->facts.vf.type[type].name, want->gpu->index, want->gpu->facts.product,
		left, want->wanted->vf_mix ? " beside the others, with sizes mixed" : "");
}

/* Time-sliced vGPUs and quotas: what all lines take together. */
static int check_room(struct vf_want *want)
{
	struct vf_room room;

	vf_room_empty(&room, want->gpu, want->wanted->vf_count, want->wanted->vf_mix, false);
	for (unsigned i = 0; i < want->asked->n_vfs; i++) {
		const struct wanted_vf *line = &want->wanted->vf[i];
		struct vf_room before = room;

		for (unsigned k = 0; k < line->count; k++) {
			bool fits = want->type[i] >= 0
					    ? vf_room_for(&room, (unsigned)want->type[i]) > 0
					    : line->setup.memory_bytes <= vf_room_memory(&room);

			if (!fits)
				return refuse_room(
					want, &want->asked->vf[i], want->type[i], &before);
			vf_room_add(&room, &line->setup);
		}
	}
	return 0;
}

/* Instances of the profile that lines from `first` on need for types of its size. */
static unsigned instances_for(const struct vf_want *want, unsigned first)
{
	const struct vf_type *types = want->gpu->facts.vf.type, *type = &types[want->type[first]];
	unsigned n = 0, most = type->max_per_instance ?: 1;

	for (unsigned i = 0; i < want->asked->n_vfs; i++) {
		const struct vf_type *other = &types[want->type[i]];

		if (other->profile_id != type->profile_id ||
			other->memory_bytes != type->memory_bytes)
			continue;
		if (i < first)
			return 0;
		n += want->asked->vf[i].count;
	}
	return (n + most - 1) / most;
}

/* Whole instances of the profile that the layout names by itself. */
static unsigned instances_named(const wanted_share_list *shares, const char *profile)
{
	unsigned n = 0;

	for (size_t i = 0; i < shares->n; i++)
		if (text_eq(shares->at[i].profile, profile) && !shares->at[i].ci_slices &&
			!shares->at[i].n_mps)
			n += shares->at[i].count;
	return n;
}

/* The instances that types backed by MIG lie in, beyond those that the layout names. */
static int add_instances(struct vf_want *want, wanted_share_list *shares)
{
	const struct mig_geometry *geometry = &want->gpu->facts.geometry;
	unsigned needed[MIG_PROFILES_MAX] = { 0 };

	for (unsigned i = 0; i < want->asked->n_vfs; i++) {
		const struct vf_type *type = &want->gpu->facts.vf.type[want->type[i]];
		int p = mig_profile_find_id(geometry, type->profile_id);

		if (p < 0)
			return refuse(want, &want->asked->vf[i],
				"does not tell its MIG profiles now: turn MIG mode on first, with "
				"a layout that says 'mig: []'");
		needed[p] += instances_for(want, i);
		if (needed[p] > geometry->profile[p].max)
			return yaml_error(want->asked->vf[i].node, want->reader->err, -EINVAL,
				"these vGPUs take %u instances of %s: GPU %u holds at most %u",
				needed[p], geometry->profile[p].name, want->gpu->index,
				geometry->profile[p].max);
	}
	for (unsigned p = 0; p < geometry->n_profiles; p++) {
		unsigned named = instances_named(shares, geometry->profile[p].name);
		struct wanted_share *share;

		if (needed[p] <= named)
			continue;
		share = vec_add(shares);
		memcpy(share->profile, geometry->profile[p].name, sizeof(share->profile));
		share->start = -1;
		share->count = needed[p] - named;
		share->line = want->asked->vf_node->line;
		share->column = want->asked->vf_node->column;
	}
	return 0;
}

int layout_vf_want(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	struct wanted_gpu *wanted, wanted_share_list *shares)
{
	struct vf_want want = { reader, gpu, asked, wanted };
	int r = check_possible(&want);

	if (r == 0)
		r = take_lines(&want);
	if (r == 0)
		r = take_count(&want);
	if (r == 0)
		r = take_sizes(&want);
	if (r == 0 && asked->n_vfs && want.type[0] >= 0 && wanted->mig_on)
		return add_instances(&want, shares);
	if (r == 0)
		r = check_room(&want);
	wanted->is_vfs_off_only = !wanted->vf_count && !asked->says_mig && !asked->n_mps;
	if (wanted->is_vfs_off_only)
		wanted->mig_on = gpu->seen.mig_on;
	return r;
}
