/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/load.h"

#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/program/yaml.h"

#include <errno.h>
#include <stdlib.h>

#define EVENTS_MOST 1000000

static int parse_percent(const char *text, uint64_t *ret_value)
{
	return parse_u64(text, ret_value) < 0 || *ret_value > 100 ? -EINVAL : 0;
}

/* "A" or "A..B". */
static int read_range(const struct yaml *yaml, struct fy_node *node, const char *what,
	int (*parse)(const char *text, uint64_t *ret_value), struct load_range *range)
{
	char text[64], *high;
	int r;

	if (!node)
		return 0;
	r = yaml_text(yaml, node, text, sizeof(text));
	if (r < 0)
		return r;
	high = strstr(text, "..");
	if (high)
		*high = '\0';
	if (parse(text, &range->low) < 0 || parse(high ? high + 2 : text, &range->high) < 0)
		return yaml_fail(yaml, node, "%s: '%s%s%s' is not %s, or two with .. between", what,
			text, high ? ".." : "", high ? high + 2 : "",
			parse == parse_size	  ? "an amount of memory (8G)"
			: parse == parse_duration ? "a time (10s)"
						  : "a percentage");
	if (range->low > range->high)
		return yaml_fail(yaml, node, "%s: the first is the greater one", what);
	return 0;
}

static int read_phase(const struct yaml *yaml, struct fy_node *node, struct load_phase *phase)
{
	int r = yaml_only(yaml, node, (const char *const[]){ "for", "memory", "busy", NULL });

	if (r == 0 && !yaml_get(node, "for"))
		r = yaml_fail(yaml, node, "for: how long does this phase last?");
	if (r == 0)
		r = read_range(yaml, yaml_get(node, "for"), "for", parse_duration, &phase->for_ns);
	if (r == 0 && phase->for_ns.low == 0)
		r = yaml_fail(yaml, yaml_get(node, "for"), "for: a phase takes some time");
	if (r == 0)
		r = read_range(
			yaml, yaml_get(node, "memory"), "memory", parse_size, &phase->memory);
	return r == 0 ? read_range(
				yaml, yaml_get(node, "busy"), "busy", parse_percent, &phase->busy)
		      : r;
}

static int read_repeat(const struct yaml *yaml, struct fy_node *node, uint64_t *ret_repeat)
{
	char text[16];
	uint32_t times;
	int r = yaml_text(yaml, node, text, sizeof(text));

	if (r == 0 && text_eq(text, "forever")) {
		*ret_repeat = UINT64_MAX;
		return 0;
	}
	if (r == 0)
		r = yaml_u32(yaml, node, 1000000, &times);
	if (r == 0)
		*ret_repeat = times;
	return r;
}

static int read_type(const struct yaml *yaml, struct fy_node *node, enum process_type *ret_type)
{
	char text[16];
	int r = yaml_text(yaml, node, text, sizeof(text));

	if (r == 0 && !process_type_parse(text, ret_type))
		r = yaml_fail(yaml, node, "'%s' is none of compute, graphics, mps", text);
	return r;
}

static int read_process(const struct yaml *yaml, struct fy_node *node, struct load_process *process)
{
	struct fy_node *phases, *item;
	void *iterator = NULL;
	int r = yaml_only(yaml, node,
		(const char *const[]){
			"name", "device", "type", "start", "repeat", "phases", NULL });

	if (r < 0)
		return r;
	process->repeat = 1;
	text_copy(process->name, sizeof(process->name), "python3");
	text_copy(process->device, sizeof(process->device), "0");
	if ((item = yaml_get(node, "name")))
		r = yaml_text(yaml, item, process->name, sizeof(process->name));
	if (r == 0 && (item = yaml_get(node, "device")))
		r = yaml_text(yaml, item, process->device, sizeof(process->device));
	if (r == 0 && (item = yaml_get(node, "type")))
		r = read_type(yaml, item, &process->type);
	if (r == 0)
		r = read_range(
			yaml, yaml_get(node, "start"), "start", parse_duration, &process->start_ns);
	if (r == 0 && (item = yaml_get(node, "repeat")))
		r = read_repeat(yaml, item, &process->repeat);
	phases = yaml_get(node, "phases");
	if (r == 0 &&
		(!phases || !fy_node_is_sequence(phases) || fy_node_sequence_is_empty(phases)))
		r = yaml_fail(yaml, phases ?: node,
			"phases: a list is wanted, such as [{for: 10s, memory: 8G, busy: 50}]");
	while (r == 0 && (item = fy_node_sequence_iterate(phases, &iterator)))
		r = read_phase(yaml, item, vec_add(&process->phases));
	return r;
}

