/* SPDX-License-Identifier: Apache-2.0 */
/* The VFs of a layout as they are written. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/layout_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

/* 35 of "35G" and "35GB". */
static unsigned label_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 6 || tolower((unsigned char)text[digits]) != 'g')
		return 0;
	return !text[digits + 1] || (strchr("bB", text[digits + 1]) && !text[digits + 2])
		       ? (unsigned)strtoul(text, NULL, 10)
		       : 0;
}

static int read_memory(const struct yaml_node *node, struct asked_vf *line, struct error *err)
{
	const char *text;
	int r = yaml_word(node, "memory", &text, err);

	if (r < 0)
		return r;
	if (parse_size(text, &line->memory_bytes) < 0 || line->memory_bytes == 0 ||
		line->memory_bytes > INT64_MAX)
		return yaml_error(node, err, -EINVAL,
			"memory must be a size such as 35G or 9.5Gi, not '%.60s'", text);
	line->memory_label = label_of(text);
	return 0;
}

/* "500us" too, which is finer than other times are written. */
static int parse_time(const char *text, uint64_t *ret_ns)
{
	size_t digits = strspn(text, "0123456789");
	char number[12] = "";
	uint32_t us;

	if (!text_eq(text + digits, "us") || digits >= sizeof(number))
		return parse_duration(text, ret_ns);
	memcpy(number, text, digits);
	if (parse_u32(number, &us) < 0)
		return -EINVAL;
	*ret_ns = us * UINT64_C(1000);
	return 0;
}

/* A time of the scheduler in its own unit. */
static int read_time(const struct yaml_node *node, const char *what, uint64_t unit_ns,
	uint32_t *ret_units, struct error *err)
{
	const char *text;
	uint64_t ns;
	int r = yaml_word(node, what, &text, err);

	if (r < 0)
		return r;
	if (parse_time(text, &ns) < 0 || ns == 0 || ns > 60000000000ULL || ns % unit_ns)
		return yaml_error(node, err, -EINVAL,
			"%s must be a time such as 20ms, up to 1min, not '%.60s': without it there "
			"is no limit",
			what, text);
	*ret_units = (uint32_t)(ns / unit_ns);
	return 0;
}

static int read_limits(const struct yaml_node *node, struct asked_vf *line, struct error *err)
{
	const struct yaml_node *memory = yaml_get(node, "memory"),
			       *quantum = yaml_get(node, "quantum"),
			       *preemption = yaml_get(node, "preemption");
	int r = 0;

	if (memory)
		r = read_memory(memory, line, err);
	if (r == 0 && quantum)
		r = read_time(quantum, "quantum", 1000000, &line->quantum_ms, err);
	if (r == 0 && preemption)
		r = read_time(preemption, "preemption", 1000, &line->preempt_us, err);
	return r;
}

/* {type: NVIDIA H200X-35C, count: 4}, {memory: 4G, vf: 3} */
static int read_line(const struct yaml_node *node, struct asked_vf *ret_line, struct error *err)
{
	static const char *const keys[] = { "type", "memory", "count", "vf", "quantum",
		"preemption" };
	struct asked_vf line = { .count = 1, .number = -1, .node = node };
	const struct yaml_node *type, *count, *number;
	uint64_t n = 1, at = 0;
	int r = yaml_want(node, YAML_MAP, "a virtual function", err);

	if (r == 0)
		r = yaml_keys(node, "a virtual function", keys, ARRAY_SIZE(keys), err);
	if (r < 0)
		return r;
	type = yaml_get(node, "type");
	count = yaml_get(node, "count");
	number = yaml_get(node, "vf");
	r = read_limits(node, &line, err);
	if (r == 0 && type)
		r = yaml_word(type, "type", &line.type, err);
	if (r == 0 && count)
		r = yaml_number(count, "count", 1, VFS_MAX, &n, err);
	if (r == 0 && number)
		r = yaml_number(number, "vf", 0, VFS_MAX - 1, &at, err);
	if (r < 0)
		return r;
	if (type && line.memory_bytes)
		return yaml_error(node, err, -EINVAL,
			"a type of vGPU has its memory: leave type or memory out");
	if (number && count && n != 1)
		return yaml_error(count, err, -EINVAL,
			"'vf: %u' is one virtual function: leave vf or count out", (unsigned)at);
	line.count = (unsigned)n;
	if (number)
		line.number = (int)at;
	*ret_line = line;
	return 0;
}

int layout_vf_read(struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	int r = 0;

	asked->has_vfs = true;
	if (yaml_is_truth(node, false))
		return 0;
	if (node->kind != YAML_LIST)
		return yaml_error(node, reader->err, -EINVAL,
			"vf must be a list of virtual functions such as [{type: \"NVIDIA "
			"H200X-35C\", count: 4}], or off");
	for (size_t i = 0; i < node->n && r == 0; i++) {
		if (asked->n_vfs == VFS_MAX)
			return yaml_error(node->item[i], reader->err, -E2BIG,
				"no GPU has that many virtual functions");
		r = read_line(node->item[i], &asked->vf[asked->n_vfs], reader->err);
		asked->n_vfs += r == 0;
	}
	return r;
}

int layout_vf_count_read(
	struct layout_reader *reader, const struct yaml_node *node, struct asked *asked)
{
	uint64_t n;
	int r = yaml_number(node, "vfs", 0, VFS_MAX, &n, reader->err);

	if (r < 0)
		return r;
	asked->has_vfs = asked->has_vf_count = true;
	asked->vf_count = (unsigned)n;
	return 0;
}
