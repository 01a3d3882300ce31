/* SPDX-License-Identifier: Apache-2.0 */
/* The MPS shares of a layout: how they are written, and whether they fit where they are wanted. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/layout_read.h"
#include "model/mps_room.h"

#include <errno.h>

static int read_memory(const struct yaml_node *node, uint64_t *ret_bytes, struct error *err)
{
	const char *text;
	uint64_t bytes;
	int r = yaml_word(node, "memory", &text, err);

	if (r < 0)
		return r;
	if (parse_size(text, &bytes) < 0 || bytes == 0 || bytes > INT64_MAX)
		return yaml_error(node, err, -EINVAL,
			"memory must be a size such as 12G or 9.5Gi, not '%.60s'", text);
	if (bytes < MPS_MEMORY_LEAST)
		return yaml_error(node, err, -EINVAL,
			"an MPS share has 1Mi of memory or more, not '%.60s': write a unit, such "
			"as 12G",
			text);
	*ret_bytes = bytes;
	return 0;
}

static int read_compute(const struct yaml_node *node, uint32_t *ret_percent, struct error *err)
{
	char digits[4] = "";
	const char *text;
	size_t n;
	int r = yaml_word(node, "compute", &text, err);

	if (r < 0)
		return r;
	n = strspn(text, "0123456789");
	if (n < sizeof(digits))
		memcpy(digits, text, n);
	if (!(text[n] == '\0' || text_eq(text + n, "%")) || parse_u32(digits, ret_percent) < 0 ||
		*ret_percent < 1 || *ret_percent > 100)
		return yaml_error(node, err, -EINVAL,
			"compute must be a whole percentage of one GPU, 1%% to 100%%, not '%.60s'",
			text);
	return 0;
}

/* {memory: 12G, compute: 30%, count: 3} */
static int read_share(const struct yaml_node *node, struct asked_mps *ret_share, struct error *err)
{
	static const char *const keys[] = { "memory", "compute", "count" };
	struct asked_mps share = { .count = 1, .node = node };
	const struct yaml_node *memory, *compute, *count;
	uint64_t n = 1;
	int r = yaml_want(node, YAML_MAP, "an MPS share", err);

	if (r == 0)
		r = yaml_keys(node, "an MPS share", keys, ARRAY_SIZE(keys), err);
	if (r < 0)
		return r;
	memory = yaml_get(node, "memory");
	compute = yaml_get(node, "compute");
	count = yaml_get(node, "count");
	if (!memory && !compute)
		return yaml_error(node, err, -EINVAL,
			"an MPS share has a size: write {memory: 12G}, {compute: 30%%} or both");
	if (memory)
		r = read_memory(memory, &share.memory_bytes, err);
	if (r == 0 && compute)
		r = read_compute(compute, &share.percent, err);
	if (r == 0 && count)
		r = yaml_number(count, "count", 1, MPS_SHARES_MAX, &n, err);
	if (r < 0)
		return r;
	share.count = (unsigned)n;
	*ret_share = share;
	return 0;
}

int layout_mps_read(struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	int r = 0;

	if (yaml_is_truth(node, false))
		return 0;
	if (node->kind != YAML_LIST)
		return yaml_error(node, reader->err, -EINVAL,
			"mps must be a list of shares such as [{memory: 12G, compute: 30%%, count: "
			"3}], or off");
	for (size_t i = 0; i < node->n && r == 0; i++) {
		if (asked->n_mps == MPS_SHARES_MAX)
			return yaml_error(node->item[i], reader->err, -E2BIG,
				"no GPU holds that many MPS shares");
		r = read_share(node->item[i], &asked->mps[asked->n_mps], reader->err);
		asked->n_mps += r == 0;
	}
	return r;
}

/* What keeps a line out of the room that those before it leave. */
static int refuse(struct layout_reader *reader, const struct gpu *gpu,
	const struct asked_mps *asked, const struct mps_room *room, enum mps_lack lack)
{
	char size[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX];
	const char *where = mps_extent_is_gpu(&room->extent) ? "GPU" : "the instance on GPU";

	switch (lack) {
	case MPS_LACK_MEMORY:
		return yaml_error(asked->node, reader->err, -EINVAL,
			"%u such MPS share%s too much memory: %s of %s are left on %s %u (%s)",
			asked->count, asked->count > 1 ? "s are" : " is",
			size_text(mps_room_memory_left(room), size),
			size_text(room->extent.memory_bytes, all), where, gpu->index,
			gpu->facts.product);
	case MPS_LACK_COMPUTE:
		return yaml_error(asked->node, reader->err, -EINVAL,
			"%u such MPS share%s too much compute: %u %% are left on %s %u (%s); "
			"'over-commit: true' beside them lets them add up to more",
			asked->count, asked->count > 1 ? "s are" : " is",
			mps_room_percent_left(room, gpu), where, gpu->index, gpu->facts.product);
	default:
		return yaml_error(asked->node, reader->err, -EINVAL,
			"these are too many MPS shares: the hardware serves %u clients on %s %u "
			"(%s)",
			room->n_clients, where, gpu->index, gpu->facts.product);
	}
}

int layout_mps_want(struct layout_reader *reader, const struct gpu *gpu, struct mps_extent extent,
	const struct asked *asked, struct asked_mps_range range, wanted_mps_list *to)
{
	struct mps_room room = mps_room_empty(gpu, extent), before;

	for (unsigned i = range.first; i < range.first + range.n; i++) {
		const struct asked_mps *line = &asked->mps[i];
		struct mps_share share = { .memory_bytes = line->memory_bytes,
			.percent = line->percent,
			.over_commit = asked->over_commit };
		struct wanted_mps *wanted;

		if (!mps_is_possible(gpu))
			return yaml_error(line->node, reader->err, -EINVAL,
				"GPU %u (%s) cannot do MPS, which takes compute capability 3.5: "
				"leave it out of this entry",
				gpu->index, gpu->facts.product);
		mps_size_complete(gpu, &extent, &share.memory_bytes, &share.percent);
		if (share.percent < mps_least_percent(gpu))
			return yaml_error(line->node, reader->err, -EINVAL,
				"compute: the least that GPU %u (%s) can give is %u %%", gpu->index,
				gpu->facts.product, mps_least_percent(gpu));
		before = room;
		for (unsigned k = 0; k < line->count; k++) {
			enum mps_lack lack = mps_room_lacks(
				&room, gpu, share.memory_bytes, share.percent, share.over_commit);

			if (lack != MPS_LACK_NOTHING)
				return refuse(reader, gpu, line, &before, lack);
			mps_room_add(&room, gpu, &share);
		}
		wanted = vec_add(to);
		wanted->memory_bytes = share.memory_bytes;
		wanted->percent = share.percent;
		wanted->over_commit = share.over_commit;
		wanted->count = line->count;
	}
	return 0;
}
