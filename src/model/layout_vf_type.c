/* SPDX-License-Identifier: Apache-2.0 */
/* The type of vGPU that a line of a layout means on one GPU, by its name or its memory. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <errno.h>
#include <stdlib.h>

enum { NAMED_MAX = 12 };

static void say_types(const struct gpu *gpu, struct buf *text)
{
	const struct vf_facts *facts = &gpu->facts.vf;

	for (uint32_t t = 0; t < facts->n_types && t < NAMED_MAX; t++)
		buf_addf(text, "%s%s", t ? ", " : "", facts->type[t].name);
	if (facts->n_types > NAMED_MAX)
		buf_addf(text, " and %u more", facts->n_types - NAMED_MAX);
}

static int no_type(struct layout_reader *reader, const struct gpu *gpu, const struct asked_vf *line)
{
	const char *nearest = vf_type_nearest(&gpu->facts.vf, line->type);
	AUTO_BUF types = { 0 };

	if (nearest)
		return yaml_error(line->node, reader->err, -EINVAL,
			"GPU %u (%s) has no type of vGPU '%.60s': did you mean '%s'?", gpu->index,
			gpu->facts.product, line->type, nearest);
	say_types(gpu, &types);
	return yaml_error(line->node, reader->err, -EINVAL,
		"GPU %u (%s) has no type of vGPU '%.60s': it has %s", gpu->index,
		gpu->facts.product, line->type, buf_text(&types));
}

static bool has_memory(const struct vf_type *type, const struct asked_vf *line)
{
	const char *size = strrchr(type->name, '-');

	return type->memory_bytes == line->memory_bytes ||
	       (line->memory_label && vf_type_series(type) &&
		       strtoul(size + 1, NULL, 10) == line->memory_label);
}

/* No type has just that memory: the nearest that there are. */
static int no_memory(
	struct layout_reader *reader, const struct gpu *gpu, const struct asked_vf *line)
{
	const struct vf_type *smaller = NULL, *larger = NULL;
	char asked[SIZE_TEXT_MAX];
	AUTO_BUF near = { 0 };

	for (uint32_t t = 0; t < gpu->facts.vf.n_types; t++) {
		const struct vf_type *type = &gpu->facts.vf.type[t];

		if (type->memory_bytes < line->memory_bytes)
			smaller = type;
		else if (!larger)
			larger = type;
	}
	if (smaller)
		buf_addf(&near, "%s", smaller->name);
	if (larger)
		buf_addf(&near, "%s%s", smaller ? " and " : "", larger->name);
	return yaml_error(line->node, reader->err, -EINVAL,
		"no type of vGPU on GPU %u (%s) has %s: the nearest %s %s", gpu->index,
		gpu->facts.product, size_text(line->memory_bytes, asked),
		smaller && larger ? "are" : "is", buf_text(&near));
}

/* C before Q, B and A. */
static unsigned rank_of(const struct vf_type *type)
{
	static const char order[] = "CQBA";
	char series = vf_type_series(type);

	return series ? (unsigned)(strchr(order, series) - order) : sizeof(order);
}

/* Of those with the memory: where MIG mode is to be on one that is backed by MIG. */
static int by_memory(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	const struct asked_vf *line, int *ret_type)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	unsigned best = UINT32_MAX;

	for (uint32_t t = 0; t < facts->n_types; t++) {
		const struct vf_type *type = &facts->type[t];
		unsigned rank = rank_of(type) +
				(vf_type_is_mig(type) != asked->mig_on ? sizeof("CQBA") : 0);

		if (!has_memory(type, line) || rank >= best)
			continue;
		best = rank;
		*ret_type = (int)t;
	}
	return best == UINT32_MAX ? no_memory(reader, gpu, line) : 0;
}

int layout_vf_type(struct layout_reader *reader, const struct gpu *gpu, const struct asked *asked,
	const struct asked_vf *line, int *ret_type)
{
	const struct vf_facts *facts = &gpu->facts.vf;
	AUTO_BUF types = { 0 };

	*ret_type = -1;
	if (vf_types_are_unknown(facts)) {
		vf_say_unknown_types(gpu, &types);
		return yaml_error(line->node, reader->err, -EINVAL, "%s", buf_text(&types));
	}
	if (facts->n_types == 0 && line->type)
		return yaml_error(line->node, reader->err, -EINVAL,
			"the virtual functions of GPU %u (%s) have no types: leave type out",
			gpu->index, gpu->facts.product);
	if (facts->n_types == 0 && line->memory_bytes && !facts->has_quota)
		return yaml_error(line->node, reader->err, -EINVAL,
			"the virtual functions of GPU %u (%s) have no sizes of their own: leave "
			"memory out",
			gpu->index, gpu->facts.product);
	if (facts->n_types == 0)
		return 0;
	if (!line->type && line->memory_bytes)
		return by_memory(reader, gpu, asked, line, ret_type);
	if (!line->type) {
		say_types(gpu, &types);
		return yaml_error(line->node, reader->err, -EINVAL,
			"which type of vGPU? write {type: ...} or {memory: ...}: GPU %u (%s) has "
			"%s",
			gpu->index, gpu->facts.product, buf_text(&types));
	}
	*ret_type = vf_type_find(facts, line->type);
	return *ret_type < 0 ? no_type(reader, gpu, line) : 0;
}