static int read_load(const struct yaml *yaml, struct fy_node *root, struct load *load)
{
	struct fy_node *item, *processes;
	struct load_range length = { 0 };
	void *iterator = NULL;
	uint32_t seed = 0;
	char text[32];
	int r = yaml_only(
		yaml, root, (const char *const[]){ "version", "seed", "for", "processes", NULL });

	if (r < 0)
		return r;
	item = yaml_get(root, "version");
	if (!item || yaml_text(yaml, item, text, sizeof(text)) < 0 ||
		!text_eq(text, "carve-sim/load-v1"))
		return yaml_fail(yaml, item ?: root, "a load says 'version: carve-sim/load-v1'");
	if ((item = yaml_get(root, "seed")))
		r = yaml_u32(yaml, item, UINT32_MAX, &seed);
	if (r == 0)
		r = read_range(yaml, yaml_get(root, "for"), "for", parse_duration, &length);
	if (r == 0 && length.low != length.high)
		r = yaml_fail(yaml, yaml_get(root, "for"), "for: one time is wanted here");
	load->seed = seed;
	load->for_ns = length.low;
	processes = yaml_get(root, "processes");
	if (r == 0 && (!processes || !fy_node_is_sequence(processes)))
		r = yaml_fail(yaml, processes ?: root, "processes: a list is wanted");
	while (r == 0 && (item = fy_node_sequence_iterate(processes, &iterator))) {
		struct load_process *process = vec_add(&load->processes);

		r = read_process(yaml, item, process);
		if (r == 0 && process->repeat == UINT64_MAX && !load->for_ns)
			r = yaml_fail(yaml, yaml_get(item, "repeat"),
				"repeat: forever wants an end of the whole ('for: 60s' at the "
				"top)");
	}
	return r;
}

int load_parse(const char *file, const char *text, struct load *ret_load, struct error *err)
{
	struct load load = { 0 };
	struct yaml yaml;
	int r = yaml_open(&yaml, file, text, err);

	if (r == 0)
		r = read_load(&yaml, fy_document_root(yaml.document), &load);
	yaml_done(&yaml);
	if (r == 0)
		*ret_load = load;
	else
		load_done(&load);
	return r;
}

void load_done(struct load *load)
{
	for (size_t i = 0; i < load->processes.n; i++)
		vec_done(&load->processes.at[i].phases);
	vec_done(&load->processes);
}

/* ---- drawing ---- */

/* splitmix64, whose numbers are the same everywhere. */
static uint64_t draw(uint64_t *state, const struct load_range *range)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull), width = range->high - range->low + 1;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return range->low + (width ? z % width : z);
}

static int compare(const void *a, const void *b)
{
	const struct load_event *one = a, *other = b;

	if (one->at_ns != other->at_ns)
		return one->at_ns < other->at_ns ? -1 : 1;
	/* Whoever leaves makes room for whoever comes. */
	if ((one->deed == LOAD_STOP) != (other->deed == LOAD_STOP))
		return one->deed == LOAD_STOP ? -1 : 1;
	if (one->process != other->process)
		return one->process < other->process ? -1 : 1;
	return 0;
}

static void draw_process(const struct load *load, unsigned index, struct load_plan *plan)
{
	const struct load_process *process = &load->processes.at[index];
	uint64_t state = load->seed ^ ((index + 1) * 0xd1342543de82ef95ull);
	uint64_t at = draw(&state, &process->start_ns), end = load->for_ns ?: UINT64_MAX;

	for (uint64_t turn = 0; turn < process->repeat && at < end; turn++) {
		for (size_t i = 0; i < process->phases.n && at < end; i++) {
			const struct load_phase *phase = &process->phases.at[i];

			*vec_add(&plan->events) = (struct load_event){ .at_ns = at,
				.process = index,
				.deed = i ? LOAD_CHANGE : LOAD_START,
				.memory = draw(&state, &phase->memory),
				.busy = (unsigned)draw(&state, &phase->busy) };
			at += draw(&state, &phase->for_ns);
		}
		*vec_add(&plan->events) = (struct load_event){
			.at_ns = at < end ? at : end, .process = index, .deed = LOAD_STOP
		};
		if (plan->events.n > EVENTS_MOST)
			return;
	}
}

void load_draw(const struct load *load, struct load_plan *ret_plan)
{
	*ret_plan = (struct load_plan){ 0 };
	for (unsigned i = 0; i < load->processes.n; i++)
		draw_process(load, i, ret_plan);
	if (ret_plan->events.n)
		qsort(ret_plan->events.at, ret_plan->events.n, sizeof(struct load_event), compare);
}
